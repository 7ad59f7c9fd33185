"""Figures draw without warnings, label their axes, and accept the user's own axes."""

import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from abm import Parameters, figures
from abm.charts import labels, style
from abm.figures import chips, crash, list_prices
from abm.mechanisms.machines import CHOKE

GRIDS = {
    "pricing_power": (3, 3),
    "pricing_power_change": (3, 3),
    "constant_capability_price": (2, 2),
    "event_window": (2, 4),
    "crash_mechanisms": (1, 4),
    "jevons": (1, 3),
    "rent_life": (1, 1),
    "belief_dispersion": (1, 3),
}


@pytest.fixture
def results(tiny_shock):
    """Arguments of each figure."""
    runs = tiny_shock.runs
    pair = (runs["baseline"], runs["no_r1"])
    alone = {name: runs[f"only_{name}"] for name in labels.MECHANISMS}
    baseline = (runs["baseline"],)
    return {
        "pricing_power": pair,
        "pricing_power_change": pair,
        "constant_capability_price": baseline,
        "event_window": baseline,
        "crash_mechanisms": ({crash.TOGETHER: runs["baseline"]} | alone,),
        "jevons": pair,
        "rent_life": ({"R1": runs["baseline"], "no R1": runs["no_r1"]},),
        "belief_dispersion": pair,
    }


CHARTS = (
    "fan_chart",
    "paired_difference",
    "run_chart",
    "frontier",
    "frontier_animation",
    "network",
    "network_animation",
    "phase_diagram",
    "tornado",
)
"""Drawn in tests/charts/test_charts.py."""
ELSEWHERE = ("compute_record",)
"""Drawn in a file of its own."""


def test_every_figure_is_tested():
    assert {*GRIDS, *CHARTS, *ELSEWHERE} == set(figures.__all__)


@pytest.mark.parametrize("name", GRIDS)
def test_draws_with_labels_and_a_legend(name, results, tmp_path):
    before = dict(mpl.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = getattr(figures, name)(*results[name])
        style.save(figure, tmp_path / f"{name}.png")
        style.save(figure, tmp_path / f"{name}.pdf")
    assert isinstance(figure, Figure)
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    assert dict(mpl.rcParams) == before
    assert len(figure.axes) == np.prod(GRIDS[name])
    below = figure.axes[-GRIDS[name][1] :]
    assert all(ax.get_xlabel() for ax in below)
    assert figure.axes[0].get_ylabel() or figure.axes[0].get_yticklabels()
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
    assert sum(len(legend.get_texts()) for legend in legends) > 0


@pytest.mark.parametrize("name", GRIDS)
def test_draws_on_the_users_axes(name, results):
    own = Figure(figsize=(12, 7))
    axes = own.subplots(*GRIDS[name], squeeze=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert getattr(figures, name)(*results[name], axes=axes) is own
    assert all(ax.get_xlabel() for ax in axes.flat)
    assert any(ax.get_legend() for ax in axes.flat)
    if axes.size > 1:
        with pytest.raises(ValueError, match=rf"needs {axes.size} axes"):
            getattr(figures, name)(*results[name], axes=axes.flat[0])


@pytest.mark.parametrize("name", ["closed_profit", "chip_price", "belief_dispersion", "price_at_k3"])
def test_labels_have_units(name):
    assert "(" in str(labels.label_of(name))


def test_every_label_names_an_observable(tiny_shock):
    assert set(labels.LABELS) <= set(tiny_shock.runs["baseline"].names)
    assert set(labels.HEADLINES) <= set(labels.LABELS)


def test_jevons_terms_add_up(tiny_shock):
    terms = chips.jevons_terms(tiny_shock.runs["baseline"], tiny_shock.runs["no_r1"])
    np.testing.assert_allclose(terms["work"] + terms["efficiency"], terms["serving"], atol=1e-9)
    parts = terms["work_weighted"] + terms["efficiency_weighted"] + terms["rest_weighted"]
    np.testing.assert_allclose(parts, terms["installed"], atol=1e-9)
    np.testing.assert_allclose(terms["installed"][:, :24], 0, atol=1e-12)  # both worlds are identical before R1


def test_serving_compute_is_less_than_installed_compute(tiny_shock):
    """Where the rent clears: at its highest, tokens alone want more machines than there are."""
    runs = tiny_shock.runs["baseline"]
    share = chips.serving_compute(runs) / runs["compute_installed"]
    clears = runs["rental_price"] < 0.5 * CHOKE * Parameters().rental_price_start
    assert (share > 0).all()
    assert clears.mean() > 0.5
    assert (share[clears] < 1).all()


def test_logarithmic_mean_of_known_values():
    means = chips.logarithmic_mean(np.array([2.0, 3.0]), np.array([1.0, 3.0]))
    np.testing.assert_allclose(means, [1 / np.log(2), 3.0])


def test_cheapest_models_at_a_known_level():
    # At or above index 139: o1 from December 2024 (26.25), then R1 from January 2025 (0.96), both at list prices.
    cheapest = list_prices.cheapest_on_sale(139).set_index("month")
    assert cheapest.index[0] == 23
    assert cheapest.loc[23, "price"] == 26.25
    assert cheapest.loc[24, "price"] == 0.96
    assert cheapest.loc[24, "model"] == "deepseek-r1"
    assert (cheapest["price"].diff().dropna() <= 0).all()


def test_the_capability_mapping_is_in_the_caption(tiny_shock):
    baseline = tiny_shock.runs["baseline"]
    intercept, slope = list_prices.index_of_nats(baseline)
    assert slope > 0
    assert f"{intercept:.1f}" in list_prices.constant_capability_price_caption(baseline)


def test_signs_of_small_or_uncertain_returns_are_zero():
    assert crash.sign_of("compute", -0.1) == -1
    assert crash.sign_of("compute", -0.1, -0.2, 0.1) == 0
    assert crash.sign_of("platforms", -0.04) == 0
    assert crash.sign_of("platforms", -0.06) == -1


def test_the_caption_explains_the_rule_of_matching():
    assert "within 5 points of zero" in crash.crash_mechanisms_caption(8)


def test_a_legend_fills_its_rows_and_fits():
    assert style.columns_of(["0.5", "0.75", "1", "1.25", "1.5"], 4.6) == 5
    assert style.columns_of(["a" * 30] * 4, 7.2) == 2
    assert style.columns_of([], 7.2) == 1


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_name_of_an_event_stays_clear_of_curves(scale):
    ax = Figure(figsize=(3, 2)).subplots()
    ax.plot([0, 1, 2], [1.0, 100.0, 100.0])
    ax.set_yscale(scale)
    style.mark_event(ax, at=1, text="R1")
    top = ax.transAxes.inverted().transform(ax.transData.transform((1, 100.0)))[1]
    assert top < 0.88
    low, high = ax.get_ylim()
    style.mark_event(ax, at=2, text="V4")
    assert ax.get_ylim() == (low, high)  # the axis is extended only once, for any number of events


def test_the_users_own_ensembles_come_after_the_mechanisms(results):
    (named,) = results["crash_mechanisms"]
    figure = figures.crash_mechanisms(named | {"mine, $1 to $2": named[crash.TOGETHER]})
    rows = figure.axes[0].get_yticklabels()
    assert len(rows) == len(named) + 1
    assert rows[-1]._preprocess_math(rows[-1].get_text()) == ("mine, $1 to $2", False)


def test_an_unknown_kind_of_return_is_rejected(tiny_shock):
    with pytest.raises(ValueError, match="abnormal"):
        figures.event_window(tiny_shock.runs["baseline"], kind="excess")


def test_a_notebook_displays_a_figure_at_the_end_of_a_cell(tiny_shock):
    figure = figures.fan_chart(tiny_shock.runs["baseline"], "lerner_closed")
    picture, size = figure._repr_png_()
    assert picture.startswith(b"\x89PNG")
    assert size["width"] == round(figure.get_figwidth() * figure.dpi)
