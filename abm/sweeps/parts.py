"""Parts of a sweep: two Parquet files a chunk of runs, each with a record of what it holds and what made it.

    parts/NAME.runs.parquet    one row a run: point, replication, seed, status, error, seconds, outcomes
    parts/NAME.panel.parquet   one row a run and month: observables

The record is JSON in the file's metadata. Both have the number of rows and what the numbers were made with (`made_with`);
the runs have a digest of their table and the SHA-256 of their panel's file, the panel a digest of its run ids. So a part
that has changed, or a panel that belongs to other runs, is noticed and named. NAME stands for the runs and the content of
the panel: no part replaces other numbers. Parts without a record, of earlier versions, are read as far as they can be checked.
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
from abm.sweeps.plan import Plan, Point
from abm.sweeps.spec import Sweep, digest

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from abm.sweeps.record import ChunkRecord

COLUMNS = ("run_id", "point_id", "replication", "seed", "status", "error", "seconds")
"""Of a table of runs; outcomes follow."""
SEED = COLUMNS.index("seed")
TEXTS = ["run_id", "point_id", "scenario", "status", "error"]
RECORD = b"ai-market-abm"
"""Key of the metadata that the record stands under."""
RUNS_RECORD = {"made_with": dict, "rows": int, "digest": str, "panel": str | None}
PANEL_RECORD = {"made_with": dict, "rows": int, "runs": str}
WITH_VALUES = ("ok", "nonfinite")
"""Statuses of runs that have rows in the panel."""

MOST_ROWS = 1_000_000
"""Runs of one part. What a file claims beyond this, or beyond the bytes below, is refused before it is read."""
CELLS_PER_ROW = 100
LONGEST = 1_200
"""Months of a run."""
TEXT_PER_ROW = 2_000
SLACK = 16_000_000


MEND = "run the sweep again into this folder to mend it"
MEND_PANEL = "delete it and run the sweep again: its runs are then done anew"


class Damaged(ValueError):
    """A file of a sweep that is missing or does not read; the same sweep, run again, mends it."""

    def __init__(self, path: Path, why: Any, mend: str = MEND):
        self.path = path
        what = (
            "is missing" if isinstance(why, FileNotFoundError) else f"is damaged ({' '.join(str(why).split())[:160]})"
        )
        super().__init__(f"{path}: {what}; {mend}")


@dataclass(frozen=True)
class Part:
    """Runs of one chunk, and the file of their panel where the sweep keeps one."""

    path: Path
    runs: pa.Table
    panel: Path | None
    record: dict[str, Any]
    """Empty for a part of an earlier version."""


@functools.cache
def made_with() -> dict[str, str]:
    """What decides the numbers of a run besides its spec: the model's source and the versions of packages."""
    return {"model": source_hash(), **versions(DECIDING)}


# --- writing ---


def write_part(folder: Path, plan: Plan, points: dict[int, Point], outcomes: ChunkRecord) -> str:
    """Write the two files of one chunk; returns their name. The runs come last and are the only record of what is done.

    Raises FileNotFoundError where the folder of the sweep is gone.
    """
    runs, panel = runs_table(plan, points, outcomes), panel_table(plan, outcomes)
    ids = [run.id for run in outcomes.runs]
    common = {"made_with": made_with()}
    content = b""
    if plan.sweep.kept_months:
        content = packed(panel, common | {"rows": panel.num_rows, "runs": digest(with_values(runs))})
    sha = hashlib.sha256(content).hexdigest()
    name = digest([ids, sha])
    record = common | {"rows": runs.num_rows, "panel": sha if content else None}
    record["digest"] = sealed(runs, record)
    files = ({"panel": content} if content else {}) | {"runs": packed(runs, record)}
    try:  # without making the folder, which must not come back with one part in it
        for kind, each in files.items():
            path = folder / "parts" / f"{name}.{kind}.parquet"
            write_whole(path, lambda file, each=each: file.write(each), make_folder=False)  # type: ignore[misc]
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "was deleted or renamed during the run", str(folder)) from None
    return name


def packed(table: pa.Table, record: dict[str, Any]) -> bytes:
    """A table as a Parquet file with a record, in bytes that depend on nothing else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    table = table.replace_schema_metadata({RECORD: json.dumps(record, sort_keys=True)})
    pq.write_table(table, buffer, compression="zstd", row_group_size=200_000, write_page_checksum=True)
    return bytes(buffer.getvalue())


def runs_schema(sweep: Sweep) -> pa.Schema:
    """Columns of a table of runs. A seed of 2^63 or more makes those of its part unsigned."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    first = dict(zip(COLUMNS, (text, text, pa.int32(), pa.int64(), text, text, number), strict=True))
    return pa.schema({**first, **dict.fromkeys(sweep.columns, number)})


def panel_schema(observables: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema({"run_id": pa.string(), "month": pa.int32(), **dict.fromkeys(observables, pa.float64())})


def runs_table(plan: Plan, points: dict[int, Point], outcomes: ChunkRecord) -> pa.Table:
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
    import pyarrow as pa

    months = np.array(plan.sweep.kept_months, dtype=np.int32)
    there = [(run.id, values) for run, values in zip(outcomes.runs, outcomes.values, strict=True) if values]
    numbers = np.repeat(np.arange(len(there), dtype=np.int32), len(months))
    ids = pa.DictionaryArray.from_arrays(pa.array(numbers), pa.array([name for name, _ in there], pa.string()))
    columns: dict[str, Any] = {"run_id": ids, "month": pa.array(np.tile(months, len(there)), pa.int32())}
    for name in plan.sweep.observables:
        rows = [values[name][months] for _, values in there]
        columns[name] = pa.array(np.concatenate(rows) if rows else np.zeros(0), pa.float64())
    return pa.table(columns)


def digest_of(table: pa.Table) -> str:
    """Stands for names, types and values of a table, however a file splits or encodes it."""
    sha = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        sha.update(f"{name} {column.type}\n".encode())
        numbers = name not in TEXTS
        sha.update(column.to_numpy().tobytes() if numbers else json.dumps(column.to_pylist()).encode())
    return sha.hexdigest()


def sealed(table: pa.Table, record: dict[str, Any]) -> str:
    """Stands for a table together with its record."""
    return digest([digest_of(table), record])


def with_values(runs: pa.Table) -> list[str]:
    """Ids of the runs that have rows in the panel, in their order."""
    pairs = zip(runs["run_id"].to_pylist(), runs["status"].to_pylist(), strict=True)
    return [run for run, status in pairs if status in WITH_VALUES]


# --- reading ---


def parts(
    folder: Path, sweep: Sweep, damaged: list[Damaged], thorough: bool = False, verify: bool = True
) -> Iterator[Part]:
    """Every whole part of a sweep. Files that are damaged, or no part at all, are passed over and go to `damaged`.

    Parts of the sweep as it was before an accepted change, with other columns or without a panel, are passed over too.
    The rule is the same for whoever asks what is done and for whoever reads the results; `thorough` also reads every byte
    of the panels, which otherwise happens when they are used. Without `verify` numbers may have been changed.
    """
    for path in sorted((folder / "parts").glob("*.runs.parquet")):
        try:
            part = read_part(path, sweep, thorough, verify)
        except Damaged as fault:
            if path.exists():  # else another process has set it aside
                damaged.append(fault)
            continue
        if part is not None:
            yield part


def read_part(path: Path, sweep: Sweep, thorough: bool, verify: bool) -> Part | None:
    """A part; None where it is of another sweep. Raises `Damaged`."""
    import pyarrow as pa

    runs, record = read_runs(path, verify)
    if not {*sweep.columns} <= {*runs.column_names}:
        return None
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
    if not {"run_id", "month", *sweep.observables} <= names:
        if record:
            check_panel(part)  # is it one of other observables, or the name of one that has changed?
        return None
    if bool(record) != bool(inner) or (record and inner["runs"] != digest(with_values(runs))):
        raise Damaged(panel, f"is not of the runs of {path.name}")
    if inner and inner["rows"] != rows:
        raise Damaged(panel, f"has {rows} rows, and had {inner['rows']}")
    if thorough:
        check_panel(part)
    return part


def read_runs(path: Path, verify: bool = True) -> tuple[pa.Table, dict[str, Any]]:
    """The table of runs and its record. Raises `Damaged`."""
    import pyarrow as pa

    with parquet(path) as file:
        record = record_of(file, RUNS_RECORD)
        if not {*COLUMNS} <= {*file.schema_arrow.names}:
            raise ValueError("it is not part of a sweep")
        table = plain(file.read())
        if record and record.pop("digest") != sealed(table, record) and verify:
            raise ValueError("its numbers are not those that were written")
        if not all(pa.types.is_integer(table[name].type) for name in ("replication", "seed")):
            raise ValueError("its seeds are not whole numbers")
        if len(table["run_id"].unique()) < table.num_rows or table["run_id"].null_count:
            raise ValueError("a run is in it twice, or without its id")
    return table, record


def plain(table: pa.Table) -> pa.Table:
    """A table with its texts unpacked, if that is no more than texts of this kind take. Raises ValueError."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for at, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if name not in TEXTS:
            continue
        for chunk in column.chunks:
            if pa.types.is_dictionary(chunk.type):
                length = pc.sum(pc.binary_length(chunk.dictionary).take(chunk.indices)).as_py() or 0
                if length > SLACK + TEXT_PER_ROW * len(chunk):
                    raise ValueError(f"it unpacks to {length:,} bytes of text")
        table = table.set_column(at, name, column.cast(pa.string()))
    return table


@contextlib.contextmanager
def parquet(path: Path, most_rows: int = MOST_ROWS, mend: str = MEND) -> Iterator[pq.ParquetFile]:
    """A Parquet file, of which no directory above it becomes a column; refused where it would unpack to too much.

    Whatever the reader raises of a file that is damaged becomes `Damaged`; FileNotFoundError and what else the operating
    system says of a whole file stay what they are.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a file")
        with pa.OSFile(str(path)) as source:
            metadata = pq.read_metadata(source)
            groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
            rows, columns = sum(group.num_rows for group in groups), metadata.num_columns
            unpacked = sum(group.total_byte_size for group in groups)
            if rows > most_rows or rows * columns > CELLS_PER_ROW * most_rows:
                raise ValueError(f"it unpacks to {rows:,} rows of {columns} columns")
            if unpacked > SLACK + rows * (32 * columns + TEXT_PER_ROW):
                raise ValueError(f"it unpacks to {unpacked:,} bytes")
            texts = [name for name in TEXTS if name in metadata.schema.names]
            yield pq.ParquetFile(source, metadata=metadata, read_dictionary=texts, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise Damaged(path, error, mend) from None
    except Exception as error:  # a changed byte can make the reader raise anything, UnicodeDecodeError among it
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Damaged(path, error, mend) from None


def record_of(file: pq.ParquetFile, kinds: dict[str, Any]) -> dict[str, Any]:
    """What a part says of itself; empty where it was written by an earlier version. Raises ValueError where it is damaged."""
    twice = (file.metadata.metadata, file.schema_arrow.metadata)  # it stands in both: a changed byte does not hide it
    found = next((some[RECORD] for some in twice if some and RECORD in some), None)
    if found is None:
        return {}
    record = json.loads(found)
    if not isinstance(record, dict) or not all(isinstance(record.get(key), kind) for key, kind in kinds.items()):
        raise ValueError("its record is damaged")
    return record


def check_panel(part: Part, months: int | None = None) -> None:
    """Raise `Damaged` unless the panel is, byte by byte, the one that was written with these runs.

    Of an earlier version's part: unless every page is whole, and every run has as many rows as the others (`months`).
    """
    panel, wanted = part.panel, with_values(part.runs)
    assert panel is not None
    if part.record:
        try:
            with panel.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except FileNotFoundError as error:  # since the runs were read
            raise Damaged(panel, error) from None
        if found != part.record["panel"]:
            raise Damaged(panel, f"is not what was written with {part.path.name}", MEND_PANEL)
        return
    counts: Counter[str] = Counter()
    with parquet(panel, LONGEST * max(part.runs.num_rows, 1), MEND_PANEL) as file:
        for batch in file.iter_batches():
            counts.update(batch["run_id"].to_pylist())
    if counts.keys() != {*wanted} or not {*counts.values()} <= {months or max(counts.values(), default=0)}:
        raise Damaged(panel, f"its rows are not those of the runs of {part.path.name}", MEND_PANEL)


def finished(
    folder: Path, sweep: Sweep, retry: Sequence[str] = (), damaged: list[Damaged] | None = None, thorough: bool = False
) -> set[str]:
    """Ids of the runs that are done; those of a status in `retry` are to be done again."""
    done: set[str] = set()
    for part in parts(folder, sweep, [] if damaged is None else damaged, thorough):
        pairs = zip(part.runs["run_id"].to_pylist(), part.runs["status"].to_pylist(), strict=True)
        done |= {run for run, status in pairs if status not in retry}
    return done


def makers(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """What each part was made with, from its metadata alone; empty for those of earlier versions."""
    for path in sorted((folder / "parts").glob("*.runs.parquet")):
        with contextlib.suppress(Damaged), parquet(path) as file:
            if {*COLUMNS} <= {*file.schema_arrow.names}:
                yield path, record_of(file, RUNS_RECORD).get("made_with", {})


def set_aside(path: Path) -> None:
    """Rename both files of a damaged part, so that it is neither read nor named again."""
    name = path.name.partition(".")[0]
    for kind in ("runs", "panel"):
        file = path.with_name(f"{name}.{kind}.parquet")
        with contextlib.suppress(OSError):  # missing, or another process was faster
            file.rename(file.with_name(f"{file.name}.damaged"))
