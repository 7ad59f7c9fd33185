"""Branches of a model: the user's parameters stay, those of the old scenario are dropped."""

import numpy as np
import pytest
from helpers.sizes import TINY

from abm import MarketModel, Parameters, Scenario, ensembles
from abm.parameters import merged
from abm.runs.setup import Setup
from abm.runs.simulate import Setting

BUNDLE = 0.0
"""guarantee_share of the scenario article_bundle."""
USUAL = Parameters().guarantee_share


def model(**given):
    return MarketModel(rng=3, months=4, **TINY, **given)


def share(branch):
    return float(branch._values.guarantee_share)


def test_the_parameters_of_the_old_scenario_are_dropped_with_it():
    bundle = model(scenario="article_bundle")
    assert share(bundle) == BUNDLE
    back = bundle.branch(scenario="baseline")
    assert share(back) == back.setup.parameters.guarantee_share == USUAL
    assert share(bundle.branch()) == BUNDLE, "the scenario stays if no other is given"
    assert share(model().branch(scenario="article_bundle")) == BUNDLE
    assert share(model().branch(scenario="article_bundle").branch(scenario="baseline")) == USUAL


def test_the_parameters_of_the_user_stay():
    mine = model(parameters=Parameters(guarantee_share=0.7, habit_rate=0.5), scenario="article_bundle")
    assert share(mine) == 0.7
    back = mine.branch({"habit_rate": 0.6}, scenario="baseline")
    assert share(back) == 0.7
    assert back.setup.parameters.habit_rate == 0.6
    again = back.branch(Parameters(guarantee_share=0.2)).branch(scenario="article_bundle").branch(scenario="no_r1")
    assert (share(again), again.setup.parameters.habit_rate) == (0.2, 0.6)
    assert again.setup.given == {"guarantee_share": 0.2, "habit_rate": 0.6}


def test_a_branch_keeps_months_sizes_and_pricing_and_updates_the_equations():
    original = model(pricing="flexible")
    constrained = original.branch({"short_sale_constraint": 1.0}, "article_bundle")
    assert (constrained.setup.months, constrained.setup.populations) == (
        original.setup.months,
        original.setup.populations,
    )
    assert constrained.setup.equations == ("flexible", False)
    unconstrained = constrained.branch({"short_sale_constraint": 0.0})
    assert unconstrained.setup.equations == ("flexible", True)


@pytest.mark.slow
def test_branch_and_branch_at_give_the_same_months():
    """`ensembles(branch_at=...)` gives the numbers of a model that is branched in that month."""
    bundle = Setting(scenario="article_bundle")
    settings = [bundle, bundle._replace(scenario="baseline", branch_at=2)]
    _, back = ensembles(settings, seeds=[3], months=4, **TINY)
    stepped = model(scenario="article_bundle")
    stepped.run_for(2)
    stepped = stepped.branch(scenario="baseline")
    stepped.run_for(2)
    for name in ("welfare", "chip_price", "ip_strength"):
        np.testing.assert_allclose(stepped.frame()[name], back[name][0], rtol=1e-12)


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ([{"ip_strength": 0.7}, {"ip_strength": {"china": 0.2}}], {"default": 0.7, "china": 0.2}),
        ([{"ip_strength": {"us": 0.9}}, {"ip_strength": {"china": 0.2}}], {"us": 0.9, "china": 0.2}),
        ([{"ip_strength": {"us": 0.9, "china": 0.1}}, {"ip_strength": 0.5}], 0.5),
        ([{"ip_strength": {"us": 0.9}}, {"ip_strength": {"default": 0.5}}], {"default": 0.5}),
        ([{"ip_strength": 0.7}, {}], 0.7),
    ],
)
def test_later_values_of_an_instrument_win_by_jurisdiction(tables, expected):
    assert merged(*tables)["ip_strength"] == expected


def test_a_value_for_one_jurisdiction_leaves_the_others_unchanged(tmp_path):
    strict = Scenario(name="strict", parameters={"ip_strength": 0.7})
    mine = {"ip_strength": {"china": 0.2}}
    assert Setup.of(mine, strict, 3).values["ip_strength"].tolist() == [0.7, 0.2, 0.7, 0.7]
    late = Setup.of({"ip_strength": 0.6}, months=3).under({"ip_strength": {"china": 0.2}})
    assert late.values["ip_strength"].tolist() == [0.6, 0.2, 0.6, 0.6]
    (tmp_path / "below.toml").write_text('name = "below"\n[parameters]\nip_strength = 0.7\n')
    (tmp_path / "above.toml").write_text(
        'name = "above"\nextends = "below.toml"\n[parameters]\nip_strength = { china = 0.2 }\n'
    )
    above = Scenario.load(str(tmp_path / "above.toml"))
    assert Setup.of(None, above, 3).values["ip_strength"].tolist() == [0.7, 0.2, 0.7, 0.7]


def test_a_sweep_and_a_run_treat_one_jurisdiction_alike():
    from abm.sweeps.plan import Plan, values_of
    from abm.sweeps.spec import Sweep

    strict = Scenario(name="strict", parameters={"ip_strength": 0.7})
    sweep = Sweep(scenarios=[strict], parameters={"ip_strength": {"china": 0.2}}, replications=1, months=3)
    (point,) = Plan.of(sweep).points
    assert values_of(point)["ip_strength"].tolist() == [0.7, 0.2, 0.7, 0.7]
