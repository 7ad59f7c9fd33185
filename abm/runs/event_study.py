"""Abnormal returns around an event, computed from the model's daily returns by the method of the observed study.

Market model (MacKinlay 1997, *Journal of Economic Literature* 35): R_it = alpha_i + beta_i R_mt + e_it by ordinary
least squares on simple returns over the 250 trading days that end 11 days before the event; abnormal return
AR = R - (alpha + beta R_m), cumulative CAR = sum AR, t = CAR / (sigma sqrt(L)).

**The index.** The observed study uses the S&P 500, of which chips were about a tenth. The firms listed in the model are
AI firms only, and a value-weighted index of them is its own benchmark: value-weighted abnormal returns then add up to
zero, so that a fall of chips *must* appear as a rise of something else. By default, therefore, the index gives the model's
layers their weights in a broad index (`BROAD_INDEX`), with applications standing for the rest of the economy;
`value_weights` gives the value-weighted alternative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.support.axes import DAYS
from abm.support.samples import by_label, is_constant

if TYPE_CHECKING:
    import pandas as pd

    from abm.runs.results import Ensemble

EVENT = (24, 16)
"""27 January 2025: month and trading day, counted from 0."""
WINDOW = (-5, 20)
ESTIMATION = (-260, -11)
"""First and last trading day of the estimation window, relative to the event, both included."""
LEAST_ESTIMATION = 30
ESTIMATION_MONTHS = 6
"""Default number of months before an event whose daily returns are stored."""

BROAD_INDEX = {"leader": 0.07, "platforms": 0.40, "applications": 0.45, "power": 0.08}
"""Weights of listed firms in the index; all others have weight 0."""
LAYERS = ("leader", "compute", "power", "platforms", "applications", "closed", "open")


@dataclass(frozen=True)
class MarketModelFit:
    """Ordinary least squares of a return on the index: arrays have the shape of the returns without the day axis."""

    alpha: Any
    beta: Any
    sigma: Any  # standard deviation of the residual, T - 2 degrees of freedom


@dataclass(frozen=True, eq=False)
class Window:
    """Returns of layers around an event: (runs, days) arrays by layer, simple returns as fractions."""

    days: np.ndarray
    raw: dict[str, np.ndarray]
    abnormal: dict[str, np.ndarray]
    sigma: dict[str, np.ndarray]

    def cumulative(self, kind: str = "abnormal") -> dict[str, np.ndarray]:
        """Cumulative returns by layer, normalised to zero on day -1."""
        out = {}
        for layer, returns in getattr(self, kind).items():
            total = np.cumsum(returns, axis=-1)
            before = total[..., self.days == -1]
            out[layer] = total - (before if before.size else 0.0)
        return out


def market_model(returns: Any, index: Any) -> MarketModelFit:
    """Regress `returns` (..., T) on `index` (..., T or broadcastable); Series are aligned by their labels.

    Raises ValueError for fewer than `LEAST_ESTIMATION` days, for returns and an index of different length or labels, for
    values that are not finite, and for an index that is constant up to rounding, on which no slope can be estimated. With
    an index per run (two or more dimensions) the last two give NaN for the runs concerned instead.
    """
    returns, index = by_label(returns=returns, index=index)
    returns, index = np.asarray(returns, float), np.asarray(index, float)
    days = returns.shape[-1]
    if days < LEAST_ESTIMATION:
        raise ValueError(
            f"{days} days to estimate the market model, but at least {LEAST_ESTIMATION} are needed: keep more months"
            " of daily returns"
        )
    if index.shape[-1] != days:
        raise ValueError(f"returns of {days} days and an index of {index.shape[-1]} days: both must have the same days")
    varies = ~is_constant(index, -1)
    if index.ndim == 1 and not (np.isfinite(returns).all() and np.isfinite(index).all()):
        raise ValueError("returns or index are not finite: use days on which both have a value")
    if index.ndim == 1 and not varies:
        raise ValueError("the index does not vary over the estimation window, so no slope can be estimated")
    centred = index - index.mean(-1, keepdims=True)
    beta = (centred * returns).sum(-1) / np.where(varies, (centred**2).sum(-1), np.nan)
    alpha = returns.mean(-1) - beta * index.mean(-1)
    residual = returns - alpha[..., None] - beta[..., None] * index
    return MarketModelFit(alpha, beta, np.sqrt((residual**2).sum(-1) / (days - 2)))


def abnormal_returns(returns: np.ndarray, index: np.ndarray, model: MarketModelFit) -> np.ndarray:
    """R - (alpha + beta R_m), shape of `returns`."""
    return returns - model.alpha[..., None] - model.beta[..., None] * index


def t_statistic(abnormal: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """CAR / (sigma sqrt(L)) over the last axis, L its length."""
    return abnormal.sum(-1) / (sigma * np.sqrt(abnormal.shape[-1]))


def layers_of(firms: list[str], vendors: int, closed: int) -> dict[str, list[int]]:
    """Columns of the asset axis, by layer.

    Compute is the vendors whose shares investors could buy, the leader and its follower: the platforms' in-house chips are
    not listed separately, and the domestic vendor gains what the others lose. Labs were not listed at the time of the
    event.
    """
    labs = len(firms) - vendors - 3
    return {
        "leader": [0],
        "compute": list(range(min(vendors, 2))),
        "power": [firms.index("power")],
        "platforms": [firms.index("platforms")],
        "applications": [firms.index("applications")],
        "closed": list(range(vendors, vendors + closed)),
        "open": list(range(vendors + closed, vendors + labs)),
    }


def broad_weights(firms: list[str]) -> np.ndarray:
    """Weights (firms,) of the broad index; see the docstring of the module."""
    weights = np.array([BROAD_INDEX.get(firm, 0.0) for firm in firms])
    return weights / weights.sum()


def value_weights(ensemble: Ensemble, month: int) -> np.ndarray:
    """Weights (runs, firms) by market value at the end of `month`.

    Values are reported by layer, so the value of a layer is split evenly between its firms, except the leading vendor.
    """
    groups = _layers(ensemble)
    firms = ensemble.firms
    vendors = len(ensemble.setup.cast.vendors)
    value = {name: ensemble[f"equity_{name}"][:, month] for name in ("chips", "leader", "closed", "open")}
    weights = np.zeros((len(ensemble.seeds), len(firms)))
    weights[:, 0] = value["leader"]
    weights[:, 1:vendors] = (value["chips"] - value["leader"])[:, None] / max(vendors - 1, 1)
    for name in ("closed", "open"):
        weights[:, groups[name]] = value[name][:, None] / len(groups[name])
    for name in ("power", "platforms", "applications"):
        weights[:, groups[name]] = ensemble[f"equity_{name}"][:, month][:, None]
    return weights / weights.sum(1, keepdims=True)


def around(
    ensemble: Ensemble,
    event: tuple[int, int] = EVENT,
    window: tuple[int, int] = WINDOW,
    weights: np.ndarray | None = None,
) -> Window:
    """Returns of layers of every run in the window around the event.

    A layer's return is the unweighted mean of its firms. `weights` (firms,) or (runs, firms) define the index; default:
    `broad_weights`. The ensemble must hold daily returns of consecutive months that cover the window. The estimation
    window is the part of `ESTIMATION` for which returns are stored, and always ends before the event window begins.

    Raises ValueError for days without stored returns, and for a window without days.
    """
    if not 0 <= event[1] < DAYS:
        raise ValueError(f"event {event}: days of a month are counted from 0 to {DAYS - 1}")
    if window[0] > window[1]:
        raise ValueError(f"window {window}: its first day comes after its last day")
    months = ensemble.daily_months
    if not months:
        raise ValueError(
            "no daily returns were kept: set `daily` of the ensemble or sweep to the months around the event"
        )
    if list(months) != list(range(months[0], months[-1] + 1)):
        raise ValueError(
            f"the daily returns kept are of months {list(months)}: the event study needs consecutive months"
        )
    day0 = (event[0] - months[0]) * DAYS + event[1]
    daily = ensemble.out["daily"]  # (runs, months, days, firms)
    simple = np.expm1(daily.reshape(daily.shape[0], -1, daily.shape[-1]))
    first, last = day0 + window[0], day0 + window[1]
    if first < 0 or last >= simple.shape[1]:
        raise ValueError(
            f"days {window[0]} to {window[1]} around month {event[0]}, day {event[1]} reach beyond the daily"
            f" returns kept (months {months[0]} to {months[-1]})"
        )
    past = slice(max(0, day0 + ESTIMATION[0]), max(0, min(day0 + ESTIMATION[1] + 1, first)))
    weights = broad_weights(ensemble.firms) if weights is None else weights
    index = np.einsum("rtf,rf->rt", simple, np.broadcast_to(weights, (simple.shape[0], simple.shape[2])))
    raw, abnormal, sigma = {}, {}, {}
    for layer, firms in _layers(ensemble).items():
        returns = simple[:, :, firms].mean(-1)
        model = market_model(returns[:, past], index[:, past])
        raw[layer] = returns[:, first : last + 1]
        abnormal[layer] = abnormal_returns(returns, index, model)[:, first : last + 1]
        sigma[layer] = model.sigma
    return Window(np.arange(window[0], window[1] + 1), raw, abnormal, sigma)


def _layers(ensemble: Ensemble) -> dict[str, list[int]]:
    closed = sum(lab.startswith("closed") for lab in ensemble.setup.cast.labs)
    return layers_of(ensemble.firms, len(ensemble.setup.cast.vendors), closed)


def observed() -> pd.DataFrame:
    """Observed returns, one row per layer and day, as fractions: raw, abnormal, their cumulative sums, number of firms.

    Layers are unweighted means over tickers. Applications have only a reported raw return on day 0, no abnormal return.
    """
    import pandas as pd

    from abm.data import load

    daily = load("event_window")
    table = daily.groupby(["layer", "day"]).agg(
        raw=("return_pct", "mean"), abnormal=("abnormal_return_pct", "mean"), firms=("ticker", "nunique")
    )
    day0 = load("event_returns")
    day0 = day0[(day0["event_date"] == pd.Timestamp(2025, 1, 27)) & (day0["layer"] == "applications")]
    missing = "applications" not in table.index.get_level_values("layer")
    if missing and len(day0):
        table.loc[("applications", 0), :] = [day0["return_day0_pct"].mean(), np.nan, len(day0)]
    table = table.sort_index()
    table[["raw", "abnormal"]] /= 100
    for kind in ("raw", "abnormal"):
        sums = table[kind].groupby(level="layer").cumsum()
        base = sums.xs(-1, level="day").reindex(sums.index.get_level_values("layer")).to_numpy()
        table[f"cumulative_{kind}"] = sums - np.nan_to_num(base)
    return table.reset_index()


def tickers() -> pd.DataFrame:
    """Observed returns of single firms: layer, ticker, day, date, raw and abnormal return as fractions."""
    from abm.data import load

    daily = load("event_window")
    daily["raw"], daily["abnormal"] = daily["return_pct"] / 100, daily["abnormal_return_pct"] / 100
    return daily[["layer", "ticker", "day", "date", "raw", "abnormal"]]
