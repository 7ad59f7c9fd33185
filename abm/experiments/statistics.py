"""Statistics that decide an experiment: each a function of the table of runs, with an interval over replications.

A table has one row a run: `arm`, `scenario`, `replication`, factors, outcomes. Replication k has the same draws at every
point and in every arm, so replications are the independent observations: differences, slopes and correlations are taken
within a replication, or resampled by whole replications.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.experiments.sampling import (
    SEED,
    Finding,
    Pending,
    Unanswerable,
    by_replication,
    chosen,
    cube,
    interval,
    is_value,
    logs,
    ols,
    ratio,
    resampled,
    scaled,
    slopes_between,
)
from abm.experiments.spec import Test
from abm.support.samples import is_constant

if TYPE_CHECKING:
    import pandas as pd

Work = Callable[["pd.DataFrame", Test], list[Finding]]
FLAG, WORD, NUMBER, WORDS, TABLE = bool, str, (int, float), list, dict
"""What an option can be."""


@dataclass(frozen=True)
class Statistic:
    """A statistic, and what it takes from a test: checked before anything runs."""

    work: Work
    x: bool = False
    """Whether it takes a factor."""
    y: int | None = None
    """How many outcomes; None: one or more."""
    sides: str = ""
    """Which of the choices a, b, c, d it takes."""
    needed: Mapping[str, Any] = field(default_factory=dict)
    """Options that must be there, and what they are."""
    optional: Mapping[str, Any] = field(default_factory=dict)
    gives: tuple[str, ...] = ("low", "high")
    """What conditions may name beside the value."""
    where: bool = True
    scale: bool = True
    installed: Callable[[], None] = lambda: None
    """Raises ImportError where a package that it takes is missing: asked before anything runs."""


STATISTICS: dict[str, Statistic] = {}


def statistic(**said: Any) -> Callable[[Work], Work]:
    def note(work: Work) -> Work:
        STATISTICS[work.__name__] = Statistic(work, **said)
        return work

    return note


# --- how an outcome moves with a factor ---


@statistic(x=True, optional={"signs": TABLE}, gives=("low", "high", "pooled"), scale=False)
def spearman(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Rank correlation of y with x within each replication, mean over replications.

    `options.signs`: outcome -> -1 for one whose rise means less. `pooled` is the correlation over all runs at once, in which
    differences between seeds count as noise.
    """
    from scipy.stats import rankdata, spearmanr

    rows = chosen(table, test.where)
    signs = test.options.get("signs", {})
    found = []
    for y in test.y:
        x, values = cube(rows, test.x, y)
        values = signs.get(y, 1) * values
        place = rankdata(x) - (x.size + 1) / 2
        order = rankdata(values, axis=1) - (x.size + 1) / 2
        order[is_constant(values, 1)] = 0.0  # ranks of rounding
        with np.errstate(invalid="ignore"):  # an outcome that is the same at every x has no rank correlation
            each = (order * place).sum(1) / np.sqrt((order**2).sum(1) * (place**2).sum())
        pooled = spearmanr(np.broadcast_to(x, values.shape).ravel(), values.ravel()).statistic
        mean, low, high, number = interval(each)
        found.append(Finding(y, mean, max(low, -1.0), min(high, 1.0), number=number, more={"pooled": float(pooled)}))
    return found


@statistic(x=True, optional={"log_x": FLAG, "log_y": FLAG})
def slope(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Least-squares slope of y on x within each replication; `options.log_x`, `log_y` take logarithms."""
    rows = chosen(table, test.where)
    found = []
    for y in test.y:
        x, values = cube(rows, test.x, y)
        if (test.options.get("log_x") and x.min() <= 0) or (test.options.get("log_y") and values.min() <= 0):
            raise Unanswerable(f"{y} against {test.x}: logarithms of what is not above 0")
        slopes = ols(
            np.log(x) if test.options.get("log_x") else x, logs(values) if test.options.get("log_y") else values
        )
        found.append(scaled(test, y, *interval(slopes)))
    return found


@statistic(x=True, y=2)
def slope_of_ratio(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Slope on x of 1 - mean(y[0]) / mean(y[1]): a ratio of means, since single runs have denominators near zero."""
    rows = chosen(table, test.where)
    top, bottom = test.y
    x, above = cube(rows, test.x, top)
    _, below = cube(rows, test.x, bottom)

    def work(some: np.ndarray) -> float:
        return float(ols(x, 1 - np.nanmean(above[some], 0) / np.nanmean(below[some], 0)))

    low, high = resampled(len(above), work)
    value = work(np.arange(len(above)))
    return [scaled(test, f"1 - {top} / {bottom}", value, low, high, len(above))]


@statistic(x=True, gives=("p", "at", "slope_before", "slope_after"), scale=False)
def structural_break(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Sup-Wald test of one change of intercept and slope at an unknown value of x (Andrews 1993); p by wild bootstrap."""
    from abm.analysis.breaks import sup_wald

    rows = chosen(table, test.where)
    found = []
    for y in test.y:
        x, values = cube(rows, test.x, y)
        values = values[np.isfinite(values).all(1)]  # replications that have a value at every point
        groups = np.repeat(np.arange(len(values)), x.size)
        one = sup_wald(np.tile(x, len(values)), values.ravel(), groups, seed=SEED)
        more = {"at": one.at, "slope_before": one.before[1], "slope_after": one.after[1]}
        found.append(Finding(y, one.statistic, p=one.p, number=len(values), more=more))
    return found


@statistic(x=True, gives=("p", "slope_low", "slope_high"), scale=False)
def inverted_u(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Test of Lind and Mehlum (2010) for an inverted U of y in x, by replication; the value is where the quadratic turns.

    A quadratic is fitted in each replication. Its slope must be positive at the lowest x and negative at the highest: p is
    the larger of the two one-sided p-values, by Student's t over replications.
    """
    from scipy.stats import ttest_1samp

    rows = chosen(table, test.where)
    found = []
    for y in test.y:
        x, values = cube(rows, test.x, y)
        if x.size < 3 or len(values) < 2:
            raise Unanswerable(f"{x.size} values of {test.x} in {len(values)} replications: take at least 3 in 2")
        bend, tilt, _ = np.polyfit(x, values.T, 2) * ~is_constant(values, 1)
        ends = tilt + 2 * bend * np.array([[x.min()], [x.max()]])
        with np.errstate(divide="ignore", invalid="ignore"):
            rises = ttest_1samp(ends[0], 0, alternative="greater").pvalue
            falls = ttest_1samp(ends[1], 0, alternative="less").pvalue
            turn = -tilt.mean() / (2 * bend.mean())
        p = np.nan_to_num([rises, falls], nan=1.0).max()  # NaN: flat in every replication
        more = {"slope_low": float(ends[0].mean()), "slope_high": float(ends[1].mean())}
        found.append(Finding(y, float(turn), p=float(p), number=len(values), more=more))
    return found


@statistic(x=True, y=2, needed={"over": WORD})
def crossing(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Value of `options.over` at which the slope of ln y[1] on y[0] (nats) across x turns from negative to positive.

    Slopes are taken within each replication at each value of `over`; the crossing is interpolated between values.
    """
    rows = chosen(table, test.where)
    over = str(test.options["over"])
    levels, slopes = slopes_over(rows, test, over)
    places = np.array([zero_of(levels, row) for row in slopes])
    mean, low, high, number = interval(places)
    if 2 * number < len(places):
        raise Unanswerable(f"the slope turns in {number} of {len(places)} replications only")
    return [scaled(test, f"{over} where the slope is 0", mean, low, high, number)]


@statistic(x=True, y=2, needed={"over": WORD}, optional={"expected": WORD})
def log_slopes(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Slope of ln y[1] on y[0] (nats) across x, at each value of `options.over`, less what `options.expected` says it is.

    expected: "e - 1", "(e - 1) / e" or "" for the slope itself, e standing for the value of `over`.
    """
    rows = chosen(table, test.where)
    over = str(test.options["over"])
    levels, slopes = slopes_over(rows, test, over)
    found = []
    for at, level in enumerate(levels):
        expected = {"e - 1": level - 1, "(e - 1) / e": (level - 1) / level, "": 0.0}[test.options.get("expected", "")]
        mean, low, high, number = interval(slopes[:, at] - expected)
        found.append(scaled(test, f"{over} = {level:g}", mean, low, high, number, more={"expected": expected}))
    return found


def slopes_over(rows: pd.DataFrame, test: Test, over: str) -> tuple[np.ndarray, np.ndarray]:
    """Levels of `over`, and slopes (replications, levels) of ln y[1] on y[0] (nats) across x."""
    first, second = test.y
    levels = np.sort(rows[over].unique())
    out = []
    for level in levels:
        some = rows[is_value(rows[over], float(level))]
        _, below = cube(some, test.x, first)
        _, above = cube(some, test.x, second)
        out.append(slopes_between(below, logs(above)))
    return levels, np.stack(out, axis=1)


def zero_of(x: np.ndarray, y: np.ndarray) -> float:
    """Where a rising line through the points first passes zero; NaN where it does not."""
    for at in range(len(x) - 1):
        if y[at] <= 0 < y[at + 1]:
            return float(x[at] - y[at] * (x[at + 1] - x[at]) / (y[at + 1] - y[at]))
    return np.nan


# --- differences between treatments ---


@statistic(sides="ab", optional={"relative": FLAG})
def contrast(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Paired difference of y, chosen by a less chosen by b, mean over replications; `options.relative`: over b's mean."""
    found = []
    for y in test.y:
        one, other = (by_replication(table, y, {**test.where, **side}) for side in (test.a, test.b))
        numbers = ratio(one, other) if test.options.get("relative") else interval((one - other).dropna())
        found.append(scaled(test, y, *numbers))
    return found


@statistic(y=2)
def gap(table: pd.DataFrame, test: Test) -> list[Finding]:
    """y[0] - y[1] of the same runs, mean over replications."""
    first, second = (by_replication(table, y, test.where) for y in test.y)
    return [scaled(test, f"{test.y[0]} - {test.y[1]}", *interval((first - second).dropna()))]


@statistic(y=0, optional={"what": WORD})
def awaited(table: pd.DataFrame, test: Test) -> list[Finding]:
    """What only the future can say."""
    raise Pending(str(test.options.get("what", "it has not been observed")))


@statistic(sides="abcd")
def interaction(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Difference in differences, (a - b) - (c - d), mean over replications: how much more one does with the other."""
    found = []
    for y in test.y:
        a, b, c, d = (by_replication(table, y, {**test.where, **side}) for side in (test.a, test.b, test.c, test.d))
        found.append(scaled(test, y, *interval(((a - b) - (c - d)).dropna())))
    return found


@statistic()
def level(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Mean of y over the chosen runs."""
    return [scaled(test, y, *interval(by_replication(table, y, test.where))) for y in test.y]


@statistic()
def band(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Median of y over runs; `low` and `high` are the 5 and 95 % quantiles: what a single history may look like."""
    rows = chosen(table, test.where)
    found = []
    for y in test.y:
        x = rows[y].to_numpy(float)
        x = x[np.isfinite(x)]
        low, middle, high = np.quantile(x, [0.05, 0.5, 0.95]) if x.size else (np.nan,) * 3
        found.append(scaled(test, y, middle, low, high, x.size))
    return found


@statistic(y=2, optional={"least": NUMBER})
def band_of_ratio(table: pd.DataFrame, test: Test) -> list[Finding]:
    """The same of -y[0] / y[1]; runs in which y[1] is no fall of at least `options.least` are left out."""
    rows = chosen(table, test.where)
    top, bottom = (rows[y].to_numpy(float) for y in test.y)
    fell = bottom <= -float(test.options.get("least", 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (-top / bottom)[fell]
    if not ratio.size:
        raise Unanswerable(f"no run in which {test.y[1]} falls by {test.options.get('least', 0)}")
    low, middle, high = np.quantile(ratio, [0.05, 0.5, 0.95])
    return [scaled(test, f"-{test.y[0]} / {test.y[1]}", middle, low, high, ratio.size)]


@statistic(x=True, needed={"of": NUMBER})
def lowest(table: pd.DataFrame, test: Test) -> list[Finding]:
    """The best y of the other values of x less that of `options.of`: positive where that one is lowest of all.

    `options.of` is a value of x. The value is the smallest of the paired differences to the others.
    """
    rows = chosen(table, test.where)
    own = test.options["of"]
    found = []
    for y in test.y:
        mine = by_replication(rows, y, {test.x: own})
        others = [v for v in rows[test.x].unique() if not is_value(rows[test.x].iloc[:1] * 0 + v, own).any()]
        gaps = [interval((by_replication(rows, y, {test.x: v}) - mine).dropna()) for v in others]
        found.append(scaled(test, y, *min(gaps, key=lambda gap: gap[0])))
    return found


# --- patterns across layers and outcomes ---


@statistic(needed={"layers": WORDS, "groups": WORDS}, gives=("low", "high", "signs"), scale=False)
def cross_section(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Rank correlation of the mean returns of layers with those observed on 27 January 2025, for each group of runs.

    y: outcomes, one a layer, in the order of `options.layers`. `options.groups`: columns that make the groups; the finding
    with the highest correlation comes first. `more.signs`: layers whose sign is the observed one.
    """
    from scipy.stats import spearmanr

    seen = observed_returns(test.options["layers"])
    rows = chosen(table, test.where)
    groups = list(test.options["groups"])
    found = []
    for names, some in rows.groupby(groups, sort=False):
        wide = some.groupby("replication")[list(test.y)].mean().to_numpy(float)

        def fit(which: np.ndarray, wide: np.ndarray = wide) -> float:
            return float(spearmanr(wide[which].mean(0), seen).statistic)

        low, high = resampled(len(wide), fit)
        words = names if isinstance(names, tuple) else (names,)
        signs = float((np.sign(wide.mean(0)) == np.sign(seen)).sum())
        found.append(
            Finding(
                ", ".join(f"{w:g}" if isinstance(w, float) else str(w) for w in words),
                fit(np.arange(len(wide))),
                low,
                high,
                number=len(wide),
                more={"signs": signs},
            )
        )
    return sorted(found, key=lambda one: (-one.value, -one.more["signs"]))


def observed_returns(layers: list[str]) -> np.ndarray:
    """Abnormal returns of layers on 27 January 2025, raw ones where no abnormal one is known; "leader" is NVIDIA."""
    from abm.runs import event_study

    day = event_study.observed()
    day = day[day["day"] == 0].set_index("layer")
    single = event_study.tickers()
    single = single[single["day"] == 0].set_index("ticker")
    out = []
    for layer in layers:
        if layer == "leader":
            out.append(float(single.loc["NVDA", "abnormal"]))
            continue
        value = float(day.loc[layer, "abnormal"])
        out.append(value if np.isfinite(value) else float(day.loc[layer, "raw"]))
    return np.array(out)


@statistic()
def positive_share(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Share of runs in which y is positive, with an interval by resampling replications."""
    rows = chosen(table, test.where)
    found = []
    for y in test.y:
        values = rows.groupby("replication")[y].mean()
        up = (values[np.isfinite(values)] > 0).to_numpy(float)
        low, high = resampled(len(up), lambda some, up=up: float(up[some].mean()))  # type: ignore[misc]
        found.append(scaled(test, y, float(up.mean()), low, high, len(up)))
    return found
