"""Common rules of closed and open labs: research, imitation, defence, releases."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from benchmarks.plain_mesa.constants import (
    EFFICIENT,
    FLAGSHIP,
    NEVER,
    NOBODY,
    TIERS,
    clip,
)
from benchmarks.plain_mesa.demand import scarcity
from benchmarks.plain_mesa.owner import Owner

USUAL = 1.0  # departure of the reference model from the compute-optimal size, ln parameters
SMALLEST_GAIN = 1e-3  # of capability, for which an old model is replaced, nats
OVERTRAINED = (1.5, 3.5)  # largest departures of flagships and of efficient models


class Lesson(NamedTuple):
    """Potential teachers of a lab, the ceiling of learning, and the cost of an exchange."""

    teacher: int
    ceiling: float  # nats
    price: float  # $ M per M exchanges, penalty included
    source: int  # source of open weights
    open_capability: float  # nats


class Lab(Owner):
    """Trains, copies or distils models, sells them in tiers, and spends what it earns and raises on the next."""

    is_open = False

    monetisation: int
    licence: float
    first_party_share: float
    own_share: float  # of its machines that it wants to own

    efficiency: float  # nats
    run_compute: float  # H100e months
    run_cost: float  # $ M
    programme_cost: float
    research_intensity: float
    research_spending: float  # $ M a month
    distilled: float  # nats
    copied: float
    untaught: float
    taught_by: int  # whom it distilled last
    source: int  # to whom its flagship owes capability
    distilled_share: float
    teacher: int
    copied_from: int
    exchanges: float  # M a month
    vigilance: float
    access_cut: float  # months
    legal_exposure: float  # $ M

    capability: list[float]  # by tier from here
    model_size: list[float]
    serving_efficiency: list[float]
    hosted: list[float]  # nats, at certified hosts
    age: list[float]
    released: list[bool]
    from_own_run: bool
    tier_value: list[float]  # $ M a month per nat
    tier_slope: list[float]  # of ln worth in capability, per nat
    price: list[float]  # by offer from here
    token_cost: list[float]
    revision: list[float]
    nash_markup: list[float]  # nats
    uncopied: list[float]  # part of what is spent on an offer or a faithful copy of it that goes to the offer
    best_profit: float  # $ M, best month since the flagship's release

    claimed_cost: float  # $ M
    true_cost: float
    cash: float
    training: float  # H100e
    serving: float
    training_budget: float  # $ M a month
    training_bill: float
    funded: float
    revenue: float
    profit: float
    lerner: float
    marginal_value: float  # $ M a month per nat
    nat_value: float  # the same, with what owners pay for
    distressed: float  # months

    def __init__(self, model: Any, number: int, **columns: Any) -> None:
        super().__init__(model, **columns)
        self.number = number
        self.sold: Any = None  # what users bought last

    # Research

    def research(self, published: float, luck: float) -> None:
        """Own progress, faster under scarcity, and learning from the published frontier; the training run continues."""
        p, model = self.model.p, self.model
        lucky = math.exp(p.research_luck * luck - 0.5 * p.research_luck**2)
        trend = math.log(2) / p.algorithmic_doubling_time
        scarce = 1 + p.scarcity_induction * scarcity(model, self.home)
        own = trend * self.research_intensity**p.research_returns * lucky * scarce
        catching_up = p.spillover_rate * (1 - p.ip_stifling * self.law.ip_strength)
        taught = catching_up * max(published - self.efficiency, 0.0)
        self.efficiency += own + taught + model.events.efficiency_gain[self.number]
        self.run_compute += self.training
        self.run_cost += self.training_bill
        self.programme_cost += self.training_bill + self.research_spending

    def own_candidate(self) -> float:
        """Capability of the current run if it were released now."""
        return self.efficiency + math.log(max(self.run_compute, 1e-9) / self.model.p.reference_compute)

    def untaught_candidate(self) -> float:
        """Best capability it could release now without a teacher."""
        return max(self.own_candidate(), self.copied)

    def candidate(self) -> float:
        """Best capability it could release now."""
        return max(self.untaught_candidate(), self.distilled)

    def is_forkable(self) -> bool:
        return self.active and self.is_open and self.licence > self.model.p.licence_needed

    def choose_exchanges(self, lesson: Lesson) -> None:
        """Distil until the gain from an exchange equals its price plus expected penalty (Becker 1968)."""
        p = self.model.p
        self.exchanges, self.teacher = 0.0, NOBODY
        if self.access_cut > 0 or lesson.teacher == NOBODY:
            return
        gap = max(lesson.ceiling - self.candidate(), 0.0)
        gain = self.nat_value * p.lead_horizon * (1 - math.exp(-p.distillation_rate / 12)) * gap
        ratio = gain / max(p.exchange_scale * lesson.price, 1e-9)
        self.exchanges = min(p.exchange_scale * math.log(max(ratio, 1.0)), p.exchange_limit)
        if self.exchanges > 0:
            self.teacher = lesson.teacher

    def imitate(self, lesson: Lesson) -> None:
        """Close the gap to the teacher by distillation, and to the best open weights by copying."""
        p = self.model.p
        start = max(self.distilled, self.capability[FLAGSHIP])
        if self.exchanges > 0 and lesson.ceiling > start:
            effect = 1 - math.exp(-self.exchanges / p.exchange_scale)
            pace = 1 - math.exp(-p.distillation_rate * effect / 12)
            self.distilled = start + pace * (lesson.ceiling - start)
        if self.exchanges > 0:
            self.taught_by = lesson.teacher
        start = max(self.copied, self.untaught)
        target = lesson.open_capability + math.log(p.copy_fidelity)
        pace = 1 - math.exp(-p.copying_rate * (1 - p.ip_copy_block * self.law.ip_strength) / 12)
        if pace > 0 and target > start:
            before, self.copied = self.copied, start + pace * (target - start)
            if self.copied > before:
                self.copied_from = lesson.source
        self.access_cut = max(self.access_cut - 1, 0.0)

    # Enforcement

    def defend(self, exchanges: float) -> None:
        """Set rate limits so that marginal cost equals marginal savings, plus what events add."""
        p = self.model.p
        exposure = p.detection_rate * exchanges
        stake = p.imitation_loss * max(self.marginal_value, 0.0)
        effort = math.log(max(exposure * stake / p.vigilance_cost, 1.0)) / max(exposure, 1e-9)
        self.vigilance = min(effort, p.vigilance_maximum) + self.model.events.vigilance[self.number]

    def answer_case(self, detection: float, ruling: float, court: float) -> tuple[bool, bool]:
        """If caught, access is cut; if a suit is lost, damages are owed and distilled capability is enjoined."""
        p, law = self.model.p, self.law
        vigilance = self.model.labs[self.teacher].vigilance
        effort = vigilance + law.enforcement_effort + self.model.events.allegation[self.number]
        if detection >= 1 - math.exp(-p.detection_rate * self.exchanges * effort):
            return False, False
        self.access_cut = p.access_cut_months
        if court >= clip(law.ip_strength + p.ruling_spread * (1 - law.ip_clarity) * ruling, 0.0, 1.0):
            return True, False
        self.legal_exposure += p.damages_multiple * max(self.revenue, p.damages_floor)
        if self.distilled_share > 0:
            clean = max(self.untaught, self.untaught_candidate())
            self.capability = [min(k, clean) for k in self.capability]
        self.distilled = NEVER
        return True, True

    # Release

    def own_sizes(self) -> tuple[float, float]:
        """How far below the compute-optimal size its customers want both models, ln parameters."""
        first, second = (
            min(1 / max(2 * loss * slope, 1e-3), most)
            for loss, slope, most in zip(self.losses(), self.tier_slope, OVERTRAINED, strict=True)
        )
        return first, second

    def losses(self) -> tuple[float, float]:
        """Capability lost per squared departure in ln parameters, nats."""
        p = self.model.p
        return p.overtraining_loss, p.tier_step / p.tier_size_step**2

    def release(self, top: float, report_ratio: float, luck: list[float], parent_size: float) -> None:
        """Release a tier once it is better by a threshold, or old; the efficient tier is distilled from the flagship."""
        p, events, accounts, number = self.model.p, self.model.events, self.model.accounts, self.number
        forced = events.release[number] > 0.5
        own, best = self.own_candidate(), self.candidate()
        from_own = not forced and own >= best
        forks = self.copied > own and self.copied >= self.distilled
        less = self.own_sizes()
        losses = self.losses()
        lost = losses[FLAGSHIP] * (less[FLAGSHIP] ** 2 - USUAL**2), losses[EFFICIENT] * less[EFFICIENT] ** 2
        if forced:
            flagship = top + events.release_gap[number] if events.release_gap[number] > -1e5 else best
        else:
            flagship = best - lost[FLAGSHIP] if from_own else best
        if from_own:
            size = 0.5 * math.log(max(self.run_compute, 1e-9) / p.reference_compute) + USUAL - less[FLAGSHIP]
        else:
            size = parent_size if forks and self.copied_from != NOBODY else self.model_size[FLAGSHIP]
            size += events.size_step[number]
        offer = flagship, self.capability[FLAGSHIP] - lost[EFFICIENT]
        sizes = size, self.model_size[FLAGSHIP] - less[EFFICIENT]
        thresholds = p.release_threshold, p.release_threshold * p.efficient_tier_threshold
        out = [forced, False]
        for t in TIERS:
            gain = offer[t] - self.capability[t]
            due = gain >= thresholds[t] or (self.age[t] >= p.maximum_age and gain > SMALLEST_GAIN)
            out[t] = out[t] or (due and luck[t] < p.release_hazard)

        if out[FLAGSHIP]:
            claimed = events.release_claimed_cost[number]
            self.true_cost = self.programme_cost
            self.claimed_cost = claimed if claimed > 0 else report_ratio * self.run_cost
            self.distilled_share = 1 - math.exp(min(own - best, 0.0))
            self.source = NOBODY
            if self.distilled_share > 0:
                self.source = self.copied_from if forks else self.taught_by
            if forced or self.untaught_candidate() >= best:
                self.untaught = flagship
            if from_own:
                self.run_compute = self.run_cost = 0.0
        diverted = p.scarcity_diversion * scarcity(self.model, self.home)
        for t in (FLAGSHIP, EFFICIENT):
            self.age[t] += 1
            if out[t]:
                self.capability[t], self.model_size[t] = offer[t], sizes[t]
                self.serving_efficiency[t] = accounts.serving_efficiency - diverted
                self.age[t] = 0.0
            if self.age[t] >= p.certified_delay:
                self.hosted[t] = self.capability[t]
        self.released = out
        self.from_own_run = out[FLAGSHIP] and (forced or from_own)
