"""The record of the compute market: its numbers as FACTS.md beside the raw tables has them, its units and dates."""

import numpy as np
import pandas as pd
import pytest

from abm import data
from abm.data import compute_market
from abm.market.measures import MEASURES

RECORD = data.load("compute_record")


def values(observable, *dates):
    """Values of an observable on these days; one value is one row."""
    return (
        RECORD[RECORD.observable.eq(observable)].set_index("date").loc[pd.to_datetime(list(dates)), "value"].to_numpy()
    )


def test_columns_units_and_dates():
    assert list(RECORD) == ["date", "observable", "value", "low", "high", "unit", "source"]
    assert RECORD.date.max() < pd.Timestamp("2025-07-01")
    assert (RECORD.low <= RECORD.value).all() and (RECORD.value <= RECORD.high).all()
    assert (RECORD.low < RECORD.high).all() and (RECORD.low > 0).all()
    known = RECORD[RECORD.observable.isin(MEASURES)]
    assert known.observable.nunique() >= 5
    assert known.unit.tolist() == [MEASURES[name].unit for name in known.observable]


def test_prices_of_chips():
    quarters = ["2022-03-17", "2023-03-16", "2023-12-14", "2024-09-12", "2024-12-12", "2025-03-13"]
    np.testing.assert_allclose(1000 * values("chip_price", *quarters), [39.8, 33.4, 31.4, 31.6, 23.8, 18.4], atol=0.06)


def test_sales_lie_between_compute_and_all_of_the_data_centre():
    assert values("leader_revenue", "2024-12-12") == pytest.approx(32570 / 3, rel=1e-3)
    assert values("leader_revenue", "2025-03-13") == pytest.approx(34130 / 3, rel=1e-3)
    sales = RECORD[RECORD.observable.eq("leader_revenue")].reset_index(drop=True)
    quarters = data.load("nvidia_quarterly")
    middle = quarters.start_date + (quarters.end_date - quarters.start_date) / 2
    sales = sales.iloc[: len(quarters)]  # the quarter to April 2025 is in the record only
    assert ((sales.date - middle).abs() <= pd.Timedelta(days=1)).all()
    np.testing.assert_allclose(sales.high, quarters.datacenter_revenue_bn * 1000 / 3, rtol=1e-3)


def test_spending_on_chips_lies_between_nvidia_and_everybody_at_its_price():
    spent = RECORD[RECORD.observable.eq("capex")].set_index("date")
    sales = RECORD[RECORD.observable.eq("leader_revenue")].set_index("date").value[spent.index]
    np.testing.assert_allclose(spent.low, sales)
    # NVIDIA's share of H100e shipped in the second and fourth quarter of 2024.
    for date, share in {"2024-06-13": 0.69, "2024-12-12": 0.66}.items():
        assert sales[date] / spent.high[date] == pytest.approx(share, abs=0.005)


def test_rents():
    market = values("rental_price", "2023-06-30", "2024-02-15", "2024-10-07", "2024-10-22")
    np.testing.assert_allclose(market * 1e6 / 730, [8, 2.85, 2.99, 2.0], rtol=1e-3)  # $ per hour
    contract = values("contract_price", "2023-12-31", "2024-12-31")
    np.testing.assert_allclose(contract * 1e6 / 730, [3.0, 2.2], rtol=1e-3)


def test_machines_grow_and_gather_at_platforms():
    ends = ["2022-12-31", "2023-12-31", "2024-06-30", "2024-12-31", "2025-06-30"]
    world, china = values("compute_installed", *ends), values("compute_china", *ends)
    np.testing.assert_allclose(world[[3, 4]] / 1e6, [6.5, 11.8], atol=0.05)
    np.testing.assert_allclose([world[3] / world[1], world[4] / world[2]], [4.1, 3.5], atol=0.05)
    platforms = values("machines_platforms", *ends)
    np.testing.assert_allclose((platforms / world)[[0, 1, 3, 4]], [0.54, 0.60, 0.69, 0.73], atol=0.006)
    assert platforms[4] == pytest.approx(1e6 * (2.83 + 2.18 + 1.52 + 1.42 + 0.67), rel=0.005)
    np.testing.assert_allclose(china[[3, 4]] / world[[3, 4]], [0.049, 0.034], atol=0.0005)
    assert len(RECORD[RECORD.observable.eq("machines_platforms")]) == 11  # every quarter


def test_power_and_lead_times_and_the_share_of_china():
    np.testing.assert_allclose(values("power_at_work", "2023-12-31", "2024-12-31", "2025-06-30"), [3, 11, 17], atol=0.2)
    wait = values("lead_time", "2023-11-22", "2024-04-15", "2024-10-11")
    np.testing.assert_allclose(wait * 365.25 / 12 / 7, [44, 10, 52], rtol=1e-3)
    share = values("china_share", "2023-07-30", "2023-09-14", "2024-07-28", "2024-09-12")
    np.testing.assert_allclose(share, [0.17, 0.22, 0.13, 0.15], atol=0.0015)


def test_what_ends_after_the_cutoff_is_left_out_even_if_its_middle_is_before(tmp_path):
    raw = {"entity": "NVIDIA", "region": "China", "variable": "share_of_revenue", "value": 0.1, "source": "made up"}
    raw |= {"low": np.nan, "high": np.nan}
    rows = [raw | {"date": "2025-06-30", "note": "FQ1"}, raw | {"date": "2025-07-27", "note": "FQ2"}]
    (tmp_path / "compute").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "compute" / "chips.csv", index=False)
    share = compute_market.share_of_china(tmp_path)
    assert share.date.tolist() == ["2025-05-16"]
    assert share.source.tolist() == ["FQ1: made up"]
