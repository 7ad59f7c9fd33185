"""Reading a sweep: tables of runs and months, a labelled cube, SQL, paired comparisons. Nothing is filled in or dropped."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.sweeps import store
from abm.sweeps.plan import seed_of
from abm.sweeps.spec import SpecError, Sweep
from abm.sweeps.targets import day_of
from abm.wording import meant, short

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import xarray as xr

FIRST = ("run_id", "point", "scenario")
LAST = ("replication", "seed", "status", "error", "seconds")


def open_sweep(folder: str | Path) -> Results:
    """The results of a sweep, finished or not.

    Raises FileNotFoundError where there is none, `Damaged` where a file that tells its spec or design does not read.
    """
    folder = Path(folder)
    manifest = store.read_manifest(folder)
    if manifest is None and (folder / "manifest.json").exists():
        raise store.Damaged(
            folder / "manifest.json", "is no manifest", "run the sweep again with accept_changes (--accept-changes)"
        )
    if manifest is None:
        raise FileNotFoundError(
            f"{folder}: no sweep is kept here (no manifest.json); `abm sweep SPEC --out {folder}` makes one"
        )
    try:
        sweep = Sweep.load(folder / "spec.toml")
    except SpecError as error:
        raise store.Damaged(folder / "spec.toml", error.problems[0].rpartition("spec.toml: ")[2]) from None
    return Results(folder, manifest, sweep, store.read_design(folder, sweep).to_pandas())


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """What a folder holds. Tables are read when they are asked for, and only the columns that are."""

    folder: Path
    manifest: dict[str, Any]
    sweep: Sweep
    design: pd.DataFrame
    """One row a point: its number, id, scenario and factors."""
    temporary: Any = None
    """Where the folder goes with the results: what removes it."""

    def __repr__(self) -> str:
        return f"<Results of {len(self.design)} points x {self.manifest['replications']} replications in {self.folder}>"

    @cached_property
    def factors(self) -> list[str]:
        return [name for name in self.design.columns if name not in ("point", "point_id", "scenario")]

    @property
    def outcomes(self) -> list[str]:
        return list(self.sweep.columns)

    @cached_property
    def _parts(self) -> list[tuple[pa.Table, Path | None]]:
        return list(store.parts(self.folder, self.sweep))

    @cached_property
    def _table(self) -> pd.DataFrame:
        import pandas as pd
        import pyarrow as pa

        tables = [runs for runs, _ in self._parts]
        if not tables:
            columns = ["run_id", "point_id", *LAST, *self.outcomes]
            runs = pd.DataFrame(columns=columns)
        else:
            runs = pa.concat_tables(tables, promote_options="default").to_pandas()
        # Runs of a sweep as it was before an accepted change stay in the folder; here they are no part of it.
        runs = runs[runs["point_id"].isin(self.design["point_id"])]
        runs = self._numbered(runs)
        # Of a run that was done twice (again after a failure, or by two callers at once) one that is in order counts.
        runs["good"] = runs["status"] == "ok"
        runs = runs.sort_values(["good", "run_id"], ascending=[False, True], kind="stable")
        runs = runs.drop_duplicates("run_id").drop(columns="good")
        table = self.design.merge(runs, on="point_id", how="inner")
        table = table.sort_values(["point", "replication"], ignore_index=True)
        return table[[*FIRST, *self.factors, *LAST, *(c for c in self.outcomes if c in table)]]

    def _numbered(self, runs: pd.DataFrame) -> pd.DataFrame:
        """The runs whose seed is one of the sweep's, by the number that it has now."""
        replications = int(self.manifest["replications"])
        if self.sweep.common_draws:
            numbers = {seed_of(self.sweep, "", k): k for k in range(replications)}
            runs = runs.assign(replication=runs["seed"].map(numbers)).dropna(subset="replication")
            return runs.astype({"replication": "int32"})
        runs = runs[runs["replication"] < replications]
        named = zip(runs["point_id"], runs["replication"], runs["seed"], strict=True)
        return runs[[seed_of(self.sweep, point, k) == seed for point, k, seed in named]].copy()

    @cached_property
    def _panels(self) -> list[Path]:
        """Files with any of the wanted runs: those of before an accepted change may have other columns."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = pa.array(self._table["run_id"], pa.string())
        return [panel for runs, panel in self._parts if panel and pc.any(pc.is_in(runs["run_id"], ids)).as_py()]

    def _read(self, panel: Path, columns: list[str]) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_table(panel, columns=columns, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            mend = "delete it and run the sweep again: its runs are then done anew"
            raise store.Damaged(panel, error, mend) from None

    def runs(self) -> pd.DataFrame:
        """One row a run, by point and replication; outcomes of runs that failed are NaN, and `status` says so."""
        return self._table.copy()

    def panel(self, observables: str | Sequence[str] | None = None) -> pd.DataFrame:
        """One row a run and month, with point, scenario, factors and replication; runs that failed have no rows.

        `observables`: one name, or several; all that were kept where none is given. Raises `Damaged` with the name of a file
        that does not read. Memory: eight bytes a number; name the observables that are wanted where there are many runs.
        """
        import pandas as pd
        import pyarrow as pa
        import pyarrow.compute as pc

        names = self._known(observables)
        wanted = self._table[[*FIRST, *self.factors, "replication", "status"]]
        ids = pa.array(wanted["run_id"], pa.string())
        tables = []
        for panel in self._panels:
            table = self._read(panel, ["run_id", "month", *names])
            table = table.set_column(0, "run_id", table["run_id"].cast(pa.string()))
            tables.append(table.filter(pc.is_in(table["run_id"], value_set=ids)))
        if not tables:
            return pd.DataFrame(columns=[*FIRST, *self.factors, "replication", "month", *names])
        rows = pa.concat_tables(tables).to_pandas().drop_duplicates(["run_id", "month"])
        table = wanted.drop(columns="status").merge(rows, on="run_id", how="inner")
        return table.sort_values(["point", "replication", "month"], ignore_index=True)

    def _known(self, observables: str | Sequence[str] | None) -> list[str]:
        there = list(self.sweep.observables)
        observables = [observables] if isinstance(observables, str) else observables
        for name in observables or ():
            if name not in there:
                raise KeyError(f"observable {short(name)} was not kept{meant(name, there)}")
        return list(observables or there)

    def to_xarray(self, observables: str | Sequence[str] | None = None) -> xr.Dataset:
        """(point, replication, month) with scenario and factors beside the points.

        Runs that are missing or failed are NaN, and `status` (point, replication) says which and why.
        """
        try:
            import xarray as xr
        except ImportError:
            raise ImportError("to_xarray needs xarray: pip install 'ai-market-abm[xarray]'") from None

        names, runs, panel = self._known(observables), self._table, self.panel(observables)
        points, replications = len(self.design), int(self.manifest["replications"])
        months = np.array(self.sweep.kept_months)
        at = (panel["point"].to_numpy(int), panel["replication"].to_numpy(int), np.searchsorted(months, panel["month"]))
        data: dict[str, Any] = {}
        for name in names:
            cube = np.full((points, replications, len(months)), np.nan)
            cube[at] = panel[name]
            data[name] = (("point", "replication", "month"), cube)
        own = runs["point"].to_numpy(int), runs["replication"].to_numpy(int)
        for name in self.outcomes:
            cells = np.full((points, replications), np.nan)
            cells[own] = runs[name]
            data[name] = (("point", "replication"), cells)
        status = np.full((points, replications), "missing", dtype="<U9")
        status[own] = runs["status"].to_numpy(str)
        data["status"] = (("point", "replication"), status)
        beside = {name: ("point", self.design[name].to_numpy()) for name in ("scenario", *self.factors)}
        coords = {"point": np.arange(points), "replication": np.arange(replications), "month": months, **beside}
        return xr.Dataset(data, coords, attrs={"name": self.manifest["name"], "spec_hash": self.manifest["spec_hash"]})

    def sql(self, query: str) -> pd.DataFrame:
        """The answer to a query over the tables `runs` and `panel` (DuckDB; the panel is not read into memory)."""
        try:
            import duckdb
        except ImportError:
            raise ImportError("sql needs DuckDB: pip install 'ai-market-abm[sql]'") from None

        panels = [str(panel) for panel in self._panels]
        with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as db:
            db.register("runs", self._table)
            try:
                if panels:
                    heads = ", ".join(f'runs."{name}"' for name in ("point", "scenario", *self.factors, "replication"))
                    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in panels)
                    db.execute(
                        f"create view panel as select p.*, {heads} from (select distinct on (run_id, month) * from"
                        f" read_parquet([{listed}])) p join runs on p.run_id = runs.run_id"
                    )
                return db.execute(query).df()
            except duckdb.Error:
                for panel in self._panels:
                    self._read(panel, ["run_id", "month", *self.sweep.observables])  # is it a damaged file?
                raise

    def failures(self) -> pd.DataFrame:
        """Runs that are not in order, with their reasons, and runs that are missing (status `missing`)."""
        import pandas as pd

        runs = self._table
        bad = runs[runs["status"] != "ok"][[*FIRST, *self.factors, *LAST]]
        absent = self.missing()
        absent = absent.assign(status="missing", error="not run yet")
        return pd.concat([frame for frame in (bad, absent) if len(frame)] or [bad], ignore_index=True)

    def missing(self) -> pd.DataFrame:
        """Points and replications that are wanted and not there."""
        replications = int(self.manifest["replications"])
        wanted = self.design.merge(_series(range(replications), "replication"), how="cross").drop(columns="point_id")
        there = self._table[["point", "replication"]].assign(there=True)
        table = wanted.merge(there, on=["point", "replication"], how="left")
        return table[table["there"].isna()].drop(columns="there").reset_index(drop=True)

    def counts(self) -> dict[str, int]:
        """Runs by status, `missing` among them."""
        counts = {str(k): int(v) for k, v in self._table["status"].value_counts().items()}
        return {**counts, "missing": len(self.missing())}

    def sessions(self) -> list[dict[str, Any]]:
        """Who ran what, when, in how many seconds, in this order."""
        sessions = []
        for path in sorted((self.folder / "sessions").glob("*.json")):
            try:
                sessions.append(json.loads(path.read_bytes()))
            except ValueError as error:
                raise store.Damaged(path, error, "delete it: it is no more than a record of a call") from None
        return sessions

    def compare(
        self, factor: str, a: Any, b: Any, outcomes: str | Sequence[str] | None = None, confidence: float = 0.95
    ) -> pd.DataFrame:
        """Paired differences a - b: runs that differ in this factor (or `scenario`) only, on the same draws.

        Values of all other factors are pooled. One row an outcome: mean difference, interval (`low`, `high`), number of
        points and of replications it rests on, pairs left out because a run is missing, failed or has no number, and by how
        much pairing reduced the variance. Replications count as independent, points do not: they share their draws.

        Raises KeyError for an unknown factor or outcome, ValueError where the factor never takes a value, no points differ
        in it only, or every point has draws of its own.
        """
        import pandas as pd

        from abm.sweeps.comparison import Comparison, paired

        known = ["scenario", *self.factors]
        names = [outcomes] if isinstance(outcomes, str) else list(outcomes or self.outcomes)
        if factor not in known:
            raise KeyError(f"no factor {short(factor)}{meant(factor, known)}")
        for name in names:
            if name not in self.outcomes:
                raise KeyError(f"no outcome {short(name)}{meant(name, self.outcomes)}")
        if not 0 < confidence < 1:
            raise ValueError(f"confidence = {confidence}: must lie between 0 and 1")
        if not self.sweep.common_draws:
            raise ValueError("every point has draws of its own (common_draws = false): runs cannot be paired")
        others = [name for name in known if name != factor]
        replications = int(self.manifest["replications"])
        sides = []
        for value in (a, b):
            points = self.design[_is(self.design[factor], value)]
            if not len(points):
                there = self.design[factor].drop_duplicates().tolist()
                more = ", ..." if len(there) > 8 else ""
                raise ValueError(f"{factor} is never {short(value)}; it takes {', '.join(map(str, there[:8]))}{more}")
            runs = self._table[self._table["point"].isin(points["point"])]
            # Points of a design may coincide; they are then one and the same run.
            points = points.drop_duplicates(others)[others] if others else points[:1][[]]
            runs = runs.drop_duplicates([*others, "replication"])[[*others, "replication", "status", *names]]
            wanted = points.merge(_series(range(replications), "replication"), how="cross")
            sides.append(wanted.merge(runs, on=[*others, "replication"], how="left", validate="one_to_one"))
        pairs = sides[0].merge(sides[1], on=[*others, "replication"], suffixes=("_a", "_b"), validate="one_to_one")
        if not len(pairs):
            raise ValueError(
                f"no two points differ in {factor} only, as they do in a grid (this is a {self.sweep.design.kind} design)"
            )
        place = pairs.groupby(others, sort=False).ngroup() if others else pd.Series(0, pairs.index)
        at = place.to_numpy(int), pairs["replication"].to_numpy(int)
        good = ((pairs["status_a"] == "ok") & (pairs["status_b"] == "ok")).to_numpy()
        rows = []
        for name in names:
            cells = np.full((2, int(place.max()) + 1, replications), np.nan)
            for side, column in enumerate((f"{name}_a", f"{name}_b")):
                cells[(side, *at)] = np.where(good, pairs[column].to_numpy(float), np.nan)
            rows.append(paired(cells[0], cells[1], confidence))
        return Comparison(rows, index=names)


def _is(column: pd.Series, value: Any) -> np.ndarray:
    """Where a column has a value: numbers up to rounding, dates also as text."""
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
