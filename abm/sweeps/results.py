"""Reading a sweep: tables of runs and months, a labelled cube, SQL, paired comparisons. Nothing is filled in or dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.events import meant, short
from abm.sweeps import store
from abm.sweeps.spec import Sweep

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

FIRST = ("run_id", "point", "scenario")
LAST = ("replication", "seed", "status", "error", "seconds")


def open_sweep(folder: str | Path) -> Results:
    """The results of a sweep, finished or not. Raises FileNotFoundError where there is none."""
    folder = Path(folder)
    manifest = store.read_manifest(folder)
    if manifest is None or not (folder / "design.parquet").exists():
        raise FileNotFoundError(
            f"{folder}: no sweep is kept here (no manifest.json); `abm sweep SPEC --out {folder}` makes one"
        )
    return Results(folder, manifest)


@dataclass(frozen=True, eq=False)
class Results:
    """What a folder holds. Tables are read when they are asked for, and only the columns that are."""

    folder: Path
    manifest: dict[str, Any]

    @cached_property
    def sweep(self) -> Sweep:
        return Sweep.load(self.folder / "spec.toml")

    @cached_property
    def design(self) -> pd.DataFrame:
        """One row a point: its number, id, scenario and factors."""
        import pandas as pd

        return pd.read_parquet(self.folder / "design.parquet")

    @cached_property
    def factors(self) -> list[str]:
        return [name for name in self.design.columns if name not in ("point", "point_id", "scenario")]

    @property
    def outcomes(self) -> list[str]:
        return list(self.sweep.columns)

    @cached_property
    def _parts(self) -> list[tuple[Path, Path | None]]:
        return list(store.parts(self.folder))

    @cached_property
    def _table(self) -> pd.DataFrame:
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = [pq.read_table(path) for path, _ in self._parts]
        if not tables:
            columns = ["run_id", "point_id", *LAST, *self.outcomes]
            found = pd.DataFrame(columns=columns)
        else:
            found = pa.concat_tables(tables, promote_options="default").to_pandas()
        # Of a run that was done twice (again after a failure, or by two callers at once) one that is in order counts.
        found["good"] = found["status"] == "ok"
        found = found.sort_values(["good", "run_id"], ascending=[False, True], kind="stable")
        found = found.drop_duplicates("run_id").drop(columns="good")
        found = found[found["replication"] < self.manifest["replications"]]
        table = self.design.merge(found, on="point_id", how="inner")
        table = table.sort_values(["point", "replication"], ignore_index=True)
        return table[[*FIRST, *self.factors, *LAST, *(c for c in self.outcomes if c in table)]]

    def runs(self) -> pd.DataFrame:
        """One row a run, by point and replication; outcomes of runs that failed are NaN, and `status` says so."""
        return self._table.copy()

    def panel(self, observables: Sequence[str] | None = None) -> pd.DataFrame:
        """One row a run and month, with point, scenario, factors and replication; runs that failed have no rows.

        Memory: eight bytes a number; name the observables that are wanted where there are many runs.
        """
        import pandas as pd
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        names = self._known(observables)
        wanted = self._table[[*FIRST, *self.factors, "replication", "status"]]
        ids = pa.array(wanted["run_id"], pa.string())
        tables = []
        for _, panel in self._parts:
            if panel is not None:
                table = pq.read_table(panel, columns=["run_id", "month", *names])
                table = table.set_column(0, "run_id", table["run_id"].cast(pa.string()))
                tables.append(table.filter(pc.is_in(table["run_id"], value_set=ids)))
        if not tables:
            return pd.DataFrame(columns=[*FIRST, *self.factors, "replication", "month", *names])
        found = pa.concat_tables(tables).to_pandas().drop_duplicates(["run_id", "month"])
        table = wanted.drop(columns="status").merge(found, on="run_id", how="inner")
        return table.sort_values(["point", "replication", "month"], ignore_index=True)

    def _known(self, observables: Sequence[str] | None) -> list[str]:
        there = list(self.sweep.observables)
        for name in observables or ():
            if name not in there:
                raise KeyError(f"observable {short(name)} was not kept{meant(name, there)}")
        return list(observables or there)

    def to_xarray(self, observables: Sequence[str] | None = None) -> xr.Dataset:
        """(point, replication, month) with scenario and factors beside the points.

        Runs that are missing or failed are NaN, and `status` (point, replication) says which and why.
        """
        import xarray as xr

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
        import duckdb

        panels = [str(panel) for _, panel in self._parts if panel is not None]
        with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as db:
            db.register("runs", self._table)
            if panels:
                heads = ", ".join(f'runs."{name}"' for name in ("point", "scenario", *self.factors, "replication"))
                listed = ", ".join("'" + path.replace("'", "''") + "'" for path in panels)
                db.execute(
                    f"create view panel as select p.*, {heads} from (select distinct on (run_id, month) * from"
                    f" read_parquet([{listed}])) p join runs on p.run_id = runs.run_id"
                )
            return db.execute(query).df()

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
        found = {str(k): int(v) for k, v in self._table["status"].value_counts().items()}
        return {**found, "missing": len(self.missing())}

    def compare(
        self, factor: str, a: Any, b: Any, outcomes: Sequence[str] | None = None, confidence: float = 0.95
    ) -> pd.DataFrame:
        """Paired differences a - b: runs that differ in this factor (or `scenario`) only, on the same draws.

        One row an outcome: mean difference, interval, number of pairs, pairs left out because a run is missing, failed
        or has no number, and by how much pairing reduced the variance.
        """
        import pandas as pd
        from scipy.special import stdtrit

        known = ["scenario", *self.factors]
        if factor not in known:
            raise KeyError(f"no factor {short(factor)}{meant(factor, known)}")
        if not 0 < confidence < 1:
            raise ValueError(f"confidence = {confidence}: must lie between 0 and 1")
        keys = [name for name in known if name != factor] + ["replication", "seed"]
        replications = int(self.manifest["replications"])
        sides = []
        for value in (a, b):
            points = self.design[self.design[factor] == value]
            if not len(points):
                there = self.design[factor].drop_duplicates().tolist()
                raise ValueError(f"{factor} is never {value!r}; it takes {', '.join(map(str, there[:8]))}")
            wanted = points[known].merge(_series(range(replications), "replication"), how="cross")
            runs = self._table[self._table["point"].isin(points["point"])]
            sides.append(wanted.merge(runs.drop(columns="point"), on=[*known, "replication"], how="left"))
        keys.remove("seed")
        pairs = sides[0].merge(sides[1], on=keys, suffixes=("_a", "_b"))
        if not self.manifest["spec"].get("common_draws", True):
            raise ValueError("every point has draws of its own (common_draws = false): runs cannot be paired")
        if not len(pairs):
            raise ValueError(f"no two points differ in {factor} only: a grid or a table has such points")
        rows = {}
        for name in outcomes or self.outcomes:
            if name not in self.outcomes:
                raise KeyError(f"no outcome {short(name)}{meant(name, self.outcomes)}")
            one, other = pairs[f"{name}_a"].to_numpy(float), pairs[f"{name}_b"].to_numpy(float)
            good = (pairs["status_a"] == "ok") & (pairs["status_b"] == "ok")
            good &= np.isfinite(one) & np.isfinite(other)
            one, other = one[good], other[good]
            difference, n = one - other, len(one)
            mean = float(difference.mean()) if n else float("nan")
            sd = float(difference.std(ddof=1)) if n > 1 else float("nan")
            half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * sd / np.sqrt(n) if n > 1 else float("nan")
            apart = float(one.var(ddof=1) + other.var(ddof=1)) if n > 1 else float("nan")
            rows[name] = {
                "difference": mean,
                "low": mean - half,
                "high": mean + half,
                "pairs": n,
                "left_out": len(pairs) - n,
                "variance_reduction": apart / sd**2 if n > 1 and sd > 0 else float("nan"),
            }
        return pd.DataFrame(rows).T.astype({"pairs": int, "left_out": int})


def _series(values: Any, name: str) -> Any:
    import pandas as pd

    return pd.Series(list(values), name=name, dtype="int32")
