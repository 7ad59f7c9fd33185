"""Statistics of experiments, compared with known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.experiments import ALL, table

from abm.experiments.judge import UNSUPPORTED, answered, judge
from abm.experiments.load import load
from abm.experiments.sampling import Unanswerable
from abm.experiments.spec import Test, merged
from abm.experiments.statistics import STATISTICS
from abm.experiments.statistics.layers import observed_returns


def findings(frame, **fields):
    """Findings of a test with these fields."""
    fields = {"name": "t", "y": ("y",), **fields}
    return STATISTICS[fields["statistic"]].compute(frame, Test(**fields))


def finding(frame, **fields):
    """The first finding of a test with these fields."""
    return findings(frame, **fields)[0]


def test_a_contrast_is_the_paired_difference_with_students_interval():
    from scipy import stats

    frame = table(lambda x, k: 3 * x + k, noise=0.5)
    contrast = finding(frame, statistic="contrast", a={"x": 2.0}, b={"x": 0.0})
    wide = frame.pivot(index="replication", columns="x", values="y")
    expected = stats.ttest_rel(wide[2.0], wide[0.0]).confidence_interval()
    assert contrast.value == pytest.approx((wide[2.0] - wide[0.0]).mean())
    assert (contrast.low, contrast.high) == pytest.approx((expected.low, expected.high))
    options = {"relative": True}
    percent = finding(frame, statistic="contrast", a={"x": 2.0}, b={"x": 0.0}, options=options, scale=100.0)
    assert percent.value == pytest.approx(100 * contrast.value / wide[0.0].mean())


@pytest.mark.parametrize("both_move", [True, False])
def test_the_interval_of_a_relative_contrast_covers_the_ratio_of_means(both_move):
    """Both if the effect is proportional to a level that differs by seed, and if only the denominator differs by seed."""
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
        sides = {"a": {"x": 1.0}, "b": {"x": 0.0}}
        contrast = finding(pd.DataFrame(rows), statistic="contrast", **sides, options={"relative": True})
        covered += contrast.low <= 0.2 <= contrast.high
    assert 0.90 <= covered / 300 <= 0.985


def test_an_incomplete_replication_is_left_out():
    frame = pd.concat(
        [
            table(lambda x, k, z=z: 100.0 * z + x + k).assign(z=z, point=lambda t, z=z: t["point"] + 10 * z)
            for z in (0, 1)
        ]
    )
    incomplete = frame.drop(frame.index[(frame["replication"] == 3) & (frame["z"] == 1) & (frame["x"] == 2.0)])
    level = Test(name="t", statistic="level", y=("y",), supported_if="value > 0")
    experiment = load(ALL[0]).model_copy(update={"test": (level,)})
    level = judge(experiment, incomplete).answers[0].findings[0]
    assert level.number == 19
    assert level.value == pytest.approx(frame[frame["replication"] != 3]["y"].mean())


def test_one_replication_is_not_enough_for_a_verdict():
    test = Test(name="t", statistic="level", y=("y",), supported_if="value > 0")
    answer = answered(test, table(lambda x, k: 1.0, replications=1))
    assert answer.says == UNSUPPORTED
    assert "1 replication;" in answer.trouble


def test_a_correlation_is_taken_within_replications():
    correlation = finding(table(lambda x, k: -x + 1000 * k), statistic="spearman", x="x")
    assert correlation.value == pytest.approx(-1.0)
    assert abs(correlation.more["pooled"]) < 0.5


def test_an_interaction_is_a_difference_in_differences():
    frame = pd.concat([table(lambda x, k, z=z: x + z + 0.7 * x * z + k).assign(z=z) for z in (0.0, 1.0)])
    sides = {
        name: {"x": x, "z": z} for name, x, z in (("a", 1.0, 1.0), ("b", 0.0, 1.0), ("c", 1.0, 0.0), ("d", 0.0, 0.0))
    }
    assert finding(frame, statistic="interaction", **sides).value == pytest.approx(0.7)


def test_slopes_correlations_and_peaks():
    frame = table(lambda x, k: -0.4 * x + 100 * k, noise=0.01)
    assert finding(frame, statistic="slope", x="x").value == pytest.approx(-0.4, abs=0.01)
    falling = table(lambda x, k: -x)
    assert finding(falling, statistic="spearman", x="x").value == pytest.approx(-1.0)
    reversed_sign = finding(falling, statistic="spearman", x="x", options={"signs": {"y": -1}})
    assert reversed_sign.value == pytest.approx(1.0)
    hump = finding(table(lambda x, k: -((x - 1.2) ** 2) + k, noise=0.05), statistic="inverted_u", x="x")
    assert hump.value == pytest.approx(1.2, abs=0.1)
    assert hump.p < 0.01
    line = finding(table(lambda x, k: x + k, noise=0.05), statistic="inverted_u", x="x")
    assert line.p > 0.5


def test_constant_outcomes_have_no_slope():
    """Sums of rounding errors, which are the same in every replication, must not look like slopes known with certainty."""
    xs = (0.1, 0.2, 0.3, 0.7)
    constant = table(lambda x, k: 0.1 + k / 10, xs=xs).assign(z=lambda t: t["y"] * (1 + 1e-16 * (t["x"] > 0.2)))
    for statistic in ("slope", "spearman", "inverted_u"):
        for result in findings(constant, statistic=statistic, x="x", y=("y", "z")):
            assert result.value == 0 or np.isnan(result.value), statistic
            assert not result.p < 1, statistic
    constant_regressor = table(lambda x, k: 0.1 + k, xs=xs).assign(e=1.5, chips=lambda t: np.exp(t["x"]))
    slope = finding(constant_regressor, statistic="log_slopes", x="x", y=("y", "chips"), options={"over": "e"})
    assert np.isnan(slope.value)
    assert slope.number == 0
    with pytest.raises(Unanswerable, match="rounding"):
        finding(table(lambda x, k: x + k, xs=(0.1 + 0.2, 0.3, 0.5)), statistic="slope", x="x")


def test_a_structural_break_is_located():
    xs = tuple(np.linspace(0, 1, 12))
    kinked = finding(table(lambda x, k: min(x, 0.6) + k, xs=xs, noise=0.02), statistic="structural_break", x="x")
    assert kinked.p < 0.01
    assert kinked.more["at"] == pytest.approx(0.6, abs=0.1)
    straight = finding(table(lambda x, k: x + k, xs=xs, noise=0.02), statistic="structural_break", x="x")
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
    fields = {"x": "g", "y": ("phi", "chips")}
    crossing = finding(frame, statistic="crossing", **fields, options={"over": "e"})
    assert crossing.value == pytest.approx(1.0)
    slopes = findings(frame, statistic="log_slopes", **fields, options={"over": "e", "expected": "e - 1"})
    assert [slope.value for slope in slopes] == pytest.approx([0, 0, 0, 0], abs=1e-9)


def test_a_ratio_of_means_and_its_slope():
    frame = table(lambda x, k: -0.1).assign(z=lambda t: -0.1 * (1 - 0.2 * t["x"]))
    slope = finding(frame, statistic="slope_of_ratio", x="x", y=("z", "y"))
    assert slope.value == pytest.approx(0.2)  # 1 - z/y = 0.2 x


def test_arms_are_compared_at_equal_payments():
    fixed = table(lambda x, k: 10 * x, arm="fixed").assign(paid=lambda t: 2 * t["x"], fa=lambda t: t["x"])
    share = table(lambda x, k: 4 * x, arm="share").assign(paid=lambda t: t["x"], fb=lambda t: t["x"])
    frame = pd.concat([fixed, share], ignore_index=True)
    sides = {"a": {"arm": "fixed"}, "b": {"arm": "share"}}
    options = {"paid": "paid", "a_factor": "fa", "b_factor": "fb", "at": 2.0}
    difference = finding(frame, statistic="at_equal", options=options, **sides)
    assert difference.value == pytest.approx(10 * 1 - 4 * 2)
    with pytest.raises(Unanswerable, match="options.at: 5"):
        finding(frame, statistic="at_equal", options=options | {"at": 5.0}, **sides)


def test_a_drift_is_possible_only_in_one_direction():
    frame = table(lambda x, k: 0.9 - 0.25 * x).assign(late=lambda t: 0.9 - 0.2 * t["x"])
    fields = {"statistic": "drift", "x": "x", "y": ("y", "late")}
    assert finding(frame, **fields, options={"below": 0.3, "above": 0.6}).value == 1.0
    assert finding(frame, **fields, options={"below": 0.1, "above": 0.6}).value == 0.0


def test_the_deciding_group_of_factors_and_its_box_are_found():
    draw = np.random.default_rng(3)
    frame = pd.DataFrame({"a": draw.uniform(size=800), "b": draw.uniform(size=800), "c": draw.uniform(size=800)})
    frame["y"] = frame["a"] ** 2 + 0.2 * frame["b"] + 0.02 * draw.normal(size=800)
    frame = frame.assign(arm="all", scenario="b", point=np.arange(800), replication=0)
    groups = {"first": ["a"], "second": ["b", "c"]}
    lead = {of: finding(frame, statistic="deciding", options={"groups": groups, "of": of}) for of in groups}
    assert lead["first"].low > 0.5
    assert lead["second"].high < -0.5
    classes = {"high": {"column": "y", "above": 0.6}}
    box = finding(frame, statistic="boxes", options={"factors": ["a", "b", "c"], "classes": classes})
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
    sides = {"a": {"x": 1.0}, "b": {"x": 0.0}}
    effect = finding(frame, statistic="option_effect", y=("y", "multiple"), **sides, options={"psi": 0.3})
    assert effect.value == pytest.approx(1.0)


def test_an_unanswerable_test_says_why():
    frame = table(lambda x, k: x)
    with pytest.raises(Unanswerable, match="no run has"):
        finding(frame, statistic="level", where={"x": 17.0})
    test = Test(name="t", statistic="level", y=("y",), where={"x": 17.0}, supported_if="value > 0")
    assert "x = 17" in answered(test, frame).trouble


def test_observed_returns_of_layers_are_those_of_the_data():
    chips, power, platforms, applications = observed_returns(["compute", "power", "platforms", "applications"])
    assert chips < -0.05
    assert power < -0.1
    assert abs(platforms) < 0.05
    assert applications > 0


def test_quick_settings_override_the_full_ones():
    full = {"a": 1, "factors": {"x": [1, 2], "y": [3]}, "design": {"kind": "sobol", "points": 64}}
    assert merged(full, {"factors": {"x": [1]}, "design": {"kind": "grid"}}) == {
        "a": 1,
        "factors": {"x": [1], "y": [3]},
        "design": {"kind": "grid"},
    }
