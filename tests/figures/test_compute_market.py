"""The figure of the compute market beside its record."""

import warnings

import numpy as np
import pytest
from helpers.compute_record import like_the_record
from matplotlib.figure import Figure

from abm import data, figures
from abm.charts import style
from abm.figures import compute_market


def test_every_observable_of_the_record_has_a_panel():
    assert set(compute_market.PANELS) == set(data.load("compute_record")["observable"])


def test_draws_an_ensemble(tiny_shock, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = figures.compute_record(tiny_shock.runs["baseline"])
        style.save(figure, tmp_path / "record.png")
    assert len(figure.axes) == 12
    assert all(ax.get_ylabel() for ax in figure.axes[:-1])
    assert len(figure.axes[-1].get_legend().get_texts()) == 3
    noted = [ax.get_title(loc="left") for ax in figure.axes if any("not in" in text.get_text() for text in ax.texts)]
    lacking = set(compute_market.PANELS) - set(tiny_shock.runs["baseline"].names)
    assert noted == [title for name, title in compute_market.PANELS.items() if name in lacking]


def test_draws_on_the_users_axes_the_numbers_of_its_table():
    runs = like_the_record([0.8, 1.0, 1.2], months=40)
    axes = Figure(figsize=(12, 9)).subplots(4, 3)
    figures.compute_record(runs, axes=axes)
    assert all(ax.get_xlabel() == "month" for ax in axes.flat[:-1])
    assert [ax.get_yscale() for ax in axes.flat[:3]] == ["log", "log", "linear"]
    table = compute_market.compute_record_numbers(runs).set_index(["observable", "source"])
    median = table.loc[("capex", "model")]
    assert len(median) == 36
    lines = [line.get_ydata() for line in axes.flat[1].lines]
    assert any(np.array_equal(line, median["q50"], equal_nan=True) for line in lines)
    assert any(np.array_equal(line, table.loc[("capex", "record"), "value"]) for line in lines)
    with pytest.raises(ValueError, match="needs 12 axes"):
        figures.compute_record(runs, axes=axes[0])


def test_the_record_of_2022_is_in_the_table_of_data_only():
    dates = compute_market.compute_record_numbers(like_the_record([1.0, 1.0]))["date"]
    assert dates.min().year == 2023
    assert dates.max().strftime("%Y-%m-%d") == "2025-12-31"
