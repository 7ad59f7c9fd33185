"""The resolved policy: what acts, and what is told of settings that collide, beside the numbers that are played."""

import datetime as dt
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from abm import MarketModel, Parameters, Scenario, Setting, ensemble, ensembles, simulate
from abm.analysis.counterfactual import Counterfactual, CounterfactualError, kept
from abm.analysis.policy_notes import answers, late, notes, taken_back
from abm.cli.app import app
from abm.runs.policy import PolicyWarning, frame, overridden, resolved
from abm.runs.results import compare
from abm.runs.setup import Setup

TINY = dict(closed_labs=1, open_labs=1, entrants=0, vendors=1, adopters=2, investors=2)
MONTHS = 27
"""To March 2025: a month with the events of February."""
SEEDS = [1, 2]


def played(asked):
    """The changed world less the baseline, of few agents."""
    baseline, changed = ensembles(asked.settings(), SEEDS, months=asked.months, **TINY)
    return compare(changed, baseline)


def told(asked):
    return [str(change) for change in asked.policy()]


def same(a, b):
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in a.names)


STRICT = {"scenario": "ip_strict", "months": MONTHS, "seeds": 2}
LOW = Counterfactual(**STRICT, levers={"ip_strength": 0.2})


# --- the last that was touched wins ---


def test_a_lever_acts_whatever_the_scenario_says_of_its_instrument():
    low, strict = played(LOW).a["ip_strength"], played(Counterfactual(**STRICT)).a["ip_strength"]
    wide = Counterfactual(levers={"ip_strength": 0.2, "enforcement_effort": 0.4}, months=MONTHS, seeds=2)
    steps = np.diff(low[:, 23:])
    assert (steps < 0).all(), "every month goes towards 0.2"
    assert (np.diff(strict[:, 24:]) > 0).all()
    assert played(wide).a["ip_strength"][0, -1] == pytest.approx(low[0, -1], rel=1e-3)
    assert told(LOW) == [
        "ip_strength 0.4 to 0.2 from January 2025, user",
        "enforcement_effort 0.2 to 0.4 from February 2025, scenario ip_strict (ip_strict_effort)",
    ]
    (note,) = notes(LOW)
    assert "ip_strict_strength does not act on it (scenario ip_strict sets it to 0.9 from February 2025 on)" in note


@pytest.mark.parametrize("instrument", ["permitting_lag", "power_growth"])
def test_a_lever_is_neither_scaled_nor_shifted_by_an_event(instrument):
    asked = Counterfactual(scenario="fast_permits", levers={instrument: 1.25}, months=MONTHS)
    setup = Setup.of(asked.parameters(), asked.changed_scenario(), MONTHS)
    (row,) = [change for change in asked.policy() if change.instrument == instrument]
    assert (row.after, row.month, row.by) == (1.25, 24, "user")
    at = list(Parameters.names()).index(instrument)
    assert (setup.timeline["policy_scale"][24:, :, at] == 1).all()
    assert not setup.timeline["policy_add"][24:, :, at].any()


def test_a_lever_replaces_an_event_of_the_baseline_too():
    asked = Counterfactual(levers={"policy_uncertainty": 0.3}, months=30)
    assert told(asked) == [
        "policy_uncertainty 0.15 to 0.3 from January 2025, user",
        "policy_uncertainty 0.1 to 0.3 from May 2025, user",
    ]
    assert "diffusion_rule does not act on it (scenario baseline multiplies it by 1.5" in notes(asked)[0]


def test_in_one_jurisdiction_the_lever_acts_and_elsewhere_the_scenario():
    asked = Counterfactual(**STRICT, levers={"ip_strength.china": 0.2})
    setup = Setup.of(asked.parameters(), asked.changed_scenario(), MONTHS)
    target = setup.values["ip_strength"] * setup.timeline["policy_scale"][-1, :, 0]
    assert (target + setup.timeline["policy_add"][-1, :, 0]).tolist() == [0.9, 0.2, 0.9, 0.9]
    assert told(asked)[:2] == [
        "ip_strength (china) 0.4 to 0.2 from January 2025, user",
        "ip_strength (us, eu, row) 0.4 to 0.9 from February 2025, scenario ip_strict (ip_strict_strength)",
    ]


def test_what_is_chosen_later_takes_back_what_was_set_before():
    before = ["ip_strength", "ip_strength.china", "ip_clarity.eu", "copying_rate"]
    assert list(taken_back("ip_strict", [], "as enacted", before)) == ["ip_strength", "ip_strength.china"]
    assert list(taken_back(None, ["ip_clarity"], "as enacted", before)) == ["ip_clarity.eu"]
    assert list(taken_back("export_ban", [], "lifted", before)) == ["exports"]
    assert list(taken_back("article_bundle", [], "lifted", ["guarantee_share"])) == ["guarantee_share"]
    assert taken_back("no_r1", [], "lifted", before) == {}


# --- what acts is what is told ---


@pytest.mark.parametrize("name", Scenario.names())
def test_the_table_of_a_run_has_its_targets(name):
    """Replayed, the changes give the targets of every month: nothing is left out, nothing is told that does not act."""
    setup = Setup.of({"ip_strength": {"eu": 0.6}, "permitting_lag": 5.0}, name, 60)
    target = np.stack([setup.values[i] for i in Parameters.names()[:8]], -1) * setup.timeline["policy_scale"]
    target = target + setup.timeline["policy_add"]
    now = {i: np.full(4, Parameters().values()[i]) for i in Parameters.names()[:8]}
    changes = resolved(setup)
    for month in range(60):
        for change in changes:
            if change.month == month and change.instrument in now:
                rows = [at for at, where in enumerate(setup.cast.jurisdictions) if where in change.jurisdiction]
                now[change.instrument][rows or slice(None)] = change.after
        np.testing.assert_allclose(np.stack(list(now.values()), -1), target[month], rtol=1e-9)
    assert list(frame(changes).columns) == ["instrument", "jurisdiction", "from", "to", "date", "set_by"]


def test_parameters_scenarios_and_export_rules_are_told_with_their_author():
    setup = Setup.of({"enforcement_effort": 0.3}, "article_bundle", 60)
    rows = [str(change) for change in resolved(setup)]
    assert "enforcement_effort 0.2 to 0.3 from January 2023, parameters" in rows
    assert "guarantee_share 0.1 to 0 from January 2023, scenario article_bundle" in rows
    assert "ip_clarity 0.5 to 0.95 from February 2025, scenario article_bundle (bundle_clarity)" in rows
    h20 = "export_availability of leader, follower, inhouse (china) 1 to 0 from April 2025, scenario baseline (h20_licence)"
    assert h20 in rows


def test_export_rules_of_the_user_are_the_users():
    lifted = told(Counterfactual(exports="lifted"))
    assert "export_performance_cap of leader, follower, inhouse (china) 0.15 to none from January 2025, user" in lifted
    assert "export_availability of leader, follower, inhouse (china) 0 to 1 from April 2025, user" in lifted
    closed = told(Counterfactual(exports="closed to China", scenario="export_ban"))
    assert closed[0] == "export_availability of leader, follower, inhouse (china) 1 to 0 from January 2025, user"


def test_rules_without_an_id_are_lifted_too(tmp_path):
    story = tmp_path / "mine.toml"
    rule = 'kind = "export_control"\ndate = 2025-02-01\ndestination = "eu"\navailability = 0.0\n'
    story.write_text(f'name = "mine"\nextends = "baseline"\n[[event]]\n{rule}')
    asked = Counterfactual(scenario=str(story), exports="lifted")
    availability = asked.changed_scenario().timeline(60).export_availability
    assert (availability == 1).all()
    assert notes(asked) == ["export rules are lifted by the user: those of scenario mine do not act (export_control)"]


def test_a_scenario_may_use_the_name_of_the_added_rule(tmp_path):
    story = tmp_path / "mine.toml"
    story.write_text(
        'name = "mine"\nextends = "baseline"\n[[event]]\nid = "closed_to_china"\nkind = "attention"\n'
        "date = 2025-02-03\nsalience = 1.0\n"
    )
    asked = Counterfactual(scenario=str(story), exports="closed to China")
    assert (asked.changed_scenario().timeline(60).export_availability[24:, 0, 1] == 0).all()


# --- what cannot act ---


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"scenario": "ip_strict", "months": 25}, "is the baseline here: January 2025 is the last month"),
        ({"levers": {"ip_strength": 0.4}}, "ip_strength changes nothing: the baseline has the same value"),
        ({"levers": {"policy_adjustment": 0.0, "ip_strength": 0.9}}, "the targets of ip_strength are never approached"),
        ({"levers": {"short_sale_constraint": 0.3}}, "is a switch: 0.3 acts as 0"),
        ({"levers": {"export_leakage": 0.5}, "exports": "lifted"}, "export_leakage has no effect"),
        ({"scenario": "export_ban", "exports": "lifted"}, "those of scenario export_ban do not act"),
        (
            {"levers": {"ip_strength": 0.1} | {f"ip_strength.{at}": 0.9 for at in ("us", "china", "eu", "row")}},
            "ip_strength = 0.1 acts nowhere",
        ),
        (
            {"scenario": "article_bundle", "levers": {"guarantee_share": 0.2}, "since": dt.date(2023, 1, 1)},
            "guarantee_share is set by the user, in place of the value of scenario article_bundle",
        ),
    ],
)
def test_what_cannot_act_is_told(said, words):
    assert any(words in note for note in notes(Counterfactual(**said)))


def test_nothing_is_told_where_nothing_collides():
    for said in ({}, {"scenario": "ip_strict"}, {"levers": {"ip_strength": 0.9}}, {"exports": "closed to China"}):
        assert notes(Counterfactual(**said)) == []


def test_the_regulators_own_part_is_told_where_they_have_one():
    changes = LOW.policy()
    usual, idle = answers(Parameters(), changes), answers(Parameters(policy_response=0.0), changes)
    assert usual == [
        "Regulators go 10 % of the way to a target each month; they shift the target of ip_strength, enforcement_effort"
        " as lobbying, rivals, safety and prices press on them (policy_response = 0.1)."
    ]
    assert idle == ["Regulators go 10 % of the way to a target each month."]
    assert answers(Parameters(), []) == []


def test_a_parameter_of_the_scenario_that_the_lever_replaces_binds_nobody():
    """article_bundle has guarantee_share from 2023 on, and nothing else that comes before 2025."""
    with pytest.raises(CounterfactualError, match="guarantee_share"):
        Counterfactual(scenario="article_bundle").changed_scenario()
    asked = Counterfactual(scenario="article_bundle", levers={"guarantee_share": 0.0})
    assert told(asked)[0] == "guarantee_share 0.1 to 0 from January 2025, user"


# --- parameters of a run are levels, which events change from their date on ---


def test_a_parameter_that_an_event_sets_is_told():
    sentence = "ip_strength = 0.2 acts until January 2025: scenario ip_strict sets it to 0.9 from February 2025 on"
    with pytest.warns(PolicyWarning, match=re.escape(sentence)):
        given = simulate(Parameters(ip_strength=0.2), "ip_strict", 1, months=MONTHS, **TINY)
    rows = given.policy()
    mine = rows[rows["instrument"] == "ip_strength"]
    assert mine["to"].tolist() == [0.2, 0.9]
    assert mine["set_by"].tolist() == ["parameters", "scenario ip_strict (ip_strict_strength)"]
    assert given["ip_strength"][0] == pytest.approx(0.2)
    assert given["ip_strength"][-1] > given["ip_strength"][24]
    with pytest.warns(PolicyWarning, match=re.escape(sentence)):
        ensemble({"ip_strength": 0.2}, "ip_strict", SEEDS, months=MONTHS, **TINY)
    with pytest.warns(PolicyWarning, match=re.escape(sentence)):
        MarketModel({"ip_strength": 0.2}, "ip_strict", months=MONTHS, **TINY)


def test_a_branch_tells_what_does_not_act_from_its_month_on():
    model = MarketModel(rng=1, months=MONTHS, **TINY)
    model.run_for(2)
    with pytest.warns(PolicyWarning, match="ip_strength = 0.2 acts until January 2025"):
        model.branch({"ip_strength": 0.2}, "ip_strict")
    with pytest.warns(PolicyWarning, match="closed_trust has no effect: .* the branch begins in March 2023"):
        model.branch({"closed_trust": 3.0})
    settings = [Setting(), Setting({"closed_trust": 3.0}, branch_at=2)]
    with pytest.warns(PolicyWarning, match="closed_trust has no effect"):
        a, b = ensembles(settings, SEEDS, months=4, **TINY)
    assert same(a, b)


def test_no_warning_where_all_acts():
    with warnings.catch_warnings():
        warnings.simplefilter("error", PolicyWarning)
        model = MarketModel({"ip_strength": 0.2}, months=4, **TINY)
        model.branch({"ip_strength": 0.3}, "no_r1").branch(scenario="baseline")
        simulate({"ip_strength": 0.2}, "ip_strict", months=4, **TINY)  # ends before the event
        simulate({"enforcement_effort": 0.2}, "ip_strict", months=4, **TINY)
        ensembles(LOW.settings(), SEEDS, months=MONTHS, **TINY)


def test_events_of_single_jurisdictions_and_of_a_while():
    story = Scenario.load("baseline").with_event(
        kind="policy",
        date=dt.date(2024, 1, 1),
        until=dt.date(2024, 6, 1),
        instrument="ip_strength",
        jurisdiction="eu",
        value=0.8,
    )
    assert overridden(story, {"ip_strength": {"china": 0.2}}, 30) == []
    assert overridden(story, {"ip_strength": 0.2}, 12) == []
    assert overridden(story, {"ip_strength": 0.2}, 30, since=17) == []
    (one,) = overridden(story, {"ip_strength": {"eu": 0.2}}, 30)
    assert one == (
        "ip_strength = 0.2 (eu) acts until December 2023 and from June 2024 on: scenario baseline sets it to 0.8 in eu from"
        " January 2024 to May 2024"
    )


def test_a_sweep_tells_of_a_factor_that_an_event_sets(tmp_path):
    from abm.sweeps.plan import Plan
    from abm.sweeps.spec import Sweep

    factors = {"ip_strength": [0.1, 0.9], "enforcement_effort": [0.1, 0.2], "ip_strength.eu": [0.3]}
    plan = Plan.of(Sweep(scenarios=["baseline", "ip_strict"], factors=factors, replications=1))
    assert plan.without_effect == [
        "ip_strength acts until January 2025: scenario ip_strict sets it to 0.9 from February 2025 on"
    ]
    assert Plan.of(Sweep(factors=factors, replications=1)).without_effect == []


# --- page and files ---


def test_the_page_plays_from_the_first_month_what_the_command_plays():
    from abm.dashboard.month_by_month import Walk
    from abm.dashboard.runs import Runs

    asked = Counterfactual(levers={"ip_strength": 0.9}, since=dt.date(2023, 1, 1), seeds=2, months=2)
    plain, page = asked.run(), Runs().run(asked, lambda *_: None)
    assert plain.a["ip_strength"][0, 0] == pytest.approx(0.9)
    assert same(page.a, plain.a)
    walk = Walk(asked, 0)
    walk.step()
    assert walk.model.last_report["ip_strength"] == pytest.approx(plain.a["ip_strength"][0, 0])


def test_files_say_what_acts(tmp_path):
    asked = Counterfactual(**STRICT, levers={"ip_strength": 0.2})
    table = kept(asked, played(asked))
    (policy,) = set(table["policy"])
    assert policy == "; ".join(told(asked))
    path = tmp_path / "spec.toml"
    path.write_text(asked.annotated())
    assert Counterfactual.load(path) == asked
    assert path.read_text().startswith("# ip_strength 0.4 to 0.2 from January 2025, user\n")


def test_an_address_that_says_something_twice_is_refused():
    with pytest.raises(CounterfactualError, match="'ip_strength' is given twice"):
        Counterfactual.from_query("ip_strength=0.2&ip_strength=0.9")


# --- the commands ---


def test_the_file_comes_before_the_options(tmp_path):
    """What `abm compare FILE --scenario ...` takes of the file; nothing is played."""
    from abm.cli.compare import _asked

    spec = tmp_path / "spec.toml"
    spec.write_text('exports = "lifted"\n[levers]\nip_strength = 0.2\n"ip_clarity.eu" = 0.1\n')
    asked, back = _asked(spec, None, "ip_strict", None, None, None, None)
    assert asked.levers == {"ip_clarity.eu": 0.1}
    assert back == ["ip_strength is taken back: scenario ip_strict sets it to 0.9 from February 2025 on"]
    asked, back = _asked(spec, ["ip_strength=0.3", "ip_clarity=0.9"], "ip_strict", None, None, None, None)
    assert asked.levers == {"ip_strength": 0.3, "ip_clarity": 0.9}
    assert back == ["ip_clarity.eu is taken back: ip_clarity was set everywhere after it"]
    asked, back = _asked(spec, None, "export_ban", None, None, None, None)
    assert (asked.exports, len(back)) == ("as enacted", 1)
    asked, back = _asked(spec, None, "export_ban", None, "lifted", None, None)
    assert (asked.exports, back) == ("lifted", [])


def test_the_commands_print_and_keep_what_acts(tmp_path):
    words = ["run", "ip_strict", "--set", "ip_strength=0.2", "--months", "27", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert "abm: warning: ip_strength = 0.2 acts until January 2025" in result.stderr
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


def test_a_run_that_ends_before_its_scenario_says_so():
    assert late(Scenario.load("baseline"), 3) == []
    assert late(Scenario.load("ip_strict"), 60) == []
    (note,) = late(Scenario.load("ip_strict"), 25)
    assert note.startswith("scenario ip_strict is the baseline here: January 2025 is the last month")


def test_no_experiment_of_the_package_varies_what_an_event_sets():
    from abm.experiments import all_experiments
    from abm.sweeps.plan import Plan

    told = [
        line
        for one in all_experiments()
        for sweep in one.sweeps(True).values()
        for line in Plan.of(sweep).without_effect
    ]
    assert told == []
