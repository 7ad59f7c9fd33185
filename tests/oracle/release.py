"""ODD 7.5: release."""

import math

from oracle.common import (
    EFFICIENT,
    FLAGSHIP,
    TIERS,
    active_labs,
    candidate,
    frontier,
    open_frontier,
    own_candidate,
    pos,
    price_response,
)


def release_models(world, now):
    top, top_open = frontier(world), open_frontier(world)  # before this month's releases
    for number, lab in active_labs(world):
        release(world, now, number, lab, top)
    for _, lab in active_labs(world):
        if lab.open:
            choose_licence(lab, top, now.p)
    record_race(world, now, top, top_open)


def release(world, now, number, lab, top):
    """Release a tier once it is better by a threshold, or old; the efficient tier is distilled from the flagship."""
    p, events, accounts = now.p, now.events, world.accounts
    forced = events.release[number] > 0.5
    best = candidate(lab, p)
    forced_k = top + events.release_gap[number] if events.release_gap[number] > -1e5 else best
    motive = now.draws["disclosure motive"][number]
    report = math.exp(-price_response(p) * p.claim_motive_sd * abs(motive) / p.claim_bias_cost)
    afresh = max(pos(accounts.undercut[number][t] - accounts.accustomed[number][t]) for t in TIERS)
    hurry = 1 + p.escape_competition * afresh

    flagship = forced_k if forced else best
    own = own_candidate(lab, p)
    from_own = forced or own >= flagship
    run_size = 0.5 * math.log(max(lab.run_compute, 1e-9) / p.reference_compute) + events.size_step[number]
    offer = [flagship, lab.capability[FLAGSHIP] - p.tier_step]
    size = [run_size if from_own else lab.model_size[FLAGSHIP], lab.model_size[FLAGSHIP] - p.tier_size_step]
    threshold = [p.release_threshold, p.release_threshold * p.efficient_tier_threshold]
    out = []
    for t in TIERS:
        gain = offer[t] - lab.capability[t]
        due = gain >= threshold[t] / hurry or (lab.age[t] >= p.maximum_age and gain > 0)
        lucky = now.draws["release"][number][t] < p.release_hazard * hurry
        out.append((due and lucky) or (t == FLAGSHIP and forced))

    if out[FLAGSHIP]:
        programme, claimed = events.release_programme_cost[number], events.release_claimed_cost[number]
        lab.true_cost = programme if programme > 0 else lab.programme_cost
        lab.claimed_cost = claimed if claimed > 0 else report * lab.run_cost
        if forced or max(own, lab.copied) >= flagship:
            lab.untaught = flagship
        lab.distilled_share = 0.0 if from_own else 1 - math.exp(min(own - flagship, 0))
    for t in (FLAGSHIP, EFFICIENT):
        if out[t]:
            lab.capability[t] = offer[t]
            lab.model_size[t] = size[t]
            lab.serving_efficiency[t] = accounts.serving_efficiency
        lab.age[t] = 0 if out[t] else lab.age[t] + 1
        lab.released[t] = out[t]
    if out[FLAGSHIP] and from_own:
        lab.run_compute = lab.run_cost = 0.0


def choose_licence(lab, top, p):
    """Open more of the next release the further behind."""
    behind = pos(top - lab.capability[FLAGSHIP]) + 0.5
    lab.licence += 0.1 * (1 - math.exp(-p.openness_response * behind) - lab.licence)


def record_race(world, now, top, top_open):
    """How far each release surprises, and what can be learnt later (for all slots)."""
    accounts = world.accounts
    for number, lab in enumerate(world.labs):
        expected = max(top_open, top - now.p.expected_open_gap) if lab.open else top
        surprise = pos(lab.capability[FLAGSHIP] - expected) * (-1 if lab.open else 1)
        accounts.release_surprise[number] = surprise if lab.released[FLAGSHIP] and lab.active else 0.0
    flagships = [lab.capability[FLAGSHIP] for lab in world.labs]
    accounts.capability_history = [flagships, *accounts.capability_history[:11]]
    best_closed = max([lab.capability[FLAGSHIP] for _, lab in active_labs(world) if not lab.open] + [-math.inf])
    accounts.closed_path = [best_closed, *accounts.closed_path[:47]]
