"""SQL queries on the results of a sweep."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from abm.sweeps.parts import panel_schema

if TYPE_CHECKING:
    import pandas as pd

NO_PANEL = 'panel: not stored by this sweep (panel = "none"); only the table `runs` is available'


def answer(
    query: str,
    runs: pd.DataFrame,
    heads: Sequence[str],
    panels: Sequence[Path] | None,
    observables: Sequence[str],
    doubled: bool,
) -> pd.DataFrame:
    """Run a DuckDB query on the tables `runs` and `panel`; `panel` also has the columns `heads` of its runs.

    panels : files of the panel (only these are read, whatever their names); None if it was not stored. doubled : whether a run
    may be in several of them. Raises ValueError for a query on a panel that was not stored.
    """
    try:
        import duckdb
    except ImportError:
        raise ImportError("sql needs DuckDB: pip install 'ai-market-abm[sql]'") from None
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.fs as fs

    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as db:
        db.execute(
            "set python_enable_replacements = false"
        )  # otherwise an unknown table could be a variable of this module
        # Join by holding the runs in memory and streaming the panel, never the other way round.
        db.execute("set disabled_optimizers = 'join_order,build_side_probe_side'")
        db.register("runs", pa.Table.from_pandas(runs, preserve_index=False))
        if panels is not None:
            # As a pyarrow dataset: DuckDB would treat `[ ] * ?` in a path as a pattern, and `name=1/` as a column.
            checked = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
            kind = ds.ParquetFileFormat(default_fragment_scan_options=checked)
            paths, schema = [str(panel) for panel in panels], panel_schema(observables)
            db.register("panel_files", ds.dataset(paths, schema, kind, fs.LocalFileSystem(), partitioning=None))
            files = "(select distinct on (run_id, month) * from panel_files)" if doubled else "panel_files"
            columns = ", ".join(f'runs."{name}"' for name in heads)
            db.execute(f"create view panel as select p.*, {columns} from {files} p join runs on p.run_id = runs.run_id")
        try:
            return db.execute(query).df()
        except duckdb.CatalogException as error:
            if panels is None and re.search(r"\bpanel\b", str(error).partition("\n")[0], re.IGNORECASE):
                raise ValueError(NO_PANEL) from None
            raise
