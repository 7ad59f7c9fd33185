"""Statistics of experiments against known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abm.experiments.judge import UNSUPPORTED, answered, judge
from abm.experiments.load import folders, load
from abm.experiments.sampling import Unanswerable
from abm.experiments.spec import Test, merged
from abm.experiments.special import STATISTICS
from abm.experiments.statistics import observed_returns

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
