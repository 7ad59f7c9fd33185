"""A self-contained HTML page: embedded images, no network requests, readable on a phone and on paper."""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

if TYPE_CHECKING:
    import pandas as pd

TEMPLATES = Environment(
    loader=PackageLoader("abm.experiments"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
"""Text in a template is escaped; only what is `Markup` goes in as HTML."""


@dataclass(frozen=True)
class Section:
    """A heading and the HTML blocks below it."""

    title: str
    blocks: Sequence[Markup]

    @property
    def anchor(self) -> str:
        return "".join(c if c.isalnum() else "-" for c in self.title.lower()).strip("-")


SIGNS = (
    (r"(?<![\w.)-])-(?=\d)", "−"),
    (r"(?<=[\w)]) - (?=\d)|(?<=[\d)]) - (?=[\w(])", "\u00a0−\u00a0"),
    (r"(?<=\w) x (?=\d)", " × "),
    (r"<=", "≤"),
    (r">=", "≥"),
)
"""Typographic signs for typed ones: minus (before a number and between terms, not hyphens), times, at most, at least."""


def words(text: str) -> Markup:
    """Convert plain text to HTML; no line break separates a number from its unit."""
    for typed, printed in SIGNS:
        text = re.sub(typed, printed, text)
    text = str(escape(text.replace(" %", "\u00a0%").replace("$ M", "$\u00a0M")))
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", text))


TEMPLATES.filters["words"] = words


def block(name: str, *values: Any) -> Markup:
    """HTML from a macro of templates/blocks.html."""
    return getattr(TEMPLATES.get_template("blocks.html").module, name)(*values)


def paragraph(text: str, topic: str = "") -> Markup:
    return block("paragraph", text, topic)


def bullets(items: Sequence[str]) -> Markup:
    return block("bullets", items)


WIDEST = 1440
"""Width in pixels of an image that fills the page; narrower images are shown smaller, so that text has the same size in all."""


def picture(path: Path, alt: str, caption: str) -> Markup:
    """A figure with a caption, its PNG embedded in the page."""
    content = path.read_bytes()
    data = base64.b64encode(content).decode("ascii")
    share = min(struct.unpack(">I", content[16:20])[0] / WIDEST, 1)
    return block("picture", data, f"{share:.2f}", alt, caption)


def table(
    frame: pd.DataFrame,
    caption: str,
    columns: Mapping[str, str],
    show: Mapping[str, Callable[[Any], str]] | None = None,
) -> Markup:
    """A table of the given columns (column -> heading): text on the left, numbers on the right in three significant digits.

    `show` maps a column to the format of its cells. A cell "no" is printed bold.
    """
    show = show or {}
    kinds = {c: "" if frame[c].dtype.kind in "fiu" else "text" for c in columns}
    heads = [(name, kinds[c]) for c, name in columns.items()]
    rows = [[(show.get(c, number)(row[c]), kinds[c]) for c in columns] for _, row in frame.iterrows()]
    return block("table", caption, heads, rows)


SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any, digits: int = 3) -> str:
    """Format a number to significant digits, with a real minus sign and thousands separators; other values as text."""
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, int) or not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    if not -6 <= power <= 8:
        return f"{value / 10.0**power:.{digits - 1}f}\u00a0×\u00a010".replace("-", "−") + f"{power}".translate(
            SUPERSCRIPT
        )
    decimals = max(digits - 1 - power, 0)
    return f"{value:,.{min(decimals, 6)}f}".replace("-", "−")


def page(
    title: str, lead: str, result: Sequence[Markup], sections: Sequence[Section], footer: str, note: str = ""
) -> str:
    """The whole page. `result` and the sections' blocks are HTML from the functions above; the rest is plain text."""
    return TEMPLATES.get_template("page.html").render(
        title=title, lead=lead, result=result, sections=sections, footer=footer, note=note
    )
