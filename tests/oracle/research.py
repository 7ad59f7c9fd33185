"""ODD 7.3: research and imitation."""

import math

from oracle.common import (
    FLAGSHIP,
    NOBODY,
    active_labs,
    candidate,
    first_greatest,
    is_forkable,
    law,
    pos,
    trend_growth,
)


def do_research(world, now):
    own_progress(world, now)
    lessons = {number: lesson_of(world, now, number) for number, _ in active_labs(world)}
    for number, lab in active_labs(world):
        choose_exchanges(lab, lessons[number], now.p)
    for number, lab in active_labs(world):
        imitate(world, lab, lessons[number], now.p)


def own_progress(world, now):
    """Own progress, spillover, training."""
    p = now.p
    published = max(lab.efficiency - (0 if lab.open else p.publication_gap) for _, lab in active_labs(world))
    for number, lab in active_labs(world):
        luck = math.exp(p.research_luck * now.draws["research luck"][number] - p.research_luck**2 / 2)
        scarce = 1 + p.scarcity_induction * world.accounts.scarcity[lab.home]
        own = trend_growth(p) * lab.research_intensity**p.research_returns * luck * scarce
        open_to_read = 1 - p.ip_stifling * law(world, lab).ip_strength
        catch_up = p.spillover_rate * open_to_read * pos(published - lab.efficiency)
        lab.efficiency += own + catch_up + now.events.efficiency_gain[number]
        trained = p.training_share * lab.machines
        lab.run_compute += trained
        lab.run_cost += trained * world.cloud.rental_price
        lab.programme_cost += trained * world.cloud.rental_price + lab.research_spending


def lesson_of(world, now, student):
    """Whom to learn from, how far that goes, and what an exchange costs."""
    p, lab = now.p, world.labs[student]
    months_back = world.accounts.capability_history[int(p.access_delay - 1)]
    seen = [
        months_back[number] if other.active and not other.open and number != student else -math.inf
        for number, other in enumerate(world.labs)
    ]
    somebody = max(seen) > -math.inf
    teacher = first_greatest(seen) if somebody else NOBODY
    ceiling = math.log(p.distillation_ceiling) + max(seen) if somebody else -50.0

    offered = [other.capability[FLAGSHIP] if is_forkable(other, p) else -50.0 for other in world.labs]
    source = first_greatest(offered) if any(is_forkable(other, p) for other in world.labs) else NOBODY

    fee, penalty = 0.0, 0.0
    if somebody:
        effort = world.labs[teacher].vigilance + law(world, lab).enforcement_effort + now.events.allegation[student]
        fine = law(world, lab).announced * p.damages_multiple * max(lab.revenue, p.damages_floor)
        penalty = p.detection_rate * effort * fine
        fee = world.labs[teacher].price[FLAGSHIP] * p.tokens_per_exchange
    return dict(
        teacher=teacher,
        ceiling=ceiling,
        open_best=max(offered),
        source=source,
        price=fee + penalty,
    )


def choose_exchanges(lab, lesson, p):
    """Exchanges: the first-order condition of V H gain (Becker 1968)."""
    gap = pos(lesson["ceiling"] - candidate(lab, p))
    gain = lab.marginal_value * p.lead_horizon * (1 - math.exp(-p.distillation_rate / 12)) * gap
    ratio = gain / max(p.exchange_scale * lesson["price"], 1e-9)
    wish = min(p.exchange_scale * math.log(max(ratio, 1)), p.exchange_limit) if lesson["teacher"] != NOBODY else 0.0
    lab.exchanges = wish if lab.access_cut <= 0 else 0.0
    lab.teacher = lesson["teacher"] if lab.exchanges > 0 else NOBODY


def imitate(world, lab, lesson, p):
    """Distillation starts from what the lab sells, copying from what it sold without a teacher. Neither gets worse."""
    start = max(lab.distilled, lab.capability[FLAGSHIP])
    if lab.exchanges > 0 and lesson["ceiling"] > start:
        pace = 1 - math.exp(-p.distillation_rate * (1 - math.exp(-lab.exchanges / p.exchange_scale)) / 12)
        lab.distilled = start + pace * (lesson["ceiling"] - start)
    start = max(lab.copied, lab.untaught)
    target = lesson["open_best"] + math.log(p.copy_fidelity)
    pace = 1 - math.exp(-p.copying_rate * (1 - p.ip_copy_block * law(world, lab).ip_strength) / 12)
    if pace > 0 and target > start:
        lab.copied = start + pace * (target - start)
        lab.copied_from = lesson["source"]
    lab.access_cut = pos(lab.access_cut - 1)
