"""Scenario discovery with the Patient Rule Induction Method (PRIM): input ranges that lead to an outcome of interest.

A box is a set of limits on some inputs. Its *coverage* is the share of all cases of interest that lie in it, its
*density* the share of the cases in it that are of interest, its *mass* the share of all cases that lie in it. Peeling
removes thin slices from the box of all cases, as long as each raises the density; each step gives one box, from high
coverage to high density. One of them is chosen, and limits that chance could explain are released. PRIM is then run on
halves of the cases: an input that matters is restricted there too, and the box performs about as well on the other half.

Peeling, pasting and quasi-p-values are those of the EMA Workbench (Kwakkel 2017, *Environmental Modelling & Software* 96),
the extra `discovery`; this module checks the input, converts the output and chooses between boxes (decision 15).

Sources: Friedman & Fisher (1999), *Statistics and Computing* 9(2), for peeling and pasting; Bryant & Lempert (2010),
*Technological Forecasting and Social Change* 77(1), for coverage, density, quasi-p-values and the resampling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from abm.support.samples import by_label

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
"""Significance level."""
SHOWN = 5
"""Number of rows named in an error message."""
ABOVE_ZERO = 1e-9

Ends = tuple[float, float]


class Box(NamedTuple):
    """Limits on some inputs, and measures of the cases within them. Inputs are named by the columns of x."""

    limits: dict[Any, Ends]  # inclusive; infinite at an end without a limit
    coverage: float  # share of the cases of interest that lie in the box
    density: float  # share of the cases in the box that are of interest
    mass: float  # share of all cases that lie in the box
    p: dict[Any, Ends]  # by input in `limits`: quasi-p-value of each limit (see `measure`), NaN where there is no limit

    @property
    def restricted(self) -> int:
        """Number of inputs with a limit: the fewer, the easier a box is to interpret."""
        return len(self.limits)


class Reproduction(NamedTuple):
    """Results of PRIM on halves of the cases, compared with a box found on all of them."""

    at_coverage: dict[Any, float]  # by input: share of the halves whose box of similar coverage significantly limits it
    at_density: dict[Any, float]  # the same for the box of similar density
    coverage: float  # of the boxes of similar coverage, measured on the other halves
    density: float  # likewise


def trajectory(x: Any, hit: Any, *, peel: float = 0.05, least_mass: float = 0.05) -> list[Box]:
    """Boxes from all cases to the densest corner, one for each slice peeled off or pasted on; `choose` selects one.

    x : (cases, inputs), a DataFrame or an array (whose inputs are named 0, 1, ...), of numbers or flags; a category is
    given as one flag per value. hit : (cases,), true for a case of interest. A DataFrame and a Series are paired by their
    row labels, anything else by position. For mass to be meaningful, cases must be drawn evenly over the input ranges.

    Peeling removes a share `peel` of the cases in the box (or all cases with the outermost value, if these are more) from
    one end of one input: of all such slices, the one that raises the density most per case removed. It stops when no slice
    raises the density or less than `least_mass` of all cases would remain. The procedure is deterministic.

    Raises ValueError for data that are not finite (naming rows), not numeric, of unequal length or row labels, or with one
    outcome only, and for shares out of range; ImportError without the extra `discovery`.
    """
    for name, share in {"peel": peel, "least_mass": least_mass}.items():
        if not 0 < share < 1:
            raise ValueError(f"{name} {share} must lie between 0 and 1")
    names, values, hits = _cases(x, hit)
    try:
        result = _prim(values, hits, peel_alpha=peel, mass_min=least_mass).find_box()
    except RecursionError:  # the library recurses once per slice
        raise ValueError(f"peel {peel} needs too many slices: give a larger one") from None
    return [_box(names, result, step) for step in range(len(result.box_lims))]


def choose(boxes: Sequence[Box], least_coverage: float = 0.8) -> Box:
    """Choose the box with the highest density among those with `least_coverage`; ties: fewest inputs, then largest mass.

    Raises ValueError if no box has this coverage.
    """
    candidates = [box for box in boxes if box.coverage >= least_coverage]
    if not candidates:
        raise ValueError(f"none of {len(boxes)} boxes has a coverage of at least {least_coverage}")
    return max(candidates, key=lambda box: (box.density, -box.restricted, box.mass))


def measure(limits: Mapping[Any, Ends], x: Any, hit: Any) -> Box:
    """Measure the box with these limits on these cases, for instance on cases that were not used to find it.

    The quasi-p-value of a limit is the probability of at least as many cases of interest in the box if the limit did not
    matter, that is, if each case in the box were of interest with the density of the box without the limit (one-sided
    binomial). It is too small on the cases from which the box was found, since the limits were chosen there. A limit that
    excludes no case counts as no limit.

    Raises ValueError for unknown inputs, limits in the wrong order and an empty box, and as `trajectory` does.
    """
    names, values, hits = _cases(x, hit)
    if unknown := [name for name in limits if name not in names]:
        raise ValueError(f"x has no inputs {unknown}: it has {names}")
    for name, (low, high) in limits.items():
        if not low <= high:
            raise ValueError(f"limits of {name!r}: {low} is not below {high}")
    inside = _inside(limits, names, values)
    if not inside.any():
        raise ValueError("the box contains no case")
    algorithm = _prim(values, hits)
    ends = algorithm.box_init.copy()
    for name, (low, high) in limits.items():
        column = ends.columns[names.index(name)]
        ends[column] = [max(low, ends[column][0]), min(high, ends[column][1])]
    result = _library().PrimBox(algorithm, algorithm.box_init, algorithm.yi)
    result.update(ends, algorithm.yi[inside])
    return _box(names, result, 1)


def significant(box: Box, x: Any, hit: Any, level: float = LEVEL) -> Box:
    """Release all limits whose quasi-p-value is above `level`.

    The least significant limit is released first and the remaining box is measured again. Raises as `measure` does.
    """
    while box.p:
        p, name, end = max((p, name, end) for name, ends in box.p.items() for end, p in enumerate(ends) if p == p)
        if p <= level:
            break
        low, high = box.limits[name]
        wider = {name: (-np.inf, high) if end == 0 else (low, np.inf)}
        remaining = {other: ends for other, ends in (box.limits | wider).items() if np.isfinite(ends).any()}
        box = measure(remaining, x, hit)
    return box


def reproduce(box: Box, x: Any, hit: Any, *, halves: int = 10, seed: int = 1) -> Reproduction:
    """Test whether PRIM finds the box again on random halves of the cases (resampling test of Bryant & Lempert 2010).

    Each half has half of the cases of interest and half of the others. PRIM is run on each half, and the boxes closest to
    `box` in coverage and in density are examined: an input with a significant limit in nearly all halves is unlikely to be
    an accident of the sample. A half has less power than all cases, so that a low share does not show that an input has no
    effect. Coverage and density are those on the other halves, pooled.

    The same seed gives the same halves. Raises ValueError for fewer than two cases of either outcome or fewer than one
    half, and as `trajectory` does.
    """
    import pandas as pd

    if halves < 1:
        raise ValueError(f"halves {halves}: must be at least 1")
    names, values, hits = _cases(x, hit)
    if min(hits.sum(), (1 - hits).sum()) < 2:
        raise ValueError(f"{hits.sum()} of {hits.size} cases are hits: halves need at least two of either outcome")
    generator = np.random.default_rng(seed)
    counts = {"coverage": dict.fromkeys(names, 0), "density": dict.fromkeys(names, 0)}
    covered, covered_hits, other_hits = 0, 0, 0
    for _ in range(halves):
        half = np.zeros(hits.size, bool)
        for outcome in (0, 1):
            rows = np.flatnonzero(hits == outcome)
            half[generator.permutation(rows)[: rows.size // 2]] = True
        boxes = trajectory(pd.DataFrame(values[half], columns=names), hits[half])
        for quantity, count in counts.items():
            distances = [abs(getattr(other, quantity) - getattr(box, quantity)) for other in boxes]
            closest = boxes[int(np.argmin(distances))]
            for name, p in closest.p.items():
                count[name] += np.nanmin(p) <= LEVEL
            if quantity == "coverage":
                inside = _inside(closest.limits, names, values[~half])
                covered += int(inside.sum())
                covered_hits += int(hits[~half][inside].sum())
                other_hits += int(hits[~half].sum())
    at_coverage, at_density = ({name: int(n) / halves for name, n in count.items()} for count in counts.values())
    density = covered_hits / covered if covered else np.nan
    return Reproduction(at_coverage, at_density, covered_hits / other_hits, density)


def installed() -> None:
    """Raise ImportError without the extra `discovery`; the library is not imported, which would take two seconds."""
    from importlib.util import find_spec

    if find_spec("ema_workbench") is None:
        raise ImportError("scenario discovery (PRIM) needs ema_workbench: pip install 'ai-market-abm[discovery]'")


def _library() -> Any:
    """The library's PRIM module; warnings at its import, about parts not used here, are suppressed."""
    import warnings

    installed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ema_workbench.analysis import prim
    return prim


def _prim(values: np.ndarray, hits: np.ndarray, **options: float) -> Any:
    """The library's algorithm for these cases.

    All inputs are passed as floats with neutral names: the library drops a column named "scenario", treats flags as
    categories, and does not paste integers unless a float is restricted.
    """
    import inspect

    import pandas as pd

    prim = _library().Prim
    if "threshold" in inspect.signature(prim).parameters:
        # Version 2.5, the last for Python 3.11, requires a minimum density of the last box, which it also uses as the
        # threshold for cases of interest. Any positive number disables it.
        options["threshold"] = ABOVE_ZERO
    frame = pd.DataFrame(values, columns=[f"x{index}" for index in range(values.shape[1])])
    return prim(frame, hits, **options)


def _cases(x: pd.DataFrame | Any, hit: Any) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """Check the cases and return names of the inputs, x (cases, inputs) as floats and hit (cases,) as 0 and 1."""
    import pandas as pd

    if np.ndim(x) != 2:
        raise ValueError(f"x has {np.ndim(x)} dimensions; it must have 2: cases and inputs")
    x, hit = by_label(x=x, hit=hit)
    frame = pd.DataFrame(x)
    hit = hit.to_numpy(object, na_value=np.nan) if isinstance(hit, pd.Series) else np.asarray(hit)
    names = list(frame.columns)
    if frame.columns.has_duplicates:
        raise ValueError("the names of the inputs must differ")
    if wrong := [name for name, kind in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]:
        raise ValueError(f"inputs {wrong} are not numbers; give a category as one flag per value")
    values = frame.to_numpy(dtype=float, na_value=np.nan)
    if hit.shape != values.shape[:1]:
        raise ValueError(f"hit {hit.shape} must have one entry for each of the {len(values)} cases of x")
    if (rows := np.flatnonzero(~np.isfinite(values).all(1))).size:
        raise ValueError(f"x must be finite, but is not in {_named(frame, rows)}")
    if (rows := np.flatnonzero(~np.isin(hit, (0, 1)))).size:
        raise ValueError(f"hit must be true or false, but is not in {_named(frame, rows)}")
    hits = hit.astype(int)
    if not 0 < hits.sum() < hits.size:
        raise ValueError(f"{hits.sum()} of {hits.size} cases are hits: there must be hits and other cases")
    return names, values, hits


def _named(frame: pd.DataFrame, rows: np.ndarray) -> str:
    """Labels of the first few rows."""
    labels = ", ".join(str(frame.index[row]) for row in rows[:SHOWN])
    return f"row{'s' * (rows.size > 1)} {labels}{f' and {rows.size - SHOWN} more' if rows.size > SHOWN else ''}"


def _inside(limits: Mapping[Any, Ends], names: Sequence[Any], values: np.ndarray) -> np.ndarray:
    """Mask (cases,) of the rows of `values` that lie in the box."""
    inside = np.ones(len(values), bool)
    for name, (low, high) in limits.items():
        column = values[:, names.index(name)]
        inside &= (low <= column) & (column <= high)
    return inside


def _box(names: Sequence[Any], result: Any, step: int) -> Box:
    """Convert one step of the library's trajectory.

    The library stores the range of the data where there is no limit, and -1 where there is no p-value.
    """
    row = result.peeling_trajectory.iloc[step]
    ends, ranges = result.box_lims[step], result.prim.box_init
    p_values = result.qp[step] if hasattr(result, "qp") else result.p_values[step]  # version 2.5, version 3
    limits: dict[Any, Ends] = {}
    p: dict[Any, Ends] = {}
    for name, column in zip(names, ranges.columns, strict=True):
        low, high = (float(end) for end in ends[column])
        lowest, highest = (float(end) for end in ranges[column])
        if low > lowest or high < highest:
            limits[name] = (low if low > lowest else -np.inf, high if high < highest else np.inf)
            below, above = (float(value) if value >= 0 else np.nan for value in p_values[column])
            p[name] = (below, above)
    return Box(limits, float(row["coverage"]), float(row["density"]), float(row["mass"]), p)
