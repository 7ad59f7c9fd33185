"""PRIM: recovery of planted boxes, measures by hand, invariances, rejected input."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from abm.analysis.scenario_discovery import Box, _prim, choose, measure, reproduce, significant, trajectory
from abm.cli.app import app

NAMES = ["price", "compute", "talent", "noise"]


SEEDS = [0, pytest.param(1, marks=pytest.mark.slow)]


def cases(seed, number=1500, columns=NAMES):
    return pd.DataFrame(np.random.default_rng(seed).random((number, len(columns))), columns=columns)


def within(x, limits):
    """Mask of the rows of `x` that lie within the limits."""
    inside = np.full(len(x), True)
    for name, (low, high) in limits.items():
        inside &= x[name].between(low, high).to_numpy()
    return inside


def noisy(x, limits, seed):
    """Hits: 90 % of the cases within the limits, 3 % of those without."""
    chance = np.where(within(x, limits), 0.9, 0.03)
    return np.random.default_rng(seed).random(len(x)) < chance


CORNER = {"price": (0.6, np.inf), "compute": (-np.inf, 0.5)}
MIDDLE = {"compute": (0.3, 0.7), "talent": (0.5, np.inf)}


def limits_of(boxes, x, hit, coverage):
    return significant(choose(boxes, coverage), x, hit)


@pytest.mark.parametrize("planted", [{"talent": (-np.inf, 0.3)}, CORNER, MIDDLE], ids=["one", "corner", "middle"])
@pytest.mark.parametrize("seed", SEEDS)
def test_finds_a_planted_box(planted, seed):
    x = cases(seed)
    hit = within(x, planted)
    box = limits_of(trajectory(x, hit), x, hit, 0.9)
    assert set(box.limits) == set(planted)
    assert box.density > 0.97
    for name, limits in planted.items():
        for limit, truth in zip(box.limits[name], limits, strict=True):
            assert limit == pytest.approx(truth, abs=0.05)  # and infinite where nothing limits it


@pytest.mark.parametrize("planted", [CORNER, MIDDLE], ids=["corner", "middle"])
@pytest.mark.parametrize("seed", SEEDS)
def test_finds_a_planted_box_among_errors(planted, seed):
    """Coverage and density are close to those of the planted box, the best possible."""
    x = cases(seed)
    hit = noisy(x, planted, seed)
    truth = measure(planted, x, hit)
    box = limits_of(trajectory(x, hit), x, hit, 0.9 * truth.coverage)
    assert set(box.limits) == set(planted)
    assert box.coverage > 0.9 * truth.coverage
    assert box.density > 0.95 * truth.density
    for name, limits in planted.items():
        for limit, edge in zip(box.limits[name], limits, strict=True):
            assert limit == pytest.approx(edge, abs=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_noise_gives_few_significant_limits(seed):
    """Random hits: no box that covers half of them is much denser than all cases."""
    x = cases(seed)
    hit = np.random.default_rng(seed + 50).random(len(x)) < 0.3
    assert limits_of(trajectory(x, hit), x, hit, 0.5).density < 0.4
    masses = [box.mass for box in trajectory(x, hit, least_mass=0.2)]
    assert min(masses) >= 0.2


def test_measures_by_hand():
    """Measures of PRIM's boxes, and of the same boxes measured again: shares by counting, p-values by the binomial test."""
    x = cases(7, 400)
    hit = noisy(x, MIDDLE, 7)
    boxes = trajectory(x, hit)
    assert boxes[0] == Box({}, 1.0, float(hit.mean()), 1.0, {})
    assert len(boxes) > 10
    ends = 0
    for box in boxes:
        inside = within(x, box.limits)
        assert box.coverage == pytest.approx(hit[inside].sum() / hit.sum(), rel=1e-12)
        assert box.density == pytest.approx(hit[inside].mean(), rel=1e-12)
        assert box.mass == pytest.approx(inside.mean(), rel=1e-12)
        assert box.mass >= 0.05
        assert box.restricted == len(box.p)
        assert list(box.p) == list(box.limits)
        for name, (low, high) in box.limits.items():
            for wider, end, p in zip(((-np.inf, high), (low, np.inf)), (low, high), box.p[name], strict=True):
                if np.isinf(end):
                    assert np.isnan(p)
                    continue
                without = within(x, box.limits | {name: wider})
                test = binomtest(int(hit[inside].sum()), int(inside.sum()), hit[without].mean(), alternative="greater")
                assert p == pytest.approx(test.pvalue, rel=1e-9)
                ends += 1
        again = measure(box.limits, x, hit)
        assert again[:4] == box[:4]
        np.testing.assert_equal(again.p, box.p)
    assert ends > 50


@pytest.mark.parametrize("seed", range(2))
def test_every_slice_maximizes_the_gain_in_density_per_case_lost(seed):
    """Compared with an explicit search over slices of 5 % at either end of each input."""
    x = cases(seed, 300)
    hit = noisy(x, CORNER, seed)
    boxes = [box for box in trajectory(x, hit) if box.restricted or box.mass == 1]
    compared = 0
    for box, after in zip(boxes, boxes[1:], strict=False):
        if after.mass > box.mass:  # pasted on
            continue
        inside = within(x, box.limits)
        gains = []
        for name in NAMES:
            values = np.sort(x[name][inside])
            place = (len(values) - 1) * 0.05
            low, high = np.floor([place, len(values) - 1 - place]).astype(int)
            for remaining in (x[name] > values[low], x[name] < values[high + 1]):
                remain = inside & remaining.to_numpy()
                gains.append((hit[remain].mean() - hit[inside].mean()) / (inside.sum() - remain.sum()))
        remain = within(x, after.limits)
        gain = (hit[remain].mean() - hit[inside].mean()) / (inside.sum() - remain.sum())
        assert gain == pytest.approx(max(gains), rel=1e-9)
        compared += 1
    assert compared > 15


def test_inputs_with_few_values_are_peeled_value_by_value():
    """Inputs: three values, of which a slice of 5 % cannot be taken; a flag; a constant."""
    x = pd.DataFrame({"level": np.repeat([0, 1, 2], 60), "switch": np.tile([False, True], 90), "scenario": 1})
    hit = (x["level"] == 1) & x["switch"]
    box = choose(trajectory(x, hit), 1.0)
    assert box.limits == {"level": (0.5, 1.5), "switch": (0.5, np.inf)}
    assert box.density == 1


def test_an_input_named_scenario_is_used():
    """The library would drop such a column."""
    x = cases(1).rename(columns={"talent": "scenario"})
    hit = x["scenario"] > 0.7
    assert list(limits_of(trajectory(x, hit), x, hit, 0.9).limits) == ["scenario"]


def test_insignificant_limits_are_released():
    """The least significant limit is released first, and the others are measured again."""
    x = cases(4, 300)
    hit = noisy(x, CORNER, 4)
    released = 0
    for box in trajectory(x, hit):
        reduced = significant(box, x, hit)
        assert all(np.nanmax(p) <= 0.05 for p in reduced.p.values())
        assert reduced.coverage >= box.coverage
        assert set(reduced.limits) <= set(box.limits)
        released += sum(np.isfinite(ends).sum() for ends in box.limits.values())
        released -= sum(np.isfinite(ends).sum() for ends in reduced.limits.values())
        if all(np.nanmax(p) <= 0.05 for p in box.p.values()):
            assert reduced is box
    assert released > 10
    planted = {"price": (0.6, 0.99), "compute": (-np.inf, 0.5), "noise": (-np.inf, 0.98)}
    box = significant(measure(planted, x, hit), x, hit)
    assert box.limits == CORNER
    assert significant(box, x, hit, level=0).limits == {}


@pytest.mark.slow
def test_inputs_that_matter_are_found_again_in_halves():
    x = cases(8)
    hit = noisy(x, CORNER, 8)
    box = limits_of(trajectory(x, hit), x, hit, 0.7)
    again = reproduce(box, x, hit)
    assert list(again.at_coverage) == list(again.at_density) == NAMES
    for shares in (again.at_coverage, again.at_density):
        assert shares["price"] == shares["compute"] == 1
        assert shares["talent"] < 0.5
        assert shares["noise"] < 0.5
    assert again.density == pytest.approx(box.density, abs=0.08)
    assert again.coverage == pytest.approx(box.coverage, abs=0.12)
    assert reproduce(box, x, hit) == again
    assert reproduce(box, x, hit, seed=2) != again


def test_zero_halves_are_rejected():
    x = np.random.default_rng(0).random((40, 2))
    with pytest.raises(ValueError, match="halves 0: must be at least 1"):
        reproduce(Box({}, 1, 1, 1, {}), x, x[:, 0] > 0.5, halves=0)


def test_resampling_agrees_with_the_library_on_average():
    """The library's resampling takes no seed on Python 3.11 and counts limits whether or not they are significant."""
    from ema_workbench.analysis import prim

    x = cases(8, 600)
    hit = noisy(x, CORNER, 8).astype(int)
    algorithm = _prim(x.to_numpy(), hit)
    assert isinstance(algorithm, prim.Prim)
    boxes, result = trajectory(x, hit), algorithm.find_box()
    box = choose(boxes, 0.7)
    theirs = result.resample(boxes.index(box), iterations=5)["reproduce coverage"]
    ours = reproduce(box, x, hit, halves=5).at_coverage
    assert min(theirs["x0"], theirs["x1"]) >= 80 - 1e-9  # per cent
    assert ours["price"] == ours["compute"] == 1


def test_a_box_of_chance_is_not_found_again():
    """Eight irrelevant inputs: on the cases it was found on, the box looks twice as dense as all cases."""
    x = pd.DataFrame(np.random.default_rng(1).random((300, 8)))
    hit = np.random.default_rng(101).random(len(x)) < 0.3
    box = choose(trajectory(x, hit), 0.25)
    assert box.density > 0.6
    assert box.restricted == 8
    again = reproduce(box, x, hit)
    assert max(again.at_coverage.values()) < 0.3
    assert again.density == pytest.approx(hit.mean(), abs=0.06)


def test_only_the_order_of_values_matters():
    """Apart from the exact limits, which the library puts midway between two cases."""
    x = cases(5, 600)
    hit = noisy(x, MIDDLE, 5)
    bent = x.assign(compute=np.exp(5 * x["compute"]), talent=x["talent"] ** 3 - 7)
    for box, other in zip(trajectory(x, hit), trajectory(bent, hit), strict=True):
        assert other[1:4] == box[1:4]
        assert list(other.limits) == list(box.limits)
        np.testing.assert_equal(other.p, box.p)
        np.testing.assert_array_equal(within(x, box.limits), within(bent, other.limits))


def test_row_order_does_not_matter_and_arrays_work_like_frames():
    x = cases(6, 600)
    hit = noisy(x, CORNER, 6)
    boxes = trajectory(x, hit)
    order = np.random.default_rng(0).permutation(len(x))
    np.testing.assert_equal(trajectory(x.iloc[order], hit[order]), boxes)
    np.testing.assert_equal(trajectory(x, pd.Series(hit[order], index=order).sort_index().astype(int)), boxes)
    unnamed = trajectory(x.to_numpy(), hit)
    assert [{NAMES[place]: limits for place, limits in box.limits.items()} for box in unnamed] == [
        box.limits for box in boxes
    ]


def test_the_library_has_no_side_effects():
    """Global random state, plotting, warnings and logging are unchanged, nothing is printed, and x is not modified."""
    code = """
import logging, warnings, matplotlib, numpy, pandas
from abm.analysis import scenario_discovery as sd
def state():
    loggers = (logging.root.level, logging.root.handlers[:], logging.lastResort)
    return dict(matplotlib.rcParams), warnings.filters[:], numpy.random.get_state()[1].tolist(), loggers
x = pandas.DataFrame({"a": numpy.arange(40.0), "scenario": [0, 1] * 20})
before, same = state(), x.copy()
box = sd.choose(sd.trajectory(x, x["a"] > 20), 0.5)
sd.reproduce(box, x, x["a"] > 20)
assert state() == before
pandas.testing.assert_frame_equal(x, same)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ema_workbench", None)
    with pytest.raises(ImportError) as error:
        trajectory(X, HIT)
    line = "scenario discovery (PRIM) needs ema_workbench: pip install 'ai-market-abm[discovery]'"
    assert str(error.value) == line
    done = CliRunner().invoke(app, ["reproduce", "18", "--quick"])  # before anything runs
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"abm: {line}\n")


def test_choose_prefers_density_then_fewer_inputs_then_mass():
    wide, slim = Box({"a": (0, 1)}, 0.9, 0.5, 0.4, {"a": 0}), Box({"a": (0, 2)}, 0.85, 0.7, 0.3, {"a": 0})
    two = Box({"a": (0, 1), "b": (0, 1)}, 0.95, 0.7, 0.4, {"a": 0, "b": 0})
    small = Box({"b": (0, 1)}, 0.85, 0.7, 0.2, {"b": 0})
    dense = Box({"b": (0, 2)}, 0.3, 1.0, 0.1, {"b": 0})
    for boxes in ([wide, two, slim, small, dense], [dense, small, slim, two, wide]):
        assert choose(boxes) == slim  # as dense as two, with fewer limits; larger than small
        assert choose(boxes, 0.95) == two
        assert choose(boxes, 0.3) == dense
    with pytest.raises(ValueError) as error:
        choose([wide], 0.91)
    assert "coverage of at least 0.91" in str(error.value)


X = np.arange(12.0).reshape(6, 2)
HIT = np.array([True, False, True, False, True, False])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trajectory(X, np.zeros(6)), "0 of 6 cases are hits"),
        (lambda: trajectory(X, np.ones(6)), "6 of 6 cases are hits"),
        (lambda: trajectory(X, HIT[:5]), "each of the 6 cases"),
        (lambda: trajectory(X, HIT[:, None]), "each of the 6 cases"),
        (lambda: trajectory(X, HIT * 0.5), "true or false"),
        (lambda: trajectory(X, np.where(HIT, 1, np.nan)), "true or false"),
        (lambda: trajectory(np.where(X == 3, np.nan, X), HIT), "finite, but is not in row 1"),
        (lambda: trajectory(np.where(X == 3, np.inf, X), HIT), "finite, but is not in row 1"),
        (lambda: trajectory(pd.DataFrame(X * np.nan, index=list("abcdef")), HIT), "rows a, b, c, d, e and 1 more"),
        (lambda: trajectory(pd.DataFrame({"a": X[:, 0], "b": list("xyxyxy")}), HIT), "inputs ['b'] are not numbers"),
        (lambda: trajectory(pd.DataFrame(X).astype({1: "category"}), HIT), "inputs [1] are not numbers"),
        (lambda: trajectory(X[:, 0], HIT), "1 dimensions"),
        (lambda: trajectory(X[:0], HIT[:0]), "0 of 0 cases"),
        (lambda: trajectory(pd.DataFrame(X, columns=["a", "a"]), HIT), "must differ"),
        (lambda: trajectory(X, HIT, peel=0), "peel"),
        (lambda: trajectory(X, HIT, least_mass=-0.1), "least_mass"),
        pytest.param(
            lambda: trajectory(np.arange(1300)[:, None], np.arange(1300) > 1290, peel=1e-4),
            "give a larger one",
            marks=pytest.mark.slow,
        ),
        (lambda: reproduce(Box({}, 1, 0, 1, {}), X, X[:, 0] > 8), "two of either outcome"),
        (lambda: measure({"a": (0, 1)}, X, HIT), "no inputs ['a']"),
        (lambda: measure({0: (2, 1)}, X, HIT), "2 is not below 1"),
        (lambda: measure({0: (np.nan, 1)}, X, HIT), "limits of 0"),
        (lambda: measure({0: (20, 30)}, X, HIT), "contains no case"),
    ],
)
def test_invalid_arguments_are_rejected(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


def test_cases_are_paired_by_their_labels():
    """As in pandas: a Series of hits that was sorted or comes from another table is matched by its row labels."""
    x = cases(4, 400)
    hit = pd.Series(within(x, CORNER), index=x.index)
    right = trajectory(x, hit.to_numpy())
    assert trajectory(x, hit.sort_values()) == right
    assert trajectory(x.sample(frac=1, random_state=1), hit)[-1][:4] == right[-1][:4]
    assert trajectory(x, hit.astype("boolean")) == right
    assert measure(CORNER, x, hit.sort_values())[1:3] == (1.0, 1.0)
    assert reproduce(right[-1], x, hit.sort_values(), halves=1) == reproduce(right[-1], x, hit, halves=1)
    with pytest.raises(ValueError, match=r"x and hit have different row labels: 0 is in one only; .*\.to_numpy\(\)"):
        trajectory(x, hit.set_axis(hit.index + 400))
    with pytest.raises(ValueError, match="row label 3 repeats"):
        trajectory(x.set_axis([3, 3, *range(398)]), hit)
    with pytest.raises(ValueError, match="hit must be true or false, but is not in row 5"):
        trajectory(x, hit.astype("boolean").where(hit.index != 5))
