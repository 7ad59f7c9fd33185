"""Own segments of a sweep: a table, or a file beside the specification, becomes plain columns of the sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abm.sweeps.table import inside

LABS = ("closed_labs", "open_labs")
"""Sizes that say which labs there are, and so which columns of fits."""


def with_segments(fields: Mapping[str, Any], folder: Path | None, confined: bool) -> tuple[dict[str, Any], list[str]]:
    """The fields with `populations.segments` as columns of numbers and the number of adopters; and every problem."""
    sizes = fields.get("populations")
    if not isinstance(sizes, Mapping) or sizes.get("segments") is None:
        return dict(fields), []
    given, sizes = sizes["segments"], {name: size for name, size in sizes.items() if name != "segments"}
    try:
        sizes |= _columns(given, sizes, folder, confined)
        problems = []
    except ValueError as error:
        problems = [f"populations.{line}" for line in str(error).splitlines()]
    return {**fields, "populations": sizes}, problems


def _columns(given: Any, sizes: Mapping[str, Any], folder: Path | None, confined: bool) -> dict[str, Any]:
    from abm.market.populations import Populations

    if callable(given):
        raise ValueError(
            "segments: a sweep takes a table or the path of a file, not a function, whose numbers may change"
        )
    if isinstance(given, str | Path):
        try:
            given = inside(str(given), folder, confined)
        except ValueError as error:
            raise ValueError(f"segments: {error}") from None
    known = {name: sizes[name] for name in ("adopters", *LABS) if name in sizes}
    populations = Populations(segments=given, **known)
    columns = {name: tuple(map(float, column.tolist())) for name, column in populations.segments.items()}
    return {"adopters": int(populations.adopters), "segments": columns}


def conflicts(sizes: Mapping[str, Any], factors: Mapping[str, Any]) -> list[str]:
    """Factors that own segments, whose rows and labs are fixed, do not allow."""
    columns = sizes.get("segments")
    if not isinstance(columns, Mapping):
        return []
    labs = LABS if any(name.startswith("fit_") for name in columns) else ()
    return [
        f"populations.segments: {name} is a factor, but the table is that of one number of {name}; remove one of the two"
        for name in ("adopters", *labs)
        if name in factors and (name == "adopters" or name not in sizes)
    ]


def told(columns: Mapping[str, Any], digest: str) -> Any:
    """Segments as a manifest records them: the numbers, or if they are many, how many and their digest."""
    rows = max(map(len, columns.values()), default=0)
    return dict(columns) if rows <= 20 else f"{rows} rows {digest}"
