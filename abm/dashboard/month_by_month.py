"""One run, month by month: the network, prices against capability, and an inspector of agents."""

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
from abm.figures.multilayer_network import CHANNELS, CHANNELS_OF, LOOKS, TITLES
from abm.figures.products import draw_frontier, month_name
from abm.runs.mesa_model import MarketModel
from abm.support.inputs import parse_int

FIRST_SHOWN = 23
"""December 2024, the month shown first."""
COMPILED = threading.Lock()
"""Held while a month runs, so that it is compiled only once for all sessions."""


class Walk:
    """A run that advances month by month; the changed world branches off the baseline in the month of the change."""

    def __init__(self, counterfactual: Counterfactual, seed: int) -> None:
        self.counterfactual, self.seed = counterfactual, seed
        parameters: Any = None
        scenario: Any = "baseline"
        if counterfactual.month == 0:
            parameters, scenario = counterfactual.parameters(), counterfactual.changed_scenario()
        self.model = MarketModel(parameters, scenario, seed, months=counterfactual.months)
        self.past: list[dict[str, Any]] = []

    def branch(self) -> Walk:
        """A copy to advance while this one is still shown."""
        twin = copy.copy(self)
        twin.model = self.model.branch()
        return twin

    def step(self) -> None:
        """Advance the run by one month."""
        if self.model.month == self.counterfactual.month != 0:
            self.model = self.model.branch(self.counterfactual.parameters(), self.counterfactual.changed_scenario())
        with COMPILED:
            self.model.step()
        self.past = [*self.past[-inspector.REMEMBERED :], inspector.record_of(self.model)]


@solara.component
def MonthByMonth(counterfactual: Counterfactual) -> None:
    """The view of one run: buttons, network, price-capability plot, an observable over time, and inspector."""
    seed = solara.use_reactive("1")
    walk: solara.Reactive[Walk | None] = solara.use_reactive(None)
    wanted = solara.use_reactive(min(FIRST_SHOWN, counterfactual.months - 1) + 1)
    month = solara.use_reactive(0)
    layer = solara.use_reactive("usage")
    chosen = solara.use_reactive("closed_1")
    observable = solara.use_reactive("open_token_share")
    number, problem = seed_of(seed.value)
    request = counterfactual.to_toml(), number
    latest: Any = solara.use_ref(request)
    latest.current = request

    def on_unmount() -> Any:
        def cancel() -> None:
            latest.current = None

        return cancel

    solara.use_effect(on_unmount, [])

    def play() -> None:
        if number is None:
            return
        current = walk.value
        target = min(wanted.value, counterfactual.months)
        if (
            current is None
            or (current.counterfactual.to_toml(), current.seed) != request
            or current.model.month > target
        ):
            current = Walk(counterfactual, number)
        else:
            current = current.branch()
        while current.model.month < target and latest.current == request:
            current.step()
            month.set(current.model.month)
        walk.set(current)

    task = use_task(play, dependencies=[request, wanted.value], raise_error=False)
    if task.error:
        solara.Error(f"The run failed: {task.exception}")

    def go(by: int) -> None:
        wanted.set(min(max(wanted.value + by, 1), counterfactual.months))

    with solara.Row(classes=["abm-line"], style={"align-items": "center"}):
        first, last = wanted.value <= 1, wanted.value >= counterfactual.months
        for label, icon, by in (("A month back", "backward", -1), ("A month", "forward", 1), ("A year", "forward", 12)):
            solara.Button(
                label, icon_name="mdi-fast-forward" if by > 1 else f"mdi-step-{icon}", on_click=functools.partial(go, by),
                disabled=task.pending or (first if by < 0 else last),
            )  # fmt: skip
        Seed(seed.value, problem, seed.set)
        if task.pending:
            solara.ProgressLinear(True)
            solara.Text(f"{month.value} months finished (the first run compiles the model, which takes half a minute)")
    shown = walk.value
    if shown is None or shown.model.month == 0:
        return
    Month(shown, layer, chosen, observable)


@solara.component
def Seed(text: str, problem: str, set_: Any) -> None:
    """The field for the seed of the run."""
    field = v.TextField(
        label="Seed", v_model=text, dense=True, error_messages=[problem] if problem else [], style_="max-width: 160px",
        class_="abm-seed",
    )  # fmt: skip
    when_changed(field, set_)


@solara.component
def Month(
    walk: Walk, layer: solara.Reactive[str], chosen: solara.Reactive[str], observable: solara.Reactive[str]
) -> None:
    """The state of a run in its latest month."""
    model = walk.model
    state = (walk.counterfactual.to_toml(), walk.seed, model.month)
    world = "the changed world" if model.month > walk.counterfactual.month else "the baseline"
    solara.Text(f"{month_name(model.month - 1)}, {world}, seed {walk.seed}", classes=["abm-heading", "abm-month"])
    graph = solara.use_memo(model.network, [state])
    with solara.Div(classes=["abm-charts"]):
        with solara.Column(gap="0px"):
            v.Select(
                label="Network layer", dense=True, v_model=layer.value, on_v_model=layer.set,
                items=[{"text": title, "value": name} for name, title in TITLES.items()],
            )  # fmt: skip
            nodes, edges = solara.use_memo(lambda: drawn(graph, layer.value), [state, layer.value])
            Network(nodes=nodes, edges=edges, chosen=chosen.value, label=TITLES[layer.value], event_choose=chosen.set)
            Legend(layer.value)
        with solara.Column(gap="0px"):
            Picture(solara.use_memo(lambda: frontier_of(model), [state]), "Price against capability of all products")
            OverTime(model, observable, state)
    Inspector(model, graph, chosen, walk.past, state)


@solara.component_vue("network.vue")
def Network(
    nodes: list[dict[str, Any]], edges: list[dict[str, Any]], chosen: str, label: str, event_choose: Any
) -> None:
    """The network of a layer; a node is selected by a click, or by Enter while it has the focus."""


@solara.component
def Legend(layer: str) -> None:
    """The legend of the network."""
    marks = {"s": "■", "o": "●", "D": "◆", "^": "▲", "v": "▼", "P": "✚"}
    parts = [
        f'<span style="color:{look["color"]}">{marks[look["marker"]]}</span> {look["label"]}' for look in LOOKS.values()
    ]
    for look in (CHANNELS[channel] for channel in CHANNELS_OF.get(layer, ())):
        mark = "━" if look["linestyle"] == "-" else "┅"
        parts.append(f'<span style="color:{look["color"]}">{mark}</span> {look["label"]}')
    solara.HTML(tag="div", unsafe_innerHTML=" &nbsp; ".join(parts), style="font-size: 12px; line-height: 1.6")


@solara.component
def OverTime(model: MarketModel, observable: solara.Reactive[str], state: Any) -> None:
    """An observable over the months of the run, drawn by Mesa from the model's data collector."""
    from mesa.visualization.components.matplotlib_components import PlotMatplotlib

    v.Select(
        label="Observable over time (steps: months from January 2023)", dense=True,
        v_model=observable.value, on_v_model=observable.set,
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

    PlotMatplotlib(model, observable.value, dependencies=[state, observable.value], post_process=finish)


@solara.component
def Inspector(model: MarketModel, graph: Any, chosen: solara.Reactive[str], past: list[Any], state: Any) -> None:
    """State, neighbours and latest decisions of the selected node."""
    node = chosen.value
    names = list(graph.nodes)
    crowd = node not in names
    firms = [name for names in inspector.names_of(model).values() for name in names if name in graph]
    v.Select(
        label="Inspect", dense=True, v_model=node, on_v_model=chosen.set, class_="abm-inspect",
        items=[{"text": name.replace("_", " "), "value": name} for name in (*firms, *([node] if crowd else []))],
    )  # fmt: skip
    agent = inspector.find(model, node)
    with solara.Div(classes=["abm-charts", "abm-inspector"]):
        with solara.Column(gap="0px"):
            if agent is None:
                solara.Text(
                    "A group of agents: weights are means or sums over its members, which are not shown singly."
                )
            else:
                solara.Text(f"{node.replace('_', ' ')}: {agent.kind.__name__}", classes=["abm-heading"])
                Table([("field", "value", "unit", "meaning"), *inspector.state_of(model, agent)])
        with solara.Column(gap="0px"):
            solara.Text("Latest decisions", classes=["abm-heading"])
            decisions = inspector.decisions_of(model, node, past)
            if decisions:
                Table(decisions)
            else:
                solara.Text("none")
            solara.Text("Neighbours with the largest weights, by layer", classes=["abm-heading"])
            neighbours = solara.use_memo(lambda: inspector.neighbours_of(graph, node), [state, node])
            Table([("layer", "", "neighbour", "weight"), *neighbours])


@solara.component
def Table(rows: list[tuple[str, ...]]) -> None:
    """A table of plain text; the first row is the heading."""
    heading, *body = rows
    html = "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in heading) + "</tr>"
    html += "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    solara.HTML(tag="div", unsafe_innerHTML=f"<table>{html}</table>", classes=["abm-table", "abm-left"])


def frontier_of(model: MarketModel) -> bytes:
    """Draw the current prices and capabilities of the model's products, as PNG."""
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
    """One row per current product, with the columns of `frontier_numbers` that are drawn."""
    import numpy as np
    import pandas as pd

    from abm.figures.products import on_frontier
    from abm.market.observables import record_products

    record = record_products(model.market)
    names = np.asarray(model.setup.cast.labs)
    lab, tier = np.nonzero(np.asarray(record.active))
    table = pd.DataFrame(
        {
            "lab": names[lab],
            "kind": [name.partition("_")[0] for name in names[lab]],
            **{name: np.asarray(getattr(record, name))[lab, tier] for name in ("capability", "price", "volume")},
        }
    )
    return table.assign(cheapest=on_frontier(table))


def seed_of(text: str) -> tuple[int | None, str]:
    """Parse a seed; returns it, or None and a message."""
    try:
        number = parse_int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 2**64:
        return None, "must be a whole number, 0 or more"
    return number, ""
