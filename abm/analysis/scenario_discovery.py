"""Which ranges of the inputs lead to an outcome of interest? The Patient Rule Induction Method (PRIM).

A box is a set of limits on some inputs. Its *coverage* is the share of all cases of interest that lie in it, its
*density* the share of those in it that are of interest, its *mass* the share of all cases that lie in it. Peeling
takes thin slices off the box of all cases, pasting gives back what was taken without need, and a test per input drops
limits that chance would explain. Each step of the peeling gives one box: from a high coverage to a high density.

Source: Friedman & Fisher (1999), *Statistics and Computing* 9(2), for peeling and pasting; Bryant & Lempert (2010),
*Technological Forecasting and Social Change* 77(1), for coverage, density and quasi-p-values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class Box(NamedTuple):
    """Limits on some inputs, and what lies within them. Inputs have the names of the columns of x."""

    limits: dict[Any, tuple[float, float]]  # both ends belong to the box; infinite where only the other end is limited
    coverage: float  # share of the cases of interest that lie in the box
    density: float  # share of the cases in the box that are of interest
    mass: float  # share of all cases that lie in the box
    p: dict[Any, float]  # by input in `limits`, the quasi-p-value: see `measure`

    @property
    def restricted(self) -> int:
        """Number of inputs with a limit."""
        return len(self.limits)


class _Data(NamedTuple):
    """Cases as PRIM looks at them: n cases, k inputs, 2k faces of a box.

    A face is a lower limit. Upper limits are lower ones of the input with its sign turned, so that all are alike:
    a box is `floor` (2k,), and a case lies in it where `faces >= floor` throughout.
    """

    names: list[Any]  # of the inputs
    faces: np.ndarray  # (n, 2k): x, and -x
    hit: np.ndarray  # (n,): 1 for a case of interest, 0 for another


def trajectory(
    x: Any,
    hit: Any,
    *,
    peel: float = 0.05,
    paste: float = 0.05,
    least_mass: float = 0.05,
    significance: float = 0.05,
) -> list[Box]:
    """Boxes from all cases to the densest corner, one for each slice that peeling takes off; `choose` picks one.

    x : (cases, inputs), a DataFrame or an array (its inputs are named 0, 1, ...); hit : (cases,), true for a case of
    interest, by position. The cases must have been drawn evenly over the range of the inputs for mass to mean anything.

    Peeling takes from one end of one input a share `peel` of the cases in the box, or all that share the outermost
    value where they are more; of all such slices the one that leaves the highest density, until all cases in the box
    are of interest or less than `least_mass` of all cases would be left. Pasting then moves the limits of each box
    outwards again, by slices of a share `paste` of the cases in it, as long as its density does not fall. At last
    inputs are released one by one, the least significant first, whose quasi-p-value is above `significance`. Equal
    choices: the larger box, then the input that comes first. Nothing is random, and only the order of the values of
    an input matters.

    Raises ValueError for data that are not finite, not alike in length or of one outcome only, and shares out of range.
    """
    for name, share in {"peel": peel, "paste": paste, "least_mass": least_mass}.items():
        if not 0 < share < 1:
            raise ValueError(f"{name} {share} must lie between 0 and 1")
    if not 0 <= significance <= 1:
        raise ValueError(f"significance {significance} must lie between 0 and 1")
    data = _data(x, hit)
    boxes: list[Box] = []
    floor: np.ndarray | None = np.full(data.faces.shape[1], -np.inf)
    while floor is not None:
        box = _box(data, _significant(data, _pasted(data, floor, paste), significance))
        if all(box.limits != other.limits for other in boxes):
            boxes.append(box)
        floor = _peeled(data, floor, peel, least_mass)
    return boxes


def choose(boxes: Sequence[Box], least_coverage: float = 0.8) -> Box:
    """The box of highest density among those of `least_coverage`: then of fewest inputs, then of largest mass.

    Raises ValueError where no box covers as much.
    """
    enough = [box for box in boxes if box.coverage >= least_coverage]
    if not enough:
        raise ValueError(f"no box of {len(boxes)} has a coverage of at least {least_coverage}")
    return max(enough, key=lambda box: (box.density, -box.restricted, box.mass))


def measure(limits: Mapping[Any, tuple[float, float]], x: Any, hit: Any) -> Box:
    """The box with given limits on given cases, say on some that it was not found on.

    The quasi-p-value of an input is the chance to find as many cases of interest in the box, or more, if its limits
    mattered for nothing: if each case in the box were one of interest with the density of the box without them
    (one-sided binomial). On the cases that a box was found on it is too small, since the limits were sought there.

    Raises ValueError for names that x has not, limits in the wrong order, an empty box, and what `trajectory` refuses.
    """
    data = _data(x, hit)
    unknown = [name for name in limits if name not in data.names]
    if unknown:
        raise ValueError(f"x has no inputs {unknown}: it has {data.names}")
    inputs = len(data.names)
    floor = np.full(2 * inputs, -np.inf)
    for name, (low, high) in limits.items():
        if not low <= high:
            raise ValueError(f"limits of {name!r}: {low} is not below {high}")
        floor[data.names.index(name)], floor[data.names.index(name) + inputs] = low, -high
    if not (data.faces >= floor).all(1).any():
        raise ValueError("no case lies in the box")
    return _box(data, floor)


def _data(x: pd.DataFrame | Any, hit: Any) -> _Data:
    """Cases and inputs, checked."""
    import pandas as pd

    if np.ndim(x) != 2:
        raise ValueError(f"x has {np.ndim(x)} dimensions, and it takes 2: cases and inputs")
    frame = pd.DataFrame(x)
    values, hit = frame.to_numpy(dtype=float), np.asarray(hit)
    if frame.columns.has_duplicates:
        raise ValueError("names of inputs must differ")
    if hit.shape != values.shape[:1]:
        raise ValueError(f"hit {hit.shape} must have one entry for each of the {len(values)} cases of x")
    if not np.isfinite(values).all():
        raise ValueError("x must be finite")
    if not np.isin(hit, (0, 1)).all():
        raise ValueError("hit must be true or false")
    hit = hit.astype(int)
    if not 0 < hit.sum() < hit.size:
        raise ValueError(f"{hit.sum()} of {hit.size} cases are hits: some must be and some must not")
    return _Data(list(frame.columns), np.concatenate([values, -values], axis=1), hit)


def _best(hits: np.ndarray, count: np.ndarray, allowed: np.ndarray) -> int:
    """Place of the highest density among candidates that are allowed: then of most cases, then the first."""
    density = np.where(allowed, hits / np.maximum(count, 1), -1)
    return int(np.lexsort([np.arange(count.size), -count, -density])[0])


def _peeled(data: _Data, floor: np.ndarray, share: float, least_mass: float) -> np.ndarray | None:
    """The box less its best slice; None where all cases in it are of interest or every slice leaves too few."""
    inside = (data.faces >= floor).all(1)
    cases, hit = data.faces[inside], data.hit[inside]
    if hit.all():
        return None
    slice_size = min(max(1, int(share * len(cases))), len(cases) - 1)  # 0 for a single case: no slice to take
    ordered = np.partition(cases, (0, slice_size), axis=0)
    outermost, kept = ordered[0], ordered[slice_size]
    # Where more cases than a slice have the outermost value, all of them go.
    kept = np.where(kept > outermost, kept, np.where(cases > outermost, cases, np.inf).min(0))
    remain = cases >= kept
    count = remain.sum(0)
    allowed = count >= least_mass * len(data.hit)
    if not allowed.any():
        return None
    face = _best(hit @ remain, count, allowed)
    peeled = floor.copy()
    peeled[face] = kept[face]
    return peeled


def _pasted(data: _Data, floor: np.ndarray, share: float) -> np.ndarray:
    """The box with limits moved outwards, always the one that leaves the highest density, until each would lower it."""
    floor = floor.copy()
    while True:
        limited = np.flatnonzero(floor > -np.inf)
        beyond = data.faces[:, limited] < floor[limited]
        broken = beyond.sum(1)
        inside = broken == 0
        count, hits = inside.sum(), data.hit[inside].sum()
        slice_size = max(1, int(share * count))
        moved, counts, more = floor[limited], np.full(limited.size, count), np.full(limited.size, hits)
        for place, face in enumerate(limited):
            near = beyond[:, place] & (broken == 1)  # the other limits hold
            values = data.faces[near, face]
            if values.size > slice_size:
                moved[place] = np.partition(values, -slice_size)[-slice_size]
            else:
                moved[place] = -np.inf
            added = data.hit[near][values >= moved[place]]
            counts[place] += added.size
            more[place] += added.sum()
        allowed = more * count >= hits * counts
        if not allowed.any():
            return floor
        best = _best(more, counts, allowed)
        floor[limited[best]] = moved[best]


def _significant(data: _Data, floor: np.ndarray, level: float) -> np.ndarray:
    """The box without limits on inputs whose quasi-p-value is above `level`, the least significant released first."""
    floor = floor.copy()
    inputs = len(data.names)
    while (p := _quasi_p(data, floor)) and max(p.values()) > level:
        worst = max(p, key=lambda place: p[place])
        floor[[worst, worst + inputs]] = -np.inf
    return floor


def _quasi_p(data: _Data, floor: np.ndarray) -> dict[int, float]:
    """Quasi-p-values by place of the limited inputs; see `measure`."""
    from scipy.stats import binom

    inputs = len(data.names)
    below = data.faces < floor
    outside = below[:, :inputs] | below[:, inputs:]  # (cases, inputs)
    broken = outside.sum(1)
    count, hits = np.count_nonzero(broken == 0), data.hit[broken == 0].sum()
    found = {}
    for place in np.flatnonzero((floor[:inputs] > -np.inf) | (floor[inputs:] > -np.inf)):
        without = broken == outside[:, place]
        found[int(place)] = float(binom.sf(hits - 1, count, data.hit[without].mean()))
    return found


def _box(data: _Data, floor: np.ndarray) -> Box:
    """What the box holds."""
    inside = (data.faces >= floor).all(1)
    hits, inputs = data.hit[inside].sum(), len(data.names)
    p = _quasi_p(data, floor)
    return Box(
        limits={data.names[place]: (float(floor[place]), float(-floor[place + inputs])) for place in p},
        coverage=float(hits / data.hit.sum()),
        density=float(hits / inside.sum()),
        mass=float(inside.mean()),
        p={data.names[place]: value for place, value in p.items()},
    )
