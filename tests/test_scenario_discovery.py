"""PRIM: boxes put into random cases come back, measures by hand, what must not matter, what it refuses."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from abm.analysis.scenario_discovery import Box, choose, measure, trajectory

NAMES = ["price", "compute", "talent", "noise"]


def cases(seed, number=1500, columns=NAMES):
    return pd.DataFrame(np.random.default_rng(seed).random((number, len(columns))), columns=columns)


def within(x, limits):
    """Which rows of `x` lie in the limits."""
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


@pytest.mark.parametrize("planted", [{"talent": (-np.inf, 0.3)}, CORNER, MIDDLE], ids=["one", "corner", "middle"])
@pytest.mark.parametrize("seed", range(5))
def test_finds_a_planted_box(planted, seed):
    x = cases(seed)
    box = choose(trajectory(x, within(x, planted)), 0.9)
    assert set(box.limits) == set(planted)
    assert box.density > 0.97
    for name, limits in planted.items():
        for found, truth in zip(box.limits[name], limits, strict=True):
            assert found == pytest.approx(truth, abs=0.04)  # and infinite where nothing limits it


@pytest.mark.parametrize("planted", [CORNER, MIDDLE], ids=["corner", "middle"])
@pytest.mark.parametrize("seed", range(5))
def test_finds_a_planted_box_among_errors(planted, seed):
    """Coverage and density near those of the box that was put in, which is the best that there is."""
    x = cases(seed)
    hit = noisy(x, planted, seed)
    truth = measure(planted, x, hit)
    box = choose(trajectory(x, hit), 0.95 * truth.coverage)
    assert set(box.limits) == set(planted)
    assert box.coverage > 0.95 * truth.coverage
    assert box.density > 0.95 * truth.density
    for name, limits in planted.items():
        for found, edge in zip(box.limits[name], limits, strict=True):
            assert found == pytest.approx(edge, abs=0.08)


@pytest.mark.parametrize("seed", range(3))
def test_noise_gives_few_significant_limits(seed):
    """Hits that come from nothing: with half of them covered, no box is much denser than all cases."""
    x = cases(seed)
    hit = np.random.default_rng(seed + 50).random(len(x)) < 0.3
    assert choose(trajectory(x, hit), 0.5).density < 0.4
    masses = [box.mass for box in trajectory(x, hit, least_mass=0.2, paste=0.001, significance=1.0)]
    assert 0.2 <= min(masses) < 0.25


def test_measures_by_hand():
    x = cases(7, 400)
    hit = noisy(x, MIDDLE, 7)
    boxes = trajectory(x, hit)
    assert boxes[0] == Box({}, 1.0, float(hit.mean()), 1.0, {})
    assert len(boxes) > 10
    for box in boxes:
        inside = within(x, box.limits)
        assert box.coverage == pytest.approx(hit[inside].sum() / hit.sum(), rel=1e-12)
        assert box.density == pytest.approx(hit[inside].mean(), rel=1e-12)
        assert box.mass == pytest.approx(inside.mean(), rel=1e-12)
        assert box.mass >= 0.05
        assert box.restricted == len(box.p)
        assert list(box.p) == list(box.limits)
        for name, p in box.p.items():
            without = within(x, {other: box.limits[other] for other in box.limits if other != name})
            test = binomtest(int(hit[inside].sum()), int(inside.sum()), hit[without].mean(), alternative="greater")
            assert p == pytest.approx(test.pvalue, rel=1e-9)
            assert p <= 0.05
        assert measure(box.limits, x, hit) == box


def test_peeling_by_hand():
    """Ten cases, hits above 6: slices of 20 % off the low end, then nothing to gain."""
    x = np.arange(10.0)[:, None]
    boxes = trajectory(x, x[:, 0] > 6, peel=0.2, least_mass=0.1, significance=1.0)
    # 10 cases lose 2, 8 lose 1, 7 lose 1, ..., until 7, 8 and 9 are left.
    assert [box.limits.get(0, (-np.inf, np.inf)) for box in boxes] == [
        (low, np.inf) for low in (-np.inf, 2, 3, 4, 5, 6, 7)
    ]
    assert [box.density for box in boxes] == [3 / (10 - low) for low in (0, 2, 3, 4, 5, 6, 7)]


def test_few_values_are_peeled_one_at_a_time():
    """An input with three values, of which a slice of 5 % cannot be taken, and one with two."""
    x = pd.DataFrame({"level": np.repeat([0, 1, 2], 60), "switch": np.tile([False, True], 90)})
    hit = (x["level"] == 1) & x["switch"]
    box = choose(trajectory(x, hit), 1.0)
    assert box.limits == {"level": (1, 1), "switch": (1, np.inf)}
    assert box.density == 1


def test_pasting_gives_back_what_peeling_took_too_much():
    """Slices of 40 % overshoot: only pasting by small ones comes near the edge at 0.5."""
    x = cases(3, 1000, ["a", "b"])
    hit = (x["a"] > 0.5).to_numpy()
    box = trajectory(x, hit, peel=0.4, paste=0.01)[-1]
    assert list(box.limits) == ["a"]
    assert box.coverage > 0.97
    assert box.density == 1
    assert trajectory(x, hit, peel=0.4, paste=0.99)[-1].coverage < 0.8


@pytest.mark.parametrize("seed", range(3))
def test_no_further_pasting_would_help(seed):
    """Each limit keeps cases out that all others let in, and a slice of them would lower the density."""
    x = cases(seed, 400)
    hit = noisy(x, MIDDLE, seed)
    ends = 0
    for box in trajectory(x, hit, significance=1.0):
        inside = within(x, box.limits)
        for name, (low, high) in box.limits.items():
            for wider, distance in (((-np.inf, high), low - x[name]), ((low, np.inf), x[name] - high)):
                if wider == (low, high):
                    continue
                ends += 1
                added = within(x, box.limits | {name: wider}) & ~inside
                assert added.any()
                slice_size = max(1, int(0.05 * inside.sum()))
                nearest = distance[added].nsmallest(slice_size).index
                assert hit[nearest].mean() < box.density
    assert ends > 20


def test_equal_slices_leave_the_larger_box():
    """Without the lowest of `fine`, or without the four cases of the low `coarse`, two thirds are of interest."""
    x = pd.DataFrame({"coarse": [0, 0, 0, 0, 1, 1, 1, 1, 1, 1], "fine": [0, 5, 1, 6, 2, 9, 3, 8, 4, 7]})
    hit = np.array([0, 0, 1, 1, 0, 1, 0, 1, 1, 1])
    assert trajectory(x, hit, significance=1.0)[1].limits == {"fine": (1, np.inf)}


def test_insignificant_limits_are_dropped():
    """The least significant first, with both its ends, and the others measured anew."""
    x = cases(4, 300)
    hit = noisy(x, CORNER, 4)
    expected, dropped = [], 0
    for box in trajectory(x, hit, significance=1.0):
        while box.p and max(box.p.values()) > 0.05:
            worst = max(box.p, key=box.p.get)
            box = measure({name: ends for name, ends in box.limits.items() if name != worst}, x, hit)  # noqa: PLW2901
            dropped += 1
        if box not in expected:
            expected.append(box)
    assert dropped > 10
    assert trajectory(x, hit) == expected
    assert [box.limits for box in trajectory(x, hit, significance=0)] == [{}]


def test_only_the_order_of_values_matters():
    x = cases(5, 600)
    hit = noisy(x, MIDDLE, 5)
    bends = {"compute": lambda value: np.exp(5 * value), "talent": lambda value: value**3 - 7}
    bent = x.assign(**{name: bend(x[name]) for name, bend in bends.items()})
    for box, other in zip(trajectory(x, hit), trajectory(bent, hit), strict=True):
        assert other[1:] == box[1:]
        assert list(other.limits) == list(box.limits)
        for name in box.limits:
            bend = bends.get(name, lambda value: value)
            expected = [end if np.isinf(end) else bend(end) for end in box.limits[name]]
            np.testing.assert_allclose(other.limits[name], expected, rtol=1e-12)


def test_rows_may_come_in_any_order_and_the_array_stands_for_the_frame():
    x = cases(6, 600)
    hit = noisy(x, CORNER, 6)
    boxes = trajectory(x, hit)
    order = np.random.default_rng(0).permutation(len(x))
    assert trajectory(x.iloc[order], hit[order]) == boxes
    assert trajectory(x, pd.Series(hit[order], index=order).sort_index().astype(int)) == boxes
    unnamed = trajectory(x.to_numpy(), hit)
    assert [{NAMES[place]: limits for place, limits in box.limits.items()} for box in unnamed] == [
        box.limits for box in boxes
    ]


def test_choice():
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
        (lambda: trajectory(np.where(X == 3, np.nan, X), HIT), "finite"),
        (lambda: trajectory(np.where(X == 3, np.inf, X), HIT), "finite"),
        (lambda: trajectory(X[:, 0], HIT), "1 dimensions"),
        (lambda: trajectory(X[:0], HIT[:0]), "0 of 0 cases"),
        (lambda: trajectory(pd.DataFrame(X, columns=["a", "a"]), HIT), "must differ"),
        (lambda: trajectory(X, HIT, peel=0), "peel"),
        (lambda: trajectory(X, HIT, paste=1), "paste"),
        (lambda: trajectory(X, HIT, least_mass=-0.1), "least_mass"),
        (lambda: trajectory(X, HIT, significance=1.1), "significance"),
        (lambda: measure({"a": (0, 1)}, X, HIT), "no inputs ['a']"),
        (lambda: measure({0: (2, 1)}, X, HIT), "2 is not below 1"),
        (lambda: measure({0: (np.nan, 1)}, X, HIT), "limits of 0"),
        (lambda: measure({0: (20, 30)}, X, HIT), "no case lies in the box"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
