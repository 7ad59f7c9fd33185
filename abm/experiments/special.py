"""Statistics that one experiment each asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.analysis import scenario_discovery
from abm.experiments.sampling import (
    DRAWS,
    SEED,
    Finding,
    Unanswerable,
    by_replication,
    chosen,
    cube,
    interval,
    logs,
    ols,
    resampled,
    scaled,
    slopes_between,
)
from abm.experiments.spec import Test
from abm.experiments.statistics import NUMBER, STATISTICS, TABLE, WORD, WORDS, statistic
from abm.support.samples import is_constant

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STATISTICS"]
"""All statistics, these among them."""


@statistic(
    sides="ab",
    needed={"paid": WORD, "a_factor": WORD, "b_factor": WORD, "at": NUMBER},
    gives=("low", "high", "paid"),
    where=False,
)
def at_equal(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Difference of y between arms a and b where both pay as much: `options.paid` is the outcome that is made equal.

    In each arm y and what is paid are known at several values of that arm's own factor (`options.a_factor`, `b_factor`);
    y is interpolated at the payment `options.at`, which both must reach.
    """
    paid = str(test.options["paid"])
    curves, reach, bottom = {}, [], []
    for side, where in (("a", test.a), ("b", test.b)):
        rows = chosen(table, where)
        factor = str(test.options[f"{side}_factor"])
        _, bill = cube(rows, factor, paid)
        curves[side] = (rows, factor, bill.mean(0))
        reach.append(bill.mean(0).max())
        bottom.append(bill.mean(0).min())
    at = float(test.options["at"])
    if not max(bottom) <= at <= min(reach):
        raise Unanswerable(f"{at:g} is not paid in both arms: they share {max(bottom):g} to {min(reach):g}")
    found = []
    for y in test.y:
        values = []
        for rows, factor, bill in curves.values():
            _, own = cube(rows, factor, y)
            order = np.argsort(bill)
            values.append(np.array([np.interp(at, bill[order], row[order]) for row in own]))
        found.append(scaled(test, y, *interval(values[0] - values[1]), more={"paid": at}))
    return found


@statistic(
    x=True,
    y=2,
    needed={"below": NUMBER, "above": NUMBER},
    gives=("early_least", "late_most", "early_from", "late_to"),
    scale=False,
)
def drift(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Whether y[0] < `options.below` at one value of x and y[1] > `options.above` at a smaller one: 1 or 0."""
    rows = chosen(table, test.where)
    first, second = test.y
    x, early = cube(rows, test.x, first)
    _, late = cube(rows, test.x, second)
    early, late = early.mean(0), late.mean(0)
    low, high = x[early < test.options["below"]], x[late > test.options["above"]]
    more = {"early_least": float(early.min()), "late_most": float(late.max())}
    if low.size:
        more["early_from"] = float(low.min())
    if high.size:
        more["late_to"] = float(high.max())
    possible = bool(low.size and high.size and high.min() < low.max())
    return [Finding(f"{first}, then {second}", float(possible), number=rows["replication"].nunique(), more=more)]


@statistic(
    y=2, sides="ab", needed={"psi": NUMBER}, gives=("low", "high", "simulated", "predicted"), where=False, scale=False
)
def option_effect(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Change of ln y[0] from b to a, over what the option multiple y[1] predicts: -ln(M_a / M_b) / (1 - psi).

    The first-order condition of research makes intensity proportional to M^(-1/(1 - psi)), at a given value of a lead
    (`abm.mechanisms.research.research_target`); `options.psi` is the elasticity of progress in effort.
    """
    effort, multiple = test.y
    change = {
        y: (by_replication(table, y, test.a).map(np.log) - by_replication(table, y, test.b).map(np.log)).to_numpy()
        for y in (effort, multiple)
    }
    psi = float(test.options["psi"])

    def work(some: np.ndarray) -> float:
        predicted = -change[multiple][some].mean() / (1 - psi)
        return float(change[effort][some].mean() / predicted)

    if not 0 < psi < 1:
        raise Unanswerable(f"psi = {psi:g}: must lie between 0 and 1")
    number = len(change[effort])
    predicted = -change[multiple].mean() / (1 - psi)
    more = {"simulated": float(change[effort].mean()), "predicted": float(predicted)}
    return [
        Finding(
            f"{effort} over prediction", work(np.arange(number)), *resampled(number, work), number=number, more=more
        )
    ]


@statistic(x=True, gives=("low", "high", "first", "last"))
def fading(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Trend, per year, of the elasticity of use in efficiency: d ln y[2t + 1] / d y[2t] (nats) across x, regressed on t.

    y: efficiency and use of the first year, of the second, and so on. Within each replication; `more` has the elasticity
    in the first and in the last year.
    """
    rows = chosen(table, test.where)
    elasticities = []
    for efficiency, use in zip(test.y[::2], test.y[1::2], strict=True):
        _, below = cube(rows, test.x, efficiency)
        _, above = cube(rows, test.x, use)
        elasticities.append(slopes_between(below, logs(above)))
    path = np.stack(elasticities, axis=1)  # (replications, years)
    trends = ols(np.arange(path.shape[1], dtype=float), path)
    more = {"first": float(path[:, 0].mean()), "last": float(path[:, -1].mean())}
    return [scaled(test, "trend of the elasticity", *interval(trends), more=more)]


@statistic(
    needed={"factors": WORDS, "classes": TABLE},
    optional={"least_coverage": NUMBER},
    gives=("share", "coverage", "mass", "restricted", "coverage_of_other_halves", "density_of_other_halves"),
    scale=False,
    installed=scenario_discovery.installed,
)
def boxes(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Scenario discovery: for each class of outcomes the box of conditions that holds it, by PRIM.

    `options.classes`: name -> {column, above, below}; `options.factors`: the uncertain factors. The value is the box's
    density (share of its runs that are of the class); `more` has coverage, mass, how common the class is, and limits.
    Ten times PRIM is run on a random half of the points as well: `FACTOR again` is the share of the halves in which a
    factor of the box has a significant limit, and `..._of_other_halves` is how much the halves' boxes hold of the other points.
    """
    rows = points_of(chosen(table, test.where), [*test.options["factors"], *test.y])
    x = rows[list(test.options["factors"])]
    found = []
    for name, rule in test.options["classes"].items():
        hit = in_class(rows, rule)
        none = Finding(name, np.nan, number=len(rows), more={"share": float(hit.mean())})
        if not 0.02 < hit.mean() < 0.98:  # a box of everything, or of next to nothing
            found.append(none)
            continue
        steps = [scenario_discovery.significant(box, x, hit) for box in scenario_discovery.trajectory(x, hit)]
        box = scenario_discovery.choose(steps, float(test.options.get("least_coverage", 0.5)))
        if not box.restricted:  # no condition tells the class from the rest
            found.append(none)
            continue
        again = scenario_discovery.reproduce(box, x, hit, seed=SEED)
        more = none.more | {"coverage": box.coverage, "mass": box.mass, "restricted": float(box.restricted)}
        more |= {"coverage_of_other_halves": again.coverage, "density_of_other_halves": again.density}
        for factor, ends in box.limits.items():
            more |= {
                f"{factor} {word}": end for word, end in zip(("from", "to"), ends, strict=True) if np.isfinite(end)
            }
            more[f"{factor} again"] = again.at_coverage[factor]
        found.append(Finding(name, box.density, number=len(rows), more=more))
    return found


@statistic(needed={"groups": TABLE, "of": WORD}, scale=False)
def deciding(table: pd.DataFrame, test: Test) -> list[Finding]:
    """How much more of the variance of y the group `options.of` of factors explains than the best other group does.

    `options.groups`: name -> factors. A group's share is the adjusted R2 of a quadratic in its factors (with products);
    the shares are in `more`. Interval: 1.96 standard deviations over half samples of the points, drawn without repetition
    (delete-half jackknife; Shao and Wu 1989): points that are drawn twice would flatter the fit.
    """
    groups, own = test.options["groups"], test.options["of"]
    factors = [factor for names in groups.values() for factor in names]
    found = []
    for y in test.y:
        rows = points_of(chosen(table, test.where), [*factors, y])
        values = rows[y].to_numpy(float)
        designs = {name: quadratic(rows[list(names)].to_numpy(float)) for name, names in groups.items()}

        def shares(some: np.ndarray, values: np.ndarray = values, designs: Any = designs) -> dict[str, float]:
            return {name: explained(design[some], values[some]) for name, design in designs.items()}

        def lead(some: np.ndarray) -> float:
            each = shares(some)
            return each.pop(own) - max(each.values())

        whole = np.arange(len(rows))
        more = {f"explained by {name}": share for name, share in shares(whole).items()}
        found.append(Finding(y, lead(whole), *by_halves(len(rows), lead), number=len(rows), more=more))
    return found


def by_halves(rows: int, work: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """95 % interval of a statistic of independent rows: half samples vary as much around the whole as that around truth."""
    generator = np.random.default_rng(SEED)
    whole = work(np.arange(rows))
    found = [work(generator.permutation(rows)[: rows // 2]) for _ in range(DRAWS)]
    half = 1.96 * float(np.std(found))
    return whole - half, whole + half


def points_of(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Means over replications, one row a point and arm."""
    names = list(dict.fromkeys(columns))
    out = rows.groupby(["arm", "point"], as_index=False)[names].mean().dropna()
    if len(out) < 20:
        raise Unanswerable(f"{len(out)} points: take at least 20")
    return out


def in_class(rows: pd.DataFrame, rule: dict[str, Any]) -> np.ndarray:
    x = rows[rule["column"]].to_numpy(float)
    return (x > rule.get("above", -np.inf)) & (x <= rule.get("below", np.inf))


def quadratic(x: np.ndarray) -> np.ndarray:
    """Design matrix (n, k): constant, factors in units of their range, squares, products."""
    z = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1.0)
    columns = [np.ones(len(z)), *z.T]
    columns += [z[:, i] * z[:, j] for i in range(z.shape[1]) for j in range(i, z.shape[1])]
    return np.stack(columns, axis=1)


def explained(design: np.ndarray, y: np.ndarray) -> float:
    """Adjusted R2."""
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    n, k = design.shape
    if is_constant(y):
        return np.nan
    total = ((y - y.mean()) ** 2).sum()
    return float(1 - ((y - fitted) ** 2).sum() / max(n - k, 1) / (total / (n - 1)))
