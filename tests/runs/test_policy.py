"""The resolved policy: the reported changes match the simulated numbers, and conflicting settings are reported."""

import datetime as dt
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.sizes import TINY
from typer.testing import CliRunner

from abm import MarketModel, Parameters, Scenario, Setting, ensemble, ensembles, simulate
from abm.analysis.counterfactual import Counterfactual, CounterfactualError, kept
from abm.analysis.policy_notes import answers, late, notes, taken_back
from abm.cli.app import app
from abm.runs.policy import PolicyWarning, frame, overridden, resolved
from abm.runs.results import compare
from abm.runs.setup import Setup

MONTHS = 27
"""To March 2025: one month with the events of February in effect."""
SEEDS = [1, 2]


def run(asked):
    """Comparison of the counterfactual with the baseline, with few agents."""
    baseline, changed = ensembles(asked.settings(), SEEDS, months=asked.months, **TINY)
    return compare(changed, baseline)


def lines(asked):
    """The reported changes of a counterfactual."""
    return [str(change) for change in asked.policy()]


def same(a, b):
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in a.names)


STRICT = {"scenario": "ip_strict", "months": MONTHS, "seeds": 2}
LOW = Counterfactual(**STRICT, levers={"ip_strength": 0.2})


# --- the latest setting takes precedence ---


def test_a_lever_overrides_the_scenario():
    low, strict = run(LOW).a["ip_strength"], run(Counterfactual(**STRICT)).a["ip_strength"]
    wide = Counterfactual(levers={"ip_strength": 0.2, "enforcement_effort": 0.4}, months=MONTHS, seeds=2)
    steps = np.diff(low[:, 23:])
    assert (steps < 0).all(), "moves towards 0.2 every month"
    assert (np.diff(strict[:, 24:]) > 0).all()
    assert run(wide).a["ip_strength"][0, -1] == pytest.approx(low[0, -1], rel=1e-3)
    assert lines(LOW) == [
        "ip_strength 0.4 to 0.2 from January 2025, user",
        "enforcement_effort 0.2 to 0.4 from February 2025, scenario ip_strict (ip_strict_effort)",
    ]
    (note,) = notes(LOW)
    assert "event ip_strict_strength does not change it (scenario ip_strict sets it to 0.9" in note


@pytest.mark.parametrize("instrument", ["permitting_lag", "power_growth"])
def test_a_lever_is_neither_scaled_nor_shifted_by_an_event(instrument):
    asked = Counterfactual(scenario="fast_permits", levers={instrument: 1.25}, months=MONTHS)
    setup = Setup.of(asked.parameters(), asked.changed_scenario(), MONTHS)
    (row,) = [change for change in asked.policy() if change.instrument == instrument]
    assert (row.after, row.month, row.by) == (1.25, 24, "user")
    index = list(Parameters.names()).index(instrument)
    assert (setup.timeline["policy_scale"][24:, :, index] == 1).all()
    assert not setup.timeline["policy_add"][24:, :, index].any()


def test_a_lever_replaces_an_event_of_the_baseline_too():
    asked = Counterfactual(levers={"policy_uncertainty": 0.3}, months=30)
    assert lines(asked) == [
        "policy_uncertainty 0.15 to 0.3 from January 2025, user",
        "policy_uncertainty 0.1 to 0.3 from May 2025, user",
    ]
    assert "event diffusion_rule does not change it (scenario baseline multiplies it by 1.5" in notes(asked)[0]


def test_a_lever_for_one_jurisdiction_leaves_the_scenario_to_the_others():
    asked = Counterfactual(**STRICT, levers={"ip_strength.china": 0.2})
    setup = Setup.of(asked.parameters(), asked.changed_scenario(), MONTHS)
    target = setup.values["ip_strength"] * setup.timeline["policy_scale"][-1, :, 0]
    assert (target + setup.timeline["policy_add"][-1, :, 0]).tolist() == [0.9, 0.2, 0.9, 0.9]
    assert lines(asked)[:2] == [
        "ip_strength (china) 0.4 to 0.2 from January 2025, user",
        "ip_strength (us, eu, row) 0.4 to 0.9 from February 2025, scenario ip_strict (ip_strict_strength)",
    ]


def test_later_settings_replace_earlier_ones():
    before = ["ip_strength", "ip_strength.china", "ip_clarity.eu", "copying_rate"]
    assert list(taken_back("ip_strict", [], "as enacted", before)) == ["ip_strength", "ip_strength.china"]
    assert list(taken_back(None, ["ip_clarity"], "as enacted", before)) == ["ip_clarity.eu"]
    assert list(taken_back("export_ban", [], "lifted", before)) == ["exports"]
    assert list(taken_back("article_bundle", [], "lifted", ["guarantee_share"])) == ["guarantee_share"]
    assert taken_back("no_r1", [], "lifted", before) == {}


# --- reported changes match the simulation ---


@pytest.mark.parametrize("name", Scenario.names())
def test_the_reported_changes_reproduce_the_targets(name):
    """Applied in order, the changes give the targets of every month: none is missing, and none is without effect."""
    setup = Setup.of({"ip_strength": {"eu": 0.6}, "permitting_lag": 5.0}, name, 60)
    target = np.stack([setup.values[i] for i in Parameters.names()[:8]], -1) * setup.timeline["policy_scale"]
    target = target + setup.timeline["policy_add"]
    now = {i: np.full(4, Parameters().values()[i]) for i in Parameters.names()[:8]}
    changes = resolved(setup)
    for month in range(60):
        for change in changes:
            if change.month == month and change.instrument in now:
                rows = [i for i, place in enumerate(setup.cast.jurisdictions) if place in change.jurisdiction]
                now[change.instrument][rows or slice(None)] = change.after
        np.testing.assert_allclose(np.stack(list(now.values()), -1), target[month], rtol=1e-9)
    assert list(frame(changes).columns) == ["instrument", "jurisdiction", "from", "to", "date", "set_by"]


def test_parameters_scenarios_and_export_rules_are_reported_with_their_author():
    setup = Setup.of({"enforcement_effort": 0.3}, "article_bundle", 60)
    rows = [str(change) for change in resolved(setup)]
    assert "enforcement_effort 0.2 to 0.3 from January 2023, parameters" in rows
    assert "guarantee_share 0.1 to 0 from January 2023, scenario article_bundle" in rows
    assert "ip_clarity 0.5 to 0.95 from February 2025, scenario article_bundle (bundle_clarity)" in rows
    h20 = "export_availability of leader, follower, inhouse (china) 1 to 0 from April 2025, scenario baseline (h20_licence)"
    assert h20 in rows


def test_export_rules_set_by_the_user_name_the_user():
    lifted = lines(Counterfactual(exports="lifted"))
    assert "export_performance_cap of leader, follower, inhouse (china) 0.15 to none from January 2025, user" in lifted
    assert "export_availability of leader, follower, inhouse (china) 0 to 1 from April 2025, user" in lifted
    closed = lines(Counterfactual(exports="closed to China", scenario="export_ban"))
    assert closed[0] == "export_availability of leader, follower, inhouse (china) 1 to 0 from January 2025, user"


def test_rules_without_an_id_are_lifted_too(tmp_path):
    scenario = tmp_path / "mine.toml"
    rule = 'kind = "export_control"\ndate = 2025-02-01\ndestination = "eu"\navailability = 0.0\n'
    scenario.write_text(f'name = "mine"\nextends = "baseline"\n[[event]]\n{rule}')
    asked = Counterfactual(scenario=str(scenario), exports="lifted")
    availability = asked.changed_scenario().timeline(60).export_availability
    assert (availability == 1).all()
    assert notes(asked) == ["export rules are lifted by the user; those of scenario mine do not apply (export_control)"]


def test_a_scenario_may_use_the_id_of_the_added_rule(tmp_path):
    scenario = tmp_path / "mine.toml"
    scenario.write_text(
        'name = "mine"\nextends = "baseline"\n[[event]]\nid = "closed_to_china"\nkind = "attention"\n'
        "date = 2025-02-03\nsalience = 1.0\n"
    )
    asked = Counterfactual(scenario=str(scenario), exports="closed to China")
    assert (asked.changed_scenario().timeline(60).export_availability[24:, 0, 1] == 0).all()


# --- settings without effect ---


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scenario": "ip_strict", "months": 25}, "is identical to the baseline here: the last month is January 2025"),
        ({"levers": {"ip_strength": 0.4}}, "ip_strength has no effect: the baseline has the same value"),
        ({"levers": {"policy_adjustment": 0.0, "ip_strength": 0.9}}, "the targets of ip_strength have no effect"),
        ({"levers": {"short_sale_constraint": 0.3}}, "is a switch: 0.3 counts as 0"),
        ({"levers": {"export_leakage": 0.5}, "exports": "lifted"}, "export_leakage has no effect"),
        ({"scenario": "export_ban", "exports": "lifted"}, "those of scenario export_ban do not apply"),
        (
            {"levers": {"ip_strength": 0.1} | {f"ip_strength.{place}": 0.9 for place in ("us", "china", "eu", "row")}},
            "ip_strength = 0.1 has no effect",
        ),
        (
            {"scenario": "article_bundle", "levers": {"guarantee_share": 0.2}, "since": dt.date(2023, 1, 1)},
            "guarantee_share is set by the user instead of the value in scenario article_bundle",
        ),
    ],
)
def test_settings_without_effect_are_reported(settings, words):
    assert any(words in note for note in notes(Counterfactual(**settings)))


def test_there_are_no_notes_without_conflicts():
    for settings in ({}, {"scenario": "ip_strict"}, {"levers": {"ip_strength": 0.9}}, {"exports": "closed to China"}):
        assert notes(Counterfactual(**settings)) == []


def test_the_response_of_regulators_is_described_where_they_have_one():
    changes = LOW.policy()
    usual, idle = answers(Parameters(), changes), answers(Parameters(policy_response=0.0), changes)
    assert usual == [
        "Regulators move 10 % of the way to a target each month; they also shift the target of ip_strength,"
        " enforcement_effort in response to lobbying, rivals, safety and prices (policy_response = 0.1)."
    ]
    assert idle == ["Regulators move 10 % of the way to a target each month."]
    assert answers(Parameters(), []) == []


def test_a_lever_may_replace_a_parameter_of_the_scenario():
    """article_bundle sets guarantee_share from 2023 on, and nothing else before 2025."""
    with pytest.raises(CounterfactualError, match="guarantee_share"):
        Counterfactual(scenario="article_bundle").changed_scenario()
    asked = Counterfactual(scenario="article_bundle", levers={"guarantee_share": 0.0})
    assert lines(asked)[0] == "guarantee_share 0.1 to 0 from January 2025, user"


# --- parameters are levels, which events change from their date on ---


def test_a_parameter_that_an_event_sets_raises_a_warning():
    sentence = "ip_strength = 0.2 applies until January 2025: scenario ip_strict sets it to 0.9 from February 2025 on"
    with pytest.warns(PolicyWarning, match=re.escape(sentence)):
        result = simulate(Parameters(ip_strength=0.2), "ip_strict", 1, months=MONTHS, **TINY)
    rows = result.policy()
    rows = rows[rows["instrument"] == "ip_strength"]
    assert rows["to"].tolist() == [0.2, 0.9]
    assert rows["set_by"].tolist() == ["parameters", "scenario ip_strict (ip_strict_strength)"]
    assert result["ip_strength"][0] == pytest.approx(0.2)
    assert result["ip_strength"][-1] > result["ip_strength"][24]
    with pytest.warns(PolicyWarning, match=re.escape(sentence)):
        ensemble({"ip_strength": 0.2}, "ip_strict", SEEDS, months=MONTHS, **TINY)
    with pytest.warns(PolicyWarning, match=re.escape(sentence)):
        MarketModel({"ip_strength": 0.2}, "ip_strict", months=MONTHS, **TINY)


def test_a_branch_warns_of_parameters_without_effect():
    model = MarketModel(rng=1, months=MONTHS, **TINY)
    model.run_for(2)
    with pytest.warns(PolicyWarning, match="ip_strength = 0.2 applies until January 2025"):
        model.branch({"ip_strength": 0.2}, "ip_strict")
    with pytest.warns(PolicyWarning, match="task_value has no effect: .* the branch begins in March 2023"):
        model.branch({"task_value": 3.0})
    settings = [Setting(), Setting({"task_value": 3.0}, branch_at=2)]
    with pytest.warns(PolicyWarning, match="task_value has no effect"):
        a, b = ensembles(settings, SEEDS, months=4, **TINY)
    assert same(a, b)


def test_there_is_no_warning_if_all_parameters_have_effect():
    with warnings.catch_warnings():
        warnings.simplefilter("error", PolicyWarning)
        model = MarketModel({"ip_strength": 0.2}, months=4, **TINY)
        model.branch({"ip_strength": 0.3}, "no_r1").branch(scenario="baseline")
        simulate({"ip_strength": 0.2}, "ip_strict", months=4, **TINY)  # ends before the event
        simulate({"enforcement_effort": 0.2}, "ip_strict", months=4, **TINY)
        ensembles(LOW.settings(), SEEDS, months=MONTHS, **TINY)


def test_events_for_one_jurisdiction_and_for_some_months():
    scenario = Scenario.load("baseline").with_event(
        kind="policy",
        date=dt.date(2024, 1, 1),
        until=dt.date(2024, 6, 1),
        instrument="ip_strength",
        jurisdiction="eu",
        value=0.8,
    )
    assert overridden(scenario, {"ip_strength": {"china": 0.2}}, 30) == []
    assert overridden(scenario, {"ip_strength": 0.2}, 12) == []
    assert overridden(scenario, {"ip_strength": 0.2}, 30, since=17) == []
    (sentence,) = overridden(scenario, {"ip_strength": {"eu": 0.2}}, 30)
    assert sentence == (
        "ip_strength = 0.2 (eu) applies until December 2023 and from June 2024 on: scenario baseline sets it to 0.8 in eu from"
        " January 2024 to May 2024"
    )


def test_a_sweep_reports_a_factor_that_an_event_sets(tmp_path):
    from abm.sweeps.plan import Plan
    from abm.sweeps.spec import Sweep

    factors = {"ip_strength": [0.1, 0.9], "enforcement_effort": [0.1, 0.2], "ip_strength.eu": [0.3]}
    plan = Plan.of(Sweep(scenarios=["baseline", "ip_strict"], factors=factors, replications=1))
    assert plan.without_effect == [
        "ip_strength applies until January 2025: scenario ip_strict sets it to 0.9 from February 2025 on"
    ]
    assert Plan.of(Sweep(factors=factors, replications=1)).without_effect == []


# --- page and files ---


@pytest.mark.slow
def test_the_page_and_the_command_give_the_same_numbers_from_the_first_month():
    from abm.dashboard.month_by_month import Walk
    from abm.dashboard.runs import Runs

    asked = Counterfactual(levers={"ip_strength": 0.9}, since=dt.date(2023, 1, 1), seeds=2, months=2)
    plain, page = asked.run(), Runs().run(asked, lambda *_: None)
    assert plain.a["ip_strength"][0, 0] == pytest.approx(0.9)
    assert same(page.a, plain.a)
    walk = Walk(asked, 0)
    walk.step()
    assert walk.model.last_report["ip_strength"] == pytest.approx(plain.a["ip_strength"][0, 0])


def test_files_list_the_changes(tmp_path):
    asked = Counterfactual(**STRICT, levers={"ip_strength": 0.2})
    table = kept(asked, run(asked))
    (policy,) = set(table["policy"])
    assert policy == "; ".join(lines(asked))
    path = tmp_path / "spec.toml"
    path.write_text(asked.annotated())
    assert Counterfactual.load(path) == asked
    assert path.read_text().startswith("# ip_strength 0.4 to 0.2 from January 2025, user\n")


def test_an_address_with_a_duplicate_setting_is_refused():
    with pytest.raises(CounterfactualError, match="'ip_strength' is given twice"):
        Counterfactual.from_query("ip_strength=0.2&ip_strength=0.9")


# --- the commands ---


def test_options_replace_settings_of_the_file(tmp_path):
    """The settings that `abm compare FILE --scenario ...` takes from the file; nothing is simulated."""
    from abm.cli.compare import _counterfactual

    spec = tmp_path / "spec.toml"
    spec.write_text('exports = "lifted"\n[levers]\nip_strength = 0.2\n"ip_clarity.eu" = 0.1\n')
    asked, back = _counterfactual(spec, None, "ip_strict", None, None, None, None)
    assert asked.levers == {"ip_clarity.eu": 0.1}
    assert back == ["ip_strength is reset: scenario ip_strict sets it to 0.9 from February 2025 on"]
    asked, back = _counterfactual(spec, ["ip_strength=0.3", "ip_clarity=0.9"], "ip_strict", None, None, None, None)
    assert asked.levers == {"ip_strength": 0.3, "ip_clarity": 0.9}
    assert back == ["ip_clarity.eu is reset: ip_clarity was then set for all jurisdictions"]
    asked, back = _counterfactual(spec, None, "export_ban", None, None, None, None)
    assert (asked.exports, len(back)) == ("as enacted", 1)
    asked, back = _counterfactual(spec, None, "export_ban", None, "lifted", None, None)
    assert (asked.exports, back) == ("lifted", [])


@pytest.mark.slow
def test_the_commands_print_and_store_the_changes(tmp_path):
    words = ["run", "ip_strict", "--set", "ip_strength=0.2", "--months", "27", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert "abm: warning: ip_strength = 0.2 applies until January 2025" in result.stderr
    assert re.search(r"ip_strength +0\.4 +0\.2 +2023-01 +parameters", result.stdout)
    assert re.search(r"ip_strength +0\.2 +0\.9 +2025-02 +scenario ip_strict", result.stdout)
    kept_run = pd.read_csv(tmp_path / "ip_strict_seed1.csv", keep_default_na=False)
    assert kept_run["policy"][0].startswith("ip_strength 0.4 to 0.2 from January 2023, parameters; ")
    assert kept_run["policy"][1] == ""
    assert (
        "ip_strength 0.2 to 0.9 from February 2025, scenario ip_strict (ip_strict_strength)" in kept_run["policy"][25]
    )
    words = ["compare", "--scenario", "ip_strict", "--set", "ip_strength=0.2", "--seeds", "2", "--months", "26"]
    result = CliRunner().invoke(app, [*words, "--of", "welfare", "--out", str(tmp_path)], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    shown = " ".join(result.stdout.split())
    assert re.search(r"ip_strength 0\.4 0\.2 2025-01 user", shown)
    assert "Note: ip_strength is set by the user from January 2025 on" in shown
    assert "ip_strength,all,0.4,0.2,2025-01-01,user" in (tmp_path / "policy.csv").read_text()


def test_a_run_that_ends_before_its_scenario_differs_is_reported():
    assert late(Scenario.load("baseline"), 3) == []
    assert late(Scenario.load("ip_strict"), 60) == []
    (note,) = late(Scenario.load("ip_strict"), 25)
    assert note.startswith("scenario ip_strict is identical to the baseline here: the last month is January 2025")


def test_no_experiment_of_the_package_varies_a_parameter_that_an_event_sets():
    from abm.experiments import all_experiments
    from abm.sweeps.plan import Plan

    sentences = [
        sentence
        for experiment in all_experiments()
        for sweep in experiment.sweeps(True).values()
        for sentence in Plan.of(sweep).without_effect
    ]
    assert sentences == []
