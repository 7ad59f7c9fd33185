"""3. to 5.: research and imitation, enforcement, release."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.plain_mesa.constants import FLAGSHIP, NEVER, NOBODY, NOTHING, first_greatest, price_response
from benchmarks.plain_mesa.lab import Lesson


def do_research(model: Any) -> None:
    """Every lab makes its own progress and continues training, then distils and copies from others."""
    p, active = model.p, [lab for lab in model.labs if lab.active]
    luck = model.draws.normal("research luck", len(model.labs))
    published = max(lab.efficiency - (0.0 if lab.is_open else p.publication_gap) for lab in active)
    for lab in active:
        lab.research(published, luck[lab.number])

    seen = model.accounts.capability_history[int(p.access_delay - 1)]
    teachers = sorted((-seen[lab.number], lab.number) for lab in active if not lab.is_open)[:2]  # no lab teaches itself
    offered = [lab.capability[FLAGSHIP] if lab.is_forkable() else NEVER for lab in model.labs]
    source = first_greatest(offered) if any(lab.is_forkable() for lab in active) else NOBODY
    for lab in active:
        others = [number for _, number in teachers if number != lab.number]
        lesson = lesson_of(model, lab, others[0] if others else NOBODY, seen, source, max(offered))
        lab.choose_exchanges(lesson)
        lab.imitate(lesson)


def lesson_of(model: Any, student: Any, teacher: int, seen: list[float], source: int, open_best: float) -> Lesson:
    """What a lab could learn, and from which labs."""
    if teacher == NOBODY:
        return Lesson(NOBODY, NEVER, 0.0, source, open_best)
    p, law = model.p, student.law
    effort = model.labs[teacher].vigilance + law.enforcement_effort + model.events.allegation[student.number]
    damages = p.damages_multiple * max(student.revenue, p.damages_floor)
    penalty = p.detection_rate * effort * law.announced * damages
    price = model.labs[teacher].price[FLAGSHIP] * p.tokens_per_exchange + penalty
    return Lesson(teacher, math.log(p.distillation_ceiling) + seen[teacher], price, source, open_best)


def enforce(model: Any) -> None:
    """Teachers choose their defence; some students are caught, and some of those lose in court."""
    labs, draws, accounts = model.labs, model.draws, model.accounts
    taken = [0.0] * len(labs)
    for student in labs:
        if student.teacher != NOBODY:
            taken[student.teacher] += student.exchanges
    for lab in labs:
        if lab.active:
            lab.defend(taken[lab.number])

    detection, ruling = draws.uniform("detection", len(labs)), draws.normal("ruling", len(labs))
    court = draws.uniform("court", len(labs))
    accounts.detections = accounts.suits_lost = 0.0
    accounts.incidents = [0.0] * len(labs)
    for i, lab in enumerate(labs):
        if lab.active and lab.teacher != NOBODY:
            detected, lost = lab.answer_case(detection[i], ruling[i], court[i])
            accounts.detections += detected
            accounts.suits_lost += lost
            accounts.incidents[i] = float(lost)


def release_models(model: Any) -> None:
    """Labs release models that improve by their threshold; stores each release's surprise in the open-closed race."""
    p, labs, accounts, events = model.p, model.labs, model.accounts, model.events
    top = model.frontier()
    top_open = max([NOTHING, *(max(lab.capability) for lab in labs if lab.active and lab.is_open)])
    motive = model.draws.normal("disclosure motive", len(labs))
    luck = model.draws.uniform("release", (len(labs), 2))
    bias = price_response(p.claim_value_sd, p.claim_motive_sd, p.claim_bias_cost) * p.claim_motive_sd
    parents = [labs[lab.copied_from].model_size[FLAGSHIP] for lab in labs]
    for i, lab in enumerate(labs):
        if lab.active:
            lab.release(top, math.exp(-bias * abs(motive[i]) / p.claim_bias_cost), luck[i], parents[i])
        if lab.released[FLAGSHIP] and events.release_programme_cost[i] > 0:
            lab.true_cost = events.release_programme_cost[i]
        if lab.active and lab.is_open:
            lab.choose_licence(top)

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
