"""The network as the page draws it: nodes and edges of one layer with their positions, styles and titles."""

from __future__ import annotations

from typing import Any

import networkx as nx

from abm.figures.multilayer_network import CHANNELS, CROWDS, LOOKS, largest_amount, network_numbers, short_name

SHAPES = {"s": "square", "o": "circle"}
PATHS = {
    "D": "M0 -2.4 L2.4 0 L0 2.4 L-2.4 0 Z",
    "^": "M0 -2.2 L2.2 1.8 L-2.2 1.8 Z",
    "v": "M0 2.2 L2.2 -1.8 L-2.2 -1.8 Z",
}
PATHS["P"] = "M-0.8 -2.2 h1.6 v1.4 h1.4 v1.6 h-1.4 v1.4 h-1.6 v-1.4 h-1.4 v-1.6 h1.4 Z"


def drawn(graph: nx.MultiDiGraph, layer: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Nodes and edges of a layer, in a square of 100 by 100 units with y pointing down."""
    nodes, edges = network_numbers(graph)
    edges = edges[edges["layer"] == layer]
    places = {row.node: (100 * row.x, 100 * (1 - row.y)) for row in nodes.itertuples()}
    busy = set(edges["tail"]) | set(edges["head"])
    shown = []
    for row in nodes.itertuples():
        look = LOOKS[row.role]
        x, y = places[row.node]
        above, crowd = row.role == "regulators", row.role in CROWDS
        beside = not (above or crowd)
        shown.append(
            {
                "id": row.node, "name": short_name(row.node, row.role), "title": title_of(row),
                "x": x, "y": y, "colour": look["color"], "shape": SHAPES.get(look["marker"], "path"),
                "path": moved(PATHS[look["marker"]], x, y) if look["marker"] in PATHS else "",
                "opacity": 1.0 if row.node in busy else 0.25,
                "dx": 3 if beside else 0, "dy": 1 if beside else -3.5 if above else 6,
                "anchor": "start" if beside else "middle",
            }
        )  # fmt: skip
    largest = largest_amount(edges) or 1.0
    lines = []
    for number, row in enumerate(edges.itertuples()):
        copied = row.channel == "fork"
        share = 0.3 if copied else row.weight / largest
        lines.append(
            {
                "id": number, "tail": row.tail, "head": row.head, "path": curve(places[row.tail], places[row.head]),
                "width": 0.25 + 1.3 * share, "colour": CHANNELS[row.channel or "distillation"]["color"],
                "opacity": 0.35 + 0.5 * share, "dashed": copied,
            }
        )  # fmt: skip
    return shown, lines


def title_of(row: Any) -> str:
    """Description of a node for the tooltip and screen readers."""
    kinds = {
        "closed": "closed lab", "open": "open lab", "vendors": "chip vendor", "infrastructure": "listed layer",
        "operators": "operator of machines", "programmes": "investment programme",
    }  # fmt: skip
    if row.role in CROWDS:
        return f"{row.agents} {'users' if row.role == 'adopters' else 'investors'}, {short_name(row.node, row.role)}"
    return f"{short_name(row.node, row.role)}, {kinds.get(row.role, 'regulator')}"


def curve(tail: tuple[float, float], head: tuple[float, float]) -> str:
    """SVG path of a curved line between two points, or of a loop if they are the same."""
    (x0, y0), (x1, y1) = tail, head
    if tail == head:
        return f"M{x0:.1f} {y0:.1f} C {x0 - 8:.1f} {y0 + 12:.1f}, {x0 + 8:.1f} {y0 + 12:.1f}, {x0:.1f} {y0:.1f}"
    bow = 0.45 if abs(x1 - x0) < 2 else 0.1
    middle = (x0 + x1) / 2 + bow * (y1 - y0), (y0 + y1) / 2 - bow * (x1 - x0)
    return f"M{x0:.1f} {y0:.1f} Q {middle[0]:.1f} {middle[1]:.1f}, {x1:.1f} {y1:.1f}"


def moved(path: str, x: float, y: float) -> str:
    """Move an SVG path, which starts with M and has absolute or relative lines, to another position."""
    parts = path.replace("M", "M ").replace("L", "L ").split()
    if "h" in path:  # one absolute move, then relative lines
        start, _, rest = path.partition(" ")
        second, _, tail = rest.partition(" ")
        return f"M{float(start[1:]) + x:.2f} {float(second) + y:.2f} {tail}"
    out, numbers = [], 0
    for part in parts:
        if part in ("M", "L", "Z"):
            out.append(part)
        else:
            out.append(f"{float(part) + (x if numbers % 2 == 0 else y):.2f}")
            numbers += 1
    return " ".join(out)
