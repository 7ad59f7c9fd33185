"""The compute market beside its record: months, ratios, overlap of ranges, growth and spread."""

import numpy as np
import pytest
from helpers.compute_record import Runs, like_the_record

from abm import data
from abm.support.messages import AbmWarning
from abm.validation.compute_record import beside_the_record, growth_and_spread


def test_runs_like_the_record_are_inside_and_multiples_of_it_outside():
    table = beside_the_record(like_the_record([1.0, 1.0, 1.0]))
    assert set(table["observable"]) == set(data.load("compute_record")["observable"])
    once = ~table["date"].dt.to_period("M").eq("2024-10")  # two quotes of that month differ
    np.testing.assert_allclose(table["ratio"][once], 1)
    assert table["inside"][once].all()
    double = beside_the_record(like_the_record([1.99, 2.0, 2.01]))
    np.testing.assert_allclose(double["ratio"][once], 2)
    assert not double["inside"].any()


def test_the_band_is_that_of_the_runs_and_overlaps_if_its_edge_does():
    with pytest.warns(AbmWarning):
        table = beside_the_record(like_the_record(np.linspace(0.5, 2.5, 101), names=["compute_installed"]))
    np.testing.assert_allclose(table["q05"] / table["record"], 0.6)
    np.testing.assert_allclose(table["q95"] / table["record"], 2.4)
    np.testing.assert_allclose(table["ratio"], 1.5)
    assert table["inside"].all()


def test_a_row_is_compared_in_the_month_of_its_date():
    stock = np.arange(36.0)[None, :]
    with pytest.warns(AbmWarning):
        table = beside_the_record(Runs({"compute_installed": stock})).set_index("date")
    assert table["model"]["2023-12-31"] == 11
    assert table["model"]["2025-06-30"] == 29
    assert table.index.min().year == 2023  # the record of 2022 is before the first month


def test_short_runs_leave_out_later_rows():
    short = like_the_record([1.0, 1.1], months=20)
    assert beside_the_record(short)["date"].max().strftime("%Y-%m") == "2024-07"
    assert growth_and_spread(short).empty


def test_observables_that_the_runs_lack_are_named_in_one_line():
    with pytest.warns(
        AbmWarning, match=r"^not among .*: leader_revenue, chip_price, rental_price, .*lead_time$"
    ) as told:
        table = beside_the_record(like_the_record([1.0, 1.0], names=["capex"]))
    assert len(told) == 1
    assert set(table["observable"]) == {"capex"}


def test_growth_of_the_stock_and_spread_of_revenue():
    months = np.arange(36)
    stock = np.outer([1.0, 5.0], 4.0 ** (months / 12))
    revenue = np.outer([1.0, 3.0], np.ones(36)) * np.where(months < 24, 1.0, [[2.0], [2 / 3]])
    table = growth_and_spread(Runs({"compute_installed": stock, "leader_revenue": revenue}))
    growth, spread = table[table["quantity"].str.startswith("growth")], table[table["quantity"].str.startswith("var")]
    np.testing.assert_allclose(growth["model"], 4)
    np.testing.assert_allclose(growth["record"], [4.08, 3.49], atol=0.01)
    assert growth["inside"].all()
    np.testing.assert_allclose(spread["model"], [np.sqrt(2) / 2, 0], atol=1e-12)  # of 1 and 3, then of 2 and 2
    assert spread["inside"].isna().all()
