"""The multilayer network: one panel per layer, firms placed by role, users and investors grouped by region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.labels import spaced
from abm.figures.products import month_name
from abm.support.axes import OPERATORS

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from abm.runs.results import Result

LAYERS = {
    "supply": "Supply: chips to their owners",
    "rental": "Rental: machines to labs",
    "access": "Access: who learns from whom",
    "usage": "Usage: users to labs",
    "ownership": "Ownership: investors to firms",
    "information": "Information: who listens to whom",
}
"""Layers drawn by default, with titles. `jurisdiction` connects all with their regulator, and `peers` only users: they are
drawn on request.
"""
TITLES = LAYERS | {
    "jurisdiction": "Jurisdiction: who regulates whom",
    "peers": "Peers: who watches whom",
    "descent": "Descent: whose weights a flagship is built on",
}

LOOKS: dict[str, dict[str, Any]] = {
    "regulators": {"color": style.BLACK, "marker": "P", "label": "regulators"},
    "vendors": {"color": style.ORANGE, "marker": "D", "label": "chip vendors"},
    "infrastructure": {"color": style.GREY, "marker": "D", "label": "power, platforms, apps"},
    "operators": {"color": style.SKY, "marker": "s", "label": "operators of machines"},
    "programmes": {"color": style.SKY, "marker": "D", "label": "programmes"},
    "closed": {"color": style.BLUE, "marker": "s", "label": "closed labs"},
    "open": {"color": style.VERMILLION, "marker": "o", "label": "open labs"},
    "adopters": {"color": style.GREEN, "marker": "^", "label": "users, by region"},
    "investors": {"color": style.PURPLE, "marker": "v", "label": "investors, by region"},
}
"""Style of each role, in the order of the legend."""

CHANNELS: dict[str, dict[str, Any]] = {
    "distillation": {"color": style.GREY, "linestyle": "-", "label": "distilled through the API, this month"},
    "fork": {"color": style.VERMILLION, "linestyle": (0, (3, 2)), "label": "open weights copied, so far"},
    "market": {"color": style.GREY, "linestyle": "-", "label": "rented in the market"},
    "parent": {"color": style.BLUE, "linestyle": "-", "label": "of the lab's parent"},
}
"""Style of the two ways to learn from a lab and of the two ways to rent; all other edges have the first style."""
CHANNELS_OF = {"access": ("distillation", "fork"), "rental": ("market", "parent")}
"""Channels of a layer, in the order of the legend."""

CROWDS = ("adopters", "investors")


def network_numbers(network: nx.MultiDiGraph) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of nodes (node, role, home, agents, x, y) and edges (layer, tail, head, channel, weight) as they are drawn.

    Users and investors are grouped by region: weights of their edges are means over the agents of the region (usage,
    information, peers: shares), or sums (ownership: shares of firms). Firms and regulators are single nodes. x and y lie in
    [0, 1]: chips on the left, then owners of machines, labs in the middle, users on the right, regulators at the top,
    investors at the bottom.
    """
    import pandas as pd

    where = {name: _place(name, data) for name, data in network.nodes(data=True)}
    homes = [data["home"] for data in network.nodes.values()]
    nodes = pd.DataFrame(list(where.values()), columns=["node", "role"]).assign(home=homes)
    nodes = nodes.groupby(["node", "role"], sort=False)["home"].agg(["first", "size"]).reset_index()
    nodes.columns = ["node", "role", "home", "agents"]
    nodes["x"], nodes["y"] = _positions(nodes)
    rows = [
        {"layer": data["layer"], "tail": where[tail][0], "head": where[head][0],
         "channel": data.get("channel", ""), "weight": data["weight"]}
        for tail, head, data in network.edges(data=True)
    ]  # fmt: skip
    edges = pd.DataFrame(rows, columns=["layer", "tail", "head", "channel", "weight"])
    edges = edges.groupby(["layer", "tail", "head", "channel"], sort=False)["weight"].sum().reset_index()
    agents = nodes.set_index("node")["agents"]
    for layers, end in ((["usage", "information", "peers"], "tail"), (["jurisdiction"], "head")):
        mean = edges["layer"].isin(layers)
        edges.loc[mean, "weight"] /= edges.loc[mean, end].map(agents).to_numpy(float)
    return nodes, edges


@style.styled
def network(
    result: Result | nx.MultiDiGraph, month: int | None = None, layers: Sequence[str] | None = None, axes: Any = None
) -> Figure:
    """Draw the network of one month, one panel per layer; a firm has the same place and style in all panels.

    Parameters
    ----------
    result
        A run, of which `month` is drawn (default: the last); or a network, as returned by `Result.network` and
        `MarketModel.network`.
    layers
        Any of supply, rental, access, usage, ownership, information, jurisdiction, peers (default: the first six).
    axes
        Your own axes, one per layer.

    Notes
    -----
    The width of a line is proportional to its weight, relative to the largest weight of the layer. Arrows point from
    supplier to customer, from operator to lab, from teacher to student, from user to lab, from owner to firm, from listener
    to source, from regulator to regulated. Copied weights are shown as dashed lines of equal width (they have no amount);
    solid lines between labs are this month's distillation.
    """
    import networkx as nx

    if isinstance(result, nx.MultiDiGraph):
        graph = result
    else:
        graph = result.network(result.setup.months - 1 if month is None else month)
    nodes, edges = network_numbers(graph)
    shown = list(layers or LAYERS)
    if unknown := [name for name in shown if name not in TITLES]:
        raise ValueError(f"layers: unknown {', '.join(map(repr, unknown))}; choose from {', '.join(TITLES)}")
    columns = min(len(shown), 3) if len(shown) != 4 else 2
    rows = -(-len(shown) // columns)
    size = ((style.TWO_COLUMNS if columns > 1 else 4.6), 0.55 + rows * (2.5 if columns > 1 else 3.6))
    figure, panels = style.canvas(axes, rows, columns, size)
    for ax, layer in zip(panels, shown, strict=False):
        draw_layer(ax, nodes, edges[edges["layer"] == layer], names=columns == 1)
        ax.set_title(TITLES[layer])
    for ax in panels[len(shown) :]:
        ax.set_visible(False)
    _legend(figure, panels[0], axes is None, shown, 4 if columns > 1 else 3)
    if axes is None:
        figure.suptitle(month_name(graph.graph["month"]), x=0.01, ha="left", fontsize=9)
    return figure


def network_animation(
    result: Result, months: Sequence[int] | None = None, layers: Sequence[str] = ("supply", "access", "usage"),
    *, interval: int = 400,
) -> FuncAnimation:  # fmt: skip
    """Animate the network, one frame per month (default: every third month); `interval` in milliseconds.

    In a notebook ``HTML(network_animation(run).to_jshtml())``; as a file ``.save("network.gif", writer="pillow")``.
    """
    from matplotlib.animation import FuncAnimation

    from abm.runs.months import months_of
    from abm.runs.network import network_of

    last = result.setup.months
    shown = list(range(0, last, 3)) if months is None else [int(month) for month in months]
    if not shown or not all(0 <= month < last for month in shown):
        raise ValueError(f"months = {shown}: the run has months 0 to {last - 1}")
    frames = {}
    for count, (market, _) in enumerate(months_of(result.setup, result.seed, compiled=result.compiled)):
        month = count - 1  # the first market is the one before month 0
        if month in shown:
            frames[month] = network_numbers(network_of(market, result.setup, tuple(layers)))
        if month >= max(shown):
            break
    largest = {
        layer: max((largest_amount(edges[edges["layer"] == layer]) for _, edges in frames.values()), default=1.0)
        for layer in layers
    }

    @style.styled
    def start() -> tuple[Figure, list[Axes]]:
        return style.canvas(None, 1, len(layers), (2.9 * len(layers), 3.5))

    figure, panels = start()

    @style.styled
    def draw(month: int) -> list[Any]:
        nodes, edges = frames[month]
        for ax, layer in zip(panels, layers, strict=True):
            ax.clear()
            draw_layer(ax, nodes, edges[edges["layer"] == layer], largest=largest[layer])
            ax.set_title(TITLES[layer])
        figure.suptitle(month_name(month), x=0.01, ha="left", fontsize=9)
        return []

    draw(shown[0])
    style.styled(_legend)(figure, panels[0], True, layers)
    return FuncAnimation(figure, draw, frames=shown, interval=interval, blit=False)


def draw_layer(
    ax: Axes, nodes: pd.DataFrame, edges: pd.DataFrame, *, names: bool = False, largest: float | None = None
) -> None:
    """Draw one layer on axes: its edges, and all nodes, those without edges faintly.

    `names`: label every node, not only regulators and regions. `largest`: weight drawn with the widest line.
    """
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.patheffects import withStroke

    positions = nodes.set_index("node")[["x", "y"]]
    largest = largest or largest_amount(edges)
    for edge in edges.itertuples():
        tail, head = positions.loc[edge.tail], positions.loc[edge.head]
        share = 0.3 if edge.channel == "fork" else float(edge.weight / largest) if largest else 1.0
        line = CHANNELS[edge.channel or "distillation"]
        look: Any = {
            "color": line["color"], "linestyle": line["linestyle"], "alpha": 0.3 + 0.5 * share,
            "linewidth": 0.4 + 2.2 * share, "zorder": 1,
        }  # fmt: skip
        if edge.tail == edge.head:
            loop = 0.055
            ax.plot(
                tail["x"] + loop * np.cos(_TURN),
                tail["y"] - loop + loop * np.sin(_TURN),
                **look,
                solid_capstyle="round",
            )
            continue
        ax.add_patch(
            FancyArrowPatch(
                (tail["x"], tail["y"]), (head["x"], head["y"]), arrowstyle="-|>", mutation_scale=4 + 5 * share,
                connectionstyle=f"arc3,rad={0.45 if abs(tail['x'] - head['x']) < 0.02 else 0.1}", shrinkA=4, shrinkB=5, **look,
            )
        )  # fmt: skip
    busy = set(edges["tail"]) | set(edges["head"])
    for role, look in LOOKS.items():
        rows = nodes[nodes["role"] == role]
        for group, alpha in ((rows[rows["node"].isin(busy)], 1.0), (rows[~rows["node"].isin(busy)], 0.22)):
            size = 34 if role not in CROWDS else 70
            ax.scatter(
                group["x"], group["y"], s=size, color=look["color"], marker=look["marker"], alpha=alpha,
                edgecolors="white", linewidths=0.6, zorder=3,
            )  # fmt: skip
    shown = nodes if names else nodes[nodes["role"].isin(["regulators", *CROWDS])]
    for node in shown.itertuples():
        name = style.literal(short_name(node.node, node.role), 24, 2)
        place: dict[str, Any] = {"xytext": (0, -8), "ha": "center", "va": "top"}
        if node.role == "regulators":
            place = {"xytext": (0, 6), "ha": "center", "va": "bottom"}
        elif node.role not in CROWDS:
            place = {"xytext": (6, 0), "ha": "left", "va": "center"}
        ink = style.BLACK if node.node in busy else style.GREY
        place["path_effects"] = [withStroke(linewidth=1.6, foreground="white")]  # keeps names legible on top of lines
        ax.annotate(name, (node.x, node.y), textcoords="offset points", fontsize=6.5, color=ink, zorder=4, **place)
    ax.set_xlim(-0.12, 1.08)
    ax.set_ylim(-0.14, 1.12)
    ax.set_axis_off()


_TURN = np.linspace(0, 2 * np.pi, 40)


def short_name(node: str, role: str) -> str:
    """Short name of a node, for the label beside its mark."""
    if role in CROWDS:
        return _REGIONS.get(node.partition("_")[2], node)
    return _REGIONS.get(node, node) if role == "regulators" else spaced(node)


_REGIONS = {"us": "US", "china": "China", "eu": "EU", "row": "rest"}


def _place(name: str, data: dict[str, Any]) -> tuple[str, str]:
    """The drawn node of an agent, and its role."""
    role = data["role"]
    if role in CROWDS:
        return f"{role}_{data['home']}", role
    if role == "labs":
        return name, "closed" if name.startswith("closed") else "open"
    return name, role


def _positions(nodes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every node. The place of a lab depends only on its name, so it stays the same over months."""
    columns = {"vendors": 0.04, "operators": 0.22, "closed": 0.40, "adopters": 0.98}
    x, y = np.zeros(len(nodes)), np.zeros(len(nodes))
    homes = list(_REGIONS)
    programmes = list(nodes["node"][nodes["role"] == "programmes"])
    for i, node in enumerate(nodes.itertuples()):
        rank = homes.index(node.home) if node.home in homes else 0
        number = int("".join(c for c in node.node if c.isdigit()) or 1) - 1
        if node.role == "regulators":
            x[i], y[i] = 0.14 + 0.24 * rank, 1.0
        elif node.role == "investors":
            x[i], y[i] = 0.14 + 0.24 * rank, 0.0
        elif node.role == "adopters":
            x[i], y[i] = columns["adopters"], 0.82 - 0.2 * rank
        elif node.role == "infrastructure":
            height = {"power": 0.34, "platforms": 0.23, "applications": 0.12}.get(node.node, 0.3)
            x[i], y[i] = columns["vendors"], height
        elif node.role == "operators":
            x[i], y[i] = columns["operators"], 0.88 - 0.07 * OPERATORS.index(node.node)
        elif node.role == "programmes":
            place = programmes.index(node.node)
            x[i], y[i] = columns["operators"] + 0.06 * (place // 4), 0.3 - 0.065 * (place % 4)
        elif node.role == "vendors":
            order = {"leader": 0, "follower": 1, "inhouse": 2, "domestic": 3}.get(node.node, number)
            x[i], y[i] = columns["vendors"], 0.8 - 0.11 * order
        elif node.role == "closed":
            x[i], y[i] = columns["closed"] + 0.05 * (number // 8), 0.82 - 0.13 * (number % 8)
        else:  # open labs, and entrants in a column of their own
            entrant = node.node.startswith("entrant")
            x[i], y[i] = 0.73 if entrant else 0.6, 0.84 - (0.1 if not entrant else 0.085) * (number % 8)
            x[i] += 0.04 * (number // 8)
    return x, y


def largest_amount(edges: pd.DataFrame) -> float:
    """Largest weight among edges that have an amount (all but copied weights)."""
    weights = edges.loc[edges["channel"] != "fork", "weight"]
    return float(weights.max()) if len(weights) else 0.0


def _legend(figure: Figure, ax: Axes, own: bool, layers: Sequence[str], columns: int = 4) -> None:
    for look in LOOKS.values():
        ax.plot([], [], linestyle="none", markersize=5, markeredgecolor="white", **look)
    for channel in (channel for layer in layers for channel in CHANNELS_OF.get(layer, ())):
        ax.plot([], [], linewidth=1.2, **CHANNELS[channel])
    style.shared_legend(figure, ax, own, columns)
