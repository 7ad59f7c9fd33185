"""Derive the tables in this folder from a folder of raw tables: python -m abm.data.build RAW_FOLDER [OUTPUT_FOLDER].

Each function takes the raw folder and returns one table. `targets.csv` is not derived: its values and tolerances
are choices, maintained manually and compared with these tables by tests/data/test_data.py.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from abm.data import CUTOFF, DATE_COLUMNS
from abm.data.compute_market import compute_record

SHOCK = "2025-01-27"
FROZEN = "2025-01-31"  # last day of the data used by the frozen predictions of experiment 16
CLIMATE_DAYS = (2, 5, 7)  # lengths of their windows, trading days
WINDOW = (-5, 20)  # trading days around the shock
PUBLISHED_SUMS = {"AR_0_pct": (0, 0), "CAR_0_4_pct": (0, 4), "CAR_0_9_pct": (0, 9), "CAR_m5_m1_pct": (-5, -1)}
TOLERANCE = 0.1  # percentage points: largest difference between the window and the published event study

LAYERS = {
    "compute": ["NVDA", "AVGO", "TSM", "MU", "ASML", "ARM", "SMCI", "ANET", "AMD", "ORCL"],
    "power": ["VST", "CEG"],
    "platforms": ["MSFT", "GOOGL", "META", "AMZN"],
}
LAYER = {ticker: layer for layer, tickers in LAYERS.items() for ticker in tickers}

# Not in the price file: raw returns from press reports, %, without abnormal returns.
APPLICATIONS = [
    ("AAPL", 3.0, "press (techzine, markedium, dbwinstitute, inkl, kenyan-post): a lower bound, reported as above +3"),
    ("CRM", 4.0, "press; not checked again"),
]

# Source notes that name an unavailable file, or a total from after the cutoff.
SOURCE_CORRECTIONS = {
    "stock_prices_daily.csv": "adjusted daily closes",
    "sums to verified annual/9M totals 28.103/39.225/50.078": "sums to annual totals 28.103/39.225",
}


def model_prices(raw):
    """List prices, $ per million tokens: one row per model, host and price period.

    A blank price_to means that no later change was recorded before the cutoff.
    """
    prices = pd.read_csv(raw / "llm_prices.csv")
    prices = pd.concat([prices, other_hosts_of_r1(raw, prices)], ignore_index=True)
    # A price that is only *assumed* to date from the release needs a registry entry from before the cutoff.
    known_in_time = prices.price_from_basis.eq("vendor_announcement") | prices.first_snapshot_with_price.le(CUTOFF)
    prices = prices[known_in_time & prices.price_from.le(CUTOFF)].copy()
    prices["model"] = prices.model.str.replace("@.*", "", regex=True)  # the host has its own column
    prices["first_party"] = prices.host.eq(prices.developer).astype(int)
    prices["blended"] = ((3 * prices.input_usd_per_mtok + prices.output_usd_per_mtok) / 4).round(6)

    capability = pd.read_csv(raw / "llm_capability.csv")[["model", "eci", "gpqa_diamond", "source"]]
    capability["capability_source"] = capability.pop("source").map(eci_and_gpqa)
    prices = prices.merge(capability, on="model", how="left", validate="many_to_one")
    prices["source"] = "price: " + prices.source + prices.capability_source
    prices = prices.rename(columns=lambda name: name.removesuffix("_usd_per_mtok").removesuffix("_diamond"))
    columns = (
        "model developer host first_party open_weights reasoning release_date price_from price_to price_from_basis"
    )
    prices = prices.sort_values(["release_date", "model", "price_from", "host"])
    return prices[[*columns.split(), "input", "output", "blended", "eci", "gpqa", "source"]]


def other_hosts_of_r1(raw, prices):
    """Registry entries of R1 at hosts other than its developer that `prices` lacks, with the columns of `prices`."""
    registry = pd.read_csv(raw / "llm_price_changes_registry.csv")
    key = registry.registry_key
    other = key.str.contains("deepseek-r1") & ~key.str.contains("distill") & registry.provider.ne("DeepSeek")
    rows = []
    for entry in registry[other & ~key.isin(prices.registry_key)].itertuples():
        model = "deepseek-r1-0528" if "0528" in entry.registry_key else "deepseek-r1"
        row = prices[prices.model.eq(model)].iloc[0].to_dict()
        row |= {column: getattr(entry, column) for column in prices.columns.intersection(registry.columns)}
        row |= {"host": entry.provider + (" (basic tier)" if entry.registry_key.endswith("-basic") else "")}
        row |= {"price_from": entry.first_snapshot_with_price, "price_from_basis": "registry_first_seen_upper_bound"}
        rows.append(row)
    return pd.DataFrame(rows)


def eci_and_gpqa(source):
    """Parts of a capability source that concern the two scores used here, with a leading separator."""
    if not isinstance(source, str):
        return ""
    return "".join(f" | {part}" for part in source.split(" | ") if part.startswith(("ECI", "GPQA")))


def capability(raw):
    """Epoch Capabilities Index of released models, with its standard error where Epoch's copy gives one."""
    models = pd.read_csv(raw / "eci_models.csv")
    # "Unreleased" models have open_weights 0 but were never on offer, so they do not count as closed models.
    models = models[models.release_date.le(CUTOFF) & models.accessibility.ne("Unreleased")]
    models = models.rename(columns={"model_name": "model"}).sort_values(["release_date", "model"])
    return models[["model", "release_date", "open_weights", "eci", "eci_std", "source"]]


def event_study(raw):
    """Market-model regressions on the S&P 500 and abnormal returns, %: one row per event and ticker."""
    return (
        pd.read_csv(raw / "event_study.csv").query("market_index == '^GSPC'").sort_values("event_date", kind="stable")
    )


def event_returns(raw):
    """Returns around three dates, %, from the market model on the S&P 500; applications have a raw return only."""
    study = event_study(raw).rename(columns={"AR_0_pct": "abnormal_return_day0_pct", "t_AR_0": "t_day0"})
    study = study.rename(columns=lambda name: name.lower() if name.startswith("CAR") else name)
    study["layer"] = study.ticker.map(LAYER)
    study["source"] = "adjusted daily closes, S&P 500; " + study.method
    reported = pd.DataFrame(APPLICATIONS, columns=["ticker", "return_day0_pct", "source"])
    shock = study.loc[study.event_date.eq(SHOCK), "event"].iloc[0]
    table = pd.concat([study, reported.assign(event_date=SHOCK, event=shock, layer="applications")])
    columns = "event_date event ticker layer beta return_day0_pct abnormal_return_day0_pct t_day0"
    return table[[*columns.split(), "car_0_4_pct", "car_0_9_pct", "car_0_20_pct", "source"]]


def event_window(raw):
    """Daily raw and abnormal returns, %, from 5 days before to 20 days after the shock, without prices."""
    closes = pd.read_csv(raw / "stock_prices_event_window.csv", index_col="date")
    first, last = WINDOW
    day0 = closes.index.get_loc(SHOCK)
    returns = 100 * closes.pct_change().iloc[day0 + first : day0 + last + 1]
    study = event_study(raw).query("event_date == @SHOCK").set_index("ticker")
    tables = []
    for ticker, layer in LAYER.items():
        table = pd.DataFrame(
            {"day": np.arange(first, last + 1), "date": returns.index, "ticker": ticker, "layer": layer}
        )
        stock, market = returns[ticker].to_numpy(), returns["^GSPC"].to_numpy()
        table["return_pct"] = stock.round(3)
        table["abnormal_return_pct"] = abnormal_returns(stock, market, table.day.to_numpy(), study.loc[ticker]).round(3)
        table["source"] = "adjusted daily closes; market model of event_returns.csv"
        tables.append(table)
    return pd.concat(tables)


def climatology(raw):
    """Share of past windows with a positive abnormal return of a layer, by length of the window in trading days.

    Market model on the S&P 500 by OLS over all days from June 2024 to January 2025; a layer is the mean of its firms;
    windows overlap. This is the forecast of an event without any information about it.
    """
    closes = pd.read_csv(raw / "stock_prices_event_window.csv", index_col="date")
    returns = closes[closes.index <= FROZEN].pct_change().dropna()
    market = returns["^GSPC"]
    rows = []
    for layer, tickers in LAYERS.items():
        slopes = returns[tickers].apply(lambda stock: np.polyfit(market, stock, 1)[0])
        abnormal = returns[tickers] - np.outer(market, slopes)
        abnormal = (abnormal - abnormal.mean()).mean(axis=1)
        for days in CLIMATE_DAYS:
            sums = abnormal.rolling(days).sum().dropna()
            rows.append({"layer": layer, "days": days, "share_up": round((sums > 0).mean(), 4), "windows": len(sums)})
    table = pd.DataFrame(rows)
    table["start_date"], table["end_date"] = returns.index[0], returns.index[-1]
    table["source"] = "adjusted daily closes, S&P 500; market model OLS, simple returns"
    return table


def abnormal_returns(stock, market, days, published):
    """Abnormal returns, %, shape (days,), of the market model behind a row of the event study.

    The estimation window (250 days, ending 11 days before the event) starts before the price file does, so the model
    cannot be re-estimated. Its slope is published; its intercept is inferred from the published CAR of days 0-20, and the
    other published sums serve as a check. Raises ValueError if one of them differs by more than TOLERANCE.
    """
    slope_only = stock - published["beta"] * market
    after = (days >= 0) & (days <= 20)
    intercept = (slope_only[after].sum() - published["CAR_0_20_pct"]) / after.sum()
    abnormal = slope_only - intercept
    for column, (first, last) in PUBLISHED_SUMS.items():
        computed = abnormal[(days >= first) & (days <= last)].sum()
        if abs(computed - published[column]) > TOLERANCE:
            raise ValueError(
                f"{published.name}: {column} is published as {published[column]}, but computed from closes as {computed:.2f}"
            )
    return abnormal


def nvidia_quarterly(raw):
    """Nvidia's data-centre revenue, $ billion per fiscal quarter, and GAAP gross margin of the whole firm, fraction."""
    quarters = pd.read_csv(raw / "nvidia_quarterly.csv")
    quarters = quarters[quarters.end_date.le(CUTOFF)].rename(columns={"fiscal_quarter": "quarter"})
    quarters["datacenter_revenue_bn"] = quarters.data_center_revenue_usd_bn
    quarters["gross_margin"] = (quarters.gaap_gross_margin_pct / 100).round(4)
    quarters["source"] = "revenue: " + quarters.source + " | margin: " + quarters.gross_margin_source
    return quarters[["quarter", "start_date", "end_date", "datacenter_revenue_bn", "gross_margin", "source"]]


def hyperscaler_capex(raw):
    """Capital expenditure by company, $ billion per calendar quarter."""
    capex = pd.read_csv(raw / "hyperscaler_capex_quarterly.csv")
    quarter = pd.PeriodIndex(capex.calendar_quarter, freq="Q")
    capex["start_date"] = quarter.start_time.strftime("%Y-%m-%d")
    capex["end_date"] = quarter.end_time.strftime("%Y-%m-%d")
    capex = capex[capex.end_date.le(CUTOFF)].rename(columns={"calendar_quarter": "quarter", "capex_usd_bn": "capex_bn"})
    capex["source"] = corrected(capex.source)
    return capex[["quarter", "start_date", "end_date", "company", "capex_bn", "definition", "basis", "source"]]


def chip_prices(raw):
    """Purchase prices, $ per chip, as yearly ranges, and H100 rental prices, $ per hour, as dated quotes of mixed contracts."""
    bought = pd.read_csv(raw / "gpu_unit_price.csv")
    bought["start_date"] = bought.year.astype(str) + "-01-01"
    bought["end_date"] = bought.year.astype(str) + "-12-31"
    # The GB300 was announced in March 2025: its 2024 range is not a price that anyone paid.
    bought = bought[bought.chip.ne("GB300")].assign(kind="purchase", basis="assumed range", unit="$ per chip")
    bought = bought.rename(columns={"low_usd": "low", "high_usd": "high", "geomean_usd": "central"})
    rented = pd.read_csv(raw / "h100_rental_price.csv")
    rented = rented.rename(columns=lambda name: name.removesuffix("_usd_per_gpu_h")).rename(
        columns={"point": "central"}
    )
    rented = rented.assign(start_date=rented.date, end_date=rented.date, chip="H100", kind="rental")
    rented = rented.assign(basis=rented.price_type + ": " + rented.description, unit="$ per chip-hour")
    table = pd.concat([bought, rented], ignore_index=True)
    table = table[table.end_date.le(CUTOFF)]  # drops a year that was not over at the cutoff
    return table[["start_date", "end_date", "chip", "kind", "basis", "low", "high", "central", "unit", "source"]]


def policy_dates(raw):
    """Dated policy, release, price and market events."""
    events = pd.read_csv(raw / "policy_and_market_events.csv")
    events = events[events.date.le(CUTOFF)].sort_values("date", kind="stable")
    events["source"] = corrected(events.source)
    return events[["date", "type", "subtype", "event", "note", "source", "verification"]]


def corrected(source):
    """Apply SOURCE_CORRECTIONS to source notes."""
    for wrong, right in SOURCE_CORRECTIONS.items():
        source = source.str.replace(wrong, right, regex=False)
    return source


TABLES = [model_prices, capability, event_returns, event_window]
TABLES += [nvidia_quarterly, hyperscaler_capex, chip_prices, policy_dates, climatology, compute_record]


def build(raw, output):
    """Write every derived table to the folder `output`.

    Raises ValueError if a date is after the cutoff or a source is missing.
    """
    for derive in TABLES:
        table = derive(Path(raw))
        for column in table.columns.intersection(DATE_COLUMNS):
            if (table[column].dropna() > CUTOFF).any():
                raise ValueError(f"{derive.__name__}: {column} has a date after {CUTOFF}")
        if table.source.isna().any() or table.source.eq("").any():
            raise ValueError(f"{derive.__name__}: a row has no source")
        table.to_csv(Path(output) / f"{derive.__name__}.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("raw", type=Path, help="folder of raw tables")
    parser.add_argument("output", type=Path, nargs="?", default=Path(__file__).parent, help="default: this folder")
    arguments = parser.parse_args()
    build(arguments.raw, arguments.output)
