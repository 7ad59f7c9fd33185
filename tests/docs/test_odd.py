"""The ODD, the notation and the agents' page agree with the code: tables are rebuilt and compared, equations use its names."""

import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

from abm.market.starting_values import STARTING_VALUES
from abm.parameters import Parameters

DOCS = Path(__file__).parents[2] / "docs"


def words(text):
    return set(text.split())


FUNCTIONS = words("ln exp sqrt min max clip pos tanh sinh asinh logistic logit log2 Phi softmax argmax whole if")
INDICES = words("l t q v j i f r k o G P Q h n")
SUMS = words("sum_i sum_j sum_jq sum_f sum_G sum_Q sum_q sum_r sum_t sum_v")
EXPLAINED = words(
    """open_closed_lag base_open frontier_1 frontier_serving input_claimed_cost input_release input_salience input_vigilance
    investment J L listed opening serving_home top top_open was will_be X_0 Y
    """
)
"""Quantities in equations that are explained in the text around them."""
PROSE = words(
    """a active all and are as assets at before below both bounds but China closed closing count day days each else elsewhere
    enterprises entries flagships for from generations go greatest hear higher home in inf investors is it its lab
    labs later layers least lies likewise list mean month months neighbours news none not number of offers on one
    oneself only open operators or other others otherwise over owners peers plus prices products programmes purchases
    question record releases same sale six slot slots somebody something stages States sum than that the their them
    then there those tier tiers times to together trust u unforced United US us vendors where whose with without x z
    """
)


@cache
def builder():
    spec = importlib.util.spec_from_file_location("build_odd", DOCS / "build_odd.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


@cache
def prose():
    """The ODD without the tables that are built from the code."""
    return re.sub(r"<!-- (\w+):begin -->.*?<!-- \1:end -->", "", page("ODD.md"), flags=re.DOTALL)


def equations():
    """Lines of the equations, without comments."""
    blocks = re.findall(r"^```\n(.*?)^```", prose(), flags=re.DOTALL | re.MULTILINE)
    return [line.split("#")[0] for block in blocks for line in block.splitlines()]


def fields():
    """(class, field, symbol) of every state variable of agents."""
    return [(name, n, f.symbol) for name, _, own in builder().agent_classes() for n, f in own.items()]


def attributes():
    """(record, attribute) of every state variable outside agents."""
    return [(name, n) for name in builder().RECORDS for n in builder().record(name)[0].names()]


def inputs():
    from abm.scenarios.timeline import Timeline

    return list(Timeline.__dataclass_fields__)


@pytest.mark.parametrize("name", ["ODD.md", "notation.md", "reference/agents.md"])
def test_tables_are_up_to_date(name):
    assert builder().written(name, page(name)) == page(name), "run python docs/build_odd.py"


def test_an_outdated_table_is_rebuilt():
    wrong = page("ODD.md").replace("| `habit_rate` | `rho_d` |", "| `habit_rate` | `rho_k` |")
    assert wrong != page("ODD.md")
    assert builder().written("ODD.md", wrong) == page("ODD.md")


def test_all_elements_and_design_concepts_are_present():
    elements = re.findall(r"^## (\d)\. (.*)$", page("ODD.md"), flags=re.MULTILINE)
    assert elements == list(
        zip(
            "1234567",
            (
                "Purpose and patterns",
                "Entities, state variables and scales",
                "Process overview and scheduling",
                "Design concepts",
                "Initialization",
                "Input data",
                "Submodels",
            ),
            strict=True,
        )
    )
    design = page("ODD.md").split("## 4. ")[1].split("## 5. ")[0]
    assert re.findall(r"^\*\*([A-Z][\w ]+)\.\*\*", design, flags=re.MULTILINE)[:11] == [
        "Basic principles", "Emergence", "Adaptation", "Objectives", "Learning", "Prediction", "Sensing",
        "Interaction", "Stochasticity", "Collectives", "Observation",
    ]  # fmt: skip


def test_schedule_and_draws_are_complete():
    """The schedule has nine phases and the observation; the table of draws lists every draw in the code."""
    schedule = builder().schedule()
    assert re.findall(r"^\| (\d)\. ", schedule, flags=re.MULTILINE) == list("123456789")
    sources = [p for p in (DOCS.parent / "abm").rglob("*.py") if not {"engine", "validation"} & set(p.parts)]
    drawn = set(re.findall(r'draws\.\w+\(\s*"([\w ]+)"', "".join(p.read_text(encoding="utf-8") for p in sources)))
    listed = set(re.findall(r"^\| ([\w ]+) \| (?:uniform|standard)", builder().draws(), flags=re.MULTILINE))
    assert drawn == listed
    assert listed >= {"release", "fit", "research luck", "detection", "entry", "attention", "price noise"}


def test_symbols_are_unique():
    declared = [row["symbol"] for row in Parameters.table()] + [symbol for _, _, symbol in fields()]
    declared = [symbol for symbol in declared if symbol]
    assert len(set(declared)) == len(declared)
    names = set(Parameters.names()) | {n for _, n, _ in fields()} | {n for _, n in attributes()} | set(inputs())
    assert not set(declared) & names


def test_notation_lists_all_declared_symbols():
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (parameter|state) \|", page("notation.md"), flags=re.MULTILINE)
    parameters = {(row["symbol"], row["name"], "parameter") for row in Parameters.table() if row["symbol"]}
    state = {(symbol, f"{kind}.{n}", "state") for kind, n, symbol in fields() if symbol}
    assert len(rows) == len(set(rows))
    assert set(rows) == parameters | state


def test_equations_use_existing_names():
    known = FUNCTIONS | INDICES | SUMS | EXPLAINED | PROSE | set(Parameters.names()) | set(inputs())
    known |= {row["symbol"] for row in Parameters.table()} | {n for _, n in attributes()}
    known |= set(STARTING_VALUES) | {n for _, n, _ in fields()} | {symbol for _, _, symbol in fields()}
    lines = equations()
    for line in lines:  # quantities defined on the page itself
        for named, argument in re.findall(r"(\w+)\*?(?:\[[^\]]*\]|\((\w+)\))?\s*(?:<-|=|:)(?!=)", line):
            known |= {named, argument}
    unknown = {}
    for line in lines:
        for word in re.findall(r"[A-Za-z_]\w*", re.sub(r'"[^"]*"|\b\d[\d.]*(?:e-?\d+)?\b', " ", line)):
            if word not in known:
                unknown.setdefault(word, line.strip())
    assert not unknown, (
        f"equations of docs/ODD.md use names that are neither in the code nor defined on the page: {unknown}"
    )


def test_everything_is_used_in_the_text():
    """The text names every parameter, state variable, input and draw."""
    text = prose()
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    missing = [row["name"] for row in Parameters.table() if not {row["name"], row["symbol"]} & words]
    missing += [f"{kind}.{n}" for kind, n, symbol in fields() if not {n, symbol} & words]
    missing += [f"{kind}.{n}" for kind, n in attributes() if n not in words]
    missing += [name for name in inputs() if name not in words]
    drawn = re.findall(r"^\| ([\w ]+) \| (?:uniform|standard)", builder().draws(), flags=re.MULTILINE)
    missing += [name for name in drawn if f'"{name}"' not in text and name != "home"]
    assert not missing, (
        f"write into an equation or the text of docs/ODD.md, section 7 (or 5 if set at the start): {missing}"
    )


def test_observables_are_explained():
    from abm.market.measures import MEASURES

    text = prose().split("### 7.10 ")[1] + prose().split("## 7. ")[1]
    families = (
        "lerner_",
        "price_at_k",
        "equity_",
        "belief_",
        "welfare_",
        "open_token",
        "open_revenue",
        "chip_",
        "leader_",
    )
    missing = [n for n in MEASURES if not n.startswith(families) and not re.search(rf"\b{n}\b", text)]
    assert not missing, f"say in docs/ODD.md, section 7.10, how it is computed: {missing}"
