"""`abm facts --compute`: the compute market beside its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abm.cli.progress import bar, interruptible
from abm.support.files import write_text


def compute_market(seeds: int, out: Path | None, command: str) -> None:
    """Print the model beside the record, and write both tables to `out` (Markdown) with the figure beside it."""
    from abm.runs.simulate import ensemble
    from abm.validation.compute_record import MONTHS, beside_the_record, growth_and_spread

    with interruptible("nothing was saved"), bar() as (_, count):
        results = ensemble(seeds=range(seeds), months=MONTHS, daily=(), progress=count)
    record, growth = beside_the_record(results), growth_and_spread(results)
    tables = [cells(record, ("observable", "date")), cells(growth, ("quantity", "period"))]
    console = Console()
    for columns in tables:
        table = Table(box=None, pad_edge=False, collapse_padding=True)
        for i, heading in enumerate(columns):
            table.add_column(heading, justify="left" if i < 2 else "right", no_wrap=i > 0, overflow="fold")
        for row in zip(*columns.values(), strict=True):
            table.add_row(*map(escape, row))
        console.print(table, "")
    inside = (
        f"{int(record['inside'].sum())} of {len(record)} ranges of the record overlap the 90 % band of {seeds} runs"
    )
    print(inside)
    if out:
        from abm.charts import style
        from abm.figures import compute_record
        from abm.figures.compute_record import compute_record_caption

        picture = out.with_suffix(".png")
        style.save(compute_record(results), picture)
        parts = [f"# The compute market beside its record\n\nWritten by `{command}`; do not edit by hand.\n\n{inside}."]
        parts += [f"![]({picture.name})\n\n{compute_record_caption(seeds)}", *map(markdown, tables)]
        write_text(out, "\n\n".join(parts) + "\n")
        print(out, picture, sep="\n")


def cells(table: Any, keys: tuple[str, str]) -> dict[str, list[str]]:
    """The columns that are shown, as text: two keys, record and its range, model and its band, ratio, inside."""
    from abm.charts.labels import brief

    def span(low: str, high: str) -> list[str]:
        return ["" if a != a else f"{brief(a)} to {brief(b)}" for a, b in zip(table[low], table[high], strict=True)]

    first, second = (table[key].dt.strftime("%Y-%m-%d") if key == "date" else table[key] for key in keys)
    return {
        keys[0]: list(first.astype(str)),
        keys[1]: list(second.astype(str)),
        "record": ["" if value != value else brief(value) for value in table["record"]],
        "range": span("low", "high"),
        "model": [brief(value) for value in table["model"]],
        "90 % band": span("q05", "q95"),
        "ratio": ["" if value != value else f"{value:.2f}" for value in table["ratio"]],
        "in": [{True: "yes", False: "NO"}.get(value, "") for value in table["inside"]],
    }


def markdown(columns: dict[str, list[str]]) -> str:
    """Columns of text as a Markdown table."""
    rows = [list(columns), ["---", "---"] + ["---:"] * (len(columns) - 2), *zip(*columns.values(), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
