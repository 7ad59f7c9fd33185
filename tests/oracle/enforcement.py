"""ODD 7.4: enforcement."""

import math

from oracle.common import NOBODY, TIERS, active_labs, clip, law, own_candidate, pos


def enforce(world, now):
    defend(world, now)
    answer_cases(world, now)


def defend(world, now):
    """Teachers: the vigilance that minimises loss exp(-eta x v) + c_d v (all active labs, open ones too)."""
    p = now.p
    for number, lab in active_labs(world):
        received = sum(student.exchanges for student in world.labs if student.teacher == number)
        exposure = p.detection_rate * received
        stake = p.imitation_loss * pos(lab.marginal_value)
        best = math.log(max(exposure * stake / p.vigilance_cost, 1)) / max(exposure, 1e-9)
        lab.vigilance = min(best, p.vigilance_maximum) + now.events.vigilance[number]


def answer_cases(world, now):
    """Students: some are caught; some of those lose in court."""
    p, draws = now.p, now.draws
    world.accounts.detections = world.accounts.suits_lost = 0
    for number, lab in active_labs(world):
        if lab.teacher == NOBODY:
            continue
        rule = law(world, lab)
        effort = world.labs[lab.teacher].vigilance + rule.enforcement_effort + now.events.allegation[number]
        detected = draws["detection"][number] < 1 - math.exp(-p.detection_rate * lab.exchanges * effort)
        spread = p.ruling_spread * (1 - rule.ip_clarity)
        won_by_teacher = clip(rule.ip_strength + spread * draws["ruling"][number], 0, 1)
        lost = detected and draws["court"][number] < won_by_teacher
        world.accounts.detections += detected
        world.accounts.suits_lost += lost
        if detected:
            lab.access_cut = p.access_cut_months
        if lost:
            lab.legal_exposure += p.damages_multiple * max(lab.revenue, p.damages_floor)
            clean = max(own_candidate(lab, p), lab.copied, lab.untaught)
            if lab.distilled_share > 0:
                lab.capability = [min(lab.capability[t], clean) for t in TIERS]
            lab.distilled = -50.0
