"""The committed data: complete, dated up to the cutoff, consistent with each other and with the target moments."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abm import data
from abm.data import build

CUTOFF = pd.Timestamp(build.CUTOFF)
SHOCK = pd.Timestamp(build.SHOCK)
DERIVED = [derive.__name__ for derive in build.TABLES]
TARGETS = data.targets()


def on_sale(prices, date):
    """The rows of `prices` that are valid on a date."""
    date = pd.Timestamp(date)
    return prices[(prices.price_from <= date) & ~(prices.price_to <= date)]


def test_names_are_the_derived_tables_the_targets_and_stored_results():
    assert data.names() == sorted([*DERIVED, "targets", "r1_before", "token_record"])


@pytest.mark.parametrize("name", data.names())
def test_every_row_has_a_source_and_no_row_is_a_duplicate(name):
    table = data.load(name)
    assert len(table) > 0
    source = table["commit" if name == "r1_before" else "source"]  # results come from a version of the model
    assert source.str.strip().str.len().gt(0).all()
    assert not table.duplicated().any()


@pytest.mark.parametrize("name", DERIVED)
def test_nothing_is_dated_after_the_cutoff(name):
    table = data.load(name)
    dates = table.select_dtypes("datetime")
    assert dates.shape[1] >= 1
    assert (dates.max() <= CUTOFF).all()
    undeclared = [c for c in table if c.endswith("date") and c not in data.DATE_COLUMNS]
    assert undeclared == []


def test_the_error_for_an_unknown_table_suggests_a_close_name_and_lists_all_tables():
    with pytest.raises(ValueError, match="did you mean 'model_prices'"):
        data.load("model_price")
    with pytest.raises(ValueError, match=r"'\?'; tables: capability, ") as error:
        data.load("?")
    assert "did you mean" not in str(error.value)


def test_blended_price_is_three_parts_input_to_one_part_output():
    prices = data.load("model_prices")
    np.testing.assert_allclose(prices.blended, (3 * prices.input + prices.output) / 4, rtol=1e-9)
    assert prices.blended.gt(0).all()


def test_price_periods_are_ordered_and_do_not_overlap():
    prices = data.load("model_prices")
    assert (prices.price_from >= prices.release_date).all()
    for _, periods in prices.sort_values("price_from").groupby(["model", "host"]):
        ends, next_starts = periods.price_to.iloc[:-1].to_list(), periods.price_from.iloc[1:].to_list()
        assert ends == next_starts
        assert pd.isna(periods.price_to.iloc[-1])


def test_first_party_means_the_developer_is_the_host_and_r1_has_other_hosts():
    prices = data.load("model_prices")
    assert prices.first_party.eq(prices.host.eq(prices.developer).astype(int)).all()
    assert prices[prices.first_party.eq(0)].open_weights.eq(1).all()
    assert prices[prices.model.eq("deepseek-r1")].host.nunique() == 3


def test_r1_list_price_is_one_27th_of_that_of_o1():
    first = data.load("model_prices").drop_duplicates("model").set_index("model")
    assert first.blended["o1-2024-12-17"] / first.blended["deepseek-r1"] == pytest.approx(27, abs=0.5)


def test_capability_scale_and_flags():
    models = data.load("capability")
    assert models.model.is_unique
    assert models.set_index("model").eci["Claude 3.5 Sonnet"] == 130
    assert set(models.open_weights) == {0, 1}
    assert models.source.str.contains("Epoch AI.*CC-BY").all()


def test_event_day_of_the_leading_vendor():
    shock = data.load("event_returns").query("event_date == @SHOCK").set_index("ticker")
    assert shock.abnormal_return_day0_pct["NVDA"] == pytest.approx(-13.26, abs=0.1)
    assert set(shock.layer) == {"compute", "power", "platforms", "applications"}
    assert shock[shock.layer.eq("applications")].abnormal_return_day0_pct.isna().all()


LAST_DAY = {"return_day0_pct": 0, "abnormal_return_day0_pct": 0, "car_0_4_pct": 4, "car_0_9_pct": 9, "car_0_20_pct": 20}


@pytest.mark.parametrize(("column", "last"), LAST_DAY.items())
def test_event_window_sums_to_the_event_study(column, last):
    window = data.load("event_window")
    assert set(window.day) == set(range(-5, 21))
    daily = "return_pct" if column.startswith("return") else "abnormal_return_pct"
    sums = window[window.day.between(0, last)].groupby("ticker")[daily].sum()
    study = data.load("event_returns").query("event_date == @SHOCK and layer != 'applications'")
    study = study.set_index("ticker")[column]
    assert set(sums.index) == set(study.index)
    np.testing.assert_allclose(sums[study.index], study, atol=0.02)


def test_no_price_levels_are_committed():
    for name in ("event_window", "event_returns"):
        assert not any("close" in column for column in data.load(name))


def test_targets_lie_within_their_bounds():
    assert len(TARGETS) == 39
    assert TARGETS.index.is_unique
    assert (TARGETS.lower <= TARGETS.value).all()
    assert (TARGETS.value <= TARGETS.upper).all()
    assert (TARGETS.lower < TARGETS.upper).all()
    assert TARGETS.unit.str.len().gt(0).all()


def test_targets_that_can_be_fitted_have_a_scale_an_error_and_a_date():
    signs = TARGETS.index.str.startswith("sign_") | TARGETS.index.isin(
        ["release_share_of_decline", "return_excess_kurtosis", "return_acf1", "return_abs_acf20"]
    )
    assert TARGETS.scale.isna().tolist() == signs.tolist()
    fitted = TARGETS[~signs]
    assert fitted.scale.isin(["log", "level"]).all() and (fitted.error > 0).all()
    assert (fitted.value[fitted.scale.eq("log")] > 0).all()
    assert (pd.to_datetime(fitted.known) <= CUTOFF).all()


def test_dispersion_and_launches_of_2024_match_the_prices():
    launches = data.load("model_prices").query("first_party == 1 and open_weights == 0").sort_values("price_from")
    launches = launches.drop_duplicates("model")
    posted = launches[launches.release_date.between("2023-07-01", "2024-12-31")].blended
    assert len(posted) == 28
    assert TARGETS.value["closed_price_dispersion"] == pytest.approx(np.log(posted).std(), abs=0.05)
    assert TARGETS.error["closed_price_dispersion"] == pytest.approx(np.log(posted).std() / np.sqrt(2 * 27), abs=0.005)
    half = launches[launches.release_date.between("2024-07-01", "2024-12-31")].blended
    assert TARGETS.value["launch_price_2024h2"] == pytest.approx(half.median(), abs=0.05)


def test_targets_for_the_january_fit_match_data_up_to_january():
    quarters = data.load("nvidia_quarterly").set_index("quarter")
    assert TARGETS.value["datacenter_revenue_fy25q3"] == pytest.approx(
        quarters.datacenter_revenue_bn["FY25Q3"], abs=0.05
    )
    assert TARGETS.value["vendor_margin_fy25q3"] == pytest.approx(quarters.gross_margin["FY25Q3"])
    models = data.load("capability")
    models, lags = models[models.release_date <= "2025-01-31"], []
    for level in range(131, 140):
        first = models[models.eci >= level].groupby("open_weights").release_date.min()
        lags.append((first[1] - first[0]).days / 30.4375)
    assert TARGETS.value["open_lag_to_january_2025"] == pytest.approx(np.mean(lags), abs=0.1)


def test_layers_day_0_and_the_vendors_day_1_match_the_event_study():
    shock = data.load("event_returns").query("event_date == @SHOCK")
    for layer in ("compute", "power", "platforms"):
        firms = shock[shock.layer.eq(layer)].abnormal_return_day0_pct / 100
        assert TARGETS.value[f"{layer}_return_day0"] == pytest.approx(firms.mean(), abs=0.001)
    raw = shock[shock.layer.eq("applications")].return_day0_pct.mean() / 100
    assert TARGETS.value["applications_return_day0"] == pytest.approx(raw + 0.0146, abs=0.001)
    day1 = data.load("event_window").query("ticker == 'NVDA' and day == 1").abnormal_return_pct.iloc[0] / 100
    assert TARGETS.value["vendor_return_day1"] == pytest.approx(day1, abs=0.001)


def test_nvidia_targets_match_the_quarters():
    quarters = data.load("nvidia_quarterly").set_index("quarter")
    revenue = quarters.datacenter_revenue_bn
    assert TARGETS.value["datacenter_revenue_fy23q4"] == pytest.approx(revenue["FY23Q4"], abs=0.05)
    assert TARGETS.value["datacenter_revenue_fy25q4"] == pytest.approx(revenue["FY25Q4"], abs=0.05)
    assert TARGETS.value["vendor_margin_fy25q4"] == pytest.approx(quarters.gross_margin["FY25Q4"])


@pytest.mark.parametrize("year", [2023, 2025])
def test_launch_price_targets_match_the_prices(year):
    launches = data.load("model_prices").query("open_weights == 0").drop_duplicates("model")
    median = launches[launches.release_date.between(f"{year}-01-01", f"{year}-06-30")].blended.median()
    assert TARGETS.value[f"launch_price_{year}h1"] == pytest.approx(median, abs=0.05)


def test_price_shock_targets_match_the_prices():
    prices = data.load("model_prices")
    level = prices[prices.model.eq("deepseek-r1")].eci.iloc[0]
    closed = prices[prices.open_weights.eq(0)]
    capable = closed[closed.eci >= level]
    ratio = on_sale(capable, "2025-01-31").blended.min() / on_sale(capable, "2025-01-19").blended.min()
    assert TARGETS.value["closed_price_after_shock"] == pytest.approx(ratio, abs=0.005)

    before = on_sale(closed, "2025-01-19").set_index("model").blended
    after = on_sale(closed, SHOCK + pd.Timedelta(days=143)).set_index("model").blended  # day 150 from R1's release
    change = np.log(after[before.index] / before).mean()
    assert TARGETS.lower["incumbent_price_change"] <= change
    assert change < TARGETS.upper["incumbent_price_change"]


def test_price_ratio_target_brackets_the_prices():
    recent = on_sale(data.load("model_prices"), "2024-12-31").query("release_date > '2023-06-30'")
    median = recent.drop_duplicates("model").groupby("open_weights").blended.median()
    assert TARGETS.lower["closed_open_price_ratio"] <= median[0] / median[1] <= TARGETS.upper["closed_open_price_ratio"]


@pytest.mark.parametrize(("name", "levels"), [("open_lag_2023", range(115, 127)), ("open_lag_2024h2", range(131, 143))])
def test_lag_targets_match_the_capability_table(name, levels):
    models = data.load("capability")
    lags = []
    for level in levels:
        first = models[models.eci >= level].groupby("open_weights").release_date.min()
        lags.append((first[1] - first[0]).days / 30.4375)
    assert TARGETS.value[name] == pytest.approx(np.mean(lags), abs=0.2)


def test_vendor_targets_match_the_event_window():
    vendor = data.load("event_returns").query("event_date == @SHOCK and ticker == 'NVDA'").iloc[0]
    assert TARGETS.value["vendor_return_day0"] == pytest.approx(vendor.abnormal_return_day0_pct / 100, abs=0.005)
    assert TARGETS.value["vendor_car_0_9"] == pytest.approx(vendor.car_0_9_pct / 100, abs=0.005)
    returns = data.load("event_window").query("ticker == 'NVDA'").set_index("day").return_pct / 100
    rebound = (1 + returns[0]) * returns[1] / -returns[0]  # share of the price loss of day 0
    assert TARGETS.value["vendor_rebound"] == pytest.approx(rebound, abs=0.005)


def test_layer_sign_targets_match_the_event_day():
    shock = data.load("event_returns").query("event_date == @SHOCK")
    layers = shock.groupby("layer").abnormal_return_day0_pct.mean() / 100
    # Raw returns, because applications have no abnormal return here.
    layers["applications"] = shock[shock.layer.eq("applications")].return_day0_pct.mean() / 100
    for layer, value in layers.items():
        assert TARGETS.lower[f"sign_{layer}"] <= value
        assert value <= TARGETS.upper[f"sign_{layer}"]
    signs = {"compute": -1, "power": -1, "platforms": 0, "applications": 1}
    assert {layer: TARGETS.value[f"sign_{layer}"] for layer in layers.index} == signs


def market_model(noise=0.0):
    """A synthetic stock with slope 1.5 and intercept 0.2, the market, the days, and the results an event study would print."""
    days = np.arange(-5, 21)
    random = np.random.default_rng(0)
    market, abnormal = random.normal(size=days.size), random.normal(size=days.size)
    windows = build.PUBLISHED_SUMS | {"CAR_0_20_pct": (0, 20)}
    printed = {c: abnormal[(days >= a) & (days <= b)].sum() for c, (a, b) in windows.items()} | {"beta": 1.5}
    printed["CAR_0_9_pct"] += noise
    return 0.2 + 1.5 * market + abnormal, market, days, abnormal, pd.Series(printed, name="made up")


def test_abnormal_returns_recover_the_intercept_the_event_study_used():
    stock, market, days, abnormal, published = market_model()
    np.testing.assert_allclose(build.abnormal_returns(stock, market, days, published), abnormal, atol=1e-12)


def test_abnormal_returns_refuse_an_event_study_they_cannot_reproduce():
    stock, market, days, _, published = market_model(noise=0.5)
    with pytest.raises(ValueError, match="made up: CAR_0_9_pct"):
        build.abnormal_returns(stock, market, days, published)


def test_events_after_the_cutoff_are_dropped(tmp_path):
    events = pd.DataFrame({"date": ["2025-07-01", "2025-06-30"], "event": ["dropped", "kept"]})
    events = events.assign(type="price", subtype="", note="", source="made up", verification="known")
    events.to_csv(tmp_path / "policy_and_market_events.csv", index=False)
    assert build.policy_dates(tmp_path).event.tolist() == ["kept"]


@pytest.mark.skipif("ABM_RAW_DATA" not in os.environ, reason="set ABM_RAW_DATA to the folder of raw tables")
def test_rebuilding_the_tables_gives_the_committed_bytes(tmp_path):
    build.build(os.environ["ABM_RAW_DATA"], tmp_path)
    folder = Path(data.__file__).parent
    for name in DERIVED:
        assert (tmp_path / f"{name}.csv").read_bytes() == (folder / f"{name}.csv").read_bytes(), name


@pytest.mark.skipif("ABM_RAW_DATA" not in os.environ, reason="set ABM_RAW_DATA to the folder of raw tables")
def test_return_targets_match_the_closes():
    closes = pd.read_csv(Path(os.environ["ABM_RAW_DATA"]) / "stock_prices_event_window.csv", index_col="date")["NVDA"]
    returns = np.log(closes[closes.index <= "2025-01-31"]).diff().dropna().to_numpy()
    returns = returns - returns.mean()
    size = np.abs(returns) - np.abs(returns).mean()
    assert TARGETS.value["return_sd"] == pytest.approx(returns.std(), abs=2e-4)
    assert TARGETS.value["return_kurtosis"] == pytest.approx((returns**4).mean() / (returns**2).mean() ** 2, abs=0.05)
    lag = (size[20:] * size[:-20]).sum() / (size**2).sum()
    assert TARGETS.value["return_abs_acf20_short"] == pytest.approx(lag, abs=0.005)
