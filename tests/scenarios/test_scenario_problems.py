"""A faulty scenario file reports all its problems at once, each with its line."""

import pickle

import pytest
from helpers.scenarios import lab, problems_of, write

from abm.scenarios.scenario import Scenario, ScenarioError

BASELINE = Scenario.load("baseline")


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
        "mine.toml:30: event 3 (kind 'release'): 'entrant_1' is a slot for entrants: the model decides who enters and "
        "when; name another lab",
        "mine.toml:32: event 3 (kind 'release'): claimed_cost ($ M): must be more than 0, not -1",
        "mine.toml:31: event 3 (kind 'release'): unknown key 'salence'; did you mean 'salience'?",
        "mine.toml:36: event 4 (kind 'price_war'): date 2022-05-21 is outside the horizon, which begins on 2023-01-01 "
        "(month 0)",
        "mine.toml:37: event 4 (kind 'price_war'): unknown lab or jurisdiction 'chin'; did you mean 'china'?",
        "mine.toml:38: event 4 (kind 'price_war'): factor (of the list price): must be at most 1, not 1.5",
        "mine.toml:3: remove: no inherited event has the id 'stargat'; did you mean 'stargate'?",
        "mine.toml:9: parameter 'guarantee_share': must be a finite number or a table of numbers by jurisdiction, not "
        "'none'",
        "mine.toml:10: parameter 'wrong': must be a finite number or a table of numbers by jurisdiction, not nan",
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
        (
            'kind = "capex_programme"\nmonth = 3\namount = 3\nmonths = 12\nphases = 0',
            ":8: event 1 (kind 'capex_programme'): phases (financed one after the other): must be at least 1, not 0",
        ),
        (
            'kind = "capex_programme"\nmonth = 3\namount = 3\nmonths = 12\nown_powr = 0.5',
            ":8: event 1 (kind 'capex_programme'): unknown key 'own_powr'; did you mean 'own_power'?",
        ),
    ],
)
def test_a_faulty_event_is_reported_with_its_line(tmp_path, event, expected):
    problems = problems_of(tmp_path, HEAD + event + "\n")
    assert any(expected in problem for problem in problems)
    assert all(problem.startswith("mine.toml:") for problem in problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "mine.toml: missing field 'name'"),
        ('name = "a"\nname = "b"', "mine.toml:2: TOML syntax: Cannot overwrite a value"),
        ('name = "a"\n\n[[event]]\ndate = 2025-02-30', "mine.toml:4: TOML syntax: Invalid date or datetime"),
        ('name = "a"\nsummary = "', "mine.toml:2: TOML syntax"),
        ('name = "a"\nevent = 3', "mine.toml:2: events must be tables [[event]], not 3"),
        (
            'name = "a"\nevent = [3]',
            "mine.toml:2: event 1: an event must be a table [[event]], not 3",
        ),
        ('name = "a"\n[event]\nkind = "news"', "mine.toml:2: events must be tables [[event]], not {"),
        ('name = "a"\n[[events]]\nkind = "news"', "mine.toml:2: unknown key 'events'; did you mean [[event]]?"),
        ('name = "a"\nremove = ["r1"]', "mine.toml:2: remove: no inherited event has the id 'r1'"),
        ('name = "a"\nremove = "r1"', "mine.toml:2: remove: must be a list, not 'r1'"),
        ('name = "a"\nsummary = "x"\n\n[[parameters]]', "mine.toml:4: parameters: must be a table"),
        ('name = "a"\nsummary = "x"\n\n[[remov]]', "mine.toml:4: unknown key 'remov'; did you mean 'remove'?"),
        ('name = "../a"', "mine.toml:1: name: must be a short name of letters, digits and _ . -, not"),
        (
            'name = "a"\nextends = "baselin"',
            "mine.toml:2: extends unknown scenario 'baselin'; did you mean 'baseline'?",
        ),
        ('name = "a"\nextends = 3', "mine.toml:2: extends: must be text, not 3"),
        ('name = "a"\nextends = "../b.toml"', "mine.toml:2: extends '../b.toml', which is outside the folder"),
        ('name = "a"\nextends = "/etc/b.toml"', "mine.toml:2: extends '/etc/b.toml', which is outside the folder"),
        ('name = "a"\nextends = "c\\u0000.toml"', "mine.toml:2: extends 'c\\x00.toml'"),
        ('name = "a"\nextends = "c.toml"', "c.toml: cannot be read: file not found"),
        ('name = "a"\nextends = "mine.toml"', "mine.toml:2: extends is circular: mine.toml -> mine.toml"),
        ('name = "a"\n[parameters]\nx = 1' + "0" * 400, "mine.toml:3: parameter 'x': must be a finite number"),
        ('name = "a"\n[parameters]\nx = 1' + "0" * 5000, "mine.toml: cannot be read: Exceeds the limit"),
        ('name = "a"\n[parameters.x]\nus = true', "mine.toml:2: parameter 'x': must be a finite number"),
        ('name = "a"\n[parameters]\nx = {}', "mine.toml:3: parameter 'x': must be a finite number"),
        ('name = "a"\nx = ' + "[" * 5000 + "]" * 5000, "mine.toml: cannot be read: "),
    ],
)
def test_a_faulty_file_is_reported_with_its_line(tmp_path, text, expected):
    assert any(problem.startswith(expected) for problem in problems_of(tmp_path, text))


def test_unreadable_files_and_unknown_names_raise_scenario_errors(tmp_path):
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


def test_extends_stays_in_its_folder_and_rejects_circles_and_long_chains(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    write(tmp_path, 'name = "secret"\n', "secret.toml")
    try:
        (inner / "link.toml").symlink_to(tmp_path / "secret.toml")
    except OSError:
        pytest.skip("no symbolic links on this file system")
    assert "outside the folder" in problems_of(inner, 'name = "a"\nextends = "link.toml"')[0]
    (inner / "loop.toml").symlink_to(inner / "loop.toml")
    problems_of(inner, 'name = "a"\nextends = "loop.toml"')
    write(inner, 'name = "b"\nextends = "mine.toml"', "b.toml")
    circular = problems_of(inner, 'name = "a"\nextends = "b.toml"')
    assert circular == ["b.toml:2: extends is circular: mine.toml -> b.toml -> mine.toml"]
    for i in range(20):
        write(inner, f'name = "s{i}"\nextends = "s{i + 1}.toml"', f"s{i}.toml")
    assert "more than 16 levels deep" in problems_of(inner, 'name = "a"\nextends = "s0.toml"')[0]
    with pytest.raises(ScenarioError, match=r"unknown scenario 'secret\.toml'"):
        Scenario(name="a", extends="secret.toml")  # in Python there is no folder: built-ins only


def test_ids_and_places_must_be_unique(tmp_path):
    r1 = '[[event]]\nid = "{}"\nkind = "release"\nlab = "{}"\nmonth = {}\n'
    text = 'name = "a"\nextends = "baseline"\n' + r1.format("r1", "open_2", 3) + r1.format("b", "open_1", 24)
    text += r1.format("b", "closed_1", 4) + r1.format("c", "closed_1", 4)
    assert problems_of(tmp_path, text) == [
        "mine.toml:4: event 1 (kind 'release'): duplicate id 'r1', already used by inherited event 'r1'",
        "mine.toml:9: event 2 (kind 'release'): conflicts with inherited event 'r1': at most one release per lab and "
        "month, one cost claim and one audit per day",
        "mine.toml:14: event 3 (kind 'release'): duplicate id 'b', already used by event 2",
        "mine.toml:19: event 4 (kind 'release'): conflicts with event 3: at most one release per lab and month, one cost "
        "claim and one audit per day",
    ]
    removed = 'name = "a"\nextends = "baseline"\nremove = ["r1"]\n' + r1.format("r1", "open_1", 24)
    assert Scenario.load(write(tmp_path, removed)).timeline().release_day[24, lab("open_1")] == 0


def test_programmes_beyond_the_slots_are_a_problem_of_the_file(tmp_path):
    """The baseline has four; the fifth of the file's own is one too many, with or without an id."""
    one = '\n[[event]]\nkind = "capex_programme"\nmonth = 30\namount = 1\nmonths = 12\n'
    head = 'name = "a"\nextends = "baseline"\n'
    says = "event 5 (kind 'capex_programme'): no place is left beside 8 others, inherited ones included"
    assert problems_of(tmp_path, head + 5 * one) == [
        f"mine.toml:28: {says}: leave one out, or add its amount to another"
    ]
    assert (Scenario.load(write(tmp_path, head + 4 * one)).timeline().programme_amount > 0).sum() == 8
    assert Scenario.load(write(tmp_path, head + 'remove = ["stargate"]\n' + 5 * one))


def test_dates_are_checked_against_the_horizon_of_the_run(tmp_path):
    text = 'name = "a"\nextends = "baseline"\n[[event]]\nkind = "attention"\nsalience = 1\ndate = 2029-01-02\n'
    assert "outside the horizon" in problems_of(tmp_path, text)[0]
    assert Scenario.load(write(tmp_path, text), horizon=84).timeline(84).salience[72, 0] == 1
    early = text.replace("2029", "2024")
    short = Scenario.load(write(tmp_path, early), horizon=20)  # events of the baseline may lie beyond it
    assert short.timeline(20).salience[12, 0] == 1
    assert "ends in 2023-12" in problems_of(tmp_path, early, horizon=12)[0]
    with pytest.raises(ScenarioError, match="at least one month"):
        BASELINE.timeline(0)


def test_errors_can_be_pickled():
    error = ScenarioError(["a", "b", "a"])
    assert error.problems == pickle.loads(pickle.dumps(error)).problems == ("a", "b")
    assert isinstance(error, ValueError)
