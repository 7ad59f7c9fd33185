"""Comparison of our numbers with published or computed ones: as a table, as a file, and inserted into a README."""

import csv
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from abm.support.files import write_text


@dataclass(frozen=True)
class Number:
    """One quantity: our value and the target.

    tolerance : largest difference that counts as agreement. error : Monte Carlo standard error of `ours`, 0 if nothing is
    random. digits : decimals shown. source : origin of `target`.
    """

    quantity: str
    ours: float
    target: float
    tolerance: float
    source: str
    error: float = 0.0
    digits: int = 3

    @property
    def difference(self) -> float:
        return self.ours - self.target

    @property
    def met(self) -> bool:
        return abs(self.difference) <= self.tolerance


def mean_and_error(values: Any) -> tuple[float, float]:
    """Mean over runs (runs,) and its Monte Carlo standard error, sd / sqrt(runs)."""
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def table(numbers: Iterable[Number]) -> str:
    """Markdown table with one row per number; misses are in bold."""
    rows = [
        "| quantity | ours | published or computed | difference | tolerance | source |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for n in numbers:
        ours = f"{n.ours:.{n.digits}f}" + (f" ± {_short(n.error, n.digits)}" if n.error else "")
        difference = f"{round(n.difference, n.digits) + 0.0:+.{n.digits}f}"
        difference = difference if n.met else f"**{difference}: missed**"
        # The target as published, without additional digits.
        rows.append(f"| {n.quantity} | {ours} | {n.target:g} | {difference} | {n.tolerance:.2g} | {n.source} |")
    return "\n".join(rows)


def _short(value: float, digits: int) -> str:
    """Format with `digits` decimals, or one more if all of them are zero."""
    text = f"{value:.{digits}f}"
    return text if float(text) else f"{value:.{digits + 1}f}"


def save(numbers: Iterable[Number], path: Path) -> None:
    """Write the numbers to a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["quantity", "ours", "standard_error", "target", "tolerance", "met", "source"])
        for n in numbers:
            numeric = (f"{value:.6g}" for value in (n.ours, n.error, n.target, n.tolerance))
            writer.writerow([n.quantity, *numeric, n.met, n.source])


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as PNG with a palette of 128 colours: enough for a line drawing, at a third of the size."""
    from PIL import Image

    from abm.charts import style

    style.save(figure, path)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(128)
    small.save(path, optimize=True)


def source_of(*things: Any) -> str:
    """Source code of classes or methods as a Markdown block."""
    return "```python\n" + "\n\n\n".join(dedent(inspect.getsource(thing)).rstrip() for thing in things) + "\n```"


def fill(page: Path, **parts: str) -> None:
    """Replace the text between ``<!-- NAME -->`` and ``<!-- end NAME -->`` on a page, for each name given."""
    text = page.read_text(encoding="utf-8")
    for name, content in parts.items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- end {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{page}: expected one '{begin.strip()}' and one '{end.strip()}'")
        before, rest = text.split(begin)
        text = before + begin + content + end + rest.split(end)[1]
    write_text(page, text)
