"""Scenarios: what they say reaches the timeline, and what they get wrong is said well."""

import ast
import datetime as dt
import doctest
import pickle
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import abm.scenarios.scenario
from abm.scenarios.events import KINDS, Event, Policy, Release
from abm.scenarios.scenario import BUILT_IN, Scenario, ScenarioError
from abm.scenarios.timeline import DAYS, INSTRUMENTS, QUESTIONS, Timeline, World

BASELINE = Scenario.load("baseline")
EMPTY = Scenario(name="empty")
WORLD = World()
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


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / name


def problems_of(folder: Path, text: str, **given) -> list[str]:
    """What is wrong with a file, without the folder's name."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(write(folder, text), **given)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def lab(name: str) -> int:
    return WORLD.labs.index(name)


def at(date: dt.date) -> tuple[int, int]:
    return Policy(instrument="ip_strength", value=0, date=date).when


# --- what is built in ---


def test_built_in_scenarios():
    assert set(Scenario.names()) == {"baseline", "no_r1", "no_stargate", *COUNTERFACTUAL}
    assert Scenario.names()[0] == "baseline"


@pytest.mark.parametrize("name", Scenario.names())
def test_every_built_in_says_who_it_is_and_every_event_why(name):
    scenario = Scenario.load(name)
    assert scenario.name == name
    assert scenario.summary
    for event in scenario.all_events:
        assert event.id
        assert event.note
        assert event.source


@pytest.mark.parametrize("name", Scenario.names())
def test_nothing_after_june_2025_but_two_dates(name):
    late = [event for event in Scenario.load(name).all_events if event.when > at(LAST_FACT)]
    assert [event.id for event in late] == ["software_shock_2026", "v4"]
    for event in late:  # dates of MODEL.md section 7, as inputs without outcomes
        assert event.gap is event.claimed_cost is event.programme_cost is None
        assert event.efficiency_gain == event.size_step == 0
        assert "section 7" in event.source
    assert [event.when[0] for event in late] == [37, 39]


def test_baseline_is_the_history_of_the_model():
    timeline = BASELINE.timeline(60)
    r1, china = lab("open_1"), WORLD.jurisdictions.index("china")
    assert timeline.release[24].tolist() == [float(i == r1) for i in range(len(WORLD.labs))]
    assert timeline.release_day[24, r1] == 12
    assert timeline.release_gap[24, r1] == -0.3
    assert timeline.release_claimed_cost[24, r1] == 5.576
    assert timeline.release_programme_cost[24, r1] == 1600
    assert timeline.claimed_cost[at(dt.date(2024, 12, 26))] == 5.576
    assert timeline.claimed_cost.sum() == 5.576
    assert timeline.audit_cost[at(dt.date(2025, 1, 31))] == 1600
    assert timeline.capex_news[24, 12] == 500_000
    assert timeline.salience[24, 16] > 10 * timeline.salience[24, 12]
    assert timeline.capex.sum() == pytest.approx((60 - 24) / 48 * 500_000 + 23_300 + 22_500 + 17_000)
    assert timeline.allegation[24:36, r1].all()
    assert timeline.allegation.sum() == 12
    assert timeline.vigilance[24, lab("closed_1")] == 1
    cut = timeline.price_factor[16] == 0.5
    assert [WORLD.labs[i] for i in np.flatnonzero(cut)] == ["closed_5", "open_1", "open_3"]
    assert (timeline.price_factor == 1).sum() == timeline.price_factor.size - 3
    # export rules accumulate: in force from the start, tighter from November 2023, shut from April 2025
    assert timeline.performance_cap[[0, 9, 10], 0, china].tolist() == [0.8, 0.8, 0.15]
    assert timeline.export_availability[[26, 27, 59], 0, china].tolist() == [1, 0, 0]
    assert timeline.export_availability[[22, 23], 3, china].tolist() == [1, 0.8]
    assert (timeline.export_availability[:, :, WORLD.jurisdictions.index("eu")] == 1).all()
    uncertainty = list(INSTRUMENTS).index("policy_uncertainty")
    assert timeline.policy_scale[[23, 24, 27, 28], 0, uncertainty].tolist() == [1, 1.5, 1.5, 1]
    tightness = QUESTIONS.index("policy_tightness")
    signal = timeline.news_signal_precision[at(dt.date(2025, 4, 15))][tightness]
    assert signal / timeline.news_precision[at(dt.date(2025, 4, 15))][tightness] == 0.5
    assert timeline.news_signal_precision[..., [0, 1, 3]].sum() == 0


def test_without_r1_and_without_stargate():
    base, no_r1, no_stargate = (Scenario.load(name).timeline(48) for name in ("baseline", "no_r1", "no_stargate"))
    assert no_r1.release[24:37].sum() == 0
    assert no_r1.audit_cost.sum() == no_r1.allegation.sum() == 0
    assert no_r1.capex_news[24, 12] == 500_000
    assert no_stargate.capex_news[24, 12] == 0
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


@pytest.mark.parametrize("world", [World(), World().with_entrants(5)])
@pytest.mark.parametrize("months", [1, 30, 120])
def test_shapes_are_those_of_the_world_for_every_scenario(months, world):
    expected = {name: array.shape for name, array in Timeline.blank(months, world).arrays().items()}
    v, r, n = len(world.vendors), len(world.jurisdictions), len(world.labs)
    assert expected["policy_scale"] == (months, r, 8)
    assert expected["performance_cap"] == (months, v, r)
    assert expected["release"] == (months, n)
    assert expected["news_precision"] == (months, DAYS, 4)
    assert expected["capex"] == (months,)
    for name in Scenario.names():
        timeline = Scenario.load(name).timeline(months, world)
        assert {key: array.shape for key, array in timeline.arrays().items()} == expected
        assert all(array.dtype == np.float64 and np.isfinite(array).all() for array in timeline.arrays().values())


def test_nothing_happens_on_an_empty_timeline():
    timeline = EMPTY.timeline(12)
    for name, array in timeline.arrays().items():
        usual = {"release_gap": -1e6, "release_day": -1, "performance_cap": 1e6}
        ones = {"policy_scale", "export_availability", "price_factor"}
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


SOME_EVENTS = {
    "policy": {"instrument": "permitting_lag", "mode": "scale", "value": 2.0},
    "export_control": {"destination": "row", "availability": 0.5},
    "release": {"lab": "closed_2", "gap": 0.1, "claimed_cost": 3.0},
    "cost_claim": {"lab": "open_3", "claimed_cost": 3.0},
    "audit": {"lab": "open_3", "estimated_cost": 3.0},
    "capex_programme": {"amount": 10.0, "months": 7},
    "news": {"question": "appropriability", "signal": -1.0, "precision": 2.0},
    "attention": {"salience": 1.0},
    "allegation": {"teacher": "closed_2", "student": "open_4", "vigilance": 0.5, "months": 3},
    "price_war": {"labs": ["open_3", "us"], "factor": 0.5},
}


@pytest.mark.parametrize("kind", KINDS)
@given(month=st.integers(0, 59), day=st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_an_added_event_leaves_earlier_months_as_they_were(kind, month, day):
    before = BASELINE.timeline().arrays()
    try:
        after = BASELINE.with_event(kind=kind, month=month, day=day, **SOME_EVENTS[kind]).timeline().arrays()
    except ScenarioError as error:
        assert "is there already" in str(error)  # noqa: PT017
        return
    assert all((before[name][:month] == after[name][:month]).all() for name in before)
    assert any((before[name][month] != after[name][month]).any() for name in before)


def test_a_longer_run_begins_like_a_shorter_one():
    short, long = BASELINE.timeline(30).arrays(), BASELINE.timeline(90).arrays()
    assert all((short[name] == long[name][:30]).all() for name in short)


def test_a_world_of_ones_own():
    world = World(("a", "b"), ("x", "y"), ("l1", "l2", "entrant_1"), ("x", "y", "y"), ("x", "y"))
    scenario = EMPTY.with_event(kind="price_war", labs="y", factor=0.5, month=0)
    assert scenario.timeline(1, world).price_factor.tolist() == [[1, 0.5, 0.5]]
    # Events about the default cast do not happen in a world without them; a name nobody has is an error.
    assert BASELINE.timeline(60, world).release.sum() == 0
    with pytest.raises(ScenarioError, match="unknown lab 'nobody'"):
        EMPTY.with_event(kind="release", lab="nobody", month=0).timeline(1, world)
    with pytest.raises(ScenarioError, match="entrant's slot"):
        EMPTY.with_event(kind="release", lab="entrant_1", month=0).timeline(1, world)
    for wrong in ({"vendor_home": ("us",)}, {"lab_home": ("mars",) * 11}, {"jurisdictions": ("us",) * 4}):
        with pytest.raises(ValueError, match=r"home|differ"):
            World(**wrong)
    assert World().with_entrants(2).with_entrants(1) == World().with_entrants(3)
    assert World().with_entrants(3).named_labs == World().labs


def test_too_many_factors_stay_finite():
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


def test_round_trip_of_awkward_words(tmp_path):
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


def test_events_can_be_built_in_python_and_say_what_is_wrong():
    assert Release(lab="open_1", date=dt.date(2025, 1, 20)).when == (24, 12)
    with pytest.raises(ValueError, match="missing field 'date'"):
        Release(lab="open_1")
    with pytest.raises(ValueError, match="outside 0 to 1"):
        Policy(instrument="ip_strength", value=2, month=1)
    with pytest.raises(NotImplementedError):
        Event(kind="none", month=1).act(None, WORLD)


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


# --- what is wrong is said at once, with its line ---


def test_all_problems_at_once(tmp_path):
    text = """\
name = "mine"
extends = "baseline"
remove = [
    "stargat",
]
sumary = "x"

[parameters]
guarantee_share = "none"
wrong = nan
ip_strength = { chna = 0.3 }

[[event]]
kind = "polciy"
date = 2025-01-20

[[event]] # the second
kind = "policy"
note = '''
[[event]]
kind = "trap"
'''
instrument = "ip_strenght"
value = 3
jurisdiction = ["us", "chnia"]
date = 2031-01-20

[[event]]
kind = "release"
lab = "entrant_1"
salence = 2
claimed_cost = -1

[[event]]
kind = "price_war"
date = 2022-05-21
labs = "chin"
factor = 1.5
"""
    assert problems_of(tmp_path, text) == [
        "mine.toml:14: event 1 (kind 'polciy'): unknown kind; did you mean 'policy'?",
        "mine.toml:26: event 2 (kind 'policy'): date 2031-01-20 is outside the horizon, which ends in 2027-12 "
        "(month 59)",
        "mine.toml:23: event 2 (kind 'policy'): unknown instrument 'ip_strenght'; did you mean 'ip_strength'?",
        "mine.toml:25: event 2 (kind 'policy'): unknown jurisdiction 'chnia'; did you mean 'china'?",
        "mine.toml:28: event 3 (kind 'release'): missing field 'date' (or 'month' and 'day')",
        "mine.toml:30: event 3 (kind 'release'): 'entrant_1' is an entrant's slot: who enters, and when, is the "
        "model's own outcome",
        "mine.toml:32: event 3 (kind 'release'): claimed_cost ($ M): must be more than 0, not -1",
        "mine.toml:31: event 3 (kind 'release'): unknown key 'salence'; did you mean 'salience'?",
        "mine.toml:36: event 4 (kind 'price_war'): date 2022-05-21 is outside the horizon, which begins on 2023-01-01 "
        "(month 0)",
        "mine.toml:37: event 4 (kind 'price_war'): unknown lab or jurisdiction 'chin'; did you mean 'china'?",
        "mine.toml:38: event 4 (kind 'price_war'): factor (of the list price): must be at most 1, not 1.5",
        "mine.toml:3: remove: no inherited event has the id 'stargat'; did you mean 'stargate'?",
        "mine.toml:9: parameter 'guarantee_share': must be a finite number, or a table of them by jurisdiction, not "
        "'none'",
        "mine.toml:10: parameter 'wrong': must be a finite number, or a table of them by jurisdiction, not nan",
        "mine.toml:11: parameter 'ip_strength': unknown jurisdiction 'chna'; did you mean 'china'?",
        "mine.toml:6: unknown key 'sumary'; did you mean 'summary'?",
    ]


HEAD = 'name = "mine"\n\n[[event]]\n'


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("date = 2025-01-20", "mine.toml:3: event 1: missing field 'kind' (one of: policy, export_control"),
        (
            'kind = "attention"\ndate = "2025-01-32"\nsalience = 1',
            ":5: event 1 (kind 'attention'): date: must be a date, such as 2025-01-27, not '2025-01-32'",
        ),
        (
            'kind = "attention"\ndate = 2025-01-20T10:00:00\nsalience = 1',
            ":5: event 1 (kind 'attention'): date: must be a date, such as 2025-01-27, not 2025-01-20 10:00",
        ),
        (
            'kind = "attention"\ndate = 2025-01-20\nmonth = 24\nsalience = 1',
            ":6: event 1 (kind 'attention'): give eith",
        ),
        (
            'kind = "attention"\nmonth = 60\nsalience = 1',
            ":5: event 1 (kind 'attention'): month 60 is outside the hori",
        ),
        (
            'kind = "attention"\nmonth = 4\nday = 21\nsalience = 1',
            ":6: event 1 (kind 'attention'): day: must be at most 20",
        ),
        ('kind = "attention"\nmonth = 4\nsalience = true', ":6: event 1 (kind 'attention'): salience (1 = an ordinary"),
        ('kind = "attention"\nmonth = 4\nsalience = inf', ":6: event 1 (kind 'attention'): salience (1 = an ordinary"),
        (
            'kind = "attention"\nmonth = 4\nsalience = 1\nid = "a b"',
            ":7: event 1 (kind 'attention'): id: must be a short name of letters, digits and _ . -, not 'a b'",
        ),
        (
            'kind = "attention"\nmonth = 4\nsalience = 1\nuntil = 2024-01-01',
            ":7: event 1 (kind 'attention'): unknown ke",
        ),
        (
            'kind = "export_control"\nmonth = 4\ndestination = []',
            ":6: event 1 (kind 'export_control'): destination: mu",
        ),
        ('kind = "export_control"\nmonth = 4\ndestination = "china"', ":3: event 1 (kind 'export_control'): missing f"),
        ('kind = "export_control"\nmonth = 4\ndestination = "china"\navailability = 2', ":7: event 1 (kind 'export_co"),
        ('kind = "export_control"\nmonth = 4\ndestination = "china"\navailability = 1\nvendors = ["ledaer"]', ":8: ev"),
        ('kind = "export_control"\ndate = 1914-07-28\ndestination = "china"\navailability = 1', "a rule may be older"),
        ('kind = "policy"\ndate = 2025-01-01\nuntil = 2025-01-01\ninstrument = "power_growth"\nvalue = 1', ":6: event"),
        ('kind = "policy"\nmonth = 3\nuntil = 2023-04-01\ninstrument = "power_growth"\nvalue = 1', ":6: event 1 (kind"),
        (
            'kind = "policy"\nmonth = 3\ninstrument = "power_growth"\nvalue = -1\nmode = "scale"',
            "outside 0 to 100 (pow",
        ),
        ('kind = "policy"\nmonth = 3\ninstrument = "power_growth"\nvalue = 1\nmode = "mul"', "unknown mode 'mul' (one"),
        (
            'kind = "policy"\nmonth = 3\ninstrument = "ip_clarity"\nvalue = -2\nmode = "add"',
            "value -2 is outside -1 to",
        ),
        (
            'kind = "news"\nmonth = 3\nquestion = "credibilty"\nsignal = 1\nprecision = 0',
            "unknown question 'credibilty'",
        ),
        (
            'kind = "news"\nmonth = 3\nquestion = "credibility"\nsignal = 1\nprecision = 0',
            "precision (1 / nats^2): must be more than 0",
        ),
        (
            'kind = "allegation"\nmonth = 3\nteacher = "open_1"\nstudent = "open_1"\nvigilance = 1\nmonths = 1',
            "same la",
        ),
        (
            'kind = "capex_programme"\nmonth = 3\namount = -3\nmonths = 1.5',
            ":6: event 1 (kind 'capex_programme'): amou",
        ),
    ],
)
def test_one_thing_wrong_with_an_event(tmp_path, event, expected):
    found = problems_of(tmp_path, HEAD + event + "\n")
    assert any(expected in problem for problem in found)
    assert all(problem.startswith("mine.toml:") for problem in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "mine.toml: missing field 'name'"),
        ('name = "a"\nname = "b"', "mine.toml:2: TOML syntax: Cannot overwrite a value"),
        ('name = "a"\n\n[[event]]\ndate = 2025-02-30', "mine.toml:4: TOML syntax: Invalid date or datetime"),
        ('name = "a"\nsummary = "', "mine.toml:2: TOML syntax"),
        ('name = "a"\nevent = 3', "mine.toml:2: events are tables [[event]], each of its own, not 3"),
        (
            'name = "a"\nevent = [3]',
            "mine.toml:2: event 1: an event is a table [[event]] of its own, not 3",
        ),
        ('name = "a"\n[event]\nkind = "news"', "mine.toml:2: events are tables [[event]], each of its own, not {"),
        ('name = "a"\n[[events]]\nkind = "news"', "mine.toml:2: unknown key 'events'; did you mean [[event]]?"),
        ('name = "a"\nremove = ["r1"]', "mine.toml:2: remove: no inherited event has the id 'r1'"),
        ('name = "a"\nremove = "r1"', "mine.toml:2: remove: must be a list, not 'r1'"),
        ('name = "../a"', "mine.toml:1: name: must be a short name of letters, digits and _ . -, not"),
        (
            'name = "a"\nextends = "baselin"',
            "mine.toml:2: extends unknown scenario 'baselin'; did you mean 'baseline'?",
        ),
        ('name = "a"\nextends = 3', "mine.toml:2: extends: must be a text, not 3"),
        ('name = "a"\nextends = "../b.toml"', "mine.toml:2: extends '../b.toml', which is outside the folder"),
        ('name = "a"\nextends = "/etc/b.toml"', "mine.toml:2: extends '/etc/b.toml', which is outside the folder"),
        ('name = "a"\nextends = "c\\u0000.toml"', "mine.toml:2: extends 'c\\x00.toml'"),
        ('name = "a"\nextends = "c.toml"', "c.toml: cannot be read: there is no such file"),
        ('name = "a"\nextends = "mine.toml"', "mine.toml:2: extends is circular: mine.toml -> mine.toml"),
        ('name = "a"\n[parameters]\nx = 1' + "0" * 400, "mine.toml:3: parameter 'x': must be a finite number"),
        ('name = "a"\n[parameters]\nx = 1' + "0" * 5000, "mine.toml: cannot be read: Exceeds the limit"),
        ('name = "a"\n[parameters.x]\nus = true', "mine.toml:2: parameter 'x': must be a finite number"),
        ('name = "a"\n[parameters]\nx = {}', "mine.toml:3: parameter 'x': must be a finite number"),
        ('name = "a"\nx = ' + "[" * 5000 + "]" * 5000, "mine.toml: cannot be read: "),
    ],
)
def test_one_thing_wrong_with_a_file(tmp_path, text, expected):
    assert any(problem.startswith(expected) for problem in problems_of(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "large.toml").write_bytes(b"#" * 1_000_001)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    (tmp_path / "folder.toml").mkdir()
    for name in ("large", "latin", "folder", "absent", "x" * 300, "nul\0"):
        with pytest.raises(ScenarioError, match="cannot be read"):
            Scenario.load(tmp_path / f"{name}.toml")
    for name in ("basline", "", "baseline.yaml", "../baseline"):
        with pytest.raises(ScenarioError, match="unknown scenario"):
            Scenario.load(name)
    (tmp_path / "bom.toml").write_bytes('\ufeffname = "é"'.replace("é", "e").replace("\n", "\r\n").encode())
    assert Scenario.load(tmp_path / "bom.toml").name == "e"


def test_extends_stays_in_its_folder_and_ends(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    write(tmp_path, 'name = "secret"\n', "secret.toml")
    try:
        (inner / "link.toml").symlink_to(tmp_path / "secret.toml")
    except OSError:
        pytest.skip("no links here")
    assert "outside the folder" in problems_of(inner, 'name = "a"\nextends = "link.toml"')[0]
    (inner / "loop.toml").symlink_to(inner / "loop.toml")
    problems_of(inner, 'name = "a"\nextends = "loop.toml"')
    write(inner, 'name = "b"\nextends = "mine.toml"', "b.toml")
    circular = problems_of(inner, 'name = "a"\nextends = "b.toml"')
    assert circular == ["b.toml:2: extends is circular: mine.toml -> b.toml -> mine.toml"]
    for i in range(20):
        write(inner, f'name = "s{i}"\nextends = "s{i + 1}.toml"', f"s{i}.toml")
    assert "more than 16 in a row" in problems_of(inner, 'name = "a"\nextends = "s0.toml"')[0]
    with pytest.raises(ScenarioError, match=r"unknown scenario 'secret\.toml'"):
        Scenario(name="a", extends="secret.toml")  # in Python there is no folder: built-ins only


def test_ids_and_places_are_taken_once(tmp_path):
    r1 = '[[event]]\nid = "{}"\nkind = "release"\nlab = "{}"\nmonth = {}\n'
    text = 'name = "a"\nextends = "baseline"\n' + r1.format("r1", "open_2", 3) + r1.format("b", "open_1", 24)
    text += r1.format("b", "closed_1", 4) + r1.format("c", "closed_1", 4)
    assert problems_of(tmp_path, text) == [
        "mine.toml:4: event 1 (kind 'release'): duplicate id 'r1', which inherited event 'r1' has",
        "mine.toml:9: event 2 (kind 'release'): inherited event 'r1' is there already: one release a lab and month, "
        "one claim, audit a day",
        "mine.toml:14: event 3 (kind 'release'): duplicate id 'b', which event 2 has",
        "mine.toml:19: event 4 (kind 'release'): event 3 is there already: one release a lab and month, one claim, "
        "audit a day",
    ]
    removed = 'name = "a"\nextends = "baseline"\nremove = ["r1"]\n' + r1.format("r1", "open_1", 24)
    assert Scenario.load(write(tmp_path, removed)).timeline().release_day[24, lab("open_1")] == 0


def test_horizon_is_that_of_the_run(tmp_path):
    text = 'name = "a"\nextends = "baseline"\n[[event]]\nkind = "attention"\nsalience = 1\ndate = 2029-01-02\n'
    assert "outside the horizon" in problems_of(tmp_path, text)[0]
    assert Scenario.load(write(tmp_path, text), horizon=84).timeline(84).salience[72, 0] == 1
    early = text.replace("2029", "2024")
    assert (
        Scenario.load(write(tmp_path, early), horizon=20).timeline(20).salience[12, 0] == 1
    )  # baseline goes on longer
    assert "ends in 2023-12" in problems_of(tmp_path, early, horizon=12)[0]
    with pytest.raises(ScenarioError, match="at least one month"):
        BASELINE.timeline(0)


def test_errors_travel():
    error = ScenarioError(["a", "b", "a"])
    assert error.problems == pickle.loads(pickle.dumps(error)).problems == ("a", "b")
    assert isinstance(error, ValueError)


# --- files from strangers ---

WORDS = st.one_of(
    st.sampled_from(
        [*KINDS, *INSTRUMENTS, *QUESTIONS, *WORLD.labs, *WORLD.jurisdictions, *WORLD.vendors, *Scenario.names()]
        + ["all", "foreign", "set", "scale", "add", "r1", "mine.toml", "entrant_1", ".", "..", "name", "event"]
    ),
    st.text(max_size=8),
)
SCALARS = st.one_of(
    WORDS,
    st.integers(-(10**30), 10**30),
    st.integers(-2, 70),
    st.floats(),
    st.floats(0, 1),
    st.booleans(),
    st.none(),
    st.dates(),
    st.dates(dt.date(2022, 1, 1), dt.date(2028, 12, 31)),
    st.datetimes(),
    st.times(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
EVENT_KEYS = sorted({key for kind in KINDS.values() for key in kind.model_fields} | {"salence", "self", "__class__"})


@st.composite
def events(draw):
    """Something like an event: of a kind, with most of its keys, and some nonsense."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    event = {"kind": kind, "month": draw(st.integers(0, 59)), **SOME_EVENTS[kind]}
    if draw(st.booleans()):
        return event
    for key in draw(st.lists(st.sampled_from(EVENT_KEYS), max_size=3)):
        event[key] = draw(VALUES)
    for key in draw(st.lists(st.sampled_from(sorted(event)), max_size=1)):
        del event[key]
    return event


SENSE = st.fixed_dictionaries(
    {"name": st.just("mine"), "events": st.lists(events(), max_size=3)},
    optional={"extends": st.sampled_from(["baseline", "no_r1"]), "summary": st.text(max_size=8)},
)
NONSENSE = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.just("mine"), VALUES),
        "summary": VALUES,
        "extends": st.one_of(st.sampled_from(["baseline", "no_r1", "mine.toml"]), VALUES),
        "remove": st.one_of(st.lists(st.sampled_from(["r1", "stargate"])), VALUES),
        "parameters": st.one_of(st.dictionaries(WORDS, VALUES, max_size=3), VALUES),
        "events": st.one_of(st.lists(events(), max_size=4), VALUES),
        "origin": VALUES,
        "self": VALUES,
        "_base": VALUES,
    },
)
SCENARIOS = st.one_of(SENSE, NONSENSE)


@given(SCENARIOS)
@settings(max_examples=400, deadline=None)
def test_any_dictionary_is_a_scenario_or_a_scenario_error(said):
    try:
        scenario = Scenario(**said)
        timeline = scenario.timeline(36)
    except ScenarioError as error:
        assert error.problems  # noqa: PT017
        assert all(isinstance(problem, str) and problem for problem in error.problems)  # noqa: PT017
    else:
        assert all(np.isfinite(array).all() for array in timeline.arrays().values())
        written = tomllib.loads(scenario.to_toml())
        assert Scenario(**written | {"events": written.pop("event", [])}) == scenario


def as_toml(value) -> str:
    """A value as TOML, more or less: what has no TOML is written as Python has it, and does not parse."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{abm.support.files.toml_value(key)} = {as_toml(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return abm.support.files.toml_value(value)


@given(SCENARIOS)
@settings(max_examples=400, deadline=None)
def test_any_file_is_a_scenario_or_a_scenario_error(tmp_path_factory, said):
    lines = [f"{key} = {as_toml(value)}" for key, value in said.items() if key != "events"]
    for event in said["events"] if isinstance(said.get("events"), list) else []:
        lines += ["[[event]]", *(f"{k} = {as_toml(v)}" for k, v in (event.items() if isinstance(event, dict) else ()))]
    path = tmp_path_factory.getbasetemp() / "mine.toml"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    load_or_error(path)


def load_or_error(path: Path) -> None:
    try:
        scenario = Scenario.load(path)
        assert Scenario.load(path) == scenario
        assert all(np.isfinite(array).all() for array in scenario.timeline(60).arrays().values())
    except ScenarioError as error:
        assert all(str(path.name) in problem or ".toml" in problem for problem in error.problems)  # noqa: PT017


@given(st.sampled_from(Scenario.names()), st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_any_corrupted_file_is_a_scenario_or_a_scenario_error(tmp_path_factory, name, chance):
    content = bytearray((BUILT_IN / f"{name}.toml").read_bytes())
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(content))
        end = start + chance.choice([0, 1, 1, 5, 80])
        other = chance.randrange(len(content))
        content[start:end] = (
            chance.choice(
                [
                    b"",
                    bytes([chance.randrange(256)]),
                    content[other : other + 60],
                    b"\n[[event]]\n",
                    b'"',
                    b"'''",
                    b"9" * 30,
                ]
            )
            or b" "
        )
    path = tmp_path_factory.getbasetemp() / f"{name}_corrupted.toml"
    path.write_bytes(content)
    load_or_error(path)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_scenario_or_a_scenario_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    load_or_error(path)


@pytest.mark.parametrize(
    "text",
    [
        'name = "a"\n' + "[[event]]\n" * 20_000,
        'name = "a"\n[[event]]\nkind = "news"\nnote = """\n[' + " " * 900_000 + '"""',
        'name = "a"\n[[event]]\nkind = "' + "policy" * 150_000 + '"',
        'name = "a"\n' + "".join(f"x{i} = 1\n" for i in range(20_000)),
    ],
)
def test_no_file_takes_long(tmp_path, text):
    started = time.perf_counter()
    assert problems_of(tmp_path, text)
    assert time.perf_counter() - started < 20


# --- the code itself ---


def test_imports_are_light():
    for name in ("calendar", "timeline", "events", "scenarios"):
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
