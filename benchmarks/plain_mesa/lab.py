"""Common rules of closed and open labs: research, imitation, defence, releases."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from benchmarks.plain_mesa.constants import EFFICIENT, FLAGSHIP, NEVER, NOBODY, TIERS, clip, first_greatest
from benchmarks.plain_mesa.demand import scarcity
from benchmarks.plain_mesa.owner import Owner

USUAL = 1.0  # departure of the reference model from the compute-optimal size, ln parameters
SMALLEST_GAIN = 1e-3  # of capability, for which an old model is replaced, nats
OVERTRAINED = (1.5, 3.5)  # largest departures of flagships and of efficient models
NEAR = 0.5  # gap within which a flagship counts as matched by another, nats
HORIZON = 60  # months for which labs plan
MOST_TEACHERS = 5  # from which a lab learns in a month
SWEEPS = 3  # times that it goes through them to choose exchanges


class Lesson(NamedTuple):
    """What a lab could learn from each lab, and what it would pay for it; lists by lab."""

    ceiling: list[float]  # nats that its outputs teach, NEVER where it teaches nothing
    price: list[float]  # $ M per M exchanges, with the expected penalty
    quota: list[float]  # M exchanges a month that it lets through
    clear: list[float]  # part of what an exchange can teach that it does not hide
    weights: list[float]  # nats of its weights, NEVER where nobody may build on them
    fee: list[float]  # share of sales that their owners would ask


class Parent(NamedTuple):
    """The flagship of the lab whose weights a lab builds on."""

    size: float  # ln parameters
    cost: float  # $ M, of the run that it rests on
    lineage: list[float]  # part of it owed to the weights of each lab


def best_teachers(gap: list[float]) -> list[int]:
    """Numbers of the labs that can teach most, best first."""
    return sorted(range(len(gap)), key=lambda m: -gap[m])[:MOST_TEACHERS]


def lead_over_next(gap: list[float], teachers: list[int]) -> list[float]:
    """Nats that each of the teachers can teach and the next one cannot; all that the last one can."""
    gaps = [gap[m] for m in teachers]
    return [one - other for one, other in zip(gaps, [*gaps[1:], 0.0], strict=True)]


class Lab(Owner):
    """Trains, copies or distils models, sells them in tiers, and spends what it earns and raises on the next."""

    is_open = False

    monetisation: int
    licence: float
    first_party_share: float
    own_share: float  # of its machines that it wants to own

    efficiency: float  # nats
    luck: float  # in research, sd
    run_compute: float  # H100e months
    run_cost: float  # $ M
    own_best: float  # nats, flagship that came last from a run of its own
    own_cost: float  # $ M, of that run
    base_cost: float  # $ M, of the run that its flagship rests on, its own or one of a lab whose weights it builds on
    programme_cost: float
    research_intensity: float
    research_spending: float  # $ M a month
    distilled: float  # nats
    copied: float
    untaught: float
    exchanges: list[float]  # M a month, with each lab; lists by lab from here
    link_age: list[float]  # months
    access_cut: list[float]  # months
    lineage: list[float]  # part of its flagship owed to the weights of each
    vigilance: list[float]  # towards each as an account
    hidden: list[float]  # nats, of reasoning that each as an account does not see
    exchanges_used: list[float]  # M, with each since its last flagship, as far as it saw them
    behind: list[bool]  # whether its flagship was ahead of it at its release
    taught_by: int  # who taught it most, last
    copied_from: int
    fork_age: float  # months
    source: int  # to whom its flagship owes capability
    distilled_share: float
    royalty: float  # part of its income

    case_left: float  # months until it is decided, 0 if there is none
    claimant: int
    taught_sales: float  # $ M on which no court has ruled
    legal_exposure: float  # $ M

    matched: float  # months since its flagship was, -1 if it was not
    lead_months: float
    leads_ended: float
    rent_share: float  # part of users' spending on tokens that was its gross profit last month
    rents_seen: list[float]  # the same in months without a release, while ahead and once matched
    rents_lost: list[float]  # by how much it then fell
    awards_seen: float  # $ M a month
    leak: list[float]  # nats by which its students' releases came nearer, and M exchanges behind that
    caught_seen: list[float]  # times that it was detected, and M exchanges x effort that it had risked

    capability: list[float]  # by tier from here
    model_size: list[float]
    serving_efficiency: list[float]
    hosted: list[float]  # nats, at certified hosts
    age: list[float]
    released: list[bool]
    from_own_run: bool
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
    gross_profit: float
    lerner: float
    marginal_value: float  # $ M a month that it would earn more with models a nat better
    nat_value: float  # the same, royalties taken off
    distressed: float  # months

    def __init__(self, model: Any, number: int, **columns: Any) -> None:
        super().__init__(model, **columns)
        self.number = number
        self.sold: Any = None  # what users bought last

    # Research

    def research(self, published: float, luck: float) -> None:
        """Own progress, faster under scarcity, and learning from the published frontier; the training run continues."""
        p, model = self.model.p, self.model
        self.luck = p.luck_persistence * self.luck + math.sqrt(1 - p.luck_persistence**2) * luck
        productive = math.exp(p.research_luck * self.luck - 0.5 * p.research_luck**2)
        trend = math.log(2) / p.algorithmic_doubling_time
        scarce = 1 + p.scarcity_induction * scarcity(model, self.home)
        own = trend * self.research_intensity**p.research_returns * productive * scarce
        taught = p.spillover_rate * max(published - self.efficiency, 0.0)
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

    def reserved(self) -> float:
        """How far it reserves the rights to its weights; labs that keep them, or are gone, have nothing to reserve."""
        return max(1 - self.licence, 0.0) if self.is_open and self.active else 0.0

    def claims(self, student: int) -> list[float]:
        """Share of its flagship that each owner of weights, other than the student, can claim."""
        owners = zip(self.model.labs, self.lineage, strict=True)
        return [0.0 if owner.number == student else part * owner.reserved() for owner, part in owners]

    def ruling_expected(self) -> float:
        """Chance, forecast from past rulings at home, that courts side with owners."""
        return self.model.accounts.rulings[self.home][0]

    def grown(self, months: int) -> float:
        """Today's value of $ 1 of rent now, if it grows as the market: that fades, and the interest of the time comes off."""
        p, years = self.model.p, months / 12
        growth = self.model.accounts.market_growth / p.growth_fading * -math.expm1(-p.growth_fading * years)
        return math.exp(growth - p.interest_rate * years)

    def rents_fall(self) -> tuple[float, float]:
        """Part of its rents that went in a month, while its flagships were ahead, and once they were matched."""
        falls = [lost / max(seen, 1e-12) for lost, seen in zip(self.rents_lost, self.rents_seen, strict=True)]
        return max(falls[0], 0.0), max(falls[1], 0.0)

    def known(self) -> float:
        """Capability of the best model that it has, on sale or ready to be."""
        return max(self.candidate(), self.capability[FLAGSHIP])

    def worth_of_lead(self) -> float:
        """Months of today's rent that a lead is worth: it ends some time, and rents fall otherwise before and after that."""
        ahead, matched = self.rents_fall()
        ends = 1 / max(self.lead_months / max(self.leads_ended, 1e-6), 1.0)  # chance a month
        worth = 0.0
        for month in range(1, HORIZON + 1):
            apart = (ahead + ends - matched) * month
            since = 1 - apart / 2 if abs(apart) < 1e-6 else -math.expm1(-apart) / apart
            still_ahead = math.exp(-(ahead + ends) * month)
            ended = ends * month * math.exp(-matched * month) * since  # whenever that was
            worth += self.grown(month) * (still_ahead + ended)
        return worth

    def worth_once_matched(self) -> float:
        """Months of today's rent that are left of it when a lead has just ended."""
        matched = self.rents_fall()[1]
        return sum(self.grown(month) * math.exp(-matched * month) for month in range(1, HORIZON + 1))

    def is_sued(self) -> bool:
        return self.case_left > 0

    def penalty(self) -> float:
        """Expected penalty, $ M per M exchanges and unit of a teacher's effort; none while a case is pending, one at a time.

        A case that is lost costs damages on what is sold meanwhile, as far as it is owed, and what was distilled.
        """
        p = self.model.p
        if self.is_sued():
            return 0.0
        taught = max(self.distilled - max(self.untaught, self.copied), 0.0)
        owed = 1 - math.exp(-taught)
        damages = p.damages_multiple * (self.taught_sales + p.court_time * owed * self.revenue)
        stake = damages + max(self.nat_value, 0.0) * self.worth_of_lead() * taught
        hazard = self.caught_seen[0] / max(self.caught_seen[1], 1e-9)  # per unit of effort
        return hazard * self.ruling_expected() * stake

    def watched_by(self, teacher: Any) -> float:
        """Effort with which a teacher and the public look for this student."""
        return teacher.vigilance[self.number] + self.public_effort()

    def public_effort(self) -> float:
        return self.law.enforcement_effort + self.model.events.allegation[self.number]

    def effort_seen(self, teacher: Any) -> float:
        """The same as far as it sees: a teacher's vigilance shows in the quota that it leaves."""
        limit, quota = self.model.p.exchange_limit, teacher.quota(self)
        return math.log(max(limit, 1e-30) / max(quota, 1e-30)) + self.public_effort()

    def quota(self, student: Any) -> float:
        """Exchanges that it lets a student have, M a month."""
        return self.model.p.exchange_limit * math.exp(-self.vigilance[student.number])

    def owed_to_teachers(self) -> float:
        """Share of its flagship owed to a closed lab; open weights are forked, under a licence."""
        taught = self.source != NOBODY and not self.model.labs[self.source].is_open
        return self.distilled_share if taught else 0.0

    def choose_exchanges(self, lesson: Lesson) -> None:
        """Distil each teacher until the gain from an exchange equals its price plus expected penalty (Becker 1968).

        What two teachers know is learnt once, from either: each is asked for what the others, as asked so far, leave.
        """
        p = self.model.p
        stays = 1 - self.ruling_expected() if self.is_sued() else 1.0  # chance, of what it learns now
        worth = max(self.nat_value, 0.0) * self.worth_of_lead() * stays * (1 - math.exp(-p.distillation_rate / 12))
        best = self.known()
        gap = [
            0.0 if cut > 0 else max(ceiling - best, 0.0)
            for ceiling, cut in zip(lesson.ceiling, self.access_cut, strict=True)
        ]
        teachers = best_teachers(gap)
        alone = lead_over_next(gap, teachers)
        had = [0.0] * len(teachers)  # from each, in units of p.exchange_scale
        for _ in range(SWEEPS):
            for i, m in enumerate(teachers):
                had[i] = 0.0
                left = sum(alone[j] * math.exp(-sum(had[: j + 1])) for j in range(i, len(teachers)))
                ratio = worth * lesson.clear[m] * left / max(p.exchange_scale * lesson.price[m], 1e-9)
                most = lesson.clear[m] * lesson.quota[m] / p.exchange_scale
                had[i] = min(math.log(max(ratio, 1.0)), most)
        self.exchanges = [0.0] * len(gap)
        for i, m in enumerate(teachers):
            self.exchanges[m] = had[i] * p.exchange_scale / max(lesson.clear[m], 1e-6)

    def imitate(self, lesson: Lesson) -> None:
        """Close the gaps to the teachers by distillation, and that to a parent by building on its weights."""
        self.distil(lesson)
        for m, number in enumerate(self.exchanges):
            self.link_age[m] = self.link_age[m] + 1 if number > 0 else 0.0
            self.access_cut[m] = max(self.access_cut[m] - 1, 0.0)
            self.exchanges_used[m] += lesson.clear[m] * number
        self.fork(lesson)

    def distil(self, lesson: Lesson) -> None:
        """What all teachers add in the month: whatever only the best ones know is learnt from exchanges with these.

        They teach the best model that it has.
        """
        p = self.model.p
        start, pace = self.known(), 1 - math.exp(-p.distillation_rate / 12)
        asked = zip(self.exchanges, lesson.ceiling, strict=True)
        gap = [max(ceiling - start, 0.0) if number > 0 else 0.0 for number, ceiling in asked]
        teachers = best_teachers(gap)
        had = {m: lesson.clear[m] * self.exchanges[m] / p.exchange_scale for m in teachers}
        added = [0.0] * len(gap)
        for i, alone in enumerate(lead_over_next(gap, teachers)):
            those = teachers[: i + 1]  # who know it
            total = sum(had[m] for m in those)
            for m in those:
                added[m] += pace * alone * -math.expm1(-total) * had[m] / max(total, 1e-30)
        if sum(added) > 0:
            self.distilled = start + sum(added)
            self.taught_by = first_greatest(added)

    def fork(self, lesson: Lesson) -> None:
        """Build on the weights that earn most after royalties; whoever changes the parent has to begin again.

        Royalties are on all income, whatever the weights bring: where they are more than that, nobody builds on them.
        """
        p = self.model.p
        self.fork_age += 1
        start, gains = max(self.copied, self.untaught), []
        for m, weights in enumerate(lesson.weights):
            change = 0.0 if m == self.copied_from else p.fork_cost
            gap = weights + math.log(p.copy_fidelity) - start - change
            more = (lesson.fee[m] - self.royalty) * self.revenue  # than it pays now
            gains.append(gap * max(self.marginal_value, 1e-6) * (1 - lesson.fee[m]) - more if gap > 0 else 0.0)
        parent, pace = first_greatest(gains), 1 - math.exp(-p.copying_rate / 12)
        target = lesson.weights[parent] + math.log(p.copy_fidelity)
        if gains[parent] <= 0 or pace <= 0 or target <= start:
            return
        before, self.copied = self.copied, start + pace * (target - start)
        if self.copied > before:
            if parent != self.copied_from:
                self.fork_age = 1.0
            self.copied_from = parent

    def forget(self, number: int) -> None:
        """Have no links to a lab that has left: whoever takes its slot has none of its claims."""
        self.lineage[number], self.behind[number] = 0.0, False
        for link in ("source", "copied_from", "taught_by", "claimant"):
            if getattr(self, link) == number:
                setattr(self, link, NOBODY)

    # Enforcement

    def defend(self) -> None:
        """Limit the accounts of labs behind it and hide reasoning from them, so that the last effort saves what it costs.

        To be matched costs a lab what a lead is worth beyond what is left after it, and the nearest are about to match it.
        Open weights need no exchanges.
        """
        p, model = self.model.p, self.model
        self.vigilance, self.hidden = [0.0] * len(model.labs), [0.0] * len(model.labs)
        if self.is_open:
            return
        gaps = {lab.number: self.capability[FLAGSHIP] - lab.capability[FLAGSHIP] for lab in model.labs if lab.active}
        gaps = {number: gap for number, gap in gaps.items() if gap > 0 and model.access[0][number][self.number]}
        near = sum(math.exp(-gap / NEAR) for gap in gaps.values())
        at_stake = max(self.gross_profit, 0.0) * max(self.worth_of_lead() - self.worth_once_matched(), 0.0)
        taught = self.leak[0] / max(self.leak[1], 1e-6)  # nats per M exchanges
        paid = (self.price[FLAGSHIP] - self.token_cost[FLAGSHIP]) * p.tokens_per_exchange
        for number, gap in gaps.items():
            first = math.exp(-gap / NEAR) / max(near, 1e-30)
            loss = at_stake * first / max(gap, NEAR) * taught
            taken = model.labs[number].exchanges[self.number]
            self.hidden[number] = math.log(max(loss * taken / p.hiding_cost, 1.0))
            left = loss * math.exp(-self.hidden[number]) - paid
            effort = math.log(max(left * p.exchange_limit / p.vigilance_cost, 1.0))
            self.vigilance[number] = min(effort, p.vigilance_maximum) + model.events.vigilance[self.number]

    def answer_case(self, luck: list[float], ruled: bool) -> tuple[int, bool]:
        """Access is cut where it is caught, and it is sued; a suit that is lost costs damages and what was distilled.

        One case at a time, decided after the time that courts take. Returns how many caught it, and whether it lost.
        """
        p = self.model.p
        caught = [luck[lab.number] < self.chance_to_be_caught(lab) for lab in self.model.labs]
        self.access_cut = [p.access_cut_months if c else cut for c, cut in zip(caught, self.access_cut, strict=True)]
        risked = sum(x * self.effort_seen(lab) for x, lab in zip(self.exchanges, self.model.labs, strict=True))
        self.caught_seen = [
            (1 - p.lead_forgetting) * old + new
            for old, new in zip(self.caught_seen, (sum(caught), risked), strict=True)
        ]
        self.taught_sales += self.owed_to_teachers() * self.revenue
        decided = self.case_left == 1
        lost = decided and ruled
        if lost:
            self.legal_exposure += p.damages_multiple * self.taught_sales
            if self.distilled_share > 0:
                self.fall_back(max(self.untaught, self.untaught_candidate()))
            self.distilled = NEVER
        if decided:
            self.taught_sales = 0.0
        if any(caught) and self.case_left <= 0:
            self.claimant = first_greatest([x if c else -1.0 for x, c in zip(self.exchanges, caught, strict=True)])
            self.case_left = max(float(round(p.court_time)), 1.0)
        else:
            self.case_left = max(self.case_left - 1, 0.0)
        return sum(caught), lost

    def fall_back(self, clean: float) -> None:
        """Sell nothing better than what it has without a teacher; it may still owe that to the weights that it builds on."""
        self.capability = [min(k, clean) for k in self.capability]
        ours = min(max(self.own_candidate(), self.own_best), clean)
        self.distilled_share = 1 - math.exp(ours - clean)
        self.source = self.copied_from if self.distilled_share > 0 else NOBODY

    def chance_to_be_caught(self, teacher: Any) -> float:
        p = self.model.p
        return 1 - math.exp(-p.detection_rate * self.exchanges[teacher.number] * self.watched_by(teacher))

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

    def release(self, top: float, report_ratio: float, luck: list[float], parent: Parent) -> None:
        """Release a tier once it is better by a threshold, or old; the efficient tier is distilled from the flagship.

        A run that is released sooner after the last flagship than a run takes is hurried, and worse for it.
        """
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
            hurry = max(1 - (self.age[FLAGSHIP] + 1) / p.training_months, 0.0)
            flagship = best - p.hurry_loss * hurry**2 - lost[FLAGSHIP] if from_own else best
        if from_own:
            size = 0.5 * math.log(max(self.run_compute, 1e-9) / p.reference_compute) + USUAL - less[FLAGSHIP]
        else:
            size = parent.size if forks and self.copied_from != NOBODY else self.model_size[FLAGSHIP]
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
            ours = max(own, self.own_best)
            if self.copied > ours and self.copied_from != NOBODY:
                self.base_cost = parent.cost
            else:
                self.base_cost = self.run_cost if own >= self.own_best else self.own_cost
            self.claimed_cost = claimed if claimed > 0 else report_ratio * self.base_cost
            base = min(ours, best)  # what its own runs have brought it to
            self.distilled_share = 1 - math.exp(base - best)
            self.source, self.exchanges_used = NOBODY, [0.0] * len(self.exchanges_used)
            if self.distilled_share > 0:
                self.source = self.copied_from if forks else self.taught_by
            brought = 0.0  # by the parent
            if self.copied_from != NOBODY:
                brought = math.exp(clip(self.copied, base, best) - best) - math.exp(base - best)
            itself = [float(lab is self) for lab in self.model.labs]
            parts = zip(parent.lineage, itself, strict=True)
            self.lineage = [brought * theirs + (1 - brought) * mine for theirs, mine in parts]
            if forced or self.untaught_candidate() >= best:
                self.untaught = flagship
            if from_own:
                self.own_best, self.own_cost = flagship, self.run_cost
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
