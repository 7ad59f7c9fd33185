"""Draw the package's floor plan, docs/images/rooms.png: which room stands on which, and the path of a run through them.

Floors are the layers of pyproject.toml; arrows are the imports that the files have, without those that follow from
others; stops of the path are functions and classes that the files define. Tests compare all three with the code.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from abm.charts import style

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "images" / "rooms.png"

# --- what the code says ---


def floors() -> list[list[str]]:
    """The layers of pyproject.toml, from the top; rooms of one floor import nothing of one another."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(c for c in told["tool"]["importlinter"]["contracts"] if c["type"] == "layers")["layers"]
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def imports() -> dict[str, set[str]]:
    """Room -> rooms that its files import, wherever in a file the import stands."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "abm").glob("*/**/*.py")):
        room = path.relative_to(ROOT / "abm").parts[0]
        found.setdefault(room, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in modules(node):
                package, _, inner = name.partition(".")
                if package == "abm" and inner and (other := inner.split(".")[0]) != room:
                    found[room].add(other)
    return {room: others & set(found) for room, others in found.items()}  # names of the package itself are no room


def modules(node: ast.AST) -> list[str]:
    """Full names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"abm.{alias.name}" for alias in node.names] if node.module == "abm" else [node.module]
    return []


def below(room: str, arrows: dict[str, set[str]]) -> set[str]:
    """Every room that can be reached from one along the arrows."""
    return arrows[room].union(*(below(other, arrows) for other in arrows[room]))


def direct(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows that do not follow from others: A to C is left out where A leads to B and B to C."""
    return {
        room: {one for one in others if not any(one in below(other, arrows) for other in others)}
        for room, others in arrows.items()
    }


# --- the path of a run ---


class Stop(NamedTuple):
    """A stop of the path: the rooms that take part in it, the file and the name defined there, and what it does."""

    rooms: tuple[str, ...]
    file: str
    name: str
    does: str


STOPS = (
    Stop(("cli", "runs"), "runs/simulate.py", "simulate", "is asked for a run"),
    Stop(("runs", "scenarios", "parameters"), "runs/setup.py", "Setup", "checks and combines what was given"),
    Stop(("runs",), "runs/setup.py", "ProgramKey", "says which compiled program to use"),
    Stop(("market",), "market/start.py", "first_market", "makes the market of January 2023"),
    Stop(("market",), "market/month.py", "month", "plays PHASES in order, month after month"),
    Stop(("agents", "mechanisms", "engine"), "engine/population.py", "Population", "calls one agent's rule for all"),
    Stop(("runs",), "runs/results.py", "Result", "is what comes back"),
)
PATH = (("cli", "runs"), ("runs", "market"), ("market", "agents"), ("agents", "engine"), ("agents", "mechanisms"))
"""Where the path goes down: each pair is an import."""

# --- the picture ---

PLACES = {  # the middle of a room; its floor says how high it stands
    "cli": 6.0,
    "dashboard": 1.9, "experiments": 6.0, "validation": 10.1,
    "analysis": 6.0, "figures": 10.1,
    "calibration": 1.9, "sweeps": 8.05,
    "runs": 6.0,
    "charts": 6.0,
    "market": 6.0,
    "agents": 3.95, "scenarios": 10.1,
    "parameters": 10.1,
    "engine": 2.0, "mechanisms": 6.0, "data": 10.1,
    "support": 8.05,
}  # fmt: skip
WIDE, HIGH, STEP = 3.3, 0.62, 1.12
KEY = 0.62
"""Distance of two lines of the key below the house."""


@style.styled
def plan() -> Any:
    """The diagram."""
    levels = floors()
    height = {room: (len(levels) - at) * STEP for at, level in enumerate(levels) for room in level}
    figure, (ax,) = style.canvas(None, 1, 1, (6.0, 7.9))
    for level in levels:
        y = height[level[0]]
        ax.axhspan(y - HIGH / 2 - 0.13, y + HIGH / 2 + 0.13, color="#f3f3f3", zorder=0, linewidth=0)
    for room, others in direct(imports()).items():
        for other in sorted(others):
            ax.add_patch(arrow(spot(room, other, height), color="#9a9a9a", linewidth=0.9, zorder=1))
    for room, other in PATH:
        ends = spot(room, other, height)
        if height[room] - height[other] > 1.5 * STEP and PLACES[room] == PLACES[other]:  # round the rooms between
            (x, top), (_, bottom) = ends
            side, top, bottom = x + WIDE / 2, top + HIGH / 2 - 0.14, bottom - HIGH / 2 + 0.14
            out = 12.05 if room == "cli" else side + 0.75
            ax.plot([side, out, out], [top, top, bottom], color=style.BLUE, linewidth=2.2, zorder=2)
            ends = (out, bottom), (side, bottom)
        ax.add_patch(arrow(ends, color=style.BLUE, linewidth=2.2, zorder=2))
    for room, x in PLACES.items():
        numbers = [at for at, stop in enumerate(STOPS, 1) if room in stop.rooms]
        edge, face = (style.BLUE, "#eaf3fa") if numbers else (style.GREY, "white")
        corner = x - WIDE / 2, height[room] - HIGH / 2
        look = {"boxstyle": "round,pad=0,rounding_size=0.12", "edgecolor": edge, "facecolor": face, "linewidth": 1.4}
        ax.add_patch(FancyBboxPatch(corner, WIDE, HIGH, zorder=3, gid=room, **look))
        ax.text(x, height[room], room, ha="center", va="center", size=11.5, weight="bold", zorder=4)
        for at, number in enumerate(reversed(numbers)):
            badge(ax, corner[0] - 0.28 - 0.42 * at, height[room], number)
    for at, stop in enumerate(STOPS, 1):
        y = -0.05 - KEY * at
        badge(ax, 0.4, y + 0.62, at)
        ax.text(0.85, y + 0.62, stop.name, va="center", size=10, weight="bold")
        ax.text(3.75, y + 0.62, stop.does, va="center", size=10)
    ax.set_xlim(-0.25, 12.2)
    ax.set_ylim(-0.05 - KEY * len(STOPS) + 0.2, (len(levels) + 0.5) * STEP)
    ax.set_aspect("equal")
    ax.axis("off")
    return figure


def spot(room: str, other: str, height: dict[str, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where an arrow between two rooms begins and ends: below the one, on top of the other, towards each other."""
    lean = max(-1.1, min(1.1, (PLACES[other] - PLACES[room]) / 3))
    start = PLACES[room] + lean, height[room] - HIGH / 2
    return start, (PLACES[other] - lean, height[other] + HIGH / 2)


def arrow(ends: tuple[tuple[float, float], tuple[float, float]], **look: Any) -> FancyArrowPatch:
    """A straight arrow."""
    return FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=9, shrinkA=0, shrinkB=0, **look)


def badge(ax: Any, x: float, y: float, number: int) -> None:
    """The number of a stop."""
    ax.add_patch(Circle((x, y), 0.2, facecolor=style.BLUE, edgecolor="white", linewidth=0.8, zorder=5))
    ax.text(x, y - 0.01, str(number), ha="center", va="center", size=8.5, color="white", weight="bold", zorder=6)


if __name__ == "__main__":
    style.save(plan(), OUT)
    print(OUT)
