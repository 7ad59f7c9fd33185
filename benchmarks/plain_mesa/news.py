"""Daily news of the month on the open questions."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.plain_mesa.constants import DAYS, FLAGSHIP, QUESTIONS, clip, price_response

INTENSITY, APPROPRIABILITY, TIGHTNESS, CREDIBILITY = range(QUESTIONS)


class DayNews:
    """Additions of a day to the public record: precision x signal, precision, and salience."""

    def __init__(self, signal: list[float], precision: list[float], salience: float) -> None:
        self.signal, self.precision, self.salience = list(signal), list(precision), salience
        self.claims = [0.0, 0.0]

    def add(self, question: int, precision: float, signal: float) -> None:
        self.signal[question] += precision * signal
        self.precision[question] += precision


def news_of_month(model: Any) -> list[DayNews]:
    """News from the scenario, cost claims and audits, capex plans, releases and earnings."""
    p, events = model.p, model.events
    given = zip(events.news_signal_precision, events.news_precision, events.salience, strict=True)
    days = [DayNews(*today) for today in given]
    believed = max([1.0, *(lab.claimed_cost for lab in model.labs if lab.active and not lab.is_open)])
    claimed = list(events.claimed_cost)
    release_news(model, days, claimed)

    beta = price_response(p.claim_value_sd, p.claim_motive_sd, p.claim_bias_cost)
    noise = model.draws.normal("audit", DAYS)
    for d, day in enumerate(days):
        if claimed[d] > 0:
            surprise = beta * (math.log(claimed[d]) - math.log(believed))
            day.claims = [p.claim_precision * p.cost_to_intensity * surprise, p.claim_precision]
        if events.audit_cost[d] > 0:
            surprise = math.log(events.audit_cost[d]) - math.log(believed) + p.audit_noise * noise[d]
            day.add(INTENSITY, p.audit_precision, p.cost_to_intensity * surprise)
        if events.capex_news[d] > 0:
            plans = math.log1p(events.capex_news[d] / p.capex_news_scale)
            day.add(INTENSITY, p.capex_precision, p.capex_to_intensity * plans)
        if d == p.earnings_day:
            leader = model.vendors[0]
            pressure = math.log(max(leader.orders, 1e-9) / max(leader.capacity, 1e-9))
            day.add(INTENSITY, p.earnings_precision, p.orders_to_intensity * clip(pressure, -1.0, 1.0))
    return days


def release_news(model: Any, days: list[DayNews], claimed: list[float]) -> None:
    """A release that narrows the open-closed gap lowers appropriability; one from abroad also raises tightness."""
    p, events = model.p, model.events
    luck = model.draws.uniform("release day", len(model.labs))
    for i, lab in enumerate(model.labs):
        forced = events.release[i] > 0.5
        d = int(events.release_day[i]) if forced else int(luck[i] * DAYS)
        if not (lab.released[FLAGSHIP] and lab.active and 0 <= d < DAYS):
            continue
        surprise = model.accounts.release_surprise[i]
        size = abs(surprise)
        days[d].add(APPROPRIABILITY, p.release_precision * size, p.gap_to_rents * surprise)
        if lab.is_open and lab.home != 0:
            days[d].add(TIGHTNESS, p.release_precision * size, p.rivals_to_tightness * size)
        if not forced:
            days[d].salience += p.release_salience * size
        claimed[d] = max(claimed[d], events.release_claimed_cost[i])
