"""Experiments: files, statistics against known answers, verdicts, and one from its file to its page and back."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import abm
from abm.cli.app import app
from abm.experiments import ExperimentError, find, report
from abm.experiments.checks import of_condition
from abm.experiments.judge import FALSIFIED, PENDING, SUPPORTED, UNSUPPORTED, answered, judge
from abm.experiments.load import folders, from_table, load
from abm.experiments.reference import drift, keep
from abm.experiments.sampling import Unanswerable
from abm.experiments.spec import Test, holds, merged
from abm.experiments.special import STATISTICS
from abm.experiments.statistics import observed_returns
from abm.runs import event_study
from abm.sweeps import SpecError, Sweep

ROOT = Path(__file__).parents[2]
ALL = folders(ROOT / "experiments")


def table(f, xs=(0.0, 1.0, 2.0, 3.0), replications=20, noise=0.0, seed=0, **columns):
    """Runs with y = f(x, replication)."""
    draw = np.random.default_rng(seed)
    rows = [
        {
            "arm": "all",
            "scenario": "baseline",
            "point": i,
            "replication": k,
            "x": x,
            "y": f(x, k) + noise * draw.normal(),
        }
        for i, x in enumerate(xs)
        for k in range(replications)
    ]
    return pd.DataFrame(rows).assign(**columns)


def ask(frame, **said):
    said = {"name": "t", "y": ("y",), **said}
    return STATISTICS[said["statistic"]].work(frame, Test(**said))


# --- files ---


def test_there_are_eighteen_and_their_numbers_are_their_folders():
    assert len(ALL) == 18
    for folder in ALL:
        assert load(folder).number == int(folder.name[:2])


def test_they_load_whatever_was_imported_before():
    code = f"from abm.experiments import all_experiments; print(len(all_experiments({str(ROOT / 'experiments')!r})))"
    code = code.replace("all_experiments('", "all_experiments(__import__('pathlib').Path('").replace("')))", "'))))")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "18"


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_every_experiment_states_beforehand_what_falsifies_it(folder):
    one = load(folder)
    assert any(test.falsified_if for test in one.test)
    assert any(test.supported_if for test in one.test)
    assert one.figure
    common = [sweep for sweep in one.sweeps().values() if sweep.common_draws]
    assert all(sweep.replications >= 200 for sweep in common)
    for full, quick in zip(one.sweeps().values(), one.sweeps(True).values(), strict=True):
        assert quick.number_of_runs < full.number_of_runs
        assert quick.targets.keys() == full.targets.keys()


@pytest.mark.parametrize("word", ["01", "1", "copying_and_pricing_power", "01_copying_and_pricing_power"])
def test_an_experiment_is_found_by_number_or_name(word):
    assert find(word, ROOT / "experiments").name == "01_copying_and_pricing_power"


def test_all_that_is_wrong_in_a_file_is_said_at_once(tmp_path):
    path = tmp_path / "experiment.toml"
    text = (ROOT / "abm" / "data" / "new_experiment.toml").read_text()
    text = text.replace('statistic = "contrast"', 'statistic = "contrst"').replace(
        'supported_if = "low > 0"', 'supported_if = "low"'
    )
    text = text.replace('kind = "response"', 'kind = "respons"').replace('y = "open_share"', 'y = "open_shar"')
    path.write_text(text)
    with pytest.raises(ExperimentError) as error:
        load(tmp_path)
    said = "\n".join(error.value.problems)
    for word in ("did you mean 'contrast'", "must read like", "did you mean 'response'"):
        assert word in said
    assert str(path) in said


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("number = 0", 'number = "one"', "number: must be a whole number, not 'one'"),
        ('x = "ip_strength"\ny = "lerner"', 'x = ["ip_strength"]\ny = "lerner"', "test 1.x: must be a text"),
        ("[sweep]", "[sweeep]", "did you mean 'sweep'"),
        ("ip_strength = [0.0", "ip_strenth = [0.0", "did you mean 'ip_strength'"),
        ("replications = 100", "replications = 0", "replications"),
        ('falsified = "', 'falsifed = "', "did you mean 'falsified'"),
        ("hypothesis", "= hypothesis", "TOML syntax: Invalid statement"),
    ],
)
def test_a_mistake_names_the_file_and_what_was_meant(tmp_path, old, new, word):
    text = (ROOT / "abm" / "data" / "new_experiment.toml").read_text()
    (tmp_path / "experiment.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ExperimentError) as error:
        load(tmp_path)
    assert word in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("a = { ip_strength = 1.0 }\n", "", "contrast needs a"),
        ('x = "ip_strength"\ny = "lerner"', 'y = "lerner"', "slope needs x"),
        ('x = "ip_strength"\ny = "lerner"', 'x = "lerner"\ny = "lerner"', "is no factor"),
        ('unit = "points"', 'unit = "points"\noptions = { relativ = true }', "did you mean 'relative'"),
        ('unit = "points"', 'unit = "points"\noptions = { relative = "no" }', "must be true or false"),
        ('supported_if = "low > 0"', 'supported_if = "lwo > 0"', "gives value, low, high, and no lwo"),
        ('supported_if = "low > 0"', 'supported_if = "p > 0"', "and no p"),
        ('falsified_if = "value <= 0"', 'falsified_if = "low > 0"', "are the same"),
        ('name = "open share"', 'name = "slope"', "is there twice"),
        ('x = "ip_strength"\ny = ["lerner", "open_share"]', 'y = ["lerner"]', "response needs x"),
        ('kind = "response"', 'kind = "own"', "needs a figure.py"),
        ('kind = "response"', 'kind = "response"\noptions = { tests = ["nope"] }', "no option 'tests'"),
        ("[sweep.factors]", '[arms."../up"]\n\n[sweep.factors]', "an arm's name has"),
        ("[sweep.factors]", "[arms.months]\n\n[sweep.factors]", "is no key of a sweep"),
        ("scale = 100.0", "scale = 0", "scale must not be 0"),
    ],
)
def test_what_a_statistic_or_a_figure_takes_is_checked_before_anything_runs(tmp_path, old, new, word):
    text = (ROOT / "abm" / "data" / "new_experiment.toml").read_text()
    assert old in text
    (tmp_path / "experiment.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ExperimentError) as error:
        load(tmp_path)
    assert word in str(error.value)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@example("sweep", {"[": None})
@given(st.sampled_from(["number", "title", "sweep", "arms", "quick", "labels", "test", "figure", "remarks"]), junk)
def test_whatever_stands_in_a_file_there_is_an_answer(key, value):
    text = (ROOT / "abm" / "data" / "new_experiment.toml").read_text()
    with contextlib.suppress(ExperimentError):  # any other exception fails the test
        from_table({**tomllib.loads(text), key: value}, Path("nowhere"))


def test_a_file_does_not_reach_outside_its_folder(tmp_path):
    (tmp_path / "secret.toml").write_text('name = "x"\nsummary = "y"\nextends = "baseline"\n')
    folder = tmp_path / "one"
    folder.mkdir()
    text = (ROOT / "abm" / "data" / "new_experiment.toml").read_text()
    (folder / "experiment.toml").write_text(text.replace("[sweep]\n", '[sweep]\nscenarios = ["../secret.toml"]\n'))
    with pytest.raises(ExperimentError, match="outside the folder"):
        load(folder)


# --- conditions and verdicts ---


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5))
def test_conditions_mean_what_they_say(value, low, bound):
    numbers = {"value": value, "low": low, "high": np.nan, "p": 0.01}
    bound = round(bound, 3)
    assert holds(f"value < {bound}", numbers) == (value < bound)
    assert holds(f"value >= {bound} and p < 0.05", numbers) == (value >= bound)
    assert holds(f"value > {bound} or low <= {bound}", numbers) == (value > bound or low <= bound)
    assert not holds(f"high < {bound}", numbers)
    assert not holds(f"high >= {bound}", numbers)


@pytest.mark.parametrize("text", ["value", "value > x", "value > 1 and p < 2 or low > 3", "__import__('os') > 1"])
def test_a_condition_that_is_none_is_refused(text):
    assert of_condition(text)


def test_verdicts():
    experiment = load(ALL[0])

    def verdict(*tests):
        asked = tuple(Test(**{"name": f"t{i}", "statistic": "level", "y": ("y",)} | t) for i, t in enumerate(tests))
        return judge(experiment.model_copy(update={"test": asked}), table(lambda x, k: 1.0 + 0.01 * k)).says

    good, bad = {"supported_if": "low > 0"}, {"supported_if": "low > 5"}
    dead = {"supported_if": "low > 0", "falsified_if": "value > 0"}
    waiting = {"statistic": "awaited", "supported_if": "value > 0"}
    assert verdict(good) == SUPPORTED
    assert verdict(good, {}) == SUPPORTED  # a test without conditions only reports
    assert verdict(good, bad) == UNSUPPORTED
    assert verdict(good, bad, dead) == FALSIFIED
    assert verdict(good, waiting) == PENDING
    assert verdict(waiting, dead) == FALSIFIED  # whatever is still awaited
    assert verdict({"falsified_if": "value > 5"}) == SUPPORTED
    assert verdict({"where": {"x": 17.0}, "falsified_if": "value > 5"}) == UNSUPPORTED


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (-0.009675, -0.032154, 0.012804, "−0.010 [−0.032, 0.013]"),
        (0.00497, -0.000007, 0.00994, "0.0050 [−0.000007, 0.0099]"),
        (5111.2, 4843.4, 5380.3, "5,111 [4,843, 5,380]"),
        (1.0, None, None, "1"),
        (6.224, None, None, "6.22"),
    ],
)
def test_digits_end_where_the_interval_does(value, low, high, told):
    asked = Test(name="t", statistic="level", digits=4 if value < 0 else 2)
    one = {"of": "y", "value": value, "low": low, "high": high, "p": None, "more": {}}
    assert report.in_words(load(find("5")), asked, one, name=False) == told


def test_a_rule_is_told_in_words_with_the_need_it_has():
    assert report.in_full("supported if", "low > 0 and signs >= 4", "any") == (
        "supported if the interval's lower end > 0 and signs >= 4 (any of the outcomes)"
    )


def test_of_several_outcomes_all_most_or_any_must_meet_a_condition():
    frame = table(lambda x, k: x).assign(u=1.0, v=1.0, w=-1.0)

    def says(need):
        return answered(
            Test(name="t", statistic="level", y=("u", "v", "w"), need=need, supported_if="value > 0"), frame
        ).says

    assert [says(need) for need in ("all", "most", "any")] == [UNSUPPORTED, SUPPORTED, SUPPORTED]


# --- statistics with known answers ---


def test_a_contrast_is_the_paired_difference_with_students_interval():
    from scipy import stats

    frame = table(lambda x, k: 3 * x + k, noise=0.5)
    one = ask(frame, statistic="contrast", a={"x": 2.0}, b={"x": 0.0})[0]
    wide = frame.pivot(index="replication", columns="x", values="y")
    expected = stats.ttest_rel(wide[2.0], wide[0.0]).confidence_interval()
    assert one.value == pytest.approx((wide[2.0] - wide[0.0]).mean())
    assert (one.low, one.high) == pytest.approx((expected.low, expected.high))
    percent = ask(frame, statistic="contrast", a={"x": 2.0}, b={"x": 0.0}, options={"relative": True}, scale=100.0)[0]
    assert percent.value == pytest.approx(100 * one.value / wide[0.0].mean())


@pytest.mark.parametrize("both_move", [True, False])
def test_a_relative_contrast_covers_the_ratio_of_means(both_move):
    """Whether the effect is a share of a level that differs by seed, or the level below alone does."""
    draw, covered = np.random.default_rng(5), 0
    for _ in range(300):
        level = 10 + draw.normal(size=20)
        top = 1.2 * level if both_move else np.full(20, 12.0)
        noise = 0.1 * draw.normal(size=20)
        rows = [
            {"arm": "all", "scenario": "b", "point": x, "replication": k, "x": float(x), "y": value}
            for k in range(20)
            for x, value in enumerate((level[k], top[k] + noise[k]))
        ]
        said = {"a": {"x": 1.0}, "b": {"x": 0.0}, "options": {"relative": True}}
        one = ask(pd.DataFrame(rows), statistic="contrast", **said)[0]
        covered += one.low <= 0.2 <= one.high
    assert 0.90 <= covered / 300 <= 0.985


def test_a_replication_that_lacks_a_run_is_left_out_whole():
    frame = pd.concat(
        [
            table(lambda x, k, z=z: 100.0 * z + x + k).assign(z=z, point=lambda t, z=z: t["point"] + 10 * z)
            for z in (0, 1)
        ]
    )
    gone = frame.drop(frame.index[(frame["replication"] == 3) & (frame["z"] == 1) & (frame["x"] == 2.0)])
    level = Test(name="t", statistic="level", y=("y",), supported_if="value > 0")
    experiment = load(ALL[0]).model_copy(update={"test": (level,)})
    one = judge(experiment, gone).answers[0].findings[0]
    assert one.number == 19
    assert one.value == pytest.approx(frame[frame["replication"] != 3]["y"].mean())


def test_one_replication_is_no_verdict():
    said = answered(
        Test(name="t", statistic="level", y=("y",), supported_if="value > 0"), table(lambda x, k: 1.0, replications=1)
    )
    assert said.says == UNSUPPORTED
    assert "1 replications" in said.trouble


def test_a_correlation_is_taken_within_replications():
    one = ask(table(lambda x, k: -x + 1000 * k), statistic="spearman", x="x")[0]
    assert one.value == pytest.approx(-1.0)
    assert abs(one.more["pooled"]) < 0.5


def test_an_interaction_is_a_difference_in_differences():
    frame = pd.concat([table(lambda x, k, z=z: x + z + 0.7 * x * z + k).assign(z=z) for z in (0.0, 1.0)])
    one = ask(
        frame,
        statistic="interaction",
        a={"x": 1.0, "z": 1.0},
        b={"x": 0.0, "z": 1.0},
        c={"x": 1.0, "z": 0.0},
        d={"x": 0.0, "z": 0.0},
    )[0]
    assert one.value == pytest.approx(0.7)


def test_slopes_correlations_and_peaks():
    frame = table(lambda x, k: -0.4 * x + 100 * k, noise=0.01)
    assert ask(frame, statistic="slope", x="x")[0].value == pytest.approx(-0.4, abs=0.01)
    within = ask(table(lambda x, k: -x), statistic="spearman", x="x")[0]
    assert within.value == pytest.approx(-1.0)
    turned = ask(table(lambda x, k: -x), statistic="spearman", x="x", options={"signs": {"y": -1}})[0]
    assert turned.value == pytest.approx(1.0)
    hump = ask(table(lambda x, k: -((x - 1.2) ** 2) + k, noise=0.05), statistic="inverted_u", x="x")[0]
    assert hump.value == pytest.approx(1.2, abs=0.1)
    assert hump.p < 0.01
    line = ask(table(lambda x, k: x + k, noise=0.05), statistic="inverted_u", x="x")[0]
    assert line.p > 0.5


def test_what_does_not_vary_has_no_slope():
    """Sums of rounding errors, the same in every replication, passed for slopes that are certain."""
    xs = (0.1, 0.2, 0.3, 0.7)
    still = table(lambda x, k: 0.1 + k / 10, xs=xs).assign(z=lambda t: t["y"] * (1 + 1e-16 * (t["x"] > 0.2)))
    for statistic in ("slope", "spearman", "inverted_u"):
        for one in ask(still, statistic=statistic, x="x", y=("y", "z")):
            assert one.value == 0 or np.isnan(one.value), statistic
            assert not one.p < 1, statistic
    idle = table(lambda x, k: 0.1 + k, xs=xs).assign(e=1.5, chips=lambda t: np.exp(t["x"]))
    found = ask(idle, statistic="log_slopes", x="x", y=("y", "chips"), options={"over": "e"})[0]
    assert np.isnan(found.value)
    assert found.number == 0
    with pytest.raises(Unanswerable, match="rounding"):
        ask(table(lambda x, k: x + k, xs=(0.1 + 0.2, 0.3, 0.5)), statistic="slope", x="x")


def test_a_break_is_found_where_it_is():
    xs = tuple(np.linspace(0, 1, 12))
    frame = table(lambda x, k: min(x, 0.6) + k, xs=xs, noise=0.02)
    one = ask(frame, statistic="structural_break", x="x")[0]
    assert one.p < 0.01
    assert one.more["at"] == pytest.approx(0.6, abs=0.1)
    straight = ask(table(lambda x, k: x + k, xs=xs, noise=0.02), statistic="structural_break", x="x")[0]
    assert straight.p > 0.05


def test_the_turning_point_of_isoelastic_demand_is_one():
    rows = [
        {"arm": "all", "scenario": "b", "point": 0, "replication": k, "e": e, "g": g, "phi": g + 0.01 * k}
        | {"chips": np.exp((e - 1) * (g + 0.01 * k))}
        for e in (0.5, 0.9, 1.2, 2.0)
        for g in (0.5, 1.0, 1.5)
        for k in range(5)
    ]
    frame = pd.DataFrame(rows)
    said = {"x": "g", "y": ("phi", "chips"), "options": {"over": "e"}}
    assert ask(frame, statistic="crossing", **said)[0].value == pytest.approx(1.0)
    said["options"] = {"over": "e", "expected": "e - 1"}
    assert [f.value for f in ask(frame, statistic="log_slopes", **said)] == pytest.approx([0, 0, 0, 0], abs=1e-9)


def test_a_ratio_of_means_and_its_slope():
    frame = table(lambda x, k: -0.1).assign(z=lambda t: -0.1 * (1 - 0.2 * t["x"]))
    one = ask(frame, statistic="slope_of_ratio", x="x", y=("z", "y"))[0]
    assert one.value == pytest.approx(0.2)  # 1 - z/y = 0.2 x


def test_equal_payments_are_compared():
    fixed = table(lambda x, k: 10 * x, arm="fixed").assign(paid=lambda t: 2 * t["x"], fa=lambda t: t["x"])
    share = table(lambda x, k: 4 * x, arm="share").assign(paid=lambda t: t["x"], fb=lambda t: t["x"])
    frame = pd.concat([fixed, share], ignore_index=True)
    said = {"a": {"arm": "fixed"}, "b": {"arm": "share"}}
    options = {"paid": "paid", "a_factor": "fa", "b_factor": "fb", "at": 2.0}
    one = ask(frame, statistic="at_equal", options=options, **said)[0]
    assert one.value == pytest.approx(10 * 1 - 4 * 2)


def test_a_drift_is_possible_only_in_one_direction():
    frame = table(lambda x, k: 0.9 - 0.25 * x).assign(late=lambda t: 0.9 - 0.2 * t["x"])
    said = {"x": "x", "y": ("y", "late"), "options": {"below": 0.3, "above": 0.6}}
    assert ask(frame, statistic="drift", **said)[0].value == 1.0
    said["options"] = {"below": 0.1, "above": 0.6}
    assert ask(frame, statistic="drift", **said)[0].value == 0.0


def test_the_group_that_decides_is_found_and_its_box():
    draw = np.random.default_rng(3)
    frame = pd.DataFrame({"a": draw.uniform(size=800), "b": draw.uniform(size=800), "c": draw.uniform(size=800)})
    frame["y"] = frame["a"] ** 2 + 0.2 * frame["b"] + 0.02 * draw.normal(size=800)
    frame = frame.assign(arm="all", scenario="b", point=np.arange(800), replication=0)
    groups = {"first": ["a"], "second": ["b", "c"]}
    lead = {of: ask(frame, statistic="deciding", options={"groups": groups, "of": of})[0] for of in groups}
    assert lead["first"].low > 0.5
    assert lead["second"].high < -0.5
    classes = {"high": {"column": "y", "above": 0.6}}
    box = ask(frame, statistic="boxes", options={"factors": ["a", "b", "c"], "classes": classes})[0]
    assert box.value > 0.9
    assert box.more["coverage"] > 0.5
    assert "a from" in box.more
    assert "c from" not in box.more
    assert box.more["a again"] == 1  # in each half of the points
    assert box.more["restricted"] <= 2
    assert box.more["density_of_other_halves"] == pytest.approx(box.value, abs=0.1)
    assert box.more["coverage_of_other_halves"] == pytest.approx(box.more["coverage"], abs=0.2)


def test_the_option_effect_is_one_where_research_follows_the_hurdle():
    frame = pd.concat(
        [
            table(lambda x, k, m=m: m ** (-1 / 0.7) * (1 + 0.01 * k), xs=(x,)).assign(multiple=m)
            for x, m in ((0.0, 2.0), (1.0, 1.5))
        ]
    )
    one = ask(frame, statistic="option_effect", y=("y", "multiple"), a={"x": 1.0}, b={"x": 0.0}, options={"psi": 0.3})[
        0
    ]
    assert one.value == pytest.approx(1.0)


def test_what_the_runs_cannot_answer_is_said():
    frame = table(lambda x, k: x)
    with pytest.raises(Unanswerable, match="no run has"):
        ask(frame, statistic="level", where={"x": 17.0})
    assert answered(
        Test(name="t", statistic="level", y=("y",), where={"x": 17.0}, supported_if="value > 0"), frame
    ).trouble


def test_observed_layers_are_those_of_the_data():
    chips, power, platforms, applications = observed_returns(["compute", "power", "platforms", "applications"])
    assert chips < -0.05
    assert power < -0.1
    assert abs(platforms) < 0.05
    assert applications > 0


def test_quick_settings_are_laid_over_the_full_ones():
    full = {"a": 1, "factors": {"x": [1, 2], "y": [3]}, "design": {"kind": "sobol", "points": 64}}
    assert merged(full, {"factors": {"x": [1]}, "design": {"kind": "grid"}}) == {
        "a": 1,
        "factors": {"x": [1], "y": [3]},
        "design": {"kind": "grid"},
    }


# --- daily returns in sweeps ---

SMALL = {"adopters": 24, "investors": 40}


def test_outcomes_of_daily_returns_are_those_of_the_event_study(tmp_path):
    outcomes = {
        "day": {"of": "abnormal_compute", "date": "2025-01-27"},
        "week": {"of": "raw_power", "date": "2025-01-27", "first": 0, "last": 4, "take": "sum"},
        "trough": {"of": "abnormal_compute", "date": "2025-01-20", "first": 0, "last": 9, "take": "trough"},
    }
    import datetime as dt

    outcomes = {name: one | {"date": dt.date.fromisoformat(one["date"])} for name, one in outcomes.items()}
    runs = abm.sweep(
        {"copying_rate": [2.0]},
        seeds=[3, 4],
        months=26,
        observables=["attention"],
        outcomes=outcomes,
        populations=SMALL,
    ).runs()
    same = abm.ensemble({"copying_rate": 2.0}, seeds=[3, 4], months=26, daily=range(18, 26), **SMALL)
    around = event_study.around(same, (24, 16), (0, 4))
    assert runs["day"].to_numpy() == pytest.approx(around.abnormal["compute"][:, 0], rel=1e-9)
    assert runs["week"].to_numpy() == pytest.approx(around.raw["power"].sum(1), rel=1e-9)
    early = event_study.around(same, (24, 12), (0, 9)).abnormal["compute"].cumsum(1)
    assert runs["trough"].to_numpy() == pytest.approx(early.argmin(1))


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ({"of": "abnormal_chips", "date": "2025-01-27"}, "did you mean"),
        ({"of": "abnormal_compute"}, "take a date"),
        ({"of": "abnormal_compute", "date": "2023-01-20"}, "must lie within the run"),
        ({"of": "abnormal_compute", "date": "2027-12-20", "first": 0, "last": 30}, "must lie within the run"),
        ({"of": "abnormal_compute", "date": "2025-01-27", "first": 3, "last": 1}, "not in order"),
        ({"of": "lerner_closed", "take": "trough"}, "trough"),
    ],
)
def test_a_wrong_outcome_of_daily_returns_is_refused(outcome, word):
    import datetime as dt

    if "date" in outcome:
        outcome = outcome | {"date": dt.date.fromisoformat(outcome["date"])}
    with pytest.raises(SpecError, match=word):
        Sweep(factors={"copying_rate": [1.0]}, outcomes={"o": outcome})


# --- the command line, from file to page and back ---


def command(*words, cwd):
    """The command `abm`, in this process: what it compiles serves the other tests as well."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A new experiment made small, run and accepted."""
    base = tmp_path_factory.mktemp("work")
    made = command("new-experiment", "my_question", cwd=base)
    assert made.returncode == 0, made.stderr
    path = base / "experiments" / "01_my_question" / "experiment.toml"
    text = (
        path.read_text()
        .replace("replications = 100", "replications = 4")
        .replace("replications = 8", "replications = 3")
    )
    text = text.replace("[sweep.factors]", "[sweep.populations]\nadopters = 24\ninvestors = 40\n\n[sweep.factors]")
    path.write_text(text.replace("[0.0, 0.25, 0.5, 0.75, 1.0]", "[0.0, 0.5, 1.0]"))
    (base / "experiments" / "README.md").write_text("# Mine\n")
    ran = command("reproduce", "my_question", "--quick", "--accept", cwd=base)
    assert ran.returncode == 0, ran.stderr
    return base, ran


def test_a_new_experiment_runs_at_once(done):
    base, ran = done
    out = base / "output" / "01_my_question_quick"
    for name in ("report.html", "result.json", "manifest.json", "figures/response.png", "figures/response.pdf"):
        assert (out / name).stat().st_size > 500
    numbers = pd.read_csv(out / "tables" / "figure_response.csv")
    assert set(numbers["y"]) == {"lerner", "open_share"}
    assert len(numbers) == 6
    result = json.loads((out / "result.json").read_text())
    assert result["verdict"] in (SUPPORTED, UNSUPPORTED, FALSIFIED)
    assert result["verdict"] in ran.stdout
    html = (out / "report.html").read_text()
    assert result["verdict"] in html
    assert "http" not in html.replace("http://www.w3.org", "")
    means = pd.read_csv(out / "tables" / "means.csv").set_index("ip_strength")["lerner"]
    slope = [one["value"] for t in result["tests"] if t["name"] == "slope" for one in t["findings"]][0]
    assert slope == pytest.approx(np.polyfit(means.index, means, 1)[0])


def test_what_came_out_is_in_the_readmes(done):
    base, _ = done
    result = json.loads((base / "output" / "01_my_question_quick" / "result.json").read_text())
    for path in (base / "experiments" / "README.md", base / "experiments" / "01_my_question" / "README.md"):
        assert f"**{result['verdict']}**" in path.read_text()


def test_check_passes_and_sees_drift(done):
    base, _ = done
    assert command("reproduce", "1", "--quick", "--check", cwd=base).returncode == 0
    path = base / "experiments" / "01_my_question" / "reference_quick.json"
    kept = path.read_text()
    reference = json.loads(kept)
    reference["tests"][0]["findings"][0]["value"] += 1.0
    path.write_text(json.dumps(reference))
    drifted = command("reproduce", "1", "--quick", "--check", cwd=base)
    path.write_text(kept)
    assert drifted.returncode == 1
    assert "slope, lerner: value" in drifted.stdout


def test_the_tolerance_of_a_check_is_a_tenth_of_the_half_width(tmp_path):
    experiment = load(ALL[0]).model_copy(update={"folder": tmp_path})

    def result(value):
        finding = {"of": "y", "value": value, "low": 0.0, "high": 2.0, "p": None, "number": 5, "more": {"peak": 3.0}}
        test = {"name": "t", "says": SUPPORTED, "trouble": "", "findings": [finding]}
        counts = {"runs": 8, "failed": 0, "replications": 4, "quick": True}
        return {"key": "k", "verdict": SUPPORTED, "tests": [test], **counts}

    keep(experiment, result(1.0), quick=True)
    assert drift(experiment, result(1.0999), quick=True) == []
    assert len(drift(experiment, result(1.1001), quick=True)) == 1
    assert "no reference" in drift(experiment, result(1.0), quick=False)[0]
    for change in (
        lambda one: one["tests"][0].update(says=FALSIFIED),
        lambda one: one.update(failed=1),
        lambda one: one["tests"][0]["findings"][0].update(p=0.3),
        lambda one: one["tests"][0]["findings"][0]["more"].update(peak=4.0),
        lambda one: one["tests"][0]["findings"].clear(),
        lambda one: one["tests"].clear(),
    ):
        other = result(1.0)
        change(other)
        assert len(drift(experiment, other, quick=True)) == 1
    for broken in ("[5]", '{"tests": 5}', '{"tests": [{"findings": [{}]}]}', "{"):
        (tmp_path / "reference_quick.json").write_text(broken)
        with pytest.raises(ValueError, match="is no reference"):
            drift(experiment, result(1.0), quick=True)


def test_replay_says_equal_or_which_number_differs(done, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    base, _ = done
    stored = base / "output" / "01_my_question_quick"
    same = command("replay", stored, cwd=base)
    assert same.returncode == 0, same.stdout + same.stderr
    assert "equal" in same.stdout
    other = tmp_path / "other"
    shutil.copytree(stored, other)
    part = next(other.rglob("*.runs.parquet"))
    stored_runs = pq.read_table(part)
    frame = stored_runs.to_pandas()
    frame.loc[frame.index[-1], "lerner"] += 1e-3
    pq.write_table(pa.Table.from_pandas(frame, schema=stored_runs.schema), part)
    differs = command("replay", other, "--sample", "3", cwd=base)
    assert differs.returncode == 1
    assert "lerner of point" in differs.stdout


def test_a_result_becomes_a_crate(done, tmp_path):
    pytest.importorskip("rocrate")
    base, _ = done
    packed = command("export", base / "output" / "01_my_question_quick", "--out", tmp_path / "c.zip", cwd=base)
    assert packed.returncode == 0, packed.stderr
    with zipfile.ZipFile(tmp_path / "c.zip") as crate:
        names = set(crate.namelist())
        graph = json.loads(crate.read("ro-crate-metadata.json"))["@graph"]
    files = {one["@id"] for one in graph if one["@type"] == "File"}
    assert files <= names
    assert {"report.html", "result.json", "figures/response.png"} <= files
    assert any(one["@type"] == "CreateAction" for one in graph)


@pytest.mark.parametrize(
    "words",
    [
        ("reproduce", "pricing_powr"),
        ("reproduce", "r1_shock", "--check"),
        ("reproduce", "all", "--check", "--accept"),
        ("replay", "nowhere"),
        ("export", "nowhere"),
        ("new-experiment", "../up"),
        ("reproduce", "all", "--seeds", "3"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(tmp_path, words):
    gone = command(*words, cwd=tmp_path)
    assert gone.returncode == 2
    assert gone.stderr.startswith("abm: ")
    assert "Traceback" not in gone.stderr
    assert len(gone.stderr.splitlines()) == 1
