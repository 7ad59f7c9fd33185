"""A self-contained HTML page: embedded images, no network requests, readable on a phone and on paper."""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; --ink: #1b1b1b; --soft: #595959; --line: #d9d9d9; --accent: #00588a; --wash: #f3f7fa; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1.1rem 4rem; max-width: 52rem; color: var(--ink); background: #fff;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--line); }
p, ul { margin: .6rem 0; } li { margin: .35rem 0; }
a { color: var(--accent); }
.lead { color: var(--soft); margin-top: 0; }
.result { background: var(--wash); border-left: 4px solid var(--accent); padding: .5rem 1rem; margin: 1.2rem 0; }
.note { border: 1px solid #b26b00; background: #fff8ec; padding: .5rem 1rem; margin: 1rem 0; }
nav ol { columns: 2; padding-left: 1.3rem; margin: .4rem 0; } nav li { padding: .15rem 0; margin: 0; break-inside: avoid; }
figure { margin: 1.4rem 0; break-inside: avoid; }
img { width: calc(100% * var(--share, 1)); height: auto; display: block; margin: 0 auto; }
figcaption, .small { font-size: .86rem; color: var(--soft); line-height: 1.45; margin-top: .4rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; width: 100%; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; position: sticky; left: 0;
  max-width: calc(100vw - 2.2rem); }
th, td { padding: .28rem .35rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; }
th { border-bottom: 1px solid var(--soft); } td.text, th.text { text-align: left; }
td.bad { font-weight: 700; } td.text:first-child { min-width: 9rem; }
td.text:nth-child(2) { min-width: 6rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .8rem; }
figure .scroll { margin: 0; }
@media (max-width: 34rem) { nav ol { columns: 1; } figure img { width: calc(40rem * var(--share, 1)); max-width: none; }
  h1 { font-size: 1.4rem; } th, td { padding: .25rem .4rem; } td.text:first-child { min-width: 7rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } table { font-size: 7.5pt; }
  caption { position: static; max-width: none; } nav { display: none; } h2 { break-after: avoid; }
  .scroll { overflow: visible; } a { color: inherit; text-decoration: none; } tr { break-inside: avoid; } }
</style>
</head>
<body>
<header><h1>$title</h1><p class="lead">$lead</p>$note</header>
<main>
<div class="result">$result</div>
<nav aria-label="Contents"><strong>Contents</strong><ol>$contents</ol></nav>
$sections
</main>
<footer class="small">$footer</footer>
</body>
</html>
""")


@dataclass(frozen=True)
class Section:
    """A heading and the HTML blocks below it."""

    title: str
    blocks: Sequence[str]

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


def words(text: str) -> str:
    """Convert plain text to HTML; no line break separates a number from its unit."""
    for typed, printed in SIGNS:
        text = re.sub(typed, printed, text)
    text = escape(text.replace(" %", "\u00a0%").replace("$ M", "$\u00a0M"))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


def paragraph(text: str, topic: str = "") -> str:
    return f"<p>{f'<strong>{words(topic)}.</strong> ' if topic else ''}{words(text)}</p>"


def bullets(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{words(item)}</li>' for item in items)}</ul>"


WIDEST = 1440
"""Width in pixels of an image that fills the page; narrower images are shown smaller, so that text has the same size in all."""


def picture(path: Path, alt: str, caption: str) -> str:
    """A figure with a caption, its PNG embedded in the page."""
    content = path.read_bytes()
    data = base64.b64encode(content).decode("ascii")
    share = min(struct.unpack(">I", content[16:20])[0] / WIDEST, 1)
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" style="--share: {share:.2f}">'
    return f'<figure><div class="scroll">{image}</div><figcaption>{words(caption)}</figcaption></figure>'


def table(
    frame: pd.DataFrame,
    caption: str,
    columns: Mapping[str, str],
    show: Mapping[str, Callable[[Any], str]] | None = None,
) -> str:
    """A table of the given columns (column -> heading): text on the left, numbers on the right in three significant digits.

    `show` maps a column to the format of its cells. A cell "no" is printed bold.
    """
    show = show or {}
    kinds = {c: "" if frame[c].dtype.kind in "fiu" else "text" for c in columns}
    head = "".join(f'<th scope="col" class="{kinds[c]}">{escape(name)}</th>' for c, name in columns.items())
    body = []
    for _, row in frame.iterrows():
        cells = [(show[c](row[c]) if c in show else number(row[c]), kinds[c]) for c in columns]
        marked = ((text, f"{kind} bad" if text == "no" else kind) for text, kind in cells)
        body.append("<tr>" + "".join(f'<td class="{kind}">{words(text)}</td>' for text, kind in marked) + "</tr>")
    return (
        f'<div class="scroll"><table><caption>{words(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


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


def page(title: str, lead: str, result: str, sections: Sequence[Section], footer: str, note: str = "") -> str:
    """The whole page. `result` and the sections' blocks are HTML from the functions above; the rest is plain text."""
    contents = "".join(f'<li><a href="#{section.anchor}">{escape(section.title)}</a></li>' for section in sections)
    parts = [
        f'<section id="{section.anchor}"><h2>{escape(section.title)}</h2>{"".join(section.blocks)}</section>'
        for section in sections
    ]
    return PAGE.substitute(
        title=escape(title),
        lead=escape(lead),
        note=f'<p class="note">{escape(note)}</p>' if note else "",
        result=result,
        contents=contents,
        sections="\n".join(parts),
        footer=escape(footer),
    )
