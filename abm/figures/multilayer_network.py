"""The multilayer network: one panel a layer, every firm in its role's place, users and investors by region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.labels import spaced
from abm.figures.products import month_name

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from abm.runs.results import Result

LAYERS = {
    "supply": "Supply: chips to labs",
    "access": "Access: who learns from whom",
    "usage": "Usage: users to labs",
    "ownership": "Ownership: investors to firms",
    "information": "Information: who listens to whom",
    "jurisdiction": "Jurisdiction: who is ruled by whom",
}
"""Layers that are drawn, and their titles. Users' peers are a layer of users alone: drawn when asked for."""
TITLES = LAYERS | {"peers": "Peers: who watches whom"}

LOOKS: dict[str, dict[str, Any]] = {
    "regulators": {"color": style.BLACK, "marker": "P", "label": "regulators"},
    "vendors": {"color": style.ORANGE, "marker": "D", "label": "chip vendors"},
    "infrastructure": {"color": style.GREY, "marker": "D", "label": "power, platforms, apps"},
    "closed": {"color": style.BLUE, "marker": "s", "label": "closed labs"},
    "open": {"color": style.VERMILLION, "marker": "o", "label": "open labs"},
    "adopters": {"color": style.GREEN, "marker": "^", "label": "users, by region"},
    "investors": {"color": style.PURPLE, "marker": "v", "label": "investors, by region"},
}
"""Look of a role, in the order of the legend."""

CHANNELS: dict[str, dict[str, Any]] = {
    "api": {"color": style.GREY, "linestyle": "-", "label": "distilled through the API, this month"},
    "weights": {"color": style.VERMILLION, "linestyle": (0, (3, 2)), "label": "open weights copied, so far"},
}
"""Look of the two ways to learn from a lab, in the order of the legend; other lines look like the first."""

CROWDS = ("adopters", "investors")


def network_numbers(network: nx.MultiDiGraph) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nodes (node, role, home, agents, x, y) and edges (layer, tail, head, channel, weight) as they are drawn.

    Users and investors are put together by region: their edges' weights are means over the region's agents (usage and
    whom they listen to: shares), or sums (shares of firms they own). Firms and regulators are themselves. x and y lie in
    [0, 1]: chips on the left, labs in the middle, users on the right, regulators above, investors below.
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
    """The network of a month, one panel a layer; the same place and look for a firm in all of them.

    Parameters
    ----------
    result
        A run, whose `month` is drawn (its last one where nothing is said); or a network as `Result.network` and
        `MarketModel.network` give it.
    layers
        Which of supply, access, usage, ownership, information, jurisdiction, peers; the first six where nothing is said.
    axes
        Your own, one a layer.

    Notes
    -----
    Widths of lines follow the weight, relative to the largest of the layer. Arrows go from supplier to
    customer, from the lab that is learned from to the one that learns, from user to lab, from owner to firm, from listener
    to who is heard, from ruler to ruled. Lines of copied weights are dashed and all of one width (there is no amount);
    solid ones are of this month's distillation.
    """
    import networkx as nx

    if isinstance(result, nx.MultiDiGraph):
        graph = result
    else:
        graph = result.network(result.setup.months - 1 if month is None else month)
    nodes, edges = network_numbers(graph)
    shown = list(layers or LAYERS)
    if unknown := [name for name in shown if name not in TITLES]:
        raise ValueError(f"layers {unknown} are not known: choose from {', '.join(TITLES)}")
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
    """The network over months, a frame a month: every third one where nothing is said; `interval` in milliseconds.

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
    for at, (market, _) in enumerate(months_of(result.setup, result.seed, compiled=result.compiled)):
        if at - 1 in shown:
            frames[at - 1] = network_numbers(network_of(market, result.setup, tuple(layers)))
        if at > max(shown):
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
    """One layer on axes: its edges, the nodes that have any in colour, the others faintly."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.patheffects import withStroke

    at = nodes.set_index("node")[["x", "y"]]
    most = largest or largest_amount(edges)
    for edge in edges.itertuples():
        tail, head = at.loc[edge.tail], at.loc[edge.head]
        share = 0.3 if edge.channel == "weights" else float(edge.weight / most) if most else 1.0
        line = CHANNELS[edge.channel or "api"]
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
        for here, alpha in ((rows["node"].isin(busy), 1.0), (~rows["node"].isin(busy), 0.22)):
            some = rows[here]
            size = 34 if role not in CROWDS else 70
            ax.scatter(
                some["x"], some["y"], s=size, color=look["color"], marker=look["marker"], alpha=alpha,
                edgecolors="white", linewidths=0.6, zorder=3,
            )  # fmt: skip
    shown = nodes if names else nodes[nodes["role"].isin(["regulators", *CROWDS])]
    for node in shown.itertuples():
        word = style.literal(short_name(node.node, node.role), 24, 2)
        place: dict[str, Any] = {"xytext": (0, -8), "ha": "center", "va": "top"}
        if node.role == "regulators":
            place = {"xytext": (0, 6), "ha": "center", "va": "bottom"}
        elif node.role not in CROWDS:
            place = {"xytext": (6, 0), "ha": "left", "va": "center"}
        ink = style.BLACK if node.node in busy else style.GREY
        place["path_effects"] = [withStroke(linewidth=1.6, foreground="white")]  # names are read across lines
        ax.annotate(word, (node.x, node.y), textcoords="offset points", fontsize=6.5, color=ink, zorder=4, **place)
    ax.set_xlim(-0.12, 1.08)
    ax.set_ylim(-0.14, 1.12)
    ax.set_axis_off()


_TURN = np.linspace(0, 2 * np.pi, 40)


def short_name(node: str, role: str) -> str:
    """A node as it is called beside its mark."""
    if role in CROWDS:
        return _REGIONS.get(node.partition("_")[2], node)
    return _REGIONS.get(node, node) if role == "regulators" else spaced(node)


_REGIONS = {"us": "US", "china": "China", "eu": "EU", "row": "rest"}


def _place(name: str, data: dict[str, Any]) -> tuple[str, str]:
    """The drawn node an agent belongs to, and its role."""
    role = data["role"]
    if role in CROWDS:
        return f"{role}_{data['home']}", role
    if role == "labs":
        return name, "closed" if name.startswith("closed") else "open"
    return name, role


def _positions(nodes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every node. A lab's place follows from its name alone, so that it stays there over months."""
    columns = {"vendors": 0.04, "closed": 0.40, "adopters": 0.98}
    x, y = np.zeros(len(nodes)), np.zeros(len(nodes))
    homes = list(_REGIONS)
    for at, node in enumerate(nodes.itertuples()):
        rank = homes.index(node.home) if node.home in homes else 0
        number = int("".join(c for c in node.node if c.isdigit()) or 1) - 1
        if node.role == "regulators":
            x[at], y[at] = 0.14 + 0.24 * rank, 1.0
        elif node.role == "investors":
            x[at], y[at] = 0.14 + 0.24 * rank, 0.0
        elif node.role == "adopters":
            x[at], y[at] = columns["adopters"], 0.82 - 0.2 * rank
        elif node.role == "infrastructure":
            x[at], y[at] = 0.16, {"power": 0.36, "platforms": 0.25, "applications": 0.14}.get(node.node, 0.3)
        elif node.role == "vendors":
            order = {"leader": 0, "follower": 1, "inhouse": 2, "domestic": 3}.get(node.node, number)
            x[at], y[at] = columns["vendors"], 0.8 - 0.11 * order
        elif node.role == "closed":
            x[at], y[at] = columns["closed"] + 0.05 * (number // 8), 0.82 - 0.13 * (number % 8)
        else:  # open labs, and entrants in a column of their own
            entrant = node.node.startswith("entrant")
            x[at], y[at] = 0.73 if entrant else 0.6, 0.84 - (0.1 if not entrant else 0.085) * (number % 8)
            x[at] += 0.04 * (number // 8)
    return x, y


def largest_amount(edges: pd.DataFrame) -> float:
    """The largest weight, of those that are amounts."""
    weights = edges.loc[edges["channel"] != "weights", "weight"]
    return float(weights.max()) if len(weights) else 0.0


def _legend(figure: Figure, ax: Axes, own: bool, layers: Sequence[str], columns: int = 4) -> None:
    for look in LOOKS.values():
        ax.plot([], [], linestyle="none", markersize=5, markeredgecolor="white", **look)
    if "access" in layers:
        for look in CHANNELS.values():
            ax.plot([], [], linewidth=1.2, **look)
    style.shared_legend(figure, ax, own, columns)
