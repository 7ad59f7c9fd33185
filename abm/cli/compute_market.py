"""`abm facts --compute`: the compute market beside its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abm.cli.progress import bar, interruptible
from abm.support.files import write_text

NUMERIC = ("record", "range", "model", "90 % band", "ratio")


def compute_market(seeds: int, out: Path | None, command: str) -> None:
    """Print the model beside the record, and write both tables to `out` (Markdown) with the figure beside it."""
    from abm.runs.simulate import ensemble
    from abm.validation.compute_record import MONTHS, beside_the_record, growth_and_spread

    with interruptible("nothing was saved"), bar() as (_, count):
        results = ensemble(seeds=range(seeds), months=MONTHS, daily=(), progress=count)
    record, growth = beside_the_record(results), growth_and_spread(results)
    console = Console()
    for table, name, row in ((record, "observable", "date"), (growth, "quantity", "period")):
        for title, rows in table.groupby(name, sort=False):
            unit = f" ({rows['unit'].iloc[0]})" if "unit" in rows else ""
            console.print(printed(cells(rows, row), escape(f"{title}{unit}")), "")
    inside = (
        f"{int(record['inside'].sum())} of {len(record)} ranges of the record overlap the 90 % band of {seeds} runs"
    )
    print(inside)
    if out:
        from abm.charts import style
        from abm.figures.compute_market import compute_record, compute_record_caption

        picture = out.with_suffix(".png")
        style.save(compute_record(results), picture)
        parts = [f"# The compute market beside its record\n\nWritten by `{command}`; do not edit by hand."]
        parts += [f"{inside}.", f"![]({picture.name})", compute_record_caption(seeds)]
        parts += [markdown(cells(record, "observable", "unit", "date")), markdown(cells(growth, "quantity", "period"))]
        write_text(out, "\n\n".join(parts) + "\n")
        print(out, picture, sep="\n")


def cells(table: Any, *keys: str) -> dict[str, list[str]]:
    """Columns as text: the keys, the record and its range, the model and its band, their ratio, whether they overlap."""
    from abm.charts.labels import brief

    def numbers(column: str, text: Any = brief) -> list[str]:
        return ["" if value != value else text(value) for value in table[column]]

    def spans(low: str, high: str) -> list[str]:
        return [f"{a} to {b}" if a else "" for a, b in zip(numbers(low), numbers(high), strict=True)]

    return {key: [str(value).removesuffix(" 00:00:00") for value in table[key]] for key in keys} | {
        "record": numbers("record"),
        "range": spans("low", "high"),
        "model": numbers("model"),
        "90 % band": spans("q05", "q95"),
        "ratio": numbers("ratio", "{:.2f}".format),
        "in": [{True: "yes", False: "NO"}.get(value, "") for value in table["inside"]],
    }


def printed(columns: dict[str, list[str]], title: str) -> Table:
    """Columns of text as a table; fits 80 columns."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, collapse_padding=True)
    for heading in columns:
        table.add_column(heading, justify="right" if heading in NUMERIC else "left", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def markdown(columns: dict[str, list[str]]) -> str:
    """Columns of text as a Markdown table."""
    rule = ["---:" if heading in NUMERIC else "---" for heading in columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in (list(columns), rule, *zip(*columns.values(), strict=True)))
