"""Play a month of a small market while jaxtyping and beartype check every annotation of three rooms.

`python checked_shapes.py compiled` traces the month as ensembles compile it, and `others` does so under the other kinds of
equations; `interpreted` plays it rule by rule, on the numbers of NumPy that rules get there. A program of its own, since the
rooms have to be imported under the check.
"""

import functools
import inspect
import sys
from typing import get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
from beartype import BeartypeConf, beartype
from beartype.door import die_if_unbearable
from jaxtyping import Shaped, install_import_hook, jaxtyped

ROOMS = ("abm.engine", "abm.market", "abm.mechanisms")
AXES = {}
"""Length of each axis that has a letter. Only jurisdictions and questions, and tiers and pairs, are equally many."""
CONF = BeartypeConf(is_pep484_tower=True)  # an integer will do for a float


def bind_axes():
    """Within one signature jaxtyping compares lengths with each other; this compares them with those of the market, too."""
    for letter, length in AXES.items():
        assert isinstance(np.empty((length, 0)), Shaped[np.ndarray, f"{letter} 0"])


def checker(function):
    """What the import hook puts around every function."""
    checked = beartype(function, conf=CONF)

    @functools.wraps(checked)
    def call(*args, **kwargs):
        bind_axes()
        return checked(*args, **kwargs)

    return call if '"' in str(inspect.signature(function)) or "'" in str(inspect.signature(function)) else checked


def check_fields(kind):
    """Check the fields of a NamedTuple whenever one is created, except where JAX rebuilds one from the leaves of a tree."""
    make, hints = kind.__new__, get_type_hints(kind)

    def checked(cls, *args, **kwargs):
        made = make(cls, *args, **kwargs)
        if not inspect.currentframe().f_back.f_globals["__name__"].startswith("jax."):
            with jaxtyped("context"):
                bind_axes()
                for name, hint in hints.items():
                    die_if_unbearable(
                        getattr(made, name), hint, conf=CONF, exception_prefix=f"{kind.__name__}.{name}: "
                    )
        return made

    kind.__new__ = checked


with install_import_hook(ROOMS, "sys.modules['__main__'].checker"):
    from abm.engine import Draws, floats_of, interpreted, run_many, seed_words
    from abm.market.month import month
    from abm.market.start import HISTORY, LONGEST_LAG, first_market
    from abm.market.state import Equations, Values
    from abm.runs.setup import Setup
    from abm.support.axes import (
        DAYS,
        GENERATIONS,
        JURISDICTIONS,
        OFFERS,
        OPERATORS,
        PROGRAMMES,
        QUESTIONS,
        STAGES,
        TIERS,
    )

for name, module in list(sys.modules.items()):
    for kind in vars(module).values() if name.startswith(ROOMS) else ():
        if inspect.isclass(kind) and hasattr(kind, "_fields") and kind.__module__ == name:
            check_fields(kind)


def small_setup(**sizes):
    AXES.clear()  # of the setup before
    setup = Setup.of(scenario="article_bundle", months=30, **sizes)
    p, labs = setup.populations, len(setup.cast.labs)
    AXES.update(V=p.vendors, L=labs, q=labs * OFFERS, J=p.adopters, I=p.investors, A=p.vendors + labs + 3)
    AXES.update(K=len(OPERATORS) + PROGRAMMES + labs, P=PROGRAMMES, G=GENERATIONS)
    AXES.update(
        T=TIERS, O=OFFERS, D=DAYS, R=len(JURISDICTIONS), Q=len(QUESTIONS), stage=STAGES, delay=HISTORY, lag=LONGEST_LAG
    )
    return setup


def compiled(*kinds):
    """Trace the first market and a month, for several runs at once, under these kinds of equations."""
    setup = small_setup(vendors=5, closed_labs=3, open_labs=5, entrants=1, adopters=10, investors=13)
    seeds = np.stack([seed_words(seed) for seed in range(7)])

    def run(seed, p, events, equations):
        market = first_market(Values(p), seed, setup.populations, setup.networks, setup.cast)
        return month(market, Values(p), events, Draws.from_seed(seed), equations)[1].observables

    for equations in kinds:
        runs = jax.vmap(functools.partial(run, equations=equations), in_axes=(0, None, None), axis_name="runs")
        jax.make_jaxpr(runs)(seeds, setup.values, setup.events(24))
    assert run_many(lambda runs: runs * 2.0, np.arange(3.0), chunk=2)[2] == 4.0


def rule_by_rule():
    setup = small_setup(vendors=5, closed_labs=1, open_labs=2, entrants=0, adopters=2, investors=4)
    values = Values(jax.tree.map(jnp.asarray, setup.values))
    market = first_market(values, 1, setup.populations, setup.networks, setup.cast)
    events = jax.tree.map(jnp.asarray, setup.events(24))
    with interpreted():
        month(market, values, events, Draws.from_seed(1), setup.equations)


FLEXIBLE = Equations(pricing="flexible", short_sales=False)
WAYS = {
    "compiled": lambda: compiled(Equations()),
    "others": lambda: compiled(FLEXIBLE, Equations(pricing="nash")),
    "interpreted": rule_by_rule,
}
with floats_of(64):
    for way in sys.argv[1:]:
        WAYS[way]()
print("checked")
