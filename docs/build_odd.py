"""Write the tables of docs/ODD.md from the code: `python docs/build_odd.py` (`--check` only says whether they fit).

Parameters come from `abm.parameters`, state variables from the `Field` declarations of `abm.agents`, observables from
`abm.measures`. Each table stands between two markers, and only what is between them is replaced.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "ODD.md"


def parameters() -> str:
    """Every parameter, in the order of the code."""
    from abm.parameters import INSTRUMENTS, Parameters

    rows = []
    for row in Parameters.table():
        name = f"`{row['name']}`" + (" †" if row["name"] in INSTRUMENTS else "")
        bounds = f"{row['low']:g} to {row['high']:g}"
        rows.append([name, row["symbol"], f"{row['default']:g}", row["unit"], bounds, row["meaning"], row["source"]])
    head = ["parameter", "symbol", "default", "unit", "bounds", "meaning", "source"]
    return f"{len(rows)} parameters. † one value for all jurisdictions, or one each.\n\n{table(head, rows)}"


def state() -> str:
    """State variables by class of agent; a subclass shows only what it adds."""
    from abm import agents

    parts = []
    for name in ("ChipVendor", "Lab", "ClosedLab", "OpenLab", "Adopter", "Investor", "Regulator", "InfrastructureFirm"):
        kind = getattr(agents, name)
        first = (kind.__doc__ or "").strip().splitlines()[0]
        inherited = {n for base in kind.__mro__[1:] if hasattr(base, "fields") for n in base.fields()}
        own = {n: f for n, f in kind.fields().items() if n not in inherited}
        parts.append(f"**{name}.** {first}\n")
        if not own:
            parts.append(f"No state beyond that of {kind.__mro__[1].__name__}.\n")
            continue
        rows = [[f"`{n}`", f.symbol, axes(f), f.unit, f.meaning] for n, f in own.items()]
        parts.append(table(["variable", "symbol", "per", "unit", "meaning"], rows) + "\n")
    return "Every agent has `active`: takes part, or is a slot for an entrant.\n\n" + "\n".join(parts).rstrip()


def axes(declared: Any) -> str:
    return " × ".join(("agent", *declared.shape))


def observables() -> str:
    """What a run reports each month."""
    from abm.measures import GROUPS

    parts = []
    for title, group in GROUPS.items():
        rows = [[f"`{name}`", unit, meaning] for name, (unit, meaning) in group.items()]
        parts.append(f"**{title.capitalize()}**\n\n{table(['observable', 'unit', 'meaning'], rows)}")
    return "\n\n".join(parts)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def written(text: str) -> str:
    """The page with its tables renewed."""
    for name, build in {"parameters": parameters, "state": state, "observables": observables}.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise SystemExit(f"{PAGE}: the markers {begin} and {end} must stand there once each")
        body = f"{begin}\n<!-- written by docs/build_odd.py; do not edit between the markers -->\n\n{build()}\n\n{end}"
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _, body=body: body, text, flags=re.DOTALL)
    return text


def main() -> None:
    old = PAGE.read_text(encoding="utf-8")
    new = written(old)
    if "--check" in sys.argv[1:]:
        if new != old:
            raise SystemExit(f"{PAGE} does not fit the code: run python docs/build_odd.py")
        return
    PAGE.write_text(new, encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
