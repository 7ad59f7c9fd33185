"""Parts of a sweep: two Parquet files per chunk of runs, each with a record of its content and provenance.

    parts/NAME.runs.parquet    one row per run: point, replication, seed, status, error, seconds, alarms, outcomes
    parts/NAME.panel.parquet   one row per run and month: observables, and lists of daily returns and products if wanted

The record is JSON in the file's metadata. Both files record the number of rows and the code and packages that produced them
(`made_with`); the runs also record a digest of their table and the SHA-256 of their panel file, the panel a digest of its
run ids. A part that has changed, or a panel that belongs to other runs, is therefore detected and named. NAME is a digest of
the runs and the panel's content, so no part overwrites other numbers. Parts without a record, from earlier versions, are
read as far as they can be checked.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.support.files import write_whole
from abm.support.provenance import DECIDING, source_hash, versions
from abm.sweeps import lists
from abm.sweeps.plan import Plan, Point
from abm.sweeps.spec import Sweep, digest

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from abm.sweeps.record import ChunkRecord

COLUMNS = ("run_id", "point_id", "replication", "seed", "status", "error", "seconds")
"""Columns of a runs table; `ALARMS` (which parts of earlier versions lack) and outcomes follow."""
ALARMS = "alarms"
SEED = COLUMNS.index("seed")
TEXTS = ["run_id", "point_id", "scenario", "status", "error", ALARMS]
RECORD = b"ai-market-abm"
"""Metadata key of the record."""
RUNS_RECORD = {"made_with": dict, "rows": int, "digest": str, "panel": str | None}
PANEL_RECORD = {"made_with": dict, "rows": int, "runs": str}
WITH_VALUES = ("ok", "nonfinite")
"""Status values of runs that have rows in the panel."""

MOST_ROWS = 1_000_000
"""Maximum runs per part. A file that claims more rows, or more bytes than below, is refused before it is read."""
CELLS_PER_ROW = 100
LONGEST = 1_200
"""Maximum months of a run."""
TEXT_PER_ROW = 2_000
LIST_PER_ROW = 200_000
SLACK = 16_000_000


MEND = "run the sweep again into this folder to repair it"
MEND_PANEL = "delete it and run the sweep again to recompute its runs"


class Damaged(ValueError):
    """A missing or unreadable file of a sweep; running the same sweep again repairs it."""

    def __init__(self, path: Path, why: Any, mend: str = MEND):
        self.path = path
        what = (
            "is missing" if isinstance(why, FileNotFoundError) else f"is damaged ({' '.join(str(why).split())[:160]})"
        )
        super().__init__(f"{path}: {what}; {mend}")


@dataclass(frozen=True)
class Part:
    """Runs of one chunk, and the file of their panel if the sweep stores one."""

    path: Path
    runs: pa.Table
    panel: Path | None
    record: dict[str, Any]
    """Metadata record; empty for a part from an earlier version."""


@functools.cache
def made_with() -> dict[str, str]:
    """What determines results besides the specification: hash of the model's source and versions of packages."""
    return {"model": source_hash(), **versions(DECIDING)}


# --- writing ---


def write_part(folder: Path, plan: Plan, points: dict[int, Point], outcomes: ChunkRecord) -> str:
    """Write the two files of one chunk and return their name.

    The runs file is written last: its existence marks the chunk as done. Raises FileNotFoundError if the sweep's folder is
    gone.
    """
    runs, panel = runs_table(plan, points, outcomes), panel_table(plan, outcomes)
    ids = [run.id for run in outcomes.runs]
    common = {"made_with": made_with()}
    panel_file = b""
    if plan.sweep.kept_months:
        panel_file = packed(panel, common | {"rows": panel.num_rows, "runs": digest(with_values(runs))})
    sha = hashlib.sha256(panel_file).hexdigest()
    name = digest([ids, sha])
    record = common | {"rows": runs.num_rows, "panel": sha if panel_file else None}
    record["digest"] = sealed(runs, record)
    files = ({"panel": panel_file} if panel_file else {}) | {"runs": packed(runs, record)}
    try:  # do not recreate a deleted folder with only this part in it
        for kind, content in files.items():
            path = folder / "parts" / f"{name}.{kind}.parquet"
            write_whole(path, lambda file, content=content: file.write(content), make_folder=False)  # type: ignore[misc]
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "was deleted or renamed during the run", str(folder)) from None
    return name


def packed(table: pa.Table, record: dict[str, Any]) -> bytes:
    """Serialise a table and its record to Parquet bytes that depend on nothing else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    table = table.replace_schema_metadata({RECORD: json.dumps(record, sort_keys=True)})
    pq.write_table(table, buffer, compression="zstd", row_group_size=200_000, write_page_checksum=True)
    return bytes(buffer.getvalue())


def runs_schema(sweep: Sweep) -> pa.Schema:
    """Schema of a runs table. A seed of 2^63 or more makes the seeds of its part unsigned."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    first = dict(zip(COLUMNS, (text, text, pa.int32(), pa.int64(), text, text, number), strict=True))
    return pa.schema({**first, ALARMS: text, **dict.fromkeys(sweep.columns, number)})


def panel_schema(observables: Sequence[str]) -> pa.Schema:
    """Schema of a panel table."""
    import pyarrow as pa

    return pa.schema({"run_id": pa.string(), "month": pa.int32(), **dict.fromkeys(observables, pa.float64())})


def runs_table(plan: Plan, points: dict[int, Point], outcomes: ChunkRecord) -> pa.Table:
    """One row per run of a chunk."""
    import pyarrow as pa

    seeds = [run.seed for run in outcomes.runs]
    columns: list[Any] = [
        [run.id for run in outcomes.runs],
        [points[run.point].id for run in outcomes.runs],
        [run.replication for run in outcomes.runs],
        pa.array(seeds, pa.uint64() if max(seeds, default=0) >= 2**63 else pa.int64()),
        outcomes.status,
        outcomes.error,
        outcomes.seconds,
        outcomes.alarms,
    ]
    columns += [
        [outcome.of_run(values) if values else None for values in outcomes.values]
        for outcome in plan.sweep.columns.values()
    ]
    schema = runs_schema(plan.sweep)
    schema = schema.set(SEED, schema.field(SEED).with_type(columns[SEED].type))
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def panel_table(plan: Plan, outcomes: ChunkRecord) -> pa.Table:
    """One row per run with results and month."""
    import pyarrow as pa

    months = np.array(plan.sweep.kept_months, dtype=np.int32)
    finished = [(run.id, values) for run, values in zip(outcomes.runs, outcomes.values, strict=True) if values]
    numbers = np.repeat(np.arange(len(finished), dtype=np.int32), len(months))
    ids = pa.DictionaryArray.from_arrays(pa.array(numbers), pa.array([name for name, _ in finished], pa.string()))
    columns: dict[str, Any] = {"run_id": ids, "month": pa.array(np.tile(months, len(finished)), pa.int32())}
    for name in plan.sweep.observables:
        rows = [values[name][months] for _, values in finished]
        columns[name] = pa.array(np.concatenate(rows) if rows else np.zeros(0), pa.float64())
    for name, stored in lists.months_stored(plan.sweep).items():
        columns[name] = lists.packed([values[name] for _, values in finished], stored, len(months))
    return pa.table(columns)


def digest_of(table: pa.Table) -> str:
    """Digest of a table's names, types and values, independent of how a file splits or encodes them."""
    sha = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        sha.update(f"{name} {column.type}\n".encode())
        numbers = name not in TEXTS
        sha.update(column.to_numpy().tobytes() if numbers else json.dumps(column.to_pylist()).encode())
    return sha.hexdigest()


def sealed(table: pa.Table, record: dict[str, Any]) -> str:
    """Digest of a table together with its record."""
    return digest([digest_of(table), record])


def with_values(runs: pa.Table) -> list[str]:
    """Ids of the runs that have rows in the panel, in order."""
    pairs = zip(runs["run_id"].to_pylist(), runs["status"].to_pylist(), strict=True)
    return [run for run, status in pairs if status in WITH_VALUES]


# --- reading ---


def parts(
    folder: Path, sweep: Sweep, damaged: list[Damaged], thorough: bool = False, verify: bool = True
) -> Iterator[Part]:
    """Iterate over the intact parts of a sweep; damaged or foreign files are skipped and added to `damaged`.

    Parts from before an accepted change, with other columns or without a panel, are skipped too. The same rule decides
    which runs are done and which results are read. `thorough` also checks every byte of the panels, which otherwise happens
    when they are used. Without `verify`, changed numbers in runs tables are not detected.
    """
    for path in sorted((folder / "parts").glob("*.runs.parquet")):
        try:
            part = read_part(path, sweep, thorough, verify)
        except Damaged as fault:
            if path.exists():  # otherwise another process has renamed it
                damaged.append(fault)
            continue
        if part is not None:
            yield part


def read_part(path: Path, sweep: Sweep, thorough: bool, verify: bool) -> Part | None:
    """Read a part; None if it belongs to another sweep. Raises `Damaged`."""
    import pyarrow as pa

    runs, record = read_runs(path, verify)
    if not {*sweep.columns} <= {*runs.column_names}:
        return None
    if ALARMS not in runs.column_names:
        runs = runs.append_column(ALARMS, pa.nulls(runs.num_rows, pa.string()))
    try:
        schema = runs_schema(sweep)
        runs = runs.select(schema.names).cast(schema.set(SEED, runs.schema.field("seed")))
    except pa.ArrowException as error:
        raise Damaged(path, error) from None
    panel = path.with_name(path.name.replace(".runs.", ".panel."))
    if not sweep.kept_months:
        return Part(path, runs, None, record)
    if not (record["panel"] if record else panel.exists()):
        return None
    with parquet(panel, most_rows=LONGEST * max(runs.num_rows, 1)) as file:
        inner, names, rows = record_of(file, PANEL_RECORD), {*file.schema_arrow.names}, file.metadata.num_rows
    part = Part(path, runs, panel, record)
    if not {"run_id", "month", *sweep.observables, *lists.months_stored(sweep)} <= names:
        if record:
            check_panel(part)  # other observables, or a damaged column name?
        return None
    if bool(record) != bool(inner) or (record and inner["runs"] != digest(with_values(runs))):
        raise Damaged(panel, f"it does not belong to the runs of {path.name}")
    if inner and inner["rows"] != rows:
        raise Damaged(panel, f"it has {rows} rows instead of {inner['rows']}")
    if thorough:
        check_panel(part)
    return part


def read_runs(path: Path, verify: bool = True) -> tuple[pa.Table, dict[str, Any]]:
    """Read a runs table and its record. Raises `Damaged`."""
    import pyarrow as pa

    with parquet(path) as file:
        record = record_of(file, RUNS_RECORD)
        if not {*COLUMNS} <= {*file.schema_arrow.names}:
            raise ValueError("it is not part of a sweep")
        table = plain(file.read())
        if record and record.pop("digest") != sealed(table, record) and verify:
            raise ValueError("its numbers have changed since they were written")
        if not all(pa.types.is_integer(table[name].type) for name in ("replication", "seed")):
            raise ValueError("its seeds are not integers")
        if len(table["run_id"].unique()) < table.num_rows or table["run_id"].null_count:
            raise ValueError("it has a duplicate run or a run without an id")
    return table, record


def plain(table: pa.Table) -> pa.Table:
    """Decode the text columns of a table. Raises ValueError if they would take implausibly much memory."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for index, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if name not in TEXTS:
            continue
        for chunk in column.chunks:
            if pa.types.is_dictionary(chunk.type):
                length = pc.sum(pc.binary_length(chunk.dictionary).take(chunk.indices)).as_py() or 0
                if length > SLACK + TEXT_PER_ROW * len(chunk):
                    raise ValueError(f"it unpacks to {length:,} bytes of text")
        table = table.set_column(index, name, column.cast(pa.string()))
    return table


@contextlib.contextmanager
def parquet(path: Path, most_rows: int = MOST_ROWS, mend: str = MEND) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; refuse one that would unpack to too much, and take no columns from directory names.

    Any error of the reader, and a missing file, become `Damaged`; other errors of the operating system are raised unchanged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a file")
        with pa.OSFile(str(path)) as source:
            metadata = pq.read_metadata(source)
            groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
            rows, columns = sum(group.num_rows for group in groups), metadata.num_columns
            unpacked = sum(group.total_byte_size for group in groups)
            if rows > most_rows or rows * columns > CELLS_PER_ROW * most_rows:
                raise ValueError(f"it unpacks to {rows:,} rows of {columns} columns")
            nested = sum(metadata.schema.column(i).max_repetition_level > 0 for i in range(columns))
            if unpacked > SLACK + rows * (32 * columns + TEXT_PER_ROW + nested * LIST_PER_ROW):
                raise ValueError(f"it unpacks to {unpacked:,} bytes")
            texts = [name for name in TEXTS if name in metadata.schema.names]
            yield pq.ParquetFile(source, metadata=metadata, read_dictionary=texts, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise Damaged(path, error, mend) from None
    except Exception as error:  # a changed byte can make the reader raise anything, even UnicodeDecodeError
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Damaged(path, error, mend) from None


def record_of(file: pq.ParquetFile, kinds: dict[str, Any]) -> dict[str, Any]:
    """Metadata record of a part; empty if written by an earlier version. Raises ValueError if it is damaged."""
    # Stored in both, so that one changed byte does not hide it.
    both = file.metadata.metadata, file.schema_arrow.metadata
    text = next((metadata[RECORD] for metadata in both if metadata and RECORD in metadata), None)
    if text is None:
        return {}
    record = json.loads(text)
    if not isinstance(record, dict) or not all(isinstance(record.get(key), kind) for key, kind in kinds.items()):
        raise ValueError("its record is damaged")
    return record


def check_panel(part: Part, months: int | None = None) -> None:
    """Raise `Damaged` unless the panel is, byte for byte, the one written with these runs.

    For a part from an earlier version: unless every page is intact and all runs have the same number of rows (`months`).
    """
    panel, expected = part.panel, with_values(part.runs)
    assert panel is not None
    if part.record:
        try:
            with panel.open("rb") as content:
                sha = hashlib.file_digest(content, "sha256").hexdigest()
        except FileNotFoundError as error:  # deleted since the runs were read
            raise Damaged(panel, error) from None
        if sha != part.record["panel"]:
            raise Damaged(panel, f"it has changed since it was written with {part.path.name}", MEND_PANEL)
        return
    counts: Counter[str] = Counter()
    with parquet(panel, LONGEST * max(part.runs.num_rows, 1), MEND_PANEL) as file:
        for batch in file.iter_batches():
            counts.update(batch["run_id"].to_pylist())
    if counts.keys() != {*expected} or not {*counts.values()} <= {months or max(counts.values(), default=0)}:
        raise Damaged(panel, f"its rows do not match the runs of {part.path.name}", MEND_PANEL)


def finished(
    folder: Path, sweep: Sweep, retry: Sequence[str] = (), damaged: list[Damaged] | None = None, thorough: bool = False
) -> set[str]:
    """Ids of finished runs, except those with a status in `retry`."""
    done: set[str] = set()
    for part in parts(folder, sweep, [] if damaged is None else damaged, thorough):
        pairs = zip(part.runs["run_id"].to_pylist(), part.runs["status"].to_pylist(), strict=True)
        done |= {run for run, status in pairs if status not in retry}
    return done


def makers(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Code and packages that produced each part, from its metadata alone; empty for parts from earlier versions."""
    for path in sorted((folder / "parts").glob("*.runs.parquet")):
        with contextlib.suppress(Damaged), parquet(path) as file:
            if {*COLUMNS} <= {*file.schema_arrow.names}:
                yield path, record_of(file, RUNS_RECORD).get("made_with", {})


def set_aside(path: Path) -> None:
    """Rename both files of a damaged part, so that it is neither read nor reported again."""
    name = path.name.partition(".")[0]
    for kind in ("runs", "panel"):
        file = path.with_name(f"{name}.{kind}.parquet")
        with contextlib.suppress(OSError):  # missing, or another process was faster
            file.rename(file.with_name(f"{file.name}.damaged"))
