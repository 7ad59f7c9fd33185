"""Scenarios: their events reach the timeline, and mistakes raise clear errors."""

import ast
import datetime as dt
import doctest
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.scenarios import CAST, SOME_EVENTS, lab, write
from hypothesis import given, settings
from hypothesis import strategies as st

import abm.scenarios.scenario
from abm.scenarios.events import KINDS, Event, Policy, Release
from abm.scenarios.scenario import Scenario, ScenarioError
from abm.scenarios.timeline import Cast, Timeline
from abm.support.axes import DAYS, INSTRUMENTS, PROGRAMMES, QUESTIONS

BASELINE = Scenario.load("baseline")


EMPTY = Scenario(name="empty")


LAST_FACT = dt.date(2025, 6, 30)


COUNTERFACTUAL = (
    "ip_strict",
    "ip_clear",
    "ip_weak",
    "export_ban",
    "fast_permits",
    "heavy_regulation",
    "article_bundle",
)


LIMITS = ("perfect_copy", "no_imitation")


IMPOSED = ("release", "cost_claim", "audit", "capex_programme", "attention", "allegation", "price_war")
"""Events that impose what firms, journalists or investors do."""


def session(date: dt.date) -> tuple[int, int]:
    """(month, trading day) of a date."""
    return Policy(instrument="ip_strength", value=0, date=date).when


# --- built-in scenarios ---


def test_built_in_scenarios():
    assert set(Scenario.names()) == {"baseline", "free", "no_r1", "no_stargate", *COUNTERFACTUAL, *LIMITS}
    assert Scenario.names()[0] == "baseline"


@pytest.mark.parametrize("name", Scenario.names())
def test_built_in_scenarios_have_a_summary_and_their_events_a_note_and_source(name):
    scenario = Scenario.load(name)
    assert scenario.name == name
    assert scenario.summary
    for event in scenario.all_events:
        assert event.id
        assert event.note
        assert event.source


@pytest.mark.parametrize("name", Scenario.names())
def test_only_two_events_are_later_than_june_2025(name):
    late = [event for event in Scenario.load(name).all_events if event.when > session(LAST_FACT)]
    if name == "free":
        assert not late
        return
    assert [event.id for event in late] == ["software_shock_2026", "v4"]
    for event in late:  # dates as inputs, without outcomes
        assert event.gap is event.claimed_cost is event.programme_cost is None
        assert event.efficiency_gain == event.size_step == 0
        assert event.source.startswith("date: the month alone")
    assert [event.when[0] for event in late] == [37, 39]


def test_free_imposes_the_rules_of_states_and_nothing_else():
    """Whatever firms, journalists and investors do is the model's; policies, and news of them, are those of the record."""
    events, record = Scenario.load("free").all_events, BASELINE.all_events
    assert not [event.id for event in events if event.kind in IMPOSED]
    assert [event for event in record if event.kind not in IMPOSED] == list(events)
    assert {event.kind for event in events} == {"policy", "export_control", "news"}
    assert {event.question for event in events if event.kind == "news"} == {"policy_tightness"}


def test_baseline_is_the_history_of_the_model():
    timeline = BASELINE.timeline(60)
    r1, china = lab("open_1"), CAST.jurisdictions.index("china")
    assert timeline.release[24].tolist() == [float(i == r1) for i in range(len(CAST.labs))]
    assert timeline.release_day[24, r1] == 12
    assert timeline.release_gap[24, r1] == -0.3
    assert timeline.release_claimed_cost[24, r1] == 5.576
    assert timeline.release_programme_cost[24, r1] == 1600
    assert timeline.claimed_cost[session(dt.date(2024, 12, 26))] == 5.576
    assert timeline.claimed_cost.sum() == 5.576
    assert timeline.audit_cost[session(dt.date(2025, 1, 31))] == 1600
    assert timeline.capex_news[24, 12] == 500_000
    assert timeline.salience[24, 16] > 10 * timeline.salience[24, 12]
    announced = {"amount": 500_000, "months": 48, "phases": 5, "own_power": 0.5, "offtake": 0.8}
    assert {name: getattr(timeline, f"programme_{name}")[24, 0] for name in announced} == announced
    later = timeline.programme_amount[:, 1:]
    assert [*zip(*np.nonzero(later), later[later > 0], strict=True)] == [
        (24, 0, 23_300),
        (25, 1, 22_500),
        (25, 2, 17_000),
    ]
    assert timeline.allegation[24:36, r1].all()
    assert timeline.allegation.sum() == 12
    assert timeline.vigilance[24, lab("closed_1")] == 1
    cut = timeline.price_factor[16] == 0.5
    assert [CAST.labs[i] for i in np.flatnonzero(cut)] == ["closed_5", "open_1", "open_3"]
    assert (timeline.price_factor == 1).sum() == timeline.price_factor.size - 3
    # export rules accumulate: in force from the start, tighter from November 2023, closed from April 2025
    assert timeline.performance_cap[[0, 9, 10], 0, china].tolist() == [0.8, 0.8, 0.15]
    assert timeline.export_availability[[26, 27, 59], 0, china].tolist() == [1, 0, 0]
    assert timeline.export_availability[[22, 23], 3, china].tolist() == [1, 0.8]
    assert (timeline.export_availability[:, :, CAST.jurisdictions.index("eu")] == 1).all()
    uncertainty = list(INSTRUMENTS).index("policy_uncertainty")
    assert timeline.policy_scale[[23, 24, 27, 28], 0, uncertainty].tolist() == [1, 1.5, 1.5, 1]
    tightness = QUESTIONS.index("policy_tightness")
    signal = timeline.news_signal_precision[session(dt.date(2025, 4, 15))][tightness]
    assert signal / timeline.news_precision[session(dt.date(2025, 4, 15))][tightness] == 0.5
    assert timeline.news_signal_precision[..., [0, 1, 3]].sum() == 0


def test_without_r1_and_without_stargate():
    base, no_r1, no_stargate = (Scenario.load(name).timeline(48) for name in ("baseline", "no_r1", "no_stargate"))
    assert no_r1.release[24:37].sum() == 0
    assert no_r1.audit_cost.sum() == no_r1.allegation.sum() == 0
    assert no_r1.capex_news[24, 12] == 500_000
    assert no_stargate.capex_news[24, 12] == 0
    assert no_stargate.programme_amount.sum() == base.programme_amount.sum() - 500_000
    assert (no_stargate.release == base.release).all()
    for name, array in base.arrays().items():
        assert (array[:24] == no_r1.arrays()[name][:24]).all(), name
        assert (array[:24] == no_stargate.arrays()[name][:24]).all(), name


@pytest.mark.parametrize("name", COUNTERFACTUAL)
def test_counterfactuals_share_history_and_then_differ(name):
    base, other = BASELINE.timeline().arrays(), Scenario.load(name).timeline().arrays()
    assert all((base[key][:25] == other[key][:25]).all() for key in base)
    assert any((base[key][25] != other[key][25]).any() for key in base)


def test_article_bundle_is_clear_property_fast_permits_and_no_guarantee():
    bundle = Scenario.load("article_bundle")
    assert bundle.all_parameters == {"guarantee_share": 0.0}
    clear, fast, both = (Scenario.load(n).timeline() for n in ("ip_clear", "fast_permits", "article_bundle"))
    base = BASELINE.timeline()
    assert (clear.policy_scale * fast.policy_scale == both.policy_scale * base.policy_scale).all()
    assert (clear.policy_add + fast.policy_add == both.policy_add + base.policy_add).all()


# --- the timeline ---


@pytest.mark.parametrize("cast", [Cast(), Cast().with_entrants(5)])
@pytest.mark.parametrize("months", [1, 30, 120])
def test_shapes_depend_on_the_cast_and_not_on_the_scenario(months, cast):
    expected = {name: array.shape for name, array in Timeline.blank(months, cast).arrays().items()}
    v, r, n = len(cast.vendors), len(cast.jurisdictions), len(cast.labs)
    assert expected["policy_scale"] == (months, r, 8)
    assert expected["performance_cap"] == (months, v, r)
    assert expected["release"] == (months, n)
    assert expected["news_precision"] == (months, DAYS, 4)
    assert expected["programme_amount"] == (months, PROGRAMMES)
    for name in Scenario.names():
        timeline = Scenario.load(name).timeline(months, cast)
        assert {key: array.shape for key, array in timeline.arrays().items()} == expected
        assert all(array.dtype == np.float64 and np.isfinite(array).all() for array in timeline.arrays().values())


def test_an_empty_timeline_holds_the_defaults_and_is_read_only():
    timeline = EMPTY.timeline(12)
    for name, array in timeline.arrays().items():
        usual = {"release_gap": -1e6, "release_day": -1, "performance_cap": 1e6}
        ones = {"policy_scale", "export_availability", "price_factor", "programme_months", "programme_phases"}
        assert (array == usual.get(name, 1.0 if name in ones else 0.0)).all(), name
    assert timeline.months == 12
    with pytest.raises(ValueError, match="read-only"):
        timeline.salience[0, 0] = 1


def test_policy_events_act_on_top_of_one_another():
    scenario = EMPTY
    for month, mode, value, until in [
        (2, "set", 0.4, None),
        (4, "scale", 0.5, dt.date(2023, 9, 20)),
        (6, "add", 0.1, None),
        (1, "add", 0.2, None),
    ]:
        scenario = scenario.with_event(
            kind="policy",
            instrument="ip_strength",
            mode=mode,
            value=value,
            month=month,
            until=until,
            jurisdiction=["eu", "row"],
        )
    timeline = scenario.timeline(10)
    target = 0.7 * timeline.policy_scale[:, :, 0] + timeline.policy_add[:, :, 0]
    assert target[:, 2] == pytest.approx([0.7, 0.9, 0.4, 0.4, 0.2, 0.2, 0.3, 0.3, 0.5, 0.5])
    assert target[:, 0] == pytest.approx(0.7)
    assert (timeline.policy_scale[:, :, 1:] == 1).all()


def test_a_rule_lasts_at_least_its_month_and_may_be_over_before_the_model_begins():
    rule = {"kind": "export_control", "destination": "china", "availability": 0.5}
    short = EMPTY.with_event(**rule, date=dt.date(2023, 3, 1), until=dt.date(2023, 3, 5)).timeline(6)
    assert short.export_availability[:, 0, 1].tolist() == [1, 1, 0.5, 1, 1, 1]
    gone = EMPTY.with_event(**rule, date=dt.date(2022, 3, 1), until=dt.date(2022, 9, 1)).timeline(6)
    assert (gone.export_availability == 1).all()


def test_export_rules_by_vendor():
    rule = {"kind": "export_control", "destination": ["china", "us"], "availability": 0.5, "month": 0}
    foreign = EMPTY.with_event(**rule).timeline(1).export_availability[0]
    assert foreign[:, 1].tolist() == [0.5, 0.5, 0.5, 1]
    assert foreign[:, 0].tolist() == [1, 1, 1, 0.5]
    named = EMPTY.with_event(**rule, vendors="follower").timeline(1).export_availability[0]
    assert named[:, :2].tolist() == [[1, 1], [0.5, 0.5], [1, 1], [1, 1]]
    stricter = EMPTY.with_event(**rule).with_event(**rule | {"availability": 0.8, "month": 1}).timeline(2)
    assert stricter.export_availability[1, 0, 1] == 0.5


def test_programmes_take_slots_in_the_order_of_their_dates():
    late = {"kind": "capex_programme", "month": 9, "amount": 3.0, "months": 12, "phases": 2, "own_power": 0.25}
    early = {"kind": "capex_programme", "month": 4, "amount": 1.0, "months": 6, "offtake": 0.5}
    timeline = EMPTY.with_event(late).with_event(early).timeline(12)
    assert timeline.programme_amount[4].tolist() == [1, *[0] * (PROGRAMMES - 1)]
    assert timeline.programme_amount[9].tolist() == [0, 3, *[0] * (PROGRAMMES - 2)]
    assert (timeline.programme_phases[9, 1], timeline.programme_own_power[9, 1]) == (2, 0.25)
    assert (timeline.programme_phases[4, 0], timeline.programme_offtake[4, 0]) == (1, 0.5)
    assert timeline.programme_amount.sum() == 4


def test_news_of_one_day_are_pooled():
    scenario = EMPTY
    for signal, precision in ((1.0, 1.0), (-0.5, 3.0)):
        scenario = scenario.with_event(
            kind="news", question="credibility", signal=signal, precision=precision, month=3, day=4
        )
    timeline = scenario.timeline(5)
    assert timeline.news_precision[3, 4].tolist() == [0, 0, 0, 4]
    assert timeline.news_signal_precision[3, 4, 3] == 1.0 - 1.5
    assert timeline.salience[3, 4] == 2


@pytest.mark.parametrize("kind", KINDS)
@given(month=st.integers(0, 59), day=st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_an_added_event_leaves_earlier_months_as_they_were(kind, month, day):
    before = BASELINE.timeline().arrays()
    try:
        after = BASELINE.with_event(kind=kind, month=month, day=day, **SOME_EVENTS[kind]).timeline().arrays()
    except ScenarioError as error:
        assert "conflicts with" in str(error)  # noqa: PT017
        return
    assert all((before[name][:month] == after[name][:month]).all() for name in before)
    assert any((before[name][month] != after[name][month]).any() for name in before)


def test_a_longer_run_begins_like_a_shorter_one():
    short, long = BASELINE.timeline(30).arrays(), BASELINE.timeline(90).arrays()
    assert all((short[name] == long[name][:30]).all() for name in short)


def test_a_custom_cast():
    cast = Cast(("a", "b"), ("x", "y"), ("l1", "l2", "entrant_1"), ("x", "y", "y"), ("x", "y"))
    scenario = EMPTY.with_event(kind="price_war", labs="y", factor=0.5, month=0)
    assert scenario.timeline(1, cast).price_factor.tolist() == [[1, 0.5, 0.5]]
    # Events about firms of the default cast that this cast lacks are ignored; a name in neither cast is an error.
    assert BASELINE.timeline(60, cast).release.sum() == 0
    with pytest.raises(ScenarioError, match="unknown lab 'nobody'"):
        EMPTY.with_event(kind="release", lab="nobody", month=0).timeline(1, cast)
    with pytest.raises(ScenarioError, match="slot for entrants"):
        EMPTY.with_event(kind="release", lab="entrant_1", month=0).timeline(1, cast)
    for wrong in ({"vendor_home": ("us",)}, {"lab_home": ("mars",) * 11}, {"jurisdictions": ("us",) * 4}):
        with pytest.raises(ValueError, match=r"home|unique"):
            Cast(**wrong)
    assert Cast().with_entrants(2).with_entrants(1) == Cast().with_entrants(3)
    assert Cast().with_entrants(3).named_labs == Cast().labs


def test_many_repeated_factors_stay_finite():
    steps = [{"kind": "policy", "instrument": "power_growth", "mode": "scale", "value": 100.0, "month": 0}] * 300
    wars = [{"kind": "price_war", "labs": "us", "factor": 0.001, "month": 0}] * 300
    timeline = Scenario(name="many", events=steps + wars).timeline(2)
    assert all(np.isfinite(array).all() for array in timeline.arrays().values())
    assert (timeline.price_factor > 0).all()


# --- scenarios as values ---


@pytest.mark.parametrize("name", Scenario.names())
def test_toml_round_trip(name, tmp_path):
    scenario = Scenario.load(name)
    again = Scenario.load(write(tmp_path, scenario.to_toml()))
    assert again == scenario
    assert again.to_toml() == scenario.to_toml()
    assert pickle.loads(pickle.dumps(scenario)) == scenario
    assert pickle.loads(pickle.dumps(scenario)).all_events == scenario.all_events


def test_toml_round_trip_of_special_characters(tmp_path):
    event = Release(lab="open_1", month=3, day=2, note='a "quoted"\n\tnote \\ with \x7f and \u2028 and é', gap=-1e-7)
    own = {"ip_strength": {"us": 1, "eu": 0.25}, "odd name": 1e22}
    scenario = Scenario(name="odd", summary="#[[event]]", parameters=own, events=[event])
    again = Scenario.load(write(tmp_path, scenario.to_toml()))
    assert again == scenario
    assert again.events[0].note == event.note


def test_with_event_and_without():
    later = BASELINE.without("r1").with_event(kind="release", id="r1", lab="open_1", month=27, day=12)
    assert later.timeline().release[[24, 27], lab("open_1")].tolist() == [0, 1]
    assert BASELINE.timeline().release[24, lab("open_1")] == 1
    own = Scenario(name="mine", extends="no_stargate").without("r1")
    assert own.remove == ("r1",)
    assert {event.id for event in BASELINE.all_events} - {event.id for event in own.all_events} == {"r1", "stargate"}
    again = own.with_event(Release(id="r1", lab="open_2", month=1))
    assert again.without("r1") == own
    with pytest.raises(ScenarioError, match=r"no event has the id 'stargat'; did you mean 'stargate'\?"):
        BASELINE.without("stargat")
    with pytest.raises(ScenarioError, match="duplicate id 'r1'"):
        BASELINE.with_event(kind="attention", id="r1", month=3, salience=1)
    assert BASELINE.with_event({"kind": "attention", "month": 3, "salience": 1.0}).timeline().salience[3, 0] == 1


def test_scenarios_and_events_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        BASELINE.name = "x"
    with pytest.raises(ValueError, match="frozen"):
        BASELINE.events[0].note = "x"
    assert Scenario.load(BASELINE) is BASELINE


def test_events_built_in_python_are_checked():
    assert Release(lab="open_1", date=dt.date(2025, 1, 20)).when == (24, 12)
    with pytest.raises(ValueError, match="missing field 'date'"):
        Release(lab="open_1")
    with pytest.raises(ValueError, match="outside 0 to 1"):
        Policy(instrument="ip_strength", value=2, month=1)
    with pytest.raises(NotImplementedError):
        Event(kind="none", month=1).act(None, CAST)


def test_parameters_are_inherited_and_merged(tmp_path):
    write(tmp_path, 'name = "a"\n[parameters]\nx = 1\nip_strength = { us = 0.1, eu = 0.2 }\n', "a.toml")
    b = Scenario.load(
        write(tmp_path, 'name = "b"\nextends = "a.toml"\n[parameters]\ny = 2\nip_strength = { eu = 0.3 }\n', "b.toml")
    )
    assert b.all_parameters == {"x": 1, "y": 2, "ip_strength": {"us": 0.1, "eu": 0.3}}
    b.check_parameters({"x", "y", "ip_strength"})
    with pytest.raises(ScenarioError) as caught:
        b.check_parameters({"x", "ip_strengths"})
    assert [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems] == [
        "b.toml:4: unknown parameter 'y' (one of: ip_strengths, x)",
        "b.toml:5: unknown parameter 'ip_strength'; did you mean 'ip_strengths'?",
        "a.toml:4: unknown parameter 'ip_strength'; did you mean 'ip_strengths'?",
    ]


# --- the code itself ---


def test_scenarios_import_no_heavy_packages():
    for name in ("calendar", "timeline", "events", "scenario"):
        tree = ast.parse((Path(abm.scenarios.scenario.__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
        roots = {
            (alias.name if isinstance(node, ast.Import) else node.module).split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert not roots & {"jax", "mesa", "pandas", "networkx", "matplotlib", "scipy"}


def test_examples():
    assert doctest.testmod(abm.scenarios.scenario).failed == 0


def test_the_example_of_the_module_is_a_scenario(tmp_path):
    text = abm.scenarios.scenario.__doc__.split("\n\n", 1)[1].split("A file is data")[0]
    scenario = Scenario.load(write(tmp_path, text))
    assert scenario.timeline().export_availability[24, 0, 1] == 0
