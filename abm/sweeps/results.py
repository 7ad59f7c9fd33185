"""Results of a sweep: tables of runs and months, a labelled array, SQL, paired comparisons. No run is imputed or dropped."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.scenarios.calendar import FIRST_YEAR
from abm.support.files import Unreadable, read_json, refuse_links
from abm.support.messages import AbmWarning, did_you_mean, shortened
from abm.sweeps import parts, store
from abm.sweeps.parts import Damaged, Part
from abm.sweeps.plan import run_id, seed_of
from abm.sweeps.query import NO_PANEL, answer
from abm.sweeps.spec import SpecError, Sweep
from abm.sweeps.targets import day_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import xarray as xr

    from abm.runs.results import Ensemble

FIRST = ("run_id", "point", "scenario")
LAST = ("replication", "seed", "status", "error", "seconds")


def open_sweep(folder: str | Path, *, verify: bool = True) -> Results:
    """Open the results of a sweep, finished or not.

    Without `verify`, runs tables are read even if their numbers have changed since they were written.

    Damaged parts are named in a warning, and their runs count as missing. Raises FileNotFoundError if there is no sweep,
    `Damaged` if the specification or the design is unreadable, and ValueError if the folder contains symbolic links.
    """
    folder = Path(folder).absolute()  # the working directory may change before the tables are read
    refuse_links(folder, *store.FILES)
    manifest = store.load_manifest(folder)
    try:
        sweep = Sweep.load(folder / "spec.toml")
    except SpecError as error:
        raise Damaged(folder / "spec.toml", error.problems[0].rpartition("spec.toml: ")[2]) from None
    design = store.read_design(folder, sweep, int(manifest["points"]))
    if manifest.get("design", "") not in ("", parts.digest_of(design)):
        raise Damaged(folder / "design.parquet", "it is not the design written with manifest.json")
    return Results(folder, manifest, sweep, in_pandas(design), verify=verify)


def in_pandas(table: pa.Table) -> pd.DataFrame:
    """Convert a table of factors to pandas; dates keep comparing equal to `datetime.date` and export to Stata and Parquet."""
    import pandas as pd
    import pyarrow as pa

    date: dict[Any, Any] = {pa.date32(): pd.ArrowDtype(pa.date32())}
    return table.to_pandas(types_mapper=date.get)


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """Results of a sweep. Tables are read on demand, and only the columns requested."""

    folder: Path
    manifest: dict[str, Any]
    sweep: Sweep
    _design: pd.DataFrame
    """One row per point: its number, id, scenario and factors."""
    temporary: Any = None
    """Handle of a temporary folder, which is deleted together with the results."""
    verify: bool = True

    @property
    def design(self) -> pd.DataFrame:
        """One row per point: its number, id, scenario and factors."""
        return self._design.copy()

    def __repr__(self) -> str:
        return (
            f"<Results of {len(self._design)} points x {self.manifest['replications']} replications in {self.folder}>"
        )

    @cached_property
    def factors(self) -> list[str]:
        """Names of the factors."""
        return [name for name in self._design.columns if name not in ("point", "point_id", "scenario")]

    @property
    def outcomes(self) -> list[str]:
        """Names of the outcome columns."""
        return list(self.sweep.columns)

    def _still_there(self) -> dict[str, Any]:
        """Re-read the manifest. Raises FileNotFoundError if the folder is gone, ValueError if it holds another sweep now."""
        if not (self.folder / "parts").is_dir() or not (now := store.read_manifest(self.folder)):
            raise FileNotFoundError(
                f"{self.folder}: the sweep is no longer there: it was deleted, renamed or damaged after it was opened;"
                " open it again at its new location"
            )
        if now["spec_hash"] != self.manifest["spec_hash"]:
            raise ValueError(f"{self.folder}: contains a different sweep than when it was opened; open it again")
        return now

    @cached_property
    def _parts(self) -> list[Part]:
        now, damaged = self._still_there(), list[Damaged]()
        intact = list(parts.parts(self.folder, self.sweep, damaged, verify=self.verify))
        if foreign := store.foreign_parts([(part.path, part.record.get("made_with", {})) for part in intact], now):
            raise store.Changed(self.folder, foreign)
        for error in damaged:
            warnings.warn(f"{error}; until then its runs count as missing", AbmWarning, stacklevel=4)
        return intact

    @cached_property
    def _table(self) -> pd.DataFrame:
        import pyarrow as pa

        tables = [part.runs for part in self._parts] or [parts.runs_schema(self.sweep).empty_table()]
        if any(table["seed"].type == pa.uint64() for table in tables):  # pandas would convert a mixture to floats
            unsigned = tables[0].schema.set(parts.SEED, pa.field("seed", pa.uint64()))
            tables = [table.cast(unsigned) for table in tables]
        runs = pa.concat_tables(tables).to_pandas()
        # Runs from before an accepted change stay in the folder, but are not part of this sweep.
        runs = runs[runs["point_id"].isin(self._design["point_id"])]
        runs = self._numbered(runs).astype({"seed": self._seed_type})
        # Of a duplicated run (retried after a failure, or computed by two callers at once) keep a successful copy.
        runs["good"] = runs["status"] == "ok"
        runs = runs.sort_values(["good", "run_id"], ascending=[False, True], kind="stable")
        runs = runs.drop_duplicates("run_id").drop(columns="good")
        table = self._design.merge(runs, on="point_id", how="inner")
        table = table.sort_values(["point", "replication"], ignore_index=True)
        alarms = [parts.ALARMS] if table[parts.ALARMS].notna().any() else []  # parts of earlier versions have none
        return table[[*FIRST, *self.factors, *LAST, *alarms, *(c for c in self.outcomes if c in table)]]

    def _numbered(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Runs whose seed belongs to the sweep, renumbered to its present replications."""
        replications = int(self.manifest["replications"])
        if self.sweep.common_draws:
            numbers = {seed_of(self.sweep, "", k): k for k in range(replications)}
            now = np.array([numbers.get(seed, -1) for seed in runs["seed"].tolist()], np.int32)
            return runs.assign(replication=now)[now >= 0].copy()
        runs = runs[runs["replication"] < replications]
        named = zip(*(runs[name].tolist() for name in ("point_id", "replication", "seed")), strict=True)
        return runs[np.array([seed_of(self.sweep, point, k) == seed for point, k, seed in named], bool)].copy()

    @cached_property
    def _doubled(self) -> bool:
        """Whether a run is in several parts: retried after a failure, or computed by two callers at once."""
        ids = [run for part in self._parts for run in parts.with_values(part.runs)]
        return len({*ids}) < len(ids)

    @cached_property
    def _panels(self) -> list[Path]:
        """Panel files with runs of this sweep, each checked to be intact and to match its runs. Raises `Damaged`."""
        self._still_there()
        ids, months = {*self._table["run_id"]}, len(self.sweep.kept_months)
        panels = []
        for part in self._parts:
            if part.panel is None or ids.isdisjoint(part.runs["run_id"].to_pylist()):
                continue  # runs from before an accepted change, which may have other columns
            parts.check_panel(part, months)
            panels.append(part.panel)
        return panels

    def runs(self) -> pd.DataFrame:
        """One row per run, sorted by point and replication; failed runs have NaN outcomes and a `status` that says so.

        `alarms`, where it is known, names the observables, kept or not, that leave their sane range: "hhi, lab_cash".
        """
        return self._table.copy()

    def panel(self, observables: str | Sequence[str] | None = None) -> pd.DataFrame:
        """One row per run and month, with point, scenario, factors and replication; failed runs have no rows.

        `observables`: one name or several; by default all that were stored. Raises `Damaged`, naming the file, if one is
        unreadable. Takes eight bytes per number: with many runs, select only the observables you need.
        """
        names = self._known(observables)
        if not self.sweep.kept_months:
            raise ValueError(NO_PANEL)
        rows = self._read(names, self._table["run_id"]).to_pandas().drop_duplicates(["run_id", "month"])
        table = self._table[[*FIRST, *self.factors, "replication"]].merge(rows, on="run_id", how="inner")
        return table.sort_values(["point", "replication", "month"], ignore_index=True)

    def _read(self, names: Sequence[str], runs: Sequence[str]) -> pa.Table:
        """Columns of the panel for these runs: run_id, month and `names`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ids, tables = pa.array(runs, pa.string()), [parts.panel_schema(names).empty_table()]
        for panel in self._panels:
            with parts.parquet(panel, most_rows=parts.LONGEST * parts.MOST_ROWS) as file:
                table = parts.plain(file.read(["run_id", "month", *names]))
            tables.append(table.filter(pc.is_in(table["run_id"], value_set=ids)))
        return pa.concat_tables([table for table in tables if len(table)] or tables[:1])  # lists of no run lack a type

    def ensembles(self, points: Sequence[int] | None = None) -> list[Ensemble]:
        """The runs of each point (by default all) as `abm.ensemble` returns them, with stored daily returns and products.

        Raises IncompleteRuns if a run is missing or failed, and ValueError for unknown points, missing months or own classes.
        """
        from abm.sweeps.ensembles import ensembles_of

        if self.manifest.get("classes"):
            raise ValueError(f"{self.folder}: its agent classes are not stored with it; use runs() and panel()")
        return ensembles_of(self.sweep, int(self.manifest["replications"]), points, self._table, self._read)

    def _known(self, observables: str | Sequence[str] | None) -> list[str]:
        stored = list(self.sweep.observables)
        observables = [observables] if isinstance(observables, str) else observables
        for name in observables or ():
            if name not in stored:
                raise KeyError(f"observable {shortened(name)} was not stored{did_you_mean(name, stored)}")
        return list(observables or stored)

    def to_xarray(self, observables: str | Sequence[str] | None = None) -> xr.Dataset:
        """Dataset (point, replication, month); scenario and factors are coordinates of point, `date` of month.

        `date` is the first day of the month. Dates are datetime64, so that `.sel(date="2025-01")` and netCDF work. Missing
        and failed runs are NaN; `status` (point, replication) tells them apart.
        """
        try:
            import xarray as xr
        except ImportError:
            raise ImportError("to_xarray needs xarray: pip install 'ai-market-abm[xarray]'") from None

        runs, points, replications = self._table, len(self._design), int(self.manifest["replications"])
        months = np.array(self.sweep.kept_months, dtype=int)
        data: dict[str, Any] = {}
        if observables is not None or len(months):
            panel = self.panel(observables)
            rows = panel["point"].to_numpy(int), panel["replication"].to_numpy(int)
            for name in self._known(observables):
                cube = np.full((points, replications, len(months)), np.nan)
                cube[(*rows, np.searchsorted(months, panel["month"]))] = panel[name]
                data[name] = (("point", "replication", "month"), cube)
        cell = runs["point"].to_numpy(int), runs["replication"].to_numpy(int)
        for name in self.outcomes:
            cells = np.full((points, replications), np.nan)
            cells[cell] = runs[name]
            data[name] = (("point", "replication"), cells)
        status = np.full((points, replications), "missing", dtype="<U9")
        status[cell] = runs["status"].to_numpy(str)
        data["status"] = (("point", "replication"), status)
        more_coords = {name: ("point", _cells(self._design[name])) for name in ("scenario", *self.factors)}
        dates = np.datetime64(f"{FIRST_YEAR}-01") + months.astype("timedelta64[M]")
        if "date" not in data:  # an outcome may have this name
            more_coords["date"] = ("month", dates.astype("datetime64[ns]"))
        coords = {"point": np.arange(points), "replication": np.arange(replications), "month": months, **more_coords}
        return xr.Dataset(data, coords, attrs={"name": self.manifest["name"], "spec_hash": self.manifest["spec_hash"]})

    def sql(self, query: str) -> pd.DataFrame:
        """Run an SQL query on the tables `runs` and `panel` (DuckDB; the panel is not loaded into memory).

        Raises ValueError if the query uses a panel that was not stored, and DuckDB's own errors for other mistakes.
        """
        heads = ["point", "scenario", *self.factors, "replication"]
        panels = self._panels if self.sweep.kept_months else None
        return answer(query, self._table, heads, panels, self.sweep.observables, self._doubled)

    def failures(self) -> pd.DataFrame:
        """Runs that are not ok, with the reason, and missing runs (status `missing`)."""
        import pandas as pd

        runs = self._table
        bad = runs[runs["status"] != "ok"]
        absent = self.missing().assign(status="missing", error="not run yet", seconds=np.nan)
        tables = [table[[*FIRST, *self.factors, *LAST]] for table in (bad, absent)]
        return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)

    def missing(self) -> pd.DataFrame:
        """Runs not done yet: points and replications, with the ids and seeds they will have."""
        import pandas as pd

        replications = int(self.manifest["replications"])
        wanted = self._design.merge(_series(range(replications), "replication"), how="cross")
        done = pd.MultiIndex.from_frame(self._table[["point", "replication"]])
        table = wanted[~pd.MultiIndex.from_frame(wanted[["point", "replication"]]).isin(done)].reset_index(drop=True)
        points, numbers = table["point_id"].tolist(), table["replication"].tolist()
        common = {k: seed_of(self.sweep, "", k) for k in {*numbers}} if self.sweep.common_draws else {}
        pairs = zip(points, numbers, strict=True)
        seeds = [common[k] if common else seed_of(self.sweep, point, k) for point, k in pairs]
        ids = [run_id(point, seed) for point, seed in zip(points, seeds, strict=True)]
        table = table.assign(run_id=pd.Series(ids, dtype=str), seed=pd.Series(seeds, dtype=self._seed_type))
        return table[[*FIRST, *self.factors, "replication", "seed"]]

    @property
    def _seed_type(self) -> str:
        """Common integer type of seeds: pandas would convert a mixture of signed and unsigned to floats."""
        return "uint64" if max(self.sweep.seeds or (0,)) >= 2**63 else "int64"

    def counts(self) -> dict[str, int]:
        """Number of runs by status, including `missing`."""
        counts = {str(k): int(v) for k, v in self._table["status"].value_counts().items()}
        return {**counts, "missing": len(self._design) * int(self.manifest["replications"]) - len(self._table)}

    def sessions(self) -> list[dict[str, Any]]:
        """Records of all calls that ran something: who, what, when, and seconds; oldest first."""
        self._still_there()
        sessions = []
        for path in sorted((self.folder / "sessions").glob("*.json")):
            try:
                record = read_json(path, store.LARGEST_MANIFEST)
            except Unreadable as error:
                record = error
            if not isinstance(record, dict) or not isinstance(record.get("seconds", 0.0), int | float):
                raise Damaged(path, record, "delete it: it is only the record of a call") from None
            sessions.append(record)
        return sessions

    def compare(
        self, factor: str, a: Any, b: Any, outcomes: str | Sequence[str] | None = None, confidence: float = 0.95
    ) -> pd.DataFrame:
        """Paired differences a - b between runs that differ only in this factor (or `scenario`), on the same draws.

        Pools over all other factors. One row per outcome: mean difference, confidence interval (`low`, `high`), number of
        points and of replications it rests on, pairs left out because a run is missing, failed or non-finite, and the factor
        by which pairing reduced the variance. Replications are independent observations, points are not: they share draws.

        Raises KeyError for an unknown factor or outcome, ValueError if the factor never takes one of the values, no points
        differ only in it, or every point has its own draws.
        """
        import pandas as pd

        from abm.sweeps.comparison import Comparison, paired

        known = ["scenario", *self.factors]
        names = [outcomes] if isinstance(outcomes, str) else list(outcomes or self.outcomes)
        if factor not in known:
            raise KeyError(f"unknown factor {shortened(factor)}{did_you_mean(factor, known)}")
        for name in names:
            if name not in self.outcomes:
                raise KeyError(f"unknown outcome {shortened(name)}{did_you_mean(name, self.outcomes)}")
        if not 0 < confidence < 1:
            raise ValueError(f"confidence = {confidence}: must lie between 0 and 1")
        if not self.sweep.common_draws:
            raise ValueError("every point has its own draws (common_draws = false), so runs cannot be paired")
        others = [name for name in known if name != factor]
        replications = int(self.manifest["replications"])
        sides = []
        for value in (a, b):
            points = self._design[_is(self._design[factor], value)]
            if not len(points):
                levels = [str(level) for level in self._design[factor].drop_duplicates()]
                shown = ", ".join(levels[:8] + ["..."] * (len(levels) > 8))
                raise ValueError(f"{factor} is never {shortened(value)}; it takes {shown}")
            runs = self._table[self._table["point"].isin(points["point"])]
            # Points of a design may coincide; they are then the same run.
            points = points.drop_duplicates(others)[others] if others else points[:1][[]]
            runs = runs.drop_duplicates([*others, "replication"])[[*others, "replication", "status", *names]]
            wanted = points.merge(_series(range(replications), "replication"), how="cross")
            sides.append(wanted.merge(runs, on=[*others, "replication"], how="left", validate="one_to_one"))
        pairs = sides[0].merge(sides[1], on=[*others, "replication"], suffixes=("_a", "_b"), validate="one_to_one")
        if not len(pairs):
            raise ValueError(
                f"no two points differ only in {factor}, as they do in a grid (this is a {self.sweep.design.kind} design)"
            )
        place = pairs.groupby(others, sort=False).ngroup() if others else pd.Series(0, pairs.index)
        cell = place.to_numpy(int), pairs["replication"].to_numpy(int)
        good = ((pairs["status_a"] == "ok") & (pairs["status_b"] == "ok")).to_numpy()
        rows = []
        for name in names:
            cells = np.full((2, int(place.max()) + 1, replications), np.nan)
            for side, column in enumerate((f"{name}_a", f"{name}_b")):
                cells[(side, *cell)] = np.where(good, pairs[column].to_numpy(float), np.nan)
            rows.append(paired(cells[0], cells[1], confidence))
        return Comparison(rows, index=names)


def _cells(column: pd.Series) -> np.ndarray:
    """Values of a factor in a type that xarray and netCDF accept."""
    import pandas as pd

    if isinstance(column.dtype, pd.ArrowDtype):
        return column.to_numpy("datetime64[ns]")
    return column.to_numpy(object if column.name == "scenario" else None)


def _is(column: pd.Series, value: Any) -> np.ndarray:
    """Mask of rows equal to a value: numbers up to rounding, dates also as text."""
    import pandas as pd

    if isinstance(value, dt.datetime):
        value = value.date()
    if pd.api.types.is_numeric_dtype(column):
        number = isinstance(value, int | float | np.number)
        return np.isclose(column, float(value), rtol=1e-9, atol=1e-12) if number else np.zeros(len(column), bool)
    return (column == (value if column.name == "scenario" else day_of(value))).to_numpy()


def _series(values: Any, name: str) -> Any:
    import pandas as pd

    return pd.Series(list(values), name=name, dtype="int32")
