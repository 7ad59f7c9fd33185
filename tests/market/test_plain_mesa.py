"""The compiled month against an independent plain Mesa version of it, written from docs/ODD.md (benchmarks/plain_mesa)."""

import ast
import itertools
import math
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.sizes import SMALL

from abm.agents.lab import NEVER, OPEN_CORE
from abm.market.measures import MEASURES
from abm.market.phases.common import is_open_lab
from abm.market.phases.exits import LINKS
from abm.market.phases.research import fees_of_parents
from abm.market.state import Equations, Values
from abm.mechanisms import imitation
from abm.mechanisms.imitation import MOST_TEACHERS
from abm.parameters import Parameters
from abm.runs.months import months_of
from abm.runs.setup import Setup
from abm.scenarios.scenario import Scenario
from benchmarks import plain_mesa
from benchmarks.plain_mesa import PlainMarket, check
from benchmarks.plain_mesa.headlines import HEADLINES
from benchmarks.plain_mesa.runner import batch
from benchmarks.plain_mesa.start import start_of, write

ROOT = Path(__file__).parents[2]
COURTS = dict(detection_rate=0.5, damages_multiple=0.5, ip_strength=0.8, access_cut_months=1.0, copying_rate=0.0)
COURTS |= dict(distillation_rate=10.0, spillover_rate=0.0, incident_loss=0.5, court_time=2.0)
FORKS = dict(copying_rate=12.0, fork_cost=0.02, licence_needed=0.0, openness_response=0.5)  # with rights reserved
RESERVED = FORKS | dict(ip_strength=0.95, openness_response=0.05, distillation_rate=2.0)
POVERTY = dict(compliance_fixed=60.0, funding_rate=0.0, seed_funding=20.0, entry_rate=12.0, entry_cost_weight=0.1)
CORNERS = dict(fit_inheritance=0.0, payout_rate=0.001, demand_volatility=0.05, policy_uncertainty=0.0)
CORNERS |= dict(copying_rate=0.0, claim_motive_sd=1e-7, certified_delay=0.0, habit_rate=1.0, ruling_spread=0.0)
REFUSING = dict(lenders_cover=1.35, programme_patience=3.0, connection_rate=0.05, export_leakage=0.1)
IDLE = dict(power_price_start=5e-3, chip_generation_gap=3.0)
EVERY_THIRD = tuple(range(0, 36, 3))
PROGRAMMES = dict(kind="capex_programme", amount=50_000.0, months=12, phases=4, own_power=0.5, offtake=0.9)
EARLY = (  # from two years before the baseline's: one programme for customers, one for the market; then a ban
    Scenario.load("baseline")
    .with_event(month=2, day=10, **PROGRAMMES)
    .with_event(month=3, day=3, **PROGRAMMES | dict(own_power=0.0, offtake=0.0))
    .with_event(kind="export_control", month=10, destination="china", availability=0.2)
)
CUT_OFF = dict(detection_rate=0.5, access_cut_months=3.0, ip_strength=0.3, distillation_rate=10.0, copying_rate=2.0)
CASES = {  # months that are played again, and what differs from the default run; teachers from month 6, R1 in 24
    "default": dict(months=(0, 24, 30)),
    "prices change often": dict(months=EVERY_THIRD, parameters=dict(menu_cost=0.01)),
    "nobody subscribes": dict(months=(0, 1, 9, 26), parameters=dict(closed_monetisation=0.0)),
    "hosts are preferred": dict(months=EVERY_THIRD, parameters=dict(certified_margin=0.1, trust_in_open=0.05)),
    "courts": dict(months=EVERY_THIRD, parameters=COURTS, seed=3),
    "teachers and parents": dict(months=EVERY_THIRD, parameters=FORKS),
    "many teachers": dict(months=(6, 8, 9, 14, 22, 24), closed_labs=9, parameters=CUT_OFF),
    "few may learn from whom": dict(months=(6, 8, 11, 24), access_network="random"),
    "faithful copies": dict(months=(0, 6, 13, 26), scenario="perfect_copy"),
    "copies beside complements": dict(
        months=(0, 6, 9, 13), parameters=dict(perfect_copies=1.0, complement_benefit=0.5)
    ),
    "exit and entry": dict(months=(1, 3, 4, 7, 10, 11, 12, 13, 14, 17, 20, 25), parameters=POVERTY, seed=4),
    "corners": dict(months=EVERY_THIRD, parameters=CORNERS),
    "programmes": dict(months=(2, 3, 4, 5, 8, 11, 14, 18), scenario=EARLY, parameters=REFUSING, seed=3),
    "machines stand idle": dict(months=(0, 3, 12, 28), parameters=IDLE),
    "tokens want all machines": dict(months=(0, 9, 15, 21), parameters=dict(task_volume=1e12), seed=4),
    "rights reserved": dict(months=EVERY_THIRD, parameters=RESERVED, seed=2),
    "courts and copies": dict(months=tuple(range(8, 24)), parameters=COURTS | dict(copying_rate=6.0), seed=2),
    "closed labs with open cores": dict(
        months=(0, 6, 13, 26), parameters=dict(closed_monetisation=4.0, open_core_fee=0.5)
    ),
    "growth that ends": dict(months=(4, 9, 14, 26), parameters=dict(growth_learning=1.0, growth_fading=3.0)),
}


@pytest.fixture(scope="module")
def setup():
    return Setup.of(months=3, **SMALL)


@pytest.fixture(scope="module")
def first(setup):
    return next(months_of(setup, 1))[0]


@pytest.mark.parametrize("case", CASES)
def test_a_month_is_equal(case):
    found = check.differences(**CASES[case], **SMALL)
    assert len(found) > 150
    apart = {name: size for name, size in found.items() if not size < 1e-9}
    assert not apart, (
        f"benchmarks/plain_mesa computes these otherwise (its files: docs/how-to/change_a_rule.md): {apart}"
    )


def test_fed_forward():
    """The plain model's own state goes on, past the shock and the first places of programmes; only draws are given."""
    setup = Setup.of(months=30, **SMALL)  # later, the search for Nash prices makes more of rounding
    markets = months_of(setup, 1)
    market, _ = next(markets)
    plain = PlainMarket.from_market(market, setup.values, setup.timeline, rng=0)
    while plain.running:
        plain.draws = check.draws_of(market, 1)
        plain.step()
        market, report = next(markets)
    assert plain.month == 30
    assert max(check.apart(plain, market, report).values()) < 1e-8


def test_the_cases_are_lively():
    """What the comparison covers: each of these happens in the months compared."""
    seen = dict.fromkeys(
        ("entries", "exits", "detections", "suits_lost", "release_surprise", "released", "revision"), 0.0
    )
    seen |= dict.fromkeys(("incidents", "rent_life", "fees", "advertising", "hosts_margin", "free_tokens"), 0.0)
    seen |= dict.fromkeys(
        ("certified", "nash", "exchanges", "damages", "rescued", "dividends", "attentive", "claims"), 0.0
    )
    seen |= dict.fromkeys(("raised", "refused", "cancelled", "displaced", "smuggling", "waiting", "machines"), 0.0)
    seen |= dict.fromkeys(("royalties", "vigilance", "hidden", "access_cut", "taught_sales", "awards_seen"), 0.0)
    inherited = idle = choked = 0.0
    links: dict[str, float] = {}
    for case in CASES.values():
        options = {name: value for name, value in case.items() if name not in ("months", "seed")}
        setup = Setup.of(**options, months=max(case["months"]) + 1, **SMALL)
        parts = "accounts", "labs", "adopters", "flows", "investors", "exchange", "operators", "programmes", "compute"
        before = None
        for market, report in months_of(setup, case.get("seed", 1)):
            if before is not None and int(before.month) in case["months"]:
                for part in (getattr(market, name) for name in parts):
                    for name in seen:
                        seen[name] += float(np.abs(getattr(part, name, 0.0)).sum())
                left = before.labs.active & ~market.labs.active
                inherited += float(before.labs.machines[left].sum())
                for name, times in links_of(before, market, setup.values).items():
                    links[name] = links.get(name, 0) + times
                idle += float(report.observables["compute_utilisation"] < 0.9)
                choked += float(market.labs.training_bill.sum() < 0.9 * before.labs.training_budget.sum())
            before = market
    assert all(seen.values()), seen
    assert inherited and idle and choked, (inherited, idle, choked)
    assert links and all(links.values()), links


def links_of(before, market, values):
    """How often labs do in a month what only links between several labs allow."""
    was, labs = before.labs, market.labs
    exchanges, both = np.asarray(labs.exchanges), np.asarray(was.active & labs.active)
    quota = values["exchange_limit"] * np.exp(-np.asarray(was.vigilance)).T
    others = np.asarray(labs.lineage) * ~np.eye(labs.size, dtype=bool)
    parents = np.asarray(was.copied_from), np.asarray(labs.copied_from)
    copied, distilled = np.asarray(labs.copied), np.asarray(labs.distilled)
    own = np.asarray(labs.efficiency) + np.log(np.maximum(labs.run_compute, 1e-9) / values["reference_compute"])
    base = np.maximum(own, labs.own_best)
    taught = np.asarray(labs.released[:, 0] & ~labs.from_own_run & (labs.distilled_share > 0))
    ceiling = np.log(values["distillation_ceiling"]) + np.asarray(before.accounts.capability_history[0])
    teaches = np.asarray(was.active & ~is_open_lab(was)) & ~np.eye(labs.size, dtype=bool)
    behind = teaches & (ceiling > np.maximum(np.maximum(own, copied), distilled)[:, None])
    asks, cut = (exchanges > 0).any(1), np.asarray(was.access_cut > 0)
    left = np.asarray(was.active & ~labs.active)
    linked = sum(left[getattr(was, name)] & (getattr(was, name) >= 0) for name in LINKS)
    return {
        "several teachers": ((exchanges > 0).sum(1) > 1).sum(),
        "more teachers than it can ask": (asks & (behind.sum(1) > MOST_TEACHERS)).sum(),
        "cut off by a teacher": (asks & (behind & cut).any(1)).sum(),
        "better once than by its run": (taught & (labs.own_best > own)).sum(),
        "built on and taught": (taught & (labs.copied_from >= 0) & (copied > base) & (distilled > copied)).sum(),
        "linked to a leaver": (both & (linked > 0)).sum(),
        "descended from a leaver": (was.lineage[both][:, left] > 0.01).sum(),
        "entered as its fork": (labs.active & ~was.active & (parents[1] < 0)).sum(),
        "quota": ((exchanges > 0) & (was.vigilance.T > 0) & np.isclose(exchanges, quota)).sum(),
        "shown in part": ((exchanges > 0) & (was.hidden.T > 0)).sum(),
        "another parent": (both & (parents[0] >= 0) & (parents[0] != parents[1])).sum(),
        "several owners": ((labs.royalty > 0) & ((others > 0.01).sum(1) > 1)).sum(),
        "matched": (labs.matched == 0).sum(),
    } | rents_of(before, market, values)


def rents_of(before, market, values):
    """How often royalties, courts, and what labs have seen matter in a month for what they do."""
    was, labs, p = before.labs, market.labs, Values(values)
    is_open, both = np.asarray(is_open_lab(was)), np.asarray(was.active & labs.active)
    present = np.arange(was.size) == np.asarray(was.copied_from)[:, None]
    forkable = was.active & is_open & (was.licence > p.licence_needed) & before.networks.access[1]
    weights = jnp.where(forkable & ~jnp.eye(was.size, dtype=bool), was.capability[:, 0], NEVER)
    gap = imitation.gaps_to_parents(weights, jnp.maximum(was.copied, was.untaught)[:, None], present, p)
    fee = fees_of_parents(before, p)
    pay = was.nat_value[:, None], fee, was.royalty[:, None], was.revenue[:, None]
    worth = np.where(gap > 0, imitation.value_of_parents(gap, *pay), 0.0)
    best = worth.argmax(1)
    asked = np.take_along_axis(np.asarray(fee), best[:, None], 1)[:, 0] > 0
    same = ~np.asarray(labs.released).any(1) & both & np.asarray(was.rent_share > 0)
    fell = np.asarray((market.accounts.incidents > 0) & (was.distilled_share > 0) & ~labs.released[:, 0])
    earns = np.asarray(labs.active & (labs.marginal_value > 0))
    built, parents_cost = was.copied_from >= 0, was.base_cost[was.copied_from]
    hides = np.asarray(labs.hidden > 0) & np.asarray(labs.vigilance > 0)
    return {
        "a parent that asks royalties": (was.active & (worth.max(1) > 0) & asked).sum(),
        "asks more than it brings": ((worth < 0) & np.asarray(was.active)[:, None]).sum(),
        "royalties on sales of closed labs": (labs.active & ~is_open & (labs.royalty > 0) & (labs.revenue > 0)).sum(),
        "asks while a case is pending": (both & (was.case_left > 0) & (labs.exchanges > 0).any(1)).sum(),
        "fell back on a copy": (fell & (labs.source >= 0) & (labs.source == labs.copied_from)).sum(),
        "fell back on its own": (fell & (labs.source < 0)).sum(),
        "limited beside what is hidden": hides.sum(),
        "of a parent": (earns & is_open & labs.of_parent).sum(),
        "open core": (earns & is_open & (labs.monetisation == OPEN_CORE)).sum(),
        "rents while ahead": (same & (was.matched < 0)).sum(),
        "rents once matched": (same & (was.matched >= 0)).sum(),
        "a shrinking market": (market.accounts.market_growth < 0) * 1,
        "rests on a parent's run": (both & labs.released[:, 0] & built & (labs.base_cost == parents_cost)).sum(),
    }


CHANGED = ("policy_response", "export_leakage", "chip_learning_rate", "capex_belief", "capacity_depreciation")
CHANGED += ("spillover_rate", "copy_fidelity", "openness_response", "host_differentiation")
CHANGED += ("open_core_fee", "lab_option_multiple", "lab_option_slope", "substitution", "usefulness_width", "free_use")
CHANGED += ("demand_per_mispricing", "inventory_aversion", "noise_correlation", "multiple_labs", "anchoring")
CHANGED += ("claim_precision", "orders_to_intensity", "reference_adjustment", "risk_premium", "strategy_scale")
CHANGED += ("fit_spread", "fit_persistence", "trust_rate", "trust_ceiling", "certified_margin", "overtraining_loss")
CHANGED += ("adoption_innovation", "adoption_imitation", "complement_benefit", "token_cost_start")
CHANGED += ("research_returns", "scarcity_induction", "distillation_rate", "damages_multiple", "tier_size_step")
CHANGED += ("machine_wear", "capital_cost", "place_cost", "place_life", "build_time")
CHANGED += (
    "machine_power",
    "power_saving",
    "power_elasticity",
    "elasticity_learning",
    "growth_learning",
    "capacity_lead",
)
CHANGED += ("boom_persistence", "boom_volatility", "workload_slowdown", "training_months", "own_site_time")
CHANGED += ("leakage_premium", "scarcity_diversion", "connection_rate", "chip_demand_elasticity", "power_price_start")
CHANGED += ("serving_retrofit", "habit_rate", "application_share", "demand_volatility")
CHANGED += ("copying_rate", "exchange_scale", "exchange_limit", "tokens_per_exchange", "distillation_ceiling")
CHANGED += ("court_time", "lead_forgetting", "growth_fading", "ruling_learning", "ruling_spread", "vigilance_cost")
CHANGED += ("hiding_cost", "hurry_loss", "research_luck", "luck_persistence", "access_cut_months", "vigilance_maximum")
"""Parameters that the check is known to notice: wrong by 1e-5 of themselves, or by 1e-5 if they are 0.

`detection_rate` is a chance and nothing else: what changes by so little is not who is detected.
"""

OTHER_CONDUCT = {"price_adjustment"}
"""Parameters of conduct that the plain model refuses: flexible prices."""


def test_a_wrong_coefficient_is_noticed():
    months = (24, 26, 28, 31)  # in one of them no limit or threshold hides a parameter
    setup, seed, missed = Setup.of(scenario=EARLY, months=max(months) + 1, **SMALL), 2, [*CHANGED]
    for (before, _), (market, report) in itertools.pairwise(months_of(setup, seed)):
        if int(before.month) not in months:
            continue
        draws = check.draws_of(before, seed)

        def noticed(name=None, before=before, market=market, report=report, draws=draws):
            """Whether the plain model differs from the compiled one when it has a parameter slightly wrong."""
            value = setup.values.get(name, 0.0)
            wrong = {name: np.where(value == 0, 1e-5, value * (1 + 1e-5))} if name else {}
            plain = PlainMarket.from_market(before, setup.values | wrong, setup.timeline, draws=draws, rng=0)
            plain.step()
            return max(check.apart(plain, market, report).values()) > 1e-9

        assert not noticed()
        missed = [name for name in missed if not noticed(name)]
    assert not missed, f"no number of the months {months} in benchmarks/plain_mesa depends on {missed}"


def test_every_parameter_of_the_month_is_in_the_plain_model():
    """A rule that a parameter switches off by default would pass every comparison unless the plain model had it."""

    def read_in(*folders):
        text = "".join(file.read_text(encoding="utf-8") for folder in folders for file in (ROOT / folder).glob("*.py"))
        return {name for name in Parameters.names() if re.search(rf"\b{name}\b", text)}

    missing = read_in("abm/agents", "abm/market/phases", "abm/mechanisms") - read_in("benchmarks/plain_mesa")
    assert missing - OTHER_CONDUCT == set(), "benchmarks/plain_mesa lacks the rule; then add a case with it on to CASES"
    assert missing == OTHER_CONDUCT


def test_runs_through_mesas_runner(setup, first, tmp_path):
    write(start_of(first, setup.values, setup.timeline), tmp_path / "start.json")
    runs = batch(str(tmp_path / "start.json"), 2, [1, 2])
    assert [row["rng"] for row in runs] == [1, 1, 2, 2] and runs[0]["Step"] < runs[1]["Step"]
    defined = [name for name in HEADLINES if not MEASURES[name].undefined]
    assert all(math.isfinite(row[name]) for row in runs for name in defined)
    assert runs[1]["equity_leader"] != runs[3]["equity_leader"]


def test_other_equations_are_refused(setup, first):
    with pytest.raises(ValueError) as error:
        PlainMarket.from_market(first, setup.values, setup.timeline, Equations("nash"))
    assert "posted prices" in str(error.value)
    with pytest.raises(ValueError) as error:
        PlainMarket.from_market(first, setup.values | {"short_sale_constraint": np.array(1.0)}, setup.timeline)
    assert "short sales" in str(error.value)
    with pytest.raises(ValueError) as error:
        PlainMarket.from_market(first, setup.values, setup.timeline, months=4)
    assert "months = 4" in str(error.value)


def test_needs_nothing_of_the_model():
    """Only the check knows the compiled model; what is timed has no JAX in it."""
    for file in Path(plain_mesa.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom) and file.name != "check.py":
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                assert not {str(name).split(".")[0] for name in names} & {"abm", "jax"}, file
    assert jax.config.jax_enable_x64  # the check leaves the precision as it was
