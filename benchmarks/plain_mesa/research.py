"""3. to 5.: research and imitation, enforcement, release."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.plain_mesa.constants import FLAGSHIP, NEVER, NOTHING, clip, price_response, royalty
from benchmarks.plain_mesa.lab import Lesson, Parent


def do_research(model: Any) -> None:
    """Every lab makes its own progress and continues training, then distils and copies from others."""
    p, active = model.p, [lab for lab in model.labs if lab.active]
    luck = model.draws.normal("research luck", len(model.labs))
    published = max(lab.efficiency - (0.0 if lab.is_open else p.publication_gap) for lab in active)
    for lab in active:
        lab.research(published, luck[lab.number])
    lessons = [lesson_of(model, lab) for lab in active]
    for lab, lesson in zip(active, lessons, strict=True):
        lab.choose_exchanges(lesson)
        lab.imitate(lesson)


def lesson_of(model: Any, student: Any) -> Lesson:
    """What a lab could learn from each other lab, and what it would pay."""
    p, chance, penalty = model.p, student.ruling_expected(), student.penalty()
    seen = model.accounts.capability_history[int(p.access_delay - 1)]
    may_distil, may_build = (model.access[channel][student.number] for channel in (0, 1))
    ceiling, price, quota, clear, weights, fee = [], [], [], [], [], []
    for m, lab in enumerate(model.labs):
        teaches = lab.active and not lab.is_open and lab is not student and may_distil[m]
        ceiling.append(math.log(p.distillation_ceiling) + seen[m] if teaches else NEVER)
        price.append(lab.price[FLAGSHIP] * p.tokens_per_exchange + student.effort_seen(lab) * penalty)
        quota.append(lab.quota(student))
        clear.append(math.exp(-lab.hidden[student.number]))
        may_fork = lab.is_forkable() and lab is not student and may_build[m]
        weights.append(lab.capability[FLAGSHIP] if may_fork else NEVER)
        fee.append(royalty(lab.claims(student.number), chance))
    return Lesson(ceiling, price, quota, clear, weights, fee)


def enforce(model: Any) -> None:
    """Teachers choose their defence; some students are caught and sued; courts decide what is due, and everybody reads it."""
    p, labs, draws, accounts = model.p, model.labs, model.draws, model.accounts
    for lab in labs:
        if lab.active:
            lab.defend()

    ruling, court = draws.normal("ruling", len(model.regulators)), draws.uniform("court", len(labs))
    detection = draws.uniform("detection", (len(labs), len(labs)))
    won = [court_rules(p, law, luck) for law, luck in zip(model.regulators, ruling, strict=True)]
    accounts.detections = accounts.suits_lost = 0.0
    accounts.incidents = [0.0] * len(labs)
    for i, lab in enumerate(labs):
        if lab.active:
            caught, lost = lab.answer_case(detection[i], court[i] < won[lab.home])
            accounts.detections += caught
            accounts.suits_lost += lost
            accounts.incidents[i] = float(lost)

    for r, (forecast, variance) in enumerate(accounts.rulings):
        error = won[r] - forecast
        accounts.rulings[r] = [
            forecast + p.ruling_learning * error,
            variance + p.ruling_learning * (error**2 - variance),
        ]


def court_rules(p: Any, law: Any, luck: float) -> float:
    """Share of claims that owners win this month: how strong rights are, and a spread that falls as they get clearer.

    That is the spread of a yes or no with this chance, as far as rulings cannot be foreseen.
    """
    strength = law.ip_strength
    spread = p.ruling_spread * (1 - law.ip_clarity) * 2 * math.sqrt(max(strength * (1 - strength), 0.0))
    return clip(strength + spread * luck, 0.0, 1.0)


def release_models(model: Any) -> None:
    """Labs release models that improve by their threshold; stores each release's surprise in the open-closed race."""
    p, labs, accounts, events = model.p, model.labs, model.accounts, model.events
    top = model.frontier()
    top_open = max([NOTHING, *(max(lab.capability) for lab in labs if lab.active and lab.is_open)])
    motive = model.draws.normal("disclosure motive", len(labs))
    luck = model.draws.uniform("release", (len(labs), 2))
    bias = price_response(p.claim_value_sd, p.claim_motive_sd, p.claim_bias_cost) * p.claim_motive_sd
    parents = [parent_of(labs[lab.copied_from]) for lab in labs]
    before = [lab.capability[FLAGSHIP] for lab in labs]
    used = [list(lab.exchanges_used) for lab in labs]
    for i, lab in enumerate(labs):
        if not lab.active:
            continue
        lab.release(top, math.exp(-bias * abs(motive[i]) / p.claim_bias_cost), luck[i], parents[i])
        if lab.released[FLAGSHIP] and events.release_programme_cost[i] > 0:
            lab.true_cost = events.release_programme_cost[i]
        if lab.is_open:
            lab.choose_licence(top)
    for teacher in labs:
        watch_students(teacher, before, used)
    for lab in labs:
        lab.royalty = royalty(lab.claims(lab.number), lab.ruling_expected())

    accounts.release_surprise = [0.0] * len(labs)
    for i, lab in enumerate(labs):
        if lab.active and lab.released[FLAGSHIP]:
            expected = max(top_open, top - p.expected_open_gap) if lab.is_open else top
            surprise = max(lab.capability[FLAGSHIP] - expected, 0.0)
            accounts.release_surprise[i] = -surprise if lab.is_open else surprise
    flagships = [lab.capability[FLAGSHIP] for lab in labs]
    accounts.capability_history = [flagships, *accounts.capability_history[:-1]]
    closed = max((lab.capability[FLAGSHIP] for lab in labs if lab.active and not lab.is_open), default=-math.inf)
    accounts.closed_path = [closed, *accounts.closed_path[:-1]]
    luck = model.draws.normal("fit", (len(model.adopters), len(labs)))
    for adopter, numbers in zip(model.adopters, luck, strict=True):
        adopter.try_releases(labs, numbers)


def parent_of(lab: Any) -> Parent:
    """A lab's flagship as those who build on its weights have it."""
    return Parent(lab.model_size[FLAGSHIP], lab.base_cost, lab.lineage)


def watch_students(teacher: Any, before: list[float], used: list[list[float]]) -> None:
    """By how many nats releases of its students came nearer to a teacher, and the exchanges that they had with it until then.

    It cannot tell what they owe to others or to themselves. `before`: flagships until now; `used`: by student and teacher.
    """
    fade, level = 1 - teacher.model.p.lead_forgetting, teacher.capability[FLAGSHIP]
    nats = exchanges = 0.0
    for student in teacher.model.labs:
        had = used[student.number][teacher.number]
        if student.active and student.released[FLAGSHIP] and had > 0:
            nats += max(min(student.capability[FLAGSHIP], level) - min(before[student.number], level), 0.0)
            exchanges += had
    teacher.leak = [fade * teacher.leak[0] + nats, fade * teacher.leak[1] + exchanges]
