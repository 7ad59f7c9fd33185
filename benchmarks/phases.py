"""Time by phase of a month, as in `abm profile`, for three months."""

from __future__ import annotations

from typing import Any

from abm.analysis.profile import profile

MONTHS = {12: "January 2024", 24: "January 2025", 46: "November 2026"}
"""Labs plan in the first two."""


def measure(quick: bool) -> dict[str, Any]:
    """Measure everything in `section`."""
    found = {}
    for month in [24] if quick else MONTHS:
        profiled = profile(month=month, repeats=3 if quick else 30)
        found[str(month)] = {
            "runs": profiled.runs,
            "compiling": profiled.compiling,
            "phases": profiled.phases.to_dict("index"),
        }
    return found


def section(found: dict[str, Any]) -> str:
    """The section of docs/performance.md."""
    months = [int(month) for month in found]
    names = list(next(iter(found.values()))["phases"])
    rows = []
    for name in names:
        cells = []
        for one in found.values():
            row = one["phases"][name]
            cells.append(f"{row['us_per_run']:,.0f} | " + ("" if name == "whole month" else f"{row['share']:.0%}"))
        rows.append(f"| {name} | {' | '.join(cells)} |")
    first = next(iter(found.values()))
    heads = " | ".join(f"{MONTHS[month]}, µs a run | share" for month in months)
    compiling = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in first["compiling"].items())
    return f"""## Where the time goes

`abm profile`: each phase is compiled on its own and timed with {first["runs"]} default runs together, in one thread; the fastest call counts. The whole
month is compiled as one program and writes its whole state, which a run of many months does not.

| phase | {heads} |
|---|{"---:|---:|" * len(months)}
{chr(10).join(rows)}

The whole month of {first["runs"]} runs: {compiling} (from the cache of compiled programs if it was there). There is one program for all parameters, seeds,
scenarios and lengths up to five years.
"""
