"""Users' labels appear literally in figures."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.sizes import TINY
from matplotlib.figure import Figure

import abm
from abm import figures
from abm.charts import fans, style
from abm.charts.labels import as_text, name_and_unit, parameter_name, spaced
from abm.experiments.figures import KINDS, Material
from abm.experiments.spec import Experiment
from abm.experiments.spec import Figure as Figure_
from abm.figures import sensitivity


@pytest.fixture(scope="module")
def runs():
    return abm.ensemble(seeds=[0, 1], months=3, **TINY)


def legend(figure):
    """Labels of the lines, without the explanations of bands."""
    legends = figure.legends or [ax.get_legend() for ax in figure.axes if ax.get_legend()]
    return [text.get_text() for text in legends[0].get_texts() if not text.get_text().endswith("of runs")]


def saved(figure, tmp_path):
    """Save a figure and check that there are no warnings, for example of missing characters."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        style.save(figure, tmp_path / "figure.png")
    return figure


KEYS = [
    (0, "0"),
    (0.0, "0.0"),
    (False, "False"),
    (None, "None"),
    (float("nan"), "nan"),
    (np.float32(0.1), "0.1"),
    (np.int64(-3), "-3"),
    ("", "(blank)"),
    (" \n ", "(blank)"),
    ("_mine", "_mine"),
    ("__", "__"),
    ("a_b", "a_b"),
    ("two\nlines\tand\x1b[31mmore", "two lines and [31mmore"),
    (("EU", 0.5), "EU, 0.5"),
    ((), "(blank)"),
    (dt.date(2025, 1, 20), "2025-01-20"),
    (pd.Timestamp("2025-01-20"), "2025-01-20"),
    (pd.Timestamp("2025-01-20 09:30"), "2025-01-20 09:30:00"),
    (np.datetime64("2025-01-20", "ns"), "2025-01-20"),
    ("100 % of #1 \\ ^2 {x}", "100 % of #1 \\ ^2 {x}"),
    ("Größe ≤ α²", "Größe ≤ α²"),
    ("中文", r"\u4e2d\u6587"),
    ("one $ only", "one $ only"),
]


@pytest.mark.parametrize(("key", "text"), KEYS, ids=[repr(key) for key, _ in KEYS])
def test_any_key_can_label_a_line(runs, key, text, tmp_path):
    assert legend(saved(figures.fan_chart({key: runs, "other": runs}, "hhi"), tmp_path)) == [text, "other"]


@pytest.mark.parametrize("label", ["$5 and $10", r"a \$ b", r"$\alpha$", "$x_1$, $x_2$", "$$"])
def test_dollar_signs_are_not_read_as_mathematics(runs, label, tmp_path):
    figure = saved(figures.fan_chart({label: runs}, "hhi"), tmp_path)
    text = figure.legends[0].get_texts()[0]
    assert text._preprocess_math(text.get_text()) == (label, False)  # the drawn text, and whether it is mathematics


def test_equal_labels_are_numbered(runs):
    assert legend(figures.fan_chart({1: runs, "1": runs, (1,): runs}, "hhi")) == ["1", "1 (2)", "1 (3)"]


def test_very_long_labels_are_wrapped_and_cut(runs, tmp_path):
    figure = saved(figures.fan_chart({"strict " * 100: runs, "x" * 400: runs}, "hhi", width=style.ONE_COLUMN), tmp_path)
    assert [(len(text.split("\n")), text[-1]) for text in legend(figure)] == [(4, "…"), (4, "…")]
    (box,) = (shown.get_window_extent() for shown in figure.legends)
    assert box.width < figure.bbox.width


def test_the_table_keeps_the_keys(runs):
    table = fans.fan_chart_numbers({0: runs, ("EU", 1): runs, None: runs}, "hhi")
    assert [*dict.fromkeys(table["ensemble"])] == [0, ("EU", 1), None]
    assert len(table) == 9 and table.columns[:3].tolist() == ["observable", "ensemble", "month"]
    assert fans.fan_chart_numbers({0: runs}, "hhi")["ensemble"].dtype.kind == "i"


def test_every_line_has_a_label_on_the_users_own_axes(runs):
    ax = Figure().subplots()
    figures.fan_chart({"_a": runs, 0: runs, "$1, $2": runs}, "hhi", ax)
    drawn = [text._preprocess_math(text.get_text()) for text in ax.get_legend().get_texts()[:3]]
    assert drawn == [("_a", False), ("0", False), ("$1, $2", False)]
    assert len(ax.legend().get_texts()) == 5  # three lines and two bands, also after the legend is redrawn


def test_falsy_labels_are_used(runs):
    pair = abm.compare(runs, runs)
    assert legend(figures.paired_difference(pair, "hhi", label=0)) == ["0: mean and 95 % interval"]
    assert legend(figures.paired_difference(pair, "hhi", label="_b")) == ["_b: mean and 95 % interval"]


# --- sweeps, tables of indices, experiments ---


def literally(text):
    """The displayed text; fails if it would be drawn as mathematics."""
    shown, mathematics = text._preprocess_math(text.get_text())
    assert not mathematics
    return shown.replace("\n", " ")


@pytest.fixture(scope="module")
def swept():
    factors = {"ip_strength": [0.0, 1.0], "distillation_rate": [1.0, 2.0]}
    return abm.sweep(factors, seeds=range(2), months=3, populations=TINY, outcomes={"hhi": {"of": "hhi"}})


@pytest.mark.parametrize("label", ["$1 of $2", 0, "_x", ("a", "b")])
def test_the_label_of_a_phase_diagram(swept, label, tmp_path):
    figure = saved(figures.phase_diagram(swept, "ip_strength", "distillation_rate", "hhi", label=label), tmp_path)
    assert literally(figure.axes[-1].yaxis.label) == as_text(label)


def test_the_label_of_a_tornado(tmp_path):
    outcomes = {"hhi": {"of": "hhi"}}
    table = {"kind": "table", "rows": [{"ip_strength": 0.4}, {"ip_strength": 1.0}]}
    runs = abm.sweep({}, seeds=range(2), months=3, populations=TINY, outcomes=outcomes, design=table)
    figure = saved(figures.tornado(runs, "hhi", label="$ M, not $ B"), tmp_path)
    ax = figure.axes[0]
    assert literally(ax.xaxis.label) == "change of $ M, not $ B"
    assert [literally(text) for text in ax.get_yticklabels()] == ["IP strength: 1"]


@pytest.mark.parametrize("draw", [sensitivity.indices, sensitivity.convergence, sensitivity.years])
def test_factors_and_outcomes_of_a_table_of_indices(draw, tmp_path):
    names = ["_own", "$p$ and $q$", 0, "ip_strength"]
    rows = [
        {"outcome": "$a$", "factor": name, "order": order, "value": 0.5, "low": 0.4, "high": 0.6, "n": 8, "year": 2025}
        for name in names
        for order in ("total", "first")
    ]
    figure = saved(draw(pd.DataFrame(rows), {"$a$": "$5 to $9"}), tmp_path)
    ax = figure.axes[0]
    assert literally(ax._left_title) == "$5 to $9"
    shown = ax.get_legend().get_texts() if draw is sensitivity.convergence else ax.get_yticklabels()
    assert [literally(text).removeprefix(style.SHOWN) for text in shown] == ["_own", "$p$ and $q$", "0", "IP strength"]


def test_the_labels_of_an_experiment(tmp_path):
    """Labels of columns, values, groups and units in a line chart."""
    labels = {
        "rate": "_Rate (of $ and $, a year)",
        "out": "$ kept of $ spent (net) ($ M and $ B)",
        "arm": "_of $1 or $2",
        "arm=a": "_first $ and $",
        "arm=b": "0",
    }
    runs = pd.DataFrame(
        [
            {"arm": arm, "rate": x, "replication": k, "out": x + k, "point": x}
            for arm in "ab"
            for x in (1.0, 2.0)
            for k in (0, 1)
        ]
    )
    experiment = Experiment.model_construct(labels=labels)
    asked = Figure_.model_construct(x="rate", y=("out",), by="arm", where={}, options={})
    figure, _ = KINDS["response"].draw(Material(experiment, asked, runs, None))
    ax = saved(figure, tmp_path).axes[0]
    assert literally(ax._left_title) == "$ kept of $ spent (net)"
    assert literally(ax.yaxis.label) == "$ M and $ B"
    assert literally(ax.xaxis.label) == "_Rate (of $ and $, a year)"
    assert literally(figure.legends[0].get_title()) == "_of $1 or $2"
    assert [literally(text) for text in figure.legends[0].get_texts()] == ["_first $ and $", "0"]


# --- names and units ---


@pytest.mark.parametrize(
    ("name", "words"),
    [("ip_strength", "IP strength"), ("_own", "_own"), ("a__b", "a__b"), ("x_", "x_"), (0, "0"), ("no_r1", "no R1")],
)
def test_readable_names_of_parameters(name, words):
    assert parameter_name(name) == words


def test_underscores_between_words_become_spaces():
    assert spaced("ip_strict_now") == "ip strict now" and spaced("_ip_") == "_ip_"


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("Growth (nats a year)", ("Growth", "nats a year")),
        ("Share (of all) (%)", ("Share (of all)", "%")),
        ("Price ($ (2025) per token)", ("Price", "$ (2025) per token")),
        ("Growth", ("Growth", "")),
        ("(%)", ("(%)", "")),
        ("a (b) c", ("a (b) c", "")),
    ],
)
def test_a_label_is_split_into_name_and_unit(label, parts):
    assert tuple(name_and_unit(label)) == parts
