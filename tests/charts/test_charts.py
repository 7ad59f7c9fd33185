"""Charts of users' own runs show the numbers of these runs, also on the user's axes, without warnings."""

import warnings

import matplotlib as mpl
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from helpers.sizes import SMALL
from matplotlib.figure import Figure

import abm
from abm import figures
from abm.charts import fans, style
from abm.charts.labels import LABELS, OVERVIEW, PRICING_POWER
from abm.figures import multilayer_network as multilayer
from abm.figures import products
from abm.figures import sweeps as sweep_figures


@pytest.fixture(scope="module")
def run():
    return abm.simulate(seed=3, months=31, **SMALL)


@pytest.fixture(scope="module")
def plane():
    """A sweep over two factors."""
    factors = {"ip_strength": [0.0, 0.4, 1.0], "distillation_rate": [0.0, 4.0]}
    outcome = {"open": {"of": "open_token_share", "take": "mean", "first": 24}}
    return abm.sweep(factors, seeds=range(2), months=31, populations=SMALL, outcomes=outcome)


@pytest.fixture(scope="module")
def ends():
    """A sweep that moves one factor at a time, from a middle row."""
    middle = {"ip_strength": 0.4, "distillation_rate": 3.0}
    rows = [middle, middle | {"ip_strength": 0.0}, middle | {"ip_strength": 1.0}, middle | {"distillation_rate": 0.0}]
    outcome = {"open": {"of": "open_token_share", "take": "mean", "first": 24}}
    return abm.sweep(
        {}, seeds=range(3), months=31, populations=SMALL, outcomes=outcome, design={"kind": "table", "rows": rows}
    )


def drawn(draw, tmp_path):
    """Draw and save a figure, and check that there are no warnings and the caller's settings do not change."""
    before = dict(mpl.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw()
        style.save(figure, tmp_path / "figure.png")
    assert isinstance(figure, Figure)
    assert dict(mpl.rcParams) == before
    assert (tmp_path / "figure.png").stat().st_size > 5_000
    return figure


# --- over time ---


def test_default_observables_of_plot(tiny_shock, run, tmp_path):
    runs = tiny_shock.runs["baseline"]
    titles = [
        ax.get_title(loc="left").replace("\n", " ") for ax in drawn(lambda: runs.plot("lerner_closed"), tmp_path).axes
    ]
    assert titles == [LABELS["lerner_closed"].name]
    of_ensemble = drawn(runs.plot, tmp_path)
    assert [ax.get_title(loc="left").replace("\n", " ") for ax in of_ensemble.axes] == [
        LABELS[name].name for name in PRICING_POWER
    ]
    of_run = drawn(run.plot, tmp_path)
    assert [ax.get_title(loc="left").replace("\n", " ") for ax in of_run.axes] == [
        LABELS[name].name for name in OVERVIEW
    ]
    pair = abm.compare(runs, tiny_shock.runs["no_r1"])
    assert "baseline minus no r1" in drawn(lambda: pair.plot("welfare"), tmp_path).legends[0].get_texts()[0].get_text()


def test_tables_of_a_comparison_for_one_month_or_several(tiny_shock):
    pair = abm.compare(tiny_shock.runs["baseline"], tiny_shock.runs["no_r1"])
    both = pair.table(["welfare", "hhi"], month=[20, -1])
    assert both.index.names == ["observable", "month"] and len(both) == 4
    last = pair.table(["welfare", "hhi"])
    assert both.loc["hhi"]["difference"].iloc[1] == last.loc["hhi", "difference"]
    with pytest.raises(ValueError, match="month = 99"):
        pair.table("welfare", month=[1, 99])
    shown = str(pair.table())
    assert max(map(len, shown.splitlines())) <= 80
    assert all(word in shown for word in ("difference", "variance_reduction", "unit", "$ M per month"))
    assert "..." not in shown


def test_a_single_pair_has_no_interval():
    one, other = (abm.ensemble(scenario=s, seeds=[4], months=26, **SMALL) for s in ("baseline", "no_r1"))
    pair = abm.compare(one, other)
    assert pair.frame("welfare")[["low", "high", "variance_reduction"]].isna().all(axis=None)
    assert str(pair.table("welfare")).count("n/a") == 3


def test_identical_pairs_have_no_variance_reduction(tiny_shock):
    pair = abm.compare(tiny_shock.runs["baseline"], tiny_shock.runs["no_r1"])
    reduction = pair.variance_reduction("welfare")
    assert np.isnan(reduction[:20]).all()
    assert np.isfinite(reduction[-1]) and not np.isinf(reduction).any()


def test_a_fan_chart_shows_quantiles_of_the_runs(tiny_shock):
    runs = tiny_shock.runs["baseline"]
    table = fans.fan_chart_numbers({"a": runs, "b": tiny_shock.runs["no_r1"]}, "welfare", first=5)
    rows = table[(table["ensemble"] == "a") & (table["month"] == 20)].iloc[0]
    assert [rows["q05"], rows["q50"], rows["q95"]] == pytest.approx(
        np.quantile(runs["welfare"][:, 20], [0.05, 0.5, 0.95])
    )
    ax = runs.plot("welfare", first=5).axes[0]
    median = max(ax.get_lines(), key=lambda line: line.get_linewidth())
    assert len(median.get_ydata()) == 31 - 5


def test_the_users_own_axes_are_used(tiny_shock, run):
    mine = Figure()
    left, right = mine.subplots(1, 2)
    assert tiny_shock.runs["baseline"].plot(["welfare", "hhi"], axes=[left, right]) is mine
    assert left.get_title(loc="left") == "Welfare"
    (one,) = Figure().subplots(1, 1, squeeze=False).ravel()
    assert figures.frontier(run, [30], one) is one.figure
    with pytest.raises(ValueError, match="needs 2 axes"):
        tiny_shock.runs["baseline"].plot(["welfare", "hhi"], axes=left)


@pytest.mark.parametrize(
    ("plot", "error", "words"),
    [
        (lambda runs: runs.plot("lerner_closd"), KeyError, "did you mean 'lerner_closed'"),
        (lambda runs: runs.plot([]), ValueError, "name at least one"),
        (lambda runs: runs.plot("welfare", first=99), ValueError, "months 0 to 30"),
        (lambda runs: figures.fan_chart({}, "welfare"), ValueError, "1 to 6"),
        (lambda runs: figures.fan_chart(dict.fromkeys("abcdefg", runs), "welfare"), ValueError, "1 to 6"),
    ],
)
def test_invalid_arguments_are_rejected(tiny_shock, plot, error, words):
    with pytest.raises(error, match=words):
        plot(tiny_shock.runs["baseline"])


def test_a_quantity_has_one_unit_in_every_chart(tiny_shock):
    runs = tiny_shock.runs["baseline"]
    level = runs.plot("consumer_surplus").axes[0]
    change = abm.compare(runs, tiny_shock.runs["no_r1"]).plot("consumer_surplus").axes[0]
    assert level.get_ylim()[1] > 1e4
    assert (level.get_ylabel(), change.get_ylabel()) == ("$ M per month", "change, $ M per month")
    assert level.yaxis.get_major_formatter()(-12_500, 0) == "−12,500"


# --- products and network ---


def test_the_frontier_is_the_cheapest_price_of_each_capability(run, tmp_path):
    table = products.frontier_numbers(run, [30])
    for row in table.itertuples():
        beaten = (table["capability"] >= row.capability) & (table["price"] < row.price)
        twin = (table["price"] == row.price) & (table["capability"] > row.capability)
        assert row.cheapest == (not beaten.any() and not twin.any())
    assert len(drawn(lambda: figures.frontier(run), tmp_path).axes) == 3  # the run ends before January 2026
    with pytest.raises(ValueError, match="months 0 to 30"):
        figures.frontier(run, [31])


def test_the_network_keeps_the_weights_of_its_layers(run, tmp_path):
    graph = run.network(30)
    nodes, edges = multilayer.network_numbers(graph)
    assert not nodes["node"].duplicated().any()
    assert nodes["agents"].sum() == graph.number_of_nodes()
    assert not nodes[["x", "y"]].duplicated().any()  # no node hides another
    exact = pd.DataFrame([data | {"tail": tail} for tail, _, data in graph.edges(data=True)])
    for layer in ("supply", "ownership"):
        total = exact.loc[exact["layer"] == layer, "weight"].sum()
        assert edges.loc[edges["layer"] == layer, "weight"].sum() == pytest.approx(total)
    usage = edges[edges["layer"] == "usage"].groupby("tail")["weight"].sum()
    assert (usage <= 1 + 1e-9).all()  # shares of a region's tokens
    assert (usage > 0.5).all()  # the rest are users without a lab, and shares too small to be drawn
    figure = drawn(lambda: figures.network(run, 30), tmp_path)
    assert [ax.get_title(loc="left") for ax in figure.axes] == list(multilayer.LAYERS.values())
    assert figures.network(graph, layers=["peers"]).axes[0].get_title(loc="left") == multilayer.TITLES["peers"]
    with pytest.raises(ValueError, match="'suply'"):
        figures.network(run, 30, layers=["suply"])


def lines_of(figure):
    """Labels of the lines, not the marks, in the legend of a network."""
    handles = zip(figure.legends[0].get_lines(), figure.legends[0].get_texts(), strict=True)
    return {text.get_text(): line.get_linestyle() for line, text in handles if line.get_linestyle() != "None"}


def test_the_legend_distinguishes_distillation_from_copied_weights(tmp_path):
    graph = nx.MultiDiGraph(month=0)
    for name in ("closed_1", "open_1", "open_2"):
        graph.add_node(name, kind="Lab", role="labs", home="us")
    graph.add_edge("closed_1", "open_1", layer="access", channel="distillation", weight=0.02)
    graph.add_edge("open_2", "open_1", layer="access", channel="fork", weight=1.0)
    figure = drawn(lambda: figures.network(graph, layers=["access"]), tmp_path)
    assert list(lines_of(figure)) == ["distilled through the API, this month", "open weights copied, so far"]
    assert len(set(lines_of(figure).values())) == 2
    drawn_lines = [patch for patch in figure.axes[0].patches if patch.get_linewidth() > 0]
    assert [round(patch.get_linewidth(), 2) for patch in drawn_lines] == [2.6, 1.06]  # the largest amount; no amount
    assert not lines_of(figures.network(graph, layers=["supply"]))


def test_the_page_distinguishes_distillation_from_copied_weights():
    reacton = pytest.importorskip("reacton")
    from abm.dashboard.drawing import drawn as on_the_page
    from abm.dashboard.month_by_month import Legend

    graph = nx.MultiDiGraph(month=0)
    for name in ("closed_1", "open_1", "open_2"):
        graph.add_node(name, kind="Lab", role="labs", home="us")
    graph.add_edge("closed_1", "open_1", layer="access", channel="distillation", weight=0.02)
    graph.add_edge("open_2", "open_1", layer="access", channel="fork", weight=1.0)
    api, weights = sorted(on_the_page(graph, "access")[1], key=lambda line: line["tail"])
    assert (api["dashed"], weights["dashed"]) == (False, True) and api["colour"] != weights["colour"]
    assert api["width"] == 1.55  # the largest amount: a copy has none
    legends = {}
    for layer in ("access", "supply"):
        box, context = reacton.render(Legend(layer), handle_error=False)
        legends[layer] = box.children[0].unsafe_innerHTML
        context.close()
    assert "distilled through the API, this month" in legends["access"] and "weights copied" in legends["access"]
    assert "copied" not in legends["supply"]


def test_edges_of_the_api_channel_are_the_distillation_of_the_month(run):
    for month in (12, 30):
        edges = [d for _, _, d in run.network(month).edges(data=True) if d["layer"] == "access"]
        amounts = sum(edge["weight"] for edge in edges if edge["channel"] == "distillation")
        assert amounts == pytest.approx(run["distillation_volume"][month])


def test_a_firm_keeps_its_position(run):
    early, late = (multilayer.network_numbers(run.network(month))[0].set_index("node") for month in (3, 30))
    both = early.index.intersection(late.index)
    assert len(both) > 20
    assert (early.loc[both, ["x", "y"]] == late.loc[both, ["x", "y"]]).all(axis=None)


def test_a_network_without_edges_is_drawn(tmp_path):
    graph = nx.MultiDiGraph(month=0)
    graph.add_node("closed_1", kind="ClosedLab", role="labs", home="us")
    drawn(lambda: figures.network(graph), tmp_path)


@pytest.mark.parametrize("animate", [figures.frontier_animation, figures.network_animation])
def test_animations_have_one_frame_per_month(animate, run, tmp_path):
    path = tmp_path / "motion.gif"
    animate(run, [10, 20, 30]).save(path, writer="pillow", dpi=60)
    from PIL import Image

    with Image.open(path) as image:
        assert image.n_frames == 3
    with pytest.raises(ValueError, match="months 0 to 30"):
        animate(run, [40])


# --- sweeps ---


def test_a_phase_diagram_has_the_means_of_the_runs(plane, tmp_path):
    table = sweep_figures.phase_diagram_numbers(plane, "ip_strength", "distillation_rate", "open")
    runs = plane.runs()
    for row in table.itertuples():
        here = (runs["ip_strength"] == row.ip_strength) & (runs["distillation_rate"] == row.distillation_rate)
        assert row.mean == pytest.approx(runs.loc[here, "open"].mean())
    figure = drawn(lambda: figures.phase_diagram(plane, "ip_strength", "distillation_rate", "open"), tmp_path)
    assert figure.axes[0].get_xlabel() == "IP strength"
    assert figure.axes[0].get_ylabel() == "distillation rate (per year)"
    middle = float(table["mean"].median())
    assert figures.phase_diagram(plane, "ip_strength", "distillation_rate", "open", zero=middle).axes[1].get_lines()
    with pytest.raises(KeyError, match="did you mean 'ip_strength'"):
        figures.phase_diagram(plane, "ip_strenght", "distillation_rate", "open")


def test_a_space_filling_design_is_drawn_as_contours(tmp_path):
    factors = {"ip_strength": {"low": 0.0, "high": 1.0}, "distillation_rate": {"low": 0.0, "high": 4.0}}
    results = abm.sweep(
        factors, seeds=[1], months=31, populations=SMALL, design={"kind": "sobol", "points": 8}, observables=["welfare"]
    )
    figure = drawn(lambda: figures.phase_diagram(results, "ip_strength", "distillation_rate", "welfare_mean"), tmp_path)
    assert len(figure.axes[0].get_lines()[0].get_xdata()) == 8  # the points of the design


def test_a_tornado_has_paired_changes_from_the_middle(ends, tmp_path):
    table = sweep_figures.tornado_numbers(ends, "open")
    runs = ends.runs().pivot(index="replication", columns="point", values="open")
    low = table[(table["factor"] == "ip_strength") & (table["at"] == 0.0)].iloc[0]
    assert low["change"] == pytest.approx((runs[1] - runs[0]).mean())
    widest = table.groupby("factor", observed=True)["change"].agg(
        lambda change: max(change.max(), 0) - min(change.min(), 0)
    )
    assert list(widest) == sorted(widest, reverse=True)
    drawn(lambda: figures.tornado(ends, "open"), tmp_path)


def test_a_tornado_of_a_grid_names_the_design_it_needs(plane):
    with pytest.raises(ValueError, match='kind "table"'):
        figures.tornado(plane, "open")
