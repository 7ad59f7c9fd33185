"""One run, month by month: the network, prices against capability, and a look inside an agent."""

from __future__ import annotations

import copy
import functools
import io
import threading
from html import escape
from typing import Any

import reacton.ipyvuetify as v
import solara
from solara.lab import use_task

from abm.analysis.counterfactual import Counterfactual
from abm.charts import style
from abm.charts.labels import LABELS, label_of
from abm.dashboard import inspector
from abm.dashboard.drawing import drawn
from abm.dashboard.parts import Picture, when_changed
from abm.figures.multilayer_network import CHANNELS, LOOKS, TITLES
from abm.figures.products import draw_frontier, month_name
from abm.runs.mesa_model import MarketModel
from abm.support.inputs import parse_int

FIRST_SHOWN = 23
"""December 2024: where a run is first looked at."""
COMPILED = threading.Lock()
"""The month is compiled once for all sessions."""


class Walk:
    """A run that is stepped through; the changed world leaves the baseline in its month."""

    def __init__(self, asked: Counterfactual, seed: int) -> None:
        self.asked, self.seed = asked, seed
        parameters, scenario = (None, "baseline") if asked.month else (asked.parameters(), asked.changed_scenario())
        self.model = MarketModel(parameters, scenario, seed, months=asked.months)
        self.past: list[dict[str, Any]] = []

    def ahead(self) -> Walk:
        """A copy to be stepped on, while this one is still shown."""
        twin = copy.copy(self)
        twin.model = self.model.branch()
        return twin

    def step(self) -> None:
        """One month."""
        if self.model.month == self.asked.month != 0:
            self.model = self.model.branch(self.asked.parameters(), self.asked.changed_scenario())
        with COMPILED:
            self.model.step()
        self.past = [*self.past[-inspector.REMEMBERED :], inspector.record_of(self.model)]


@solara.component
def MonthByMonth(asked: Counterfactual) -> None:
    """Buttons, the network of a layer, the price-capability plot, an observable over time, and the inspector."""
    seed = solara.use_reactive("1")
    walk: solara.Reactive[Walk | None] = solara.use_reactive(None)
    wanted = solara.use_reactive(min(FIRST_SHOWN, asked.months - 1) + 1)
    month = solara.use_reactive(0)
    layer = solara.use_reactive("usage")
    chosen = solara.use_reactive("closed_1")
    observable = solara.use_reactive("open_token_share")
    number, wrong = seed_of(seed.value)
    ask = asked.to_toml(), number
    latest: Any = solara.use_ref(ask)
    latest.current = ask

    def leave() -> Any:
        def left() -> None:
            latest.current = None

        return left

    solara.use_effect(leave, [])

    def play() -> None:
        if number is None:
            return
        now = walk.value
        target = min(wanted.value, asked.months)
        if now is None or (now.asked.to_toml(), now.seed) != ask or now.model.month > target:
            now = Walk(asked, number)
        else:
            now = now.ahead()
        while now.model.month < target and latest.current == ask:
            now.step()
            month.set(now.model.month)
        walk.set(now)

    task = use_task(play, dependencies=[ask, wanted.value], raise_error=False)
    if task.error:
        solara.Error(f"Not played: {task.exception}")

    def go(by: int) -> None:
        wanted.set(min(max(wanted.value + by, 1), asked.months))

    with solara.Row(classes=["abm-line"], style={"align-items": "center"}):
        first, last = wanted.value <= 1, wanted.value >= asked.months
        for label, icon, by in (("A month back", "backward", -1), ("A month", "forward", 1), ("A year", "forward", 12)):
            solara.Button(
                label, icon_name="mdi-fast-forward" if by > 1 else f"mdi-step-{icon}", on_click=functools.partial(go, by),
                disabled=task.pending or (first if by < 0 else last),
            )  # fmt: skip
        Seed(seed.value, wrong, seed.set)
        if task.pending:
            solara.ProgressLinear(True)
            solara.Text(f"{month.value} months played; the first time the month is compiled, which takes half a minute")
    shown = walk.value
    if shown is None or shown.model.month == 0:
        return
    Month(shown, layer, chosen, observable)


@solara.component
def Seed(text: str, wrong: str, set_: Any) -> None:
    """Which run."""
    field = v.TextField(
        label="Seed", v_model=text, dense=True, error_messages=[wrong] if wrong else [], style_="max-width: 160px",
        class_="abm-seed",
    )  # fmt: skip
    when_changed(field, set_)


@solara.component
def Month(
    walk: Walk, layer: solara.Reactive[str], chosen: solara.Reactive[str], observable: solara.Reactive[str]
) -> None:
    """What a run has come to in its last month."""
    model = walk.model
    at = (walk.asked.to_toml(), walk.seed, model.month)
    world = "the changed world" if model.month > walk.asked.month else "the baseline"
    solara.Text(f"{month_name(model.month - 1)}, {world}, seed {walk.seed}", classes=["abm-heading", "abm-month"])
    graph = solara.use_memo(model.network, [at])
    with solara.Div(classes=["abm-charts"]):
        with solara.Column(gap="0px"):
            v.Select(
                label="Layer of the network", dense=True, v_model=layer.value, on_v_model=layer.set,
                items=[{"text": title, "value": name} for name, title in TITLES.items()],
            )  # fmt: skip
            nodes, edges = solara.use_memo(lambda: drawn(graph, layer.value), [at, layer.value])
            Network(nodes=nodes, edges=edges, chosen=chosen.value, label=TITLES[layer.value], event_choose=chosen.set)
            Legend(layer.value)
        with solara.Column(gap="0px"):
            Picture(solara.use_memo(lambda: frontier_of(model), [at]), "Price against capability of every product")
            Over(model, observable, at)
    Inspector(model, graph, chosen, walk.past, at)


@solara.component_vue("network.vue")
def Network(
    nodes: list[dict[str, Any]], edges: list[dict[str, Any]], chosen: str, label: str, event_choose: Any
) -> None:
    """The network of a layer; a click, or Enter on a node, chooses it."""


@solara.component
def Legend(layer: str) -> None:
    marks = {"s": "■", "o": "●", "D": "◆", "^": "▲", "v": "▼", "P": "✚"}
    parts = [
        f'<span style="color:{look["color"]}">{marks[look["marker"]]}</span> {look["label"]}' for look in LOOKS.values()
    ]
    if layer == "access":
        lines = zip(("━", "┅"), CHANNELS.values(), strict=True)
        parts += [f'<span style="color:{look["color"]}">{mark}</span> {look["label"]}' for mark, look in lines]
    solara.HTML(tag="div", unsafe_innerHTML=" &nbsp; ".join(parts), style="font-size: 12px; line-height: 1.6")


@solara.component
def Over(model: MarketModel, observable: solara.Reactive[str], at: Any) -> None:
    """An observable over the months played: Mesa's own plot of what the model's data collector has."""
    from mesa.visualization.components.matplotlib_components import PlotMatplotlib

    v.Select(
        label="Over time (steps are months from January 2023)", dense=True, v_model=observable.value, on_v_model=observable.set,
        items=[{"text": str(label_of(name)), "value": name} for name in LABELS],
    )  # fmt: skip

    def finish(ax: Any) -> None:
        ax.figure.set_size_inches(5.4, 2.4)
        ax.figure.set_layout_engine("constrained")
        ax.set_ylabel(label_of(observable.value).unit or "ratio")
        ax.grid(True, color="#e3e3e3", linewidth=0.5)
        ax.spines[["top", "right"]].set_visible(False)
        for line in ax.get_lines():
            line.set_color(style.BLUE)

    PlotMatplotlib(model, observable.value, dependencies=[at, observable.value], post_process=finish)


@solara.component
def Inspector(model: MarketModel, graph: Any, chosen: solara.Reactive[str], past: list[Any], at: Any) -> None:
    """State, neighbours and last decisions of the node that was clicked."""
    node = chosen.value
    names = list(graph.nodes)
    crowd = node not in names
    firms = [name for names in inspector.names_of(model).values() for name in names if name in graph]
    v.Select(
        label="Look inside", dense=True, v_model=node, on_v_model=chosen.set, class_="abm-inspect",
        items=[{"text": name.replace("_", " "), "value": name} for name in (*firms, *([node] if crowd else []))],
    )  # fmt: skip
    agent = inspector.find(model, node)
    with solara.Div(classes=["abm-charts", "abm-inspector"]):
        with solara.Column(gap="0px"):
            if agent is None:
                solara.Text("A crowd: its neighbours are means over its members, and none of them is shown alone.")
            else:
                solara.Text(f"{node.replace('_', ' ')}: {agent.kind.__name__}", classes=["abm-heading"])
                Table([("field", "value", "unit", "meaning"), *inspector.state_of(model, agent)])
        with solara.Column(gap="0px"):
            solara.Text("Last decisions", classes=["abm-heading"])
            decisions = inspector.decisions_of(model, node, past)
            if decisions:
                Table(decisions)
            else:
                solara.Text("none of its own")
            solara.Text("Neighbours, the heaviest of each layer", classes=["abm-heading"])
            neighbours = solara.use_memo(lambda: inspector.neighbours_of(graph, node), [at, node])
            Table([("layer", "", "neighbour", "weight"), *neighbours])


@solara.component
def Table(rows: list[tuple[str, ...]]) -> None:
    """A heading and rows, as plain text."""
    heading, *body = rows
    inside = "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in heading) + "</tr>"
    inside += "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    solara.HTML(tag="div", unsafe_innerHTML=f"<table>{inside}</table>", classes=["abm-table", "abm-left"])


def frontier_of(model: MarketModel) -> bytes:
    """Prices and capabilities of the model's products now, as PNG."""
    now = products_of(model)

    @style.styled
    def draw() -> bytes:
        figure, (ax,) = style.canvas(None, 1, 1, (5.4, 3.3))
        draw_frontier(ax, now)
        ax.set_title("Price and capability")
        ax.set_xlabel("capability, nats")
        ax.set_ylabel("price, $ per million tokens")
        style.shared_legend(figure, ax, True, columns=4)
        out = io.BytesIO()
        style.save(figure, out)
        return out.getvalue()

    return draw()


def products_of(model: MarketModel) -> Any:
    """One row a product now, with the columns of `frontier_numbers`."""
    import numpy as np
    import pandas as pd

    from abm.figures.products import on_frontier

    labs = model.market.labs
    active = np.asarray(labs.active)
    tokens = np.asarray(model.market.adopters.tokens)
    capability, price = np.asarray(labs.capability), np.asarray(labs.price)
    volume = tokens.sum(0).reshape(capability.shape)
    names = np.asarray(model.setup.cast.labs)
    lab, tier = np.nonzero(np.broadcast_to(active[:, None], capability.shape))
    table = pd.DataFrame(
        {
            "lab": names[lab],
            "kind": [name.partition("_")[0] for name in names[lab]],
            "capability": capability[lab, tier],
            "price": price[lab, tier],
            "volume": volume[lab, tier],
        }
    )
    return table.assign(cheapest=on_frontier(table))


def seed_of(text: str) -> tuple[int | None, str]:
    """The seed that was typed, or None and what is wrong with it."""
    try:
        number = parse_int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 2**64:
        return None, "a whole number, 0 or more"
    return number, ""
