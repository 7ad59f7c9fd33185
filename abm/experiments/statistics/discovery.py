"""Which uncertain factors decide an outcome: scenario discovery by PRIM, and shares of variance by group of factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.analysis import scenario_discovery
from abm.experiments.sampling import DRAWS, SEED, Finding, Unanswerable, select_runs
from abm.experiments.spec import Test
from abm.experiments.statistics.registry import NUMBER, TABLE, WORD, WORDS, statistic
from abm.support.samples import is_constant

if TYPE_CHECKING:
    import pandas as pd


@statistic(
    needed={"factors": WORDS, "classes": TABLE},
    optional={"least_coverage": NUMBER},
    gives=("share", "coverage", "mass", "restricted", "coverage_of_other_halves", "density_of_other_halves"),
    scale=False,
    installed=scenario_discovery.installed,
)
def boxes(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Scenario discovery: for each class of outcomes, the box of factor values that PRIM finds for it.

    `options.classes`: name -> {column, above, below}; `options.factors`: the uncertain factors. The value is the box's
    density (the share of its runs that belong to the class); `more` has coverage, mass, the overall share of the class, and
    limits. PRIM is repeated on ten random halves of the points: `FACTOR again` is the share of halves in which a factor of
    the box has a significant limit, and `..._of_other_halves` are the halves' boxes scored on the points left out.
    """
    rows = points_of(select_runs(table, test.where), [*test.options["factors"], *test.y])
    x = rows[list(test.options["factors"])]
    findings = []
    for name, rule in test.options["classes"].items():
        hit = in_class(rows, rule)
        no_box = Finding(name, np.nan, number=len(rows), more={"share": float(hit.mean())})
        if not 0.02 < hit.mean() < 0.98:  # a box of everything, or of next to nothing
            findings.append(no_box)
            continue
        steps = [scenario_discovery.significant(box, x, hit) for box in scenario_discovery.trajectory(x, hit)]
        box = scenario_discovery.choose(steps, float(test.options.get("least_coverage", 0.5)))
        if not box.restricted:  # no condition separates the class from the rest
            findings.append(no_box)
            continue
        again = scenario_discovery.reproduce(box, x, hit, seed=SEED)
        more = no_box.more | {"coverage": box.coverage, "mass": box.mass, "restricted": float(box.restricted)}
        more |= {"coverage_of_other_halves": again.coverage, "density_of_other_halves": again.density}
        for factor, ends in box.limits.items():
            more |= {
                f"{factor} {word}": end for word, end in zip(("from", "to"), ends, strict=True) if np.isfinite(end)
            }
            more[f"{factor} again"] = again.at_coverage[factor]
        findings.append(Finding(name, box.density, number=len(rows), more=more))
    return findings


@statistic(needed={"groups": TABLE, "of": WORD}, scale=False)
def deciding(table: pd.DataFrame, test: Test) -> list[Finding]:
    """How much more of the variance of y the group `options.of` of factors explains than the best other group does.

    `options.groups`: name -> factors. A group's share is the adjusted R2 of a quadratic in its factors (with products);
    the shares are in `more`. Interval: 1.96 standard deviations over half samples of the points, drawn without replacement
    (delete-half jackknife; Shao and Wu 1989): points that are drawn twice would flatter the fit.
    """
    groups, own = test.options["groups"], test.options["of"]
    factors = [factor for names in groups.values() for factor in names]
    findings = []
    for y in test.y:
        rows = points_of(select_runs(table, test.where), [*factors, y])
        values = rows[y].to_numpy(float)
        designs = {name: quadratic(rows[list(names)].to_numpy(float)) for name, names in groups.items()}

        def shares(sample: np.ndarray, values: np.ndarray = values, designs: Any = designs) -> dict[str, float]:
            return {name: explained(design[sample], values[sample]) for name, design in designs.items()}

        def lead(sample: np.ndarray) -> float:
            by_group = shares(sample)
            return by_group.pop(own) - max(by_group.values())

        everything = np.arange(len(rows))
        more = {f"explained by {name}": share for name, share in shares(everything).items()}
        findings.append(Finding(y, lead(everything), *by_halves(len(rows), lead), number=len(rows), more=more))
    return findings


def by_halves(rows: int, compute: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """95 % interval of a statistic of independent rows.

    Half samples vary as much around the full sample as the full sample does around the truth.
    """
    generator = np.random.default_rng(SEED)
    value = compute(np.arange(rows))
    draws = [compute(generator.permutation(rows)[: rows // 2]) for _ in range(DRAWS)]
    half_width = 1.96 * float(np.std(draws))
    return value - half_width, value + half_width


def points_of(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Means over replications, one row per point and arm."""
    names = list(dict.fromkeys(columns))
    points = rows.groupby(["arm", "point"], as_index=False)[names].mean().dropna()
    if len(points) < 20:
        raise Unanswerable(f"{len(points)} points: use at least 20")
    return points


def in_class(rows: pd.DataFrame, rule: dict[str, Any]) -> np.ndarray:
    """Which rows belong to a class: its column lies above `above` and at or below `below`."""
    x = rows[rule["column"]].to_numpy(float)
    return (x > rule.get("above", -np.inf)) & (x <= rule.get("below", np.inf))


def quadratic(x: np.ndarray) -> np.ndarray:
    """Design matrix (n, k): constant, standardised factors, squares, products."""
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
