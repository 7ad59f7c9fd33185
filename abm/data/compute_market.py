"""Derive the record of the compute market from the raw tables; part of `abm.data.build`."""

import numpy as np
import pandas as pd

from abm.data import CUTOFF

UNITS = {
    "leader_revenue": "$ M per month",
    "chip_price": "$ M per H100e",
    "rental_price": "$ M per H100e month",
    "contract_price": "$ M per H100e month",
    "compute_installed": "H100e",
    "machines_platforms": "H100e",
    "compute_china": "H100e",
    "power_at_work": "GW",
    "capex": "$ M per month",
    "china_share": "share",
    "lead_time": "months",
}
# Errors where a source gives no range (FACTS.md beside the raw tables): relative, except for the last two.
TOLERANCE = {"chip_price": 0.25, "rental_price": 0.30, "compute_installed": 0.20}
CHINA_SHARE_ERROR = 0.02  # the place of billing is not that of use
LEAD_TIME_ERROR = 10  # weeks

RENTS = {"market_peak": "rental_price", "market": "rental_price", "on_demand": "rental_price", "resale": "rental_price"}
RENTS["contract_1y"] = "contract_price"
RENT = "price_per_H100e_month_"
HYPERSCALERS = ["Google", "Microsoft", "Amazon", "Meta", "Oracle"]
QUARTER, YEAR = 91, 364  # fiscal periods, days
WEEKS_IN_MONTH = 30.4375 / 7


def compute_record(raw):
    """Record of the compute market in the model's observables and units: one row per date, observable and source.

    Flows are dated at the middle of their period, prices and stocks on their day.
    """
    table = pd.concat([sales(raw), rents(raw), machines(raw), power(raw), share_of_china(raw), lead_times(raw)])
    table["unit"] = table.observable.map(UNITS)
    error = table.observable.map(TOLERANCE) * table.value
    table["low"] = table.low.fillna(table.value - error)
    table["high"] = table.high.fillna(table.value + error)
    numbers = ["value", "low", "high"]
    table[numbers] = table[numbers].map(lambda number: float(f"{number:.4g}"))
    table["observable"] = pd.Categorical(table.observable, list(UNITS))
    table = table.sort_values(["observable", "date"], kind="stable")
    return table[["date", "observable", *numbers, "unit", "source"]]


def sales(raw):
    """NVIDIA's sales of data-centre compute, their price per H100e, and the spending on the chips of all vendors.

    Networking is not counted, as the price and the stocks are those of chips; the upper bound of the sales includes it,
    because the split is partly an estimate. Spending lies between these sales and all H100e at NVIDIA's price: Google and
    Amazon obtain their own chips at cost.
    """
    chips = read(raw, "chips")
    price = chips[chips.variable.eq("compute_revenue_per_H100e")].reset_index(drop=True)
    stated = price.note.str.extract(r"revenue (?P<revenue>[\d.]+) B\$ .*\((?P<quarter>FY\d\dQ\d)\)")
    price["date"], end = middle(price.date, QUARTER), price.date
    price["source"] = stated.quarter + ", data-centre compute: " + price.source

    revenue = price.assign(observable="leader_revenue", value=stated.revenue.astype(float) * 1000 / 3)
    quarters = pd.read_csv(raw / "nvidia_quarterly.csv").set_index("fiscal_quarter")
    networking = (quarters.data_center_revenue_usd_bn / quarters.dc_compute_revenue_usd_bn).reindex(stated.quarter)
    revenue["low"] = revenue.value
    revenue["high"] = revenue.value * networking.ffill().to_numpy()  # the last quarter: as the one before
    revenue["source"] += "; high: with networking, by nvidia_quarterly.csv"

    share = chips[chips.variable.eq("vendor_share_of_H100e_shipped") & chips.entity.eq("NVIDIA")]
    share = share[share.date.ge("2023-01-01")]  # other vendors are absent before
    calendar_quarter = share.date.searchsorted(end, side="right") - 1  # the last one that ended by then
    spent = revenue.assign(observable="capex", high=revenue.low / share.value.to_numpy()[calendar_quarter])
    spent = spent[calendar_quarter >= 0]
    spent["value"] = (spent.low + spent.high) / 2
    spent["source"] = "midpoint; low: compute revenue, high: over share of H100e shipped: " + price.source
    return pd.concat([revenue, price.assign(observable="chip_price", value=price.value / 1e6), spent])


def rents(raw):
    """Rents of an H100: quotes of the market (resale or on demand; no list prices) and contracts of one year."""
    table = read(raw, "rental")
    kind = table.variable.str.removeprefix(RENT)
    table["observable"] = kind.map(RENTS)
    source = table.source.str.replace("same;", "E. Cheah, Latent Space Oct 2024;")  # that of the row before
    table["source"] = kind.str.replace("_", " ") + ": " + source
    table[["value", "low", "high"]] /= 1e6
    return table[table.variable.str.startswith(RENT)].dropna(subset="observable")


def machines(raw):
    """Machines by owner, sold and not retired, at the end of each quarter from 2022Q4.

    The bounds of the platforms are sums over the five, as if their errors were one.
    """
    table = read(raw, "compute_stock")
    table = table[table.date.ge("2022-12-31")]  # earlier, chips from before 2022 (absent) would matter
    world = table[table.variable.eq("total_stock_H100e")].assign(observable="compute_installed")
    owned = table[table.variable.eq("owned_stock_H100e")]
    china = owned[owned.entity.eq("China")].assign(observable="compute_china")
    china["source"] = "NVIDIA's legal sales: " + china.source
    five = owned[owned.entity.isin(HYPERSCALERS)].groupby("date", as_index=False)
    five = five.agg({"value": "sum", "low": "sum", "high": "sum", "source": "first"})
    five["source"] = "sum of " + ", ".join(HYPERSCALERS) + ": " + five.source
    return pd.concat([world, five.assign(observable="machines_platforms"), china])


def power(raw):
    """IT power of all AI chips sold since 2022."""
    table = read(raw, "power")
    return table[table.variable.eq("IT_power_equivalent_sold")].assign(observable="power_at_work")


def share_of_china(raw):
    """China's share of NVIDIA's revenue, all business, in fiscal quarters and years."""
    table = read(raw, "chips")
    table = table[table.variable.eq("share_of_revenue") & table.region.eq("China")].assign(observable="china_share")
    period = table.note.str.split(",").str[0]
    table["date"] = middle(table.date, np.where(period.str.startswith("fiscal"), YEAR, QUARTER))
    table["low"], table["high"] = table.value - CHINA_SHARE_ERROR, table.value + CHINA_SHARE_ERROR
    table["source"] = period + ": " + table.source
    return table


def lead_times(raw):
    """Time from order to delivery of servers, as quoted."""
    table = read(raw, "chips")
    table = table[table.variable.eq("lead_time")].assign(observable="lead_time")
    exact = table.low.eq(table.high)
    table["low"] = table.low.mask(exact, table.value - LEAD_TIME_ERROR)
    table["high"] = table.high.mask(exact, table.value + LEAD_TIME_ERROR)
    table[["value", "low", "high"]] /= WEEKS_IN_MONTH
    table["source"] = table.entity + ": " + table.source
    return table


def read(raw, name):
    """A raw table of the folder `compute`, up to the cutoff."""
    table = pd.read_csv(raw / "compute" / f"{name}.csv")
    return table[table.date.le(CUTOFF)]


def middle(end, days):
    """Middle of periods of `days` days that end on these dates."""
    return (pd.to_datetime(end) - pd.to_timedelta(np.asarray(days) // 2, unit="D")).dt.strftime("%Y-%m-%d")
