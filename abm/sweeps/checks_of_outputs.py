"""Checks of what a sweep stores: observables, panel, daily returns, products and outcomes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from abm.market.measures import MEASURES
from abm.runs.event_study import ESTIMATION, LAYERS, LEAST_ESTIMATION
from abm.scenarios.calendar import month_of, trading_day
from abm.support.axes import DAYS
from abm.support.messages import OBSERVABLES as LISTED
from abm.support.messages import did_you_mean, shortened

OBSERVABLES = ("lerner_closed", "open_token_share", "welfare")
COLUMNS = (
    *(
        "run_id",
        "point",
        "point_id",
        "scenario",
        "replication",
        "seed",
        "status",
        "error",
        "seconds",
        "alarms",
        "month",
    ),
    *("good", "there"),
)
"""Column names of result tables, including temporary ones."""

DAILY = tuple(f"{kind}_{layer}" for kind in ("abnormal", "raw") for layer in LAYERS)
"""Daily returns that an outcome with a date can use."""
LEAST_DAYS = LEAST_ESTIMATION - ESTIMATION[1]


def mapping(value: Any) -> dict[str, Any]:
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_defaults=True)
    if not isinstance(value, Mapping):
        return {}
    return {k: v.model_dump(exclude_defaults=True) if hasattr(v, "model_dump") else v for k, v in value.items()}


def stored_problems(fields: Mapping[str, Any], factors: Mapping[str, Any]) -> list[str]:
    """Problems of observables, panel, daily returns and outcomes."""
    problems = []
    months = fields.get("months", 60)
    months = months if isinstance(months, int) and months >= 1 else 0  # 0: months itself is invalid and reported
    observables = fields.get("observables", OBSERVABLES)
    names = [name for name in observables if isinstance(name, str)] if isinstance(observables, tuple) else []
    if observables == ():
        problems.append("observables: empty; name at least one")
    problems += [
        f"observables: unknown observable {shortened(n)}{did_you_mean(n, list(MEASURES), LISTED)}"
        for n in names
        if n not in MEASURES
    ]
    problems += [
        f"observables: {n} is also a factor, and tables would have two columns of that name; define an outcome of it"
        " under another name instead"
        for n in names
        if n in factors
    ]
    if len(set(names)) < len(names):
        problems.append("observables: duplicate name")
    panel = fields.get("panel", "all")
    if not isinstance(panel, tuple) and panel not in ("all", "none"):
        problems.append(f'panel: {shortened(panel)}: must be "all", "none" or a list of months')
    for month in panel if isinstance(panel, tuple) and months else ():
        if not isinstance(month, int) or not 0 <= month < months:
            problems.append(f"panel: {shortened(month)} is not a month of the run (0 to {months - 1})")
    problems += _lists(fields, months)
    taken = {name.lower() for name in (*COLUMNS, *factors, *names)}  # SQL ignores case
    for name, outcome in mapping(fields.get("outcomes")).items():
        if not isinstance(outcome, Mapping):
            continue
        problems += [
            f"outcomes.{name}{what}" for what in (_dated if outcome.get("date") else _monthly)(outcome, months)
        ]
        if not name.isidentifier():
            problems.append(f"outcomes.{name}: use a name of letters, digits and underscores")
        if name.lower() in taken:
            problems.append(f"outcomes.{name}: the tables already have a column of this name; choose another")
        taken.add(name.lower())
    return problems


def _lists(fields: Mapping[str, Any], months: int) -> list[str]:
    """Check daily returns and products, which the panel stores month by month."""
    daily = fields.get("daily", ())
    problems = [
        f"daily: {shortened(month)} is not a month of the run (0 to {months - 1})"
        for month in (daily if isinstance(daily, tuple) and months else ())
        if not isinstance(month, int) or not 0 <= month < months
    ]
    if isinstance(daily, tuple) and len(set(map(repr, daily))) < len(daily):
        problems.append("daily: duplicate month")
    if fields.get("panel", "all") != "all":
        problems += [
            f'{key}: is stored in the panel; set panel = "all"' for key in ("daily", "products") if fields.get(key)
        ]
    return problems


def _monthly(outcome: Mapping[str, Any], months: int) -> list[str]:
    """Check an outcome computed from months of an observable."""
    problems = []
    of, first, last = outcome.get("of"), outcome.get("first", 0), outcome.get("last")
    if isinstance(of, str) and of not in MEASURES:
        hint = "; daily returns need a date" if of in DAILY else did_you_mean(of, [*MEASURES, *DAILY], LISTED)
        problems.append(f".of: unknown observable {shortened(of)}{hint}")
    if outcome.get("take") == "trough":
        problems.append(".take: trough applies only to daily returns around a date")
    if months:
        last = months - 1 if last is None else last
        if isinstance(first, int) and isinstance(last, int) and not 0 <= first <= last < months:
            problems.append(
                f": months {shortened(first)} to {shortened(last)} must be in order and within 0 to {months - 1}"
            )
    return problems


def _dated(outcome: Mapping[str, Any], months: int) -> list[str]:
    """Check an outcome computed from daily returns around a date."""
    problems = []
    of, first, last, date = outcome.get("of"), outcome.get("first", 0), outcome.get("last"), outcome.get("date")
    if isinstance(of, str) and of not in DAILY:
        problems.append(f".of: {shortened(of)} is not a daily return of a layer{did_you_mean(of, DAILY)}")
    if outcome.get("take") == "volatility":
        problems.append(".take: choose mean, sum, min, max or trough for daily returns")
    last = first if last is None else last
    if not (isinstance(first, int) and isinstance(last, int) and type(date) is dt.date and months):
        return problems  # pydantic reports wrong types
    if first > last:
        problems.append(f": first day {first} is after last day {last}")
    day = month_of(date) * DAYS + trading_day(date)
    if day + min(first, 0) < LEAST_DAYS or day + last >= months * DAYS:
        problems.append(
            f": days {first} to {last} around {date} must lie within the run of {months} months and start at"
            f" least {LEAST_DAYS} trading days into it, on which the market model is estimated"
        )
    return problems
