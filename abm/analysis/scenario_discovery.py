"""Which ranges of the inputs lead to an outcome of interest? The Patient Rule Induction Method (PRIM).

A box is a set of limits on some inputs. Its *coverage* is the share of all cases of interest that lie in it, its
*density* the share of those in it that are of interest, its *mass* the share of all cases that lie in it. Peeling takes
thin slices off the box of all cases, as long as each raises the density; each step gives one box, from a high coverage to
a high density. One of them is chosen, and rid of limits that chance would explain. Then PRIM is run on halves of the cases:
an input that matters is restricted there too, and the box holds about as much of the half that it was not found on.

Peeling, pasting and quasi-p-values are those of the EMA Workbench (Kwakkel 2017, *Environmental Modelling & Software* 96),
the extra `discovery`; here are what goes in, what comes out, and the choice between boxes (decision 15).

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
"""Of significance."""
SHOWN = 5
"""Rows that a complaint names."""
ABOVE_ZERO = 1e-9

Ends = tuple[float, float]


class Box(NamedTuple):
    """Limits on some inputs, and what lies within them. Inputs have the names of the columns of x."""

    limits: dict[Any, Ends]  # both ends belong to the box; infinite where only the other end is limited
    coverage: float  # share of the cases of interest that lie in the box
    density: float  # share of the cases in the box that are of interest
    mass: float  # share of all cases that lie in the box
    p: dict[Any, Ends]  # by input in `limits`, the quasi-p-value of either limit (see `measure`); not a number for none

    @property
    def restricted(self) -> int:
        """Number of inputs with a limit: the fewer, the easier a box is to interpret."""
        return len(self.limits)


class Reproduction(NamedTuple):
    """What PRIM finds on halves of the cases, against a box that it found on all of them."""

    at_coverage: dict[
        Any, float
    ]  # by input: share of the halves whose box of about the same coverage has a significant limit on it
    at_density: dict[Any, float]  # the same for the box of about the same density
    coverage: float  # of boxes of about the same coverage, on the halves that they were not found on
    density: float  # likewise


def trajectory(x: Any, hit: Any, *, peel: float = 0.05, least_mass: float = 0.05) -> list[Box]:
    """Boxes from all cases to the densest corner, one for each slice that is peeled off or pasted on; `choose` picks one.

    x : (cases, inputs), a DataFrame or an array (its inputs are named 0, 1, ...); numbers or flags, and a category as one
    flag for each value. hit : (cases,), true for a case of interest; a DataFrame and a Series are paired by their row labels,
    anything else by position. The cases must have been drawn evenly over the range of the inputs for mass to mean anything.

    Peeling takes from one end of one input a share `peel` of the cases in the box (all that share the outermost value
    where they are more): of all such slices the one that raises the density most for each case that it loses, until none
    raises it or less than `least_mass` of all cases would be left. Nothing is random.

    Raises ValueError for data that are not finite (naming rows), no numbers, not alike in length or in row labels, or of one
    outcome only, and for shares out of range; ImportError without the extra `discovery`.
    """
    for name, share in {"peel": peel, "least_mass": least_mass}.items():
        if not 0 < share < 1:
            raise ValueError(f"{name} {share} must lie between 0 and 1")
    names, values, hits = _cases(x, hit)
    try:
        found = _prim(values, hits, peel_alpha=peel, mass_min=least_mass).find_box()
    except RecursionError:  # the library calls itself once a slice
        raise ValueError(f"peel {peel} takes more slices than can be taken: give a larger one") from None
    return [_box(names, found, step) for step in range(len(found.box_lims))]


def choose(boxes: Sequence[Box], least_coverage: float = 0.8) -> Box:
    """The box of highest density among those of `least_coverage`: then of fewest inputs, then of largest mass.

    Raises ValueError where no box covers as much.
    """
    enough = [box for box in boxes if box.coverage >= least_coverage]
    if not enough:
        raise ValueError(f"no box of {len(boxes)} has a coverage of at least {least_coverage}")
    return max(enough, key=lambda box: (box.density, -box.restricted, box.mass))


def measure(limits: Mapping[Any, Ends], x: Any, hit: Any) -> Box:
    """The box with given limits on given cases, say on some that it was not found on.

    The quasi-p-value of a limit is the chance to find as many cases of interest in the box, or more, if it mattered for
    nothing: if each case in the box were one of interest with the density of the box without it (one-sided binomial). On
    the cases that a box was found on it is too small, since the limits were sought there. A limit that no case lies
    beyond counts as none.

    Raises ValueError for names that x has not, limits in the wrong order, an empty box, and what `trajectory` refuses.
    """
    names, values, hits = _cases(x, hit)
    if unknown := [name for name in limits if name not in names]:
        raise ValueError(f"x has no inputs {unknown}: it has {names}")
    for name, (low, high) in limits.items():
        if not low <= high:
            raise ValueError(f"limits of {name!r}: {low} is not below {high}")
    inside = _inside(limits, names, values)
    if not inside.any():
        raise ValueError("no case lies in the box")
    algorithm = _prim(values, hits)
    ends = algorithm.box_init.copy()
    for name, (low, high) in limits.items():
        column = ends.columns[names.index(name)]
        ends[column] = [max(low, ends[column][0]), min(high, ends[column][1])]
    found = _library().PrimBox(algorithm, algorithm.box_init, algorithm.yi)
    found.update(ends, algorithm.yi[inside])
    return _box(names, found, 1)


def significant(box: Box, x: Any, hit: Any, level: float = LEVEL) -> Box:
    """The box without limits whose quasi-p-value is above `level`: the least significant goes first, the rest is measured
    anew. Raises what `measure` raises.
    """
    while box.p:
        p, name, end = max((p, name, end) for name, ends in box.p.items() for end, p in enumerate(ends) if p == p)
        if p <= level:
            break
        low, high = box.limits[name]
        wider = {name: (-np.inf, high) if end == 0 else (low, np.inf)}
        kept = {other: ends for other, ends in (box.limits | wider).items() if np.isfinite(ends).any()}
        box = measure(kept, x, hit)
    return box


def reproduce(box: Box, x: Any, hit: Any, *, halves: int = 10, seed: int = 1) -> Reproduction:
    """Whether PRIM finds the box again on random halves of the cases (the resampling test of Bryant & Lempert 2010).

    A half has half of the cases of interest and half of the others. On each, PRIM is run, and the boxes whose coverage and
    whose density are nearest to those of `box` are looked at: an input with a significant limit in nearly all halves was no
    accident of the sample. A half has less power than the whole, so that a low share does not show that an input is idle.
    Coverage and density are those on the other halves, pooled.

    Same seed, same halves. Raises ValueError where there are fewer than two cases of either outcome, or no halves are asked
    for, and what `trajectory` refuses.
    """
    import pandas as pd

    if halves < 1:
        raise ValueError(f"halves {halves}: must be 1 or more")
    names, values, hits = _cases(x, hit)
    if min(hits.sum(), (1 - hits).sum()) < 2:
        raise ValueError(f"{hits.sum()} of {hits.size} cases are hits: halves take two of either outcome")
    generator = np.random.default_rng(seed)
    counts = {"coverage": dict.fromkeys(names, 0), "density": dict.fromkeys(names, 0)}
    held, held_hits, other_hits = 0, 0, 0
    for _ in range(halves):
        one = np.zeros(hits.size, bool)
        for outcome in (0, 1):
            rows = np.flatnonzero(hits == outcome)
            one[generator.permutation(rows)[: rows.size // 2]] = True
        again = trajectory(pd.DataFrame(values[one], columns=names), hits[one])
        for what, count in counts.items():
            near = again[int(np.argmin([abs(getattr(each, what) - getattr(box, what)) for each in again]))]
            for name, p in near.p.items():
                count[name] += np.nanmin(p) <= LEVEL
            if what == "coverage":
                inside = _inside(near.limits, names, values[~one])
                held += int(inside.sum())
                held_hits += int(hits[~one][inside].sum())
                other_hits += int(hits[~one].sum())
    at_coverage, at_density = ({name: int(n) / halves for name, n in count.items()} for count in counts.values())
    return Reproduction(at_coverage, at_density, held_hits / other_hits, held_hits / held if held else np.nan)


def installed() -> None:
    """Raises ImportError without the extra `discovery`; nothing is imported, which would take two seconds."""
    from importlib.util import find_spec

    if find_spec("ema_workbench") is None:
        raise ImportError("scenario discovery (PRIM) needs ema_workbench: pip install 'ai-market-abm[discovery]'")


def _library() -> Any:
    """The library's module of PRIM; it warns, while it is imported, of parts that are not used here."""
    import warnings

    installed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ema_workbench.analysis import prim
    return prim


def _prim(values: np.ndarray, hits: np.ndarray, **options: float) -> Any:
    """The library's algorithm on these cases.

    All inputs are given as floats under neutral names: the library leaves out a column that is called "scenario", takes
    flags for categories, and does not paste integers unless a float is restricted.
    """
    import inspect

    import pandas as pd

    prim = _library().Prim
    if "threshold" in inspect.signature(prim).parameters:
        # Version 2.5, the last for Python 3.11, wants a density that the last box must reach, and counts as of interest
        # what is at least that. Any number above zero asks for nothing.
        options["threshold"] = ABOVE_ZERO
    frame = pd.DataFrame(values, columns=[f"x{place}" for place in range(values.shape[1])])
    return prim(frame, hits, **options)


def _cases(x: pd.DataFrame | Any, hit: Any) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """Names of the inputs, x (cases, inputs) as floats, hit (cases,) as 0 and 1: checked."""
    import pandas as pd

    if np.ndim(x) != 2:
        raise ValueError(f"x has {np.ndim(x)} dimensions, and it takes 2: cases and inputs")
    x, hit = by_label(x=x, hit=hit)
    frame = pd.DataFrame(x)
    hit = hit.to_numpy(object, na_value=np.nan) if isinstance(hit, pd.Series) else np.asarray(hit)
    names = list(frame.columns)
    if frame.columns.has_duplicates:
        raise ValueError("names of inputs must differ")
    if wrong := [name for name, kind in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]:
        raise ValueError(f"inputs {wrong} are not numbers; give a category as one flag for each value")
    values = frame.to_numpy(dtype=float, na_value=np.nan)
    if hit.shape != values.shape[:1]:
        raise ValueError(f"hit {hit.shape} must have one entry for each of the {len(values)} cases of x")
    if (rows := np.flatnonzero(~np.isfinite(values).all(1))).size:
        raise ValueError(f"x must be finite: not so in {_named(frame, rows)}")
    if (rows := np.flatnonzero(~np.isin(hit, (0, 1)))).size:
        raise ValueError(f"hit must be true or false: not so in {_named(frame, rows)}")
    hits = hit.astype(int)
    if not 0 < hits.sum() < hits.size:
        raise ValueError(f"{hits.sum()} of {hits.size} cases are hits: some must be and some must not")
    return names, values, hits


def _named(frame: pd.DataFrame, rows: np.ndarray) -> str:
    """Rows by their labels, the first few of them."""
    labels = ", ".join(str(frame.index[row]) for row in rows[:SHOWN])
    return f"row{'s' * (rows.size > 1)} {labels}{f' and {rows.size - SHOWN} more' if rows.size > SHOWN else ''}"


def _inside(limits: Mapping[Any, Ends], names: Sequence[Any], values: np.ndarray) -> np.ndarray:
    """Which cases (rows of `values`) lie in the box: (cases,)."""
    inside = np.ones(len(values), bool)
    for name, (low, high) in limits.items():
        column = values[:, names.index(name)]
        inside &= (low <= column) & (column <= high)
    return inside


def _box(names: Sequence[Any], found: Any, step: int) -> Box:
    """A step of the library's trajectory. It writes limits that nothing lies beyond for none, and -1 for no p-value."""
    row = found.peeling_trajectory.iloc[step]
    ends, every = found.box_lims[step], found.prim.box_init
    each = found.qp[step] if hasattr(found, "qp") else found.p_values[step]  # version 2.5, version 3
    limits: dict[Any, Ends] = {}
    p: dict[Any, Ends] = {}
    for name, column in zip(names, every.columns, strict=True):
        low, high = (float(end) for end in ends[column])
        least, most = (float(end) for end in every[column])
        if low > least or high < most:
            limits[name] = (low if low > least else -np.inf, high if high < most else np.inf)
            below, above = (float(value) if value >= 0 else np.nan for value in each[column])
            p[name] = (below, above)
    return Box(limits, float(row["coverage"]), float(row["density"]), float(row["mass"]), p)
