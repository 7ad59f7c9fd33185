"""Simulated moments by run, for many parameter vectors at once."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from abm.calibration import facts
from abm.calibration.spec import Calibration
from abm.support.files import write_whole

LARGEST = 480
"""Runs per compiled call and stored file: their data take about 40 MB, and recomputing them takes half a minute."""

KEY = 24
"""Characters in the file name of stored moments."""


class Undefined(ValueError):
    """A moment is undefined where a value is needed; the message names the moment, seed and parameters."""


class Simulator:
    """Simulates the moments of a calibration, on the scale on which they are compared.

    ``simulator(theta, seeds)`` takes theta (runs, parameters) in the parameters' own units and seeds (runs,), and returns
    moments (runs, moments), NaN where a run leaves a moment undefined. Results are stored in `folder`, if given, and reused:
    an interrupted calibration that is restarted follows the same path and quickly catches up.
    """

    def __init__(
        self, spec: Calibration, folder: Path | None = None, progress: Callable[[int], None] | None = None
    ) -> None:
        from abm.runs.setup import Setup

        self.spec, self.folder = spec, folder.absolute() if folder else None
        self.setup = Setup.of(dict(spec.fixed), spec.scenario, spec.months)
        self.runs = 0
        self.progress = progress or (lambda done: None)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, theta: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        theta, seeds = np.atleast_2d(np.asarray(theta, float)), np.asarray(seeds, np.int64)
        if theta.shape != (len(seeds), len(self.spec.names)):
            raise ValueError(f"theta {theta.shape} for {len(seeds)} seeds and {len(self.spec.names)} parameters")
        parts = [self._stored(theta[i : i + LARGEST], seeds[i : i + LARGEST]) for i in range(0, len(seeds), LARGEST)]
        return np.concatenate(parts)

    def grid(self, theta: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """(points, seeds, moments) of every parameter vector of theta (points, parameters) on the same seeds."""
        theta = np.atleast_2d(theta)
        flat = self(np.repeat(theta, len(seeds), axis=0), np.tile(seeds, len(theta)))
        return flat.reshape(len(theta), len(seeds), -1)

    def means(self, theta: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """(points, moments) means over the same seeds; NaN where any run of a point leaves the moment undefined."""
        return self.grid(theta, seeds).mean(1)

    def mean(self, theta: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """(moments,) means at one parameter vector. Raises `Undefined`, naming a run that leaves a moment undefined."""
        many = np.tile(theta, (len(seeds), 1))
        return self.defined(many, seeds, self(many, seeds)).mean(0)

    @cached_property
    def observed(self) -> np.ndarray:
        """(moments,) observed values on the scale of comparison."""
        return np.array([np.log(o.value) if o.scale == "log" else o.value for o in self.spec.data.values()])

    @cached_property
    def errors(self) -> np.ndarray:
        """(moments,) standard errors of measurement on the scale of comparison."""
        return np.array([o.error for o in self.spec.data.values()])

    def defined(self, theta: np.ndarray, seeds: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """Return the moments if all are finite. Raises `Undefined` with the first that is not and the number of such runs."""
        bad = ~np.isfinite(moments)
        if bad.any():
            run, moment = np.argwhere(bad)[0]
            where = ", ".join(f"{n} = {v:.4g}" for n, v in zip(self.spec.names, np.atleast_2d(theta)[run], strict=True))
            raise Undefined(
                f"{bad.any(1).sum()} of {len(moments)} runs leave a moment undefined; first {self.spec.moments[moment]} at seed"
                f" {seeds[run]} with {where}: narrow the priors, or remove the moment"
            )
        return moments

    def _stored(self, theta: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        shape = len(seeds), len(self.spec.moments)
        moments = self.cached("", theta, seeds, shape, lambda: self._simulate(theta, seeds))
        self._count(len(seeds))
        return moments

    def cached(
        self, what: str, theta: np.ndarray, seeds: np.ndarray, shape: tuple[int, ...], compute: Callable[[], np.ndarray]
    ) -> np.ndarray:
        """Numbers of this shape determined by theta and seeds: read from the folder, or computed and stored there."""
        if self.folder is None:
            return compute()
        path = self.folder / f"{what}{self._key(theta, seeds)}.npy"
        numbers = _read(path, shape) if path.is_file() else None
        if numbers is None:
            numbers = compute()
            write_whole(path, lambda file: np.save(file, numbers, allow_pickle=False))
        return numbers

    def _count(self, runs: int) -> None:
        self.runs += runs
        self.progress(self.runs)

    def _key(self, theta: np.ndarray, seeds: np.ndarray) -> str:
        """Digest of what determines these moments: parameters, seeds, and the source of the model and of the moments."""
        from abm.support.provenance import source_hash

        spec = self.spec
        scales = [observed.scale for observed in spec.data.values()]
        identity = f"{source_hash()} {spec.moments} {scales} {spec.names} {spec.months}"
        digest = hashlib.sha256(identity.encode())
        digest.update(self._conditions)
        digest.update(np.ascontiguousarray(theta).tobytes())
        digest.update(np.ascontiguousarray(seeds).tobytes())
        return digest.hexdigest()[:KEY]

    @cached_property
    def _conditions(self) -> bytes:
        """Digest of the parameters that are not fitted, the scenario's timeline, and the code that computes moments."""
        digest = hashlib.sha256(Path(facts.__file__).read_bytes())
        for table in (self.setup.values, self.setup.timeline):
            for name, value in sorted(table.items()):
                digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
        return digest.digest()

    def _simulate(self, theta: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        columns = {name: theta[:, i] for i, name in enumerate(self.spec.names)}
        return self.scaled(facts.moments(facts.run_at(self.setup, columns, seeds)))

    def scaled(self, moments: dict[str, np.ndarray]) -> np.ndarray:
        """(runs, moments) on the scale of comparison, from moments by name."""
        columns = []
        for name, observed in self.spec.data.items():
            values = np.asarray(moments[f"{name} by run"] if f"{name} by run" in moments else moments[name], float)
            if observed.scale == "log":
                with np.errstate(divide="ignore", invalid="ignore"):
                    values = np.log(values)
            columns.append(np.where(np.isfinite(values), values, np.nan))
        return np.stack(columns, axis=1)


def kept_runs(folder: Path) -> int:
    """Number of runs whose moments are stored in a folder; other files (derivatives) have longer names."""
    total = 0
    for path in folder.glob(f"{'?' * KEY}.npy"):
        with contextlib.suppress(OSError, ValueError, EOFError):  # damaged: simulated again
            total += len(np.load(path, mmap_mode="r", allow_pickle=False))
    return total


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Read a stored array; None if it is damaged or has another shape or type, and must be recomputed."""
    try:
        numbers = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return numbers if numbers.shape == shape and numbers.dtype == float else None
