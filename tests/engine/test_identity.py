"""Identity of rules: everything that affects a rule's behaviour changes its digest, and nothing else does."""

import functools
import importlib.util
import subprocess
import sys
import textwrap
import types
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from abm.agents import ClosedLab
from abm.engine import Field, identity_of, is_library


def module(text, name="rules_of_a_user", **given):
    """Create a user's module from its source."""
    created = types.ModuleType(name)
    vars(created).update(given)
    exec(compile(textwrap.dedent(text), f"/nowhere/{name}.py", "exec"), vars(created))
    return created


HEAD = "import functools\nimport jax\nimport jax.numpy as jnp\nimport numpy as np\nfrom abm.agents import ClosedLab\n"
"""First lines of the modules below."""
PLAIN = "class Lab(ClosedLab):\n    def wanted_price(self, p, offer):\n        return {} * self.token_cost\n"


def digest(text, **given):
    identity = identity_of(module(HEAD + text, **given).Lab)
    assert identity.unknown == ()
    return identity.digest


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.format("§"),
        "F = §\n" + PLAIN.format("F"),
        "T = np.array([§, 2])\n" + PLAIN.format("T[0]"),
        "T = jnp.array([§, 2])\n" + PLAIN.format("T[0]"),
        "T = {'a': [§]}\n" + PLAIN.format("T['a'][0]"),
        "T = {'a', 'b§'}\n" + PLAIN.format("len(T)"),
        "def f():\n    return §\n" + PLAIN.format("f()"),
        "G = §\ndef g():\n    return G\ndef f():\n    return g()\n" + PLAIN.format("f()"),
        "f = lambda x=§: x\n" + PLAIN.format("f()"),
        "f = lambda *, x=§: x\n" + PLAIN.format("f()"),
        "def make(k):\n    return lambda: k\nf = make(§)\n" + PLAIN.format("f()"),
        "f = functools.partial(max, §)\n" + PLAIN.format("f(0)"),
        "@jax.jit\ndef f(x):\n    return § * x\n" + PLAIN.format("f(1.0)"),
        "class S:\n    def __init__(self, k):\n        self.k = k\ns = S(§)\n" + PLAIN.format("s.k"),
        "class S:\n    __slots__ = ('k',)\ns = S()\ns.k = §\n" + PLAIN.format("s.k"),
        "class S:\n    def f(self):\n        return §\ns = S()\n" + PLAIN.format("s.f()"),
        PLAIN.format("self.k") + "    k = §\n",
        PLAIN.format("self.k()") + "    @staticmethod\n    def k():\n        return §\n",
        PLAIN.format("self.k") + "    @property\n    def k(self):\n        return §\n",
        "from abm.engine import Field\n" + PLAIN.format("self.k") + "    k = Field(§)\n",
        PLAIN.format("§").replace("Lab(", "Base(") + "class Lab(Base):\n    pass\n",
        PLAIN.format("(lambda x: x + §)(2)"),
        PLAIN.format("(1.0 if 'a' in {'a', 'b§'} else 0)"),
    ],
)
def test_everything_that_affects_a_rule_is_in_its_digest(text):
    first, second = (digest(text.replace("§", number)) for number in ("1", "2"))
    assert first == digest(text.replace("§", "1"))
    assert first != second


def test_the_digest_depends_on_the_library_functions_that_a_rule_calls():
    calls = ("jnp.exp(0.1)", "jnp.log(0.1)", "np.float64(0.1)", "np.float32(0.1)")
    assert len({digest(PLAIN.format(call)) for call in calls}) == len(calls)
    imported = [digest(f"from jax.numpy import {name} as f\n" + PLAIN.format("f(2)")) for name in ("exp", "log")]
    assert imported[0] != imported[1]


RATE = "class Rate(float):\n    pass\nR = Rate({})\n"
WRAPPED = """
def scaled(rule):
    @functools.wraps(rule)
    def wrapper(self, p, offer):
        return {} * self.token_cost
    return wrapper

class Lab(ClosedLab):
    wanted_price = scaled(ClosedLab.wanted_price)
"""
MADE = """
import types

def fill(space):
    def wanted_price(self, p, offer):
        return {} * self.token_cost
    space["wanted_price"] = wanted_price

Lab = types.new_class("Lab", (ClosedLab,), None, fill)
"""
HOLDERS = {
    "a namespace": "import types\ndef h():\n    return {}\nM = types.SimpleNamespace(h=h)\n",
    "a deque": "import collections\ndef h():\n    return {}\nM = collections.deque([h])\n",
    "a default": "import collections\nM = collections.defaultdict(lambda: {})\n",
    "a series": "import pandas as pd\nM = pd.Series([{}, 2.5], name='m', index=['p', 'q'])\n",
    "a mask": "M = np.ma.array([1.0, 2.0], mask=[{} > 2, 0])\n",
    "names of columns": "M = np.zeros(2, [('a' if {} > 2 else 'b', float)])\n",
    "a hidden slot": "class S:\n    __slots__ = ('__k',)\n    def __init__(self, k):\n        self.__k = k\nM = S({})\n",
    "a table with attributes": "class T(dict):\n    __getattr__ = dict.__getitem__\nM = T(k={})\n",
    "a dispatcher": "@functools.singledispatch\ndef M(x):\n    return {}\n",
    "a vectorised function": "M = np.vectorize(lambda x: {} * x)\n",
    "a cached property": "class S:\n    @functools.cached_property\n    def k(self):\n        return {}\nM = S()\n",
    "a wrapper of a library's": "@functools.wraps(jnp.exp)\ndef M(x):\n    return {} * x\n",
    "a random key": "M = jax.random.key(int({} * 10))\n",
}


@pytest.mark.parametrize(
    "text", [RATE + PLAIN.format("R"), WRAPPED, MADE, *(h + PLAIN.format("M") for h in HOLDERS.values())]
)
def test_objects_that_only_look_like_a_librarys_are_in_the_digest(text):
    first, second = (text.replace("{}", number) for number in ("1.2", "2.5"))
    assert digest(first) == digest(first)
    assert digest(first) != digest(second)


def test_arguments_of_a_function_created_by_a_library_are_in_the_digest():
    text = "f = jax.vmap(jnp.interp, in_axes={})\n" + PLAIN.replace("{}", "f")
    assert digest(text.format("(0, None, None)")) != digest(text.format("(None, 0, None)"))


@pytest.mark.parametrize(
    "text",
    [
        "class Lab(ClosedLab):\n    def first(self):\n        return pkg.A\n    def second(self):\n        return pkg.K\n",
        "class Lab(ClosedLab):\n    own = pkg\n    def rule(self):\n        return self.own.K\n",
        "class Lab(ClosedLab):\n    def rule(self, p):\n        return getattr(pkg, p.name)\n",
        "import operator\nget = operator.attrgetter('K')\nclass Lab(ClosedLab):\n    def rule(self):\n        return get(pkg)\n",
        "def g(m):\n    return m.K\nclass Lab(ClosedLab):\n    def rule(self):\n        return g(pkg)\n",
    ],
)
def test_module_attributes_that_any_reached_code_may_read_are_in_the_digest(text):
    pkg = module("A = 1\nK = 1.2\n", "pkg")
    before = digest(text, pkg=pkg)
    pkg.K = 2.5
    assert digest(text, pkg=pkg) != before


def test_objects_with_circular_references_are_visited_once():
    text = "class O:\n    pass\nM = [O() for _ in range(60)]\nfor o in M:\n    o.all = M\n" + PLAIN.format("len(M)")
    assert digest(text) == digest(text)


@pytest.mark.parametrize(
    "text",
    [
        "M = []\nfor _ in range(3_000):\n    M = [M]\n",
        "M = jnp.ones(3)\nM.delete()\n",
        "class S:\n    def __getattribute__(self, name):\n        raise RuntimeError(name)\nM = S()\n",
    ],
)
def test_objects_that_cannot_be_inspected_are_listed_without_an_error(text):
    assert identity_of(module(HEAD + text + PLAIN.format("M")).Lab).unknown


def test_a_class_with_the_name_of_a_built_in_class_is_not_built_in():
    from abm.runs.own_code import is_built_in

    class Mine(ClosedLab):
        pass

    functools.update_wrapper(Mine, ClosedLab, updated=())
    assert not is_built_in(Mine)
    assert is_built_in(ClosedLab)


@pytest.mark.parametrize(
    "same",
    [
        "# a remark\n\n\n" + PLAIN.format("1.2"),
        PLAIN.format("1.2").replace("        return", "        '''A docstring.'''\n        return"),
        "UNUSED = 3\n" + PLAIN.format("1.2"),
        "import os, time, random\n" + PLAIN.format("1.2"),
        PLAIN.format("1.2").replace("(self, p, offer)", "(self, p: float, offer: object) -> float"),
    ],
)
def test_changes_without_effect_are_not_in_the_digest(same):
    assert digest(same) == digest(PLAIN.format("1.2"))


def test_only_module_attributes_that_are_read_are_in_the_digest():
    text = "import numpy as np\n" + PLAIN.format("helpers.f()")
    helpers = [
        module(f"K = {k}\nOTHER = {other}\ndef f():\n    return K\n", "helpers")
        for k, other in ((1, 1), (2, 1), (1, 2))
    ]
    digests = [digest(text, helpers=helper) for helper in helpers]
    assert digests[0] != digests[1]
    assert digests[0] == digests[2]
    helpers[0].K = 2
    assert digest(text, helpers=helpers[0]) == digests[1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import time\n" + PLAIN.format("time.time()"), "uses time"),
        ("import random\n" + PLAIN.format("random.random()"), "uses random"),
        ("from random import random\n" + PLAIN.format("random()"), "uses random"),
        (PLAIN.format("np.random.normal()"), "uses numpy.random"),
        ("r = np.random.default_rng(1)\n" + PLAIN.format("r.normal()"), "uses numpy.random"),
        ("import os\n" + PLAIN.format("float(os.environ['K'])"), "uses environ"),
        ("from os import environ\n" + PLAIN.format("float(environ['K'])"), "uses os"),
        (PLAIN.format("float(open('k').read())"), "uses open"),
        (PLAIN.format("eval('K')"), "uses eval"),
        (PLAIN.format("np.loadtxt('k')"), "uses loadtxt"),
        ("import datetime\n" + PLAIN.format("datetime.date.today().year"), "uses today"),
        ("import sys\n" + PLAIN.format("sys.modules[__name__].K"), "uses modules"),
        ("import scipy.stats as st\n" + PLAIN.format("st.norm.rvs()"), "uses rvs"),
        ("t = (n for n in (1, 2))\n" + PLAIN.format("next(t)"), "holds a builtins.generator"),
    ],
)
def test_inputs_that_are_invisible_in_the_code_are_listed(text, reason):
    unknown = identity_of(module(HEAD + text).Lab).unknown
    assert any(reason in entry for entry in unknown), unknown
    assert any("Lab.wanted_price" in entry for entry in unknown)


@dataclass
class Plan:
    """An object that contains itself, a table and arrays."""

    rate: float
    table: pd.DataFrame
    own: list = field(default_factory=list)


def test_the_contents_of_objects_are_in_the_digest():
    def plan(rate, cell):
        created = Plan(rate, pd.DataFrame({"a": [1.0, cell]}))
        created.own.append(created)
        return identity_of(created)

    assert plan(1.0, 2.0) == plan(1.0, 2.0)
    assert len({plan(1.0, 2.0), plan(1.1, 2.0), plan(1.0, 2.1)}) == 3
    assert plan(1.0, 2.0).unknown == ()


def test_overriding_a_cached_property_changes_the_digest_and_reading_it_does_not():
    user = module(HEAD + HOLDERS["a cached property"].format("1.2") + PLAIN.format("M.k"))
    before = identity_of(user.Lab)
    assert user.M.k == 1.2
    assert identity_of(user.Lab) == before
    user.M.k = 2.5
    assert identity_of(user.Lab) != before


def test_changing_a_class_in_place_changes_its_digest():
    class Lab(ClosedLab):
        markup = 1.2
        boldness = Field(1.0)

    before = identity_of(Lab)
    Lab.markup = 2.5
    assert identity_of(Lab) != before
    Lab.markup = 1.2
    assert identity_of(Lab) == before
    Lab.wanted_price = lambda self, p, offer: self.token_cost
    assert identity_of(Lab) != before


def test_a_compiled_helper_is_retraced_when_a_global_changes():
    user = module(HEAD + "K = 1.0\n@jax.jit\ndef f(x):\n    return K * x\n" + PLAIN.format("f(1.0)"))
    first = identity_of(user.Lab)
    assert user.f(1.0) == 1
    user.K = 2.0
    assert identity_of(user.Lab) != first
    assert user.f(1.0) == 2


def test_digests_are_the_same_in_another_process(tmp_path):
    text = HEAD + "T = {'a', 'b', 'c', 'd'}\nA = np.arange(3.0)\n" + PLAIN.format("len(T) * A[1]")
    path = tmp_path / "labs_of_mine.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("labs_of_mine", path)
    here = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(here)
    script = "import labs_of_mine, abm.engine; print(abm.engine.identity_of(labs_of_mine.Lab).digest)"
    there = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONHASHSEED": str(n), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for n in (1, 2)
    }  # fmt: skip
    assert there == {identity_of(here.Lab).digest}


def test_library_code_is_identified_by_name():
    assert identity_of(jnp.exp, np.exp, functools.reduce, jax.nn.relu).unknown == ()
    assert identity_of(ClosedLab).digest == identity_of(ClosedLab).digest


def test_a_module_inside_a_compiled_one_belongs_to_its_library():
    """It has no file of its own; otherwise a class from there looks like one that a user put into the package."""
    from jaxtyping import PyTreeDef

    assert is_library(PyTreeDef.__module__)
    assert not is_library("__main__")
