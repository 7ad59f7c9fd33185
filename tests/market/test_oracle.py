"""The model against a second implementation of its core, written from docs/ODD.md (tests/oracle)."""

import ast
import functools
import math
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import oracle
import pytest
from oracle import tokens

from abm.engine import Draws
from abm.market.phases.chips import trade_chips
from abm.market.phases.policy import adjust_policy
from abm.market.state import Accounts, Cloud, Exchange, Flows, Now, Values
from abm.runs.months import months_of
from abm.runs.setup import Setup

TINY = dict(vendors=2, closed_labs=4, open_labs=3, entrants=2, adopters=4, investors=5)  # every monetisation
MONTHS, SEED, PRECISION = 36, 3, 1e-9  # R1 is in month 24
LAB_DRAWS = {"research luck": "normal", "detection": "uniform", "ruling": "normal", "court": "uniform"}
LAB_DRAWS |= {"disclosure motive": "normal", "entry": "uniform"}
TIER_DRAWS = ("release", "price change")
COMPARED = ("labs", "adopters", "layers", "cloud", "accounts", "flows")

COURTS = dict(detection_rate=0.5, damages_multiple=0.5, ip_strength=0.8, access_cut_months=1.0, copying_rate=0.0)
COURTS |= dict(distillation_rate=10.0, spillover_rate=0.0, quality_taste=1.1)
POVERTY = dict(compliance_fixed=60.0, funding_rate=0.0, seed_funding=20.0, entry_rate=12.0, entry_cost_weight=0.1)
CORNERS = dict(
    usage_elasticity=1.0, payout_rate=0.001, demand_volatility=0.05, policy_uncertainty=0.0, copying_rate=0.0
)
CORNERS |= dict(claim_motive_sd=1e-7, price_change_hazard=0.2, ruling_spread=0.0)
WORLDS = {  # what each changes of the default run
    "baseline": dict(parameters=dict(price_change_hazard=0.1)),  # busier, so that a list price changes in these months
    "courts": dict(parameters=COURTS),
    "poverty": dict(parameters=POVERTY),
    "corners": dict(parameters=CORNERS),
    "flexible": dict(pricing="flexible", price_form="linear"),
    "nash": dict(pricing="nash"),
}


@functools.partial(jax.jit, static_argnames="conduct")
def before_research(market, values, events, draws, equations):
    """The market after policy and chips."""
    now = Now(values, events, draws.at(market.month), equations)
    return trade_chips(adjust_policy(market, now), now)


@jax.jit
def luck_of(market, draws):
    """The draws of section 4 of the ODD that the core uses, by name."""
    luck = draws.at(market.month)
    by_tier = {name: luck.uniform(name, market.labs, (2,)) for name in TIER_DRAWS}
    return {name: getattr(luck, kind)(name, market.labs) for name, kind in LAB_DRAWS.items()} | by_tier


@functools.cache
def months_of_model(name):
    """(world after policy and chips, world at the month's end, `now` in plain numbers) for every month."""
    setup = Setup.of(scenario="baseline", months=MONTHS, **TINY, **WORLDS[name])
    values, draws = Values({k: jax.numpy.asarray(v) for k, v in setup.values.items()}), Draws.from_seed(SEED)
    p = SimpleNamespace(**{k: np.asarray(v).tolist() for k, v in setup.values.items()})
    markets = [market for market, _ in months_of(setup, SEED)]
    months = []
    for at in range(MONTHS):
        events = SimpleNamespace(**{k: np.asarray(rows[at]).tolist() for k, rows in setup.timeline.items()})
        luck = {name: np.asarray(drawn).tolist() for name, drawn in luck_of(markets[at], draws).items()}
        now = SimpleNamespace(
            p=p, events=events, draws=luck, pricing=setup.equations.pricing, price_form=setup.equations.price_form
        )
        start = before_research(markets[at], values, setup.events(at), draws, setup.equations)
        months.append((plain(start, setup), plain(markets[at + 1], setup), now))
    return months


def plain(market, setup):
    """A market as lists and namespaces of plain numbers."""
    world = SimpleNamespace(
        labs=agents(market.labs),
        adopters=agents(market.adopters),
        vendors=agents(market.vendors),
        layers=agents(market.infrastructure),
        regulators=agents(market.regulators),
        peers=np.asarray(market.networks.peers).tolist(),
        month=int(market.month),
        **{
            name: SimpleNamespace(**{field: np.asarray(getattr(part, field)).tolist() for field in kind.names()})
            for name, kind, part in (
                ("cloud", Cloud, market.cloud),
                ("exchange", Exchange, market.exchange),
                ("accounts", Accounts, market.accounts),
                ("flows", Flows, market.flows),
            )
        },
    )
    for number, lab in enumerate(world.labs):
        lab.open = number >= setup.populations.closed_labs
    return world


def agents(group):
    """One namespace an agent."""
    columns = {name: np.asarray(getattr(group, name)).tolist() for name in group.populations[0].columns}
    return [SimpleNamespace(**{name: column[i] for name, column in columns.items()}) for i in range(group.size)]


def leaves(thing, path=()):
    """(path, number) of everything in a tree."""
    if isinstance(thing, SimpleNamespace):
        thing = vars(thing)
    if isinstance(thing, dict | list):
        for name, part in thing.items() if isinstance(thing, dict) else enumerate(thing):
            yield from leaves(part, (*path, str(name)))
    else:
        yield ".".join(path), thing


def differences(mine, models):
    """Where the two worlds differ by more than the precision: (path, oracle, model)."""
    found = []
    for part in COMPARED:
        own, other = dict(leaves(getattr(mine, part), (part,))), dict(leaves(getattr(models, part), (part,)))
        assert own.keys() == other.keys()
        found += [
            (path, own[path], other[path])
            for path in own
            if not math.isclose(own[path], other[path], rel_tol=PRECISION, abs_tol=1e-12)
        ]
    return found


@pytest.mark.parametrize("name", WORLDS)
def test_month_by_month(name):
    for start, end, now in months_of_model(name):
        assert not differences(oracle.month(start, now), end), start.month


@pytest.mark.parametrize("name", WORLDS)
def test_fed_forward(name):
    """The oracle's own state goes on for all months; only policy, chips and equities are given."""
    mine = None
    for start, end, now in months_of_model(name):
        mine = oracle.month(oracle.with_outside(mine, start) if mine else start, now)
        assert not differences(mine, end), start.month


def test_the_worlds_are_lively():
    """What the comparison covers: each of these happens in the months compared."""
    seen = dict.fromkeys(("entries", "exits", "detections", "suits_lost", "damages", "rescued"), 0)
    seen |= dict.fromkeys(("forced releases", "own releases", "list prices changed", "enjoined", "student", "fork"), 0)
    for name in WORLDS:
        for start, end, now in months_of_model(name):
            for part, names in ((end.accounts, list(seen)[:4]), (end.flows, ["damages", "rescued"])):
                for what in names:
                    seen[what] += abs(getattr(part, what))
            for number, (before, lab) in enumerate(zip(start.labs, end.labs, strict=True)):
                forced = now.events.release[number] > 0.5
                seen["forced releases"] += forced
                seen["own releases"] += lab.active and not forced and any(lab.released)
                seen["list prices changed"] += name == "baseline" and any(lab.revision)
                seen["enjoined"] += lab.active and before.active and lab.capability[1] < before.capability[1]
                seen["student"] += lab.exchanges > 0
                seen["fork"] += lab.active and not before.active
    assert all(seen.values()), seen


SLIGHTLY = 1 + 1e-6  # a coefficient off by this much is noticed; a threshold needs a push
CHANGED = {
    "research_returns": SLIGHTLY,
    "scarcity_induction": SLIGHTLY,
    "spillover_rate": SLIGHTLY,
    "copy_fidelity": SLIGHTLY,
    "distillation_rate": SLIGHTLY,
    "detection_rate": SLIGHTLY,
    "damages_multiple": SLIGHTLY,
    "claim_motive_sd": SLIGHTLY,
    "openness_response": SLIGHTLY,
    "tier_size_step": SLIGHTLY,
    "serving_retrofit": SLIGHTLY,
    "nest_correlation": SLIGHTLY,
    "network_effect": SLIGHTLY,
    "habit_rate": SLIGHTLY,
    "host_differentiation": SLIGHTLY,
    "rental_adjustment": SLIGHTLY,
    "subscription_capture": SLIGHTLY,
    "application_share": SLIGHTLY,
    "demand_volatility": SLIGHTLY,
    "lab_option_value": SLIGHTLY,
    "release_threshold": 0.5,
    "release_hazard": 0.5,
    "menu_cost_band": 0.5,
    "capability_slack": 0.5,
    "switching_cost": 3.0,
    "entry_rate": 1.5,
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_wrong_coefficient_is_noticed(name):
    def wrong(now):
        p = SimpleNamespace(**{**vars(now.p), name: getattr(now.p, name) * CHANGED[name]})
        return SimpleNamespace(**{**vars(now), "p": p})

    assert any(differences(oracle.month(start, wrong(now)), end) for start, end, now in months_of_model("baseline"))


def test_value_of_a_nat_two_ways():
    """The closed form of the ODD is the derivative of profit: it agrees with a complex step."""
    for _, world, now in months_of_model("baseline")[::6]:
        tastes = tokens.tastes_of(world, now.p)
        for number, lab in enumerate(world.labs):
            if lab.active:
                closed_form = tokens.marginal_value(world, now, tastes, number)
                by_step = tokens.marginal_value_by_complex_step(world, now, tastes, number)
                assert closed_form == pytest.approx(by_step, rel=PRECISION)


def test_imports_nothing_of_the_model():
    files = list(Path(oracle.__file__).parent.glob("*.py"))
    assert len(files) > 5
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                assert {str(name).split(".")[0] for name in names} <= {"oracle", "math", "cmath", "copy", "types"}, file
