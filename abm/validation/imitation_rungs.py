"""V24: the limits of imitation, played through the model's own phases."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize, minimize_scalar

from abm.agents.lab import NEVER
from abm.mechanisms import enforcement
from abm.validation.imitation_limits import (
    SECOND,
    STUDENT,
    TEACHER,
    World,
    after,
    alone,
    months,
    pairs,
    seen,
    under,
    with_labs,
    world,
)
from abm.validation.ladder import Check, above, below, check, rung
from abm.validation.token_limits import CLOSED, LABS

UNLIKE = (TEACHER, SECOND + 1, SECOND + 2)
"""Teachers of whom each knows less than the one before; the second closed lab knows as much as the first."""
STEP = 1e-4
"""Of a numerical derivative, M exchanges."""
OPEN_LABS = range(CLOSED, LABS)


@rung(
    "V24",
    "Students, teachers and parents",
    "Becker (1968); Cournot (1838), ch. 9; limits derived, numerical derivatives and scans of the model's own phases",
)
def links_between_labs() -> Iterator[Check]:
    """Labs that are given, in the model's own phases of research, enforcement, release and accounts. Without copying and
    distillation nothing is owed to anybody. A student buys exchanges up to where what the last one adds, by a numerical
    derivative of the phase, is worth its price and the penalty that it risks, by how often it was detected, or up to its
    quota; while it is sued, it risks no second case and may lose what it learns. Two equal teachers teach what one would if it
    let the exchanges of both through, and nobody gets past the best ceiling. A teacher learns what its exchanges teach from
    releases of its own students. What it lets through and hides costs it least, by a scan of its own books; one that loses
    nothing when it is matched does neither. A parent is chosen net of what its owners ask of all sales: nobody builds on
    weights that cost more than they bring, and under free licences courts change neither that nor a royalty. One owner gets its
    share as far as courts side with it, and n alike 2n / (n + 1) times as much together. Under free licences courts do nothing
    to followers' research, and with four owners to pay it falls with the strength of rights."""
    yield from nothing_to_learn()
    yield from last_exchange()
    yield from two_teachers()
    yield from quotas()
    yield from leaks()
    yield from guards()
    yield from parents()
    yield from hold_up()
    yield from owners()
    yield from followers()


def nothing_to_learn() -> Iterator[Check]:
    """With both rates at 0 all capability is a lab's own; with either, it is not."""
    start = world(range(LABS), np.linspace(4, 0, LABS), nat_value=np.full(LABS, 100.0))
    for words, rates in (
        ("nothing can be learnt", dict(copying_rate=0, distillation_rate=0)),
        ("copying alone", dict(distillation_rate=0)),
        ("distillation alone", dict(copying_rate=0)),
    ):
        labs = months(under(start, **rates), 12, "research", "release").market.labs
        learnt = float(jnp.maximum(labs.distilled, labs.copied).max()), float(labs.distilled_share.max())
        if words == "nothing can be learnt":
            yield check(f"{words}: best copy or distilled model, nats", learnt[0], NEVER, absolute=1e-12)
            yield check(f"{words}: largest share owed to others", learnt[1], 0, absolute=1e-12)
        else:
            yield above(f"{words}: largest share owed to others", learnt[1], 0.1)


def school(value: float = 200.0, parameters: Any = None, **columns: Any) -> World:
    """A student two nats below a teacher, from which it has learnt half a nat; a nat is worth `value` $ M a month to it."""
    given = dict(
        nat_value=alone(0.0, STUDENT, value),
        distilled=alone(NEVER, STUDENT, 0.5),
        caught_seen=np.tile([0.6, 20.0], (LABS, 1)),
        price=np.full((LABS, 3), 8.0),
        revenue=alone(50.0, STUDENT, 40.0),
        taught_sales=alone(0.0, STUDENT, 100.0),
    )
    capability = np.where(np.isin(np.arange(LABS), [TEACHER, SECOND]), 2.5, 0.0)
    capability[list(UNLIKE)] = 2.5, 2.0, 1.6
    return world([TEACHER, STUDENT], capability, parameters, **(given | columns))


def learnt(at: World, exchanges: dict[int, float]) -> float:
    """Capability that the phase of research gives to a student who has so many exchanges with each teacher, by its quotas."""
    limits = {f"s{teacher}t{STUDENT}": np.log(1e3 / number) for teacher, number in exchanges.items()}
    eager = dict(
        nat_value=alone(0.0, STUDENT, 1e9), caught_seen=np.tile([0.0, 1.0], (LABS, 1)), case_left=np.zeros(LABS)
    )
    free = with_labs(under(at, exchange_limit=1e3), vigilance=pairs(50.0, **limits), **eager)
    labs = after(free, "research").market.labs
    return float(labs.distilled[STUDENT])


def cost_of(at: World, value: float, teacher: int) -> float:
    """Price and expected penalty of the first exchange with a teacher, $ M per M exchanges, from what it is made of.

    The student has been detected 0.6 times in 20 M exchanges that were watched.
    """
    labs, p = at.market.labs, at.p
    home = int(labs.home[STUDENT])
    price = float(labs.price[teacher, 0] * p.tokens_per_exchange)
    if float(labs.case_left[STUDENT]) > 0:
        return price
    effort = float(labs.vigilance[teacher, STUDENT] + at.market.regulators.enforcement_effort[home])
    worth = value * float(seen("duration", at)[STUDENT])
    owed = 1 - np.exp(-0.5)  # of its next model to teachers
    stake = float(p.damages_multiple) * (100.0 + float(p.court_time) * owed * 40.0) + worth * 0.5
    return float(price + 0.6 / 20 * effort * at.market.accounts.rulings[home, 0] * stake)


def last_exchange() -> Iterator[Check]:
    """dV/dx = price + hazard (vigilance + public effort) S (damages + what would be lost); while sued, (1 - S) dV/dx = price."""
    hidden, watched = pairs(s0t5=0.3), pairs(s0t5=0.1)  # the teacher's, towards the student's account
    number = {}
    for words, value, columns in (
        ("a nat worth $ 10 M a month", 10.0, {}),
        ("a nat worth $ 200 M a month", 200.0, {}),
        ("reasoning hidden, account watched", 200.0, dict(hidden=hidden, vigilance=watched)),
        ("sued already", 5.0, dict(case_left=alone(0.0, STUDENT, 7.0))),
        ("never detected", 200.0, dict(caught_seen=np.tile([0.0, 20.0], (LABS, 1)))),
    ):
        at = school(value, **columns)
        number[words] = float(after(at, "research").market.labs.exchanges[STUDENT, TEACHER])
        if words == "never detected":
            continue
        more, less = (learnt(at, {TEACHER: number[words] + step}) for step in (STEP, -STEP))
        kept = 1 - (
            float(at.market.accounts.rulings[at.market.labs.home[STUDENT], 0]) if words == "sued already" else 0.0
        )
        gain = kept * value * float(seen("duration", at)[STUDENT]) * (more - less) / (2 * STEP)
        what = f"last exchange, {words}: what it adds over its price and risk"
        yield check(what, gain / cost_of(at, value, TEACHER), 1, relative=1e-6)
        yield above(f"and exchanges, {words}", number[words], 0.1)
    yield above("exchanges of a student never detected over those of one who was",
                number["never detected"] / number["a nat worth $ 200 M a month"], 1.01)  # fmt: skip
    rate = school(200.0, dict(detection_rate=0.0))
    yield check("and at another rate of detection, with the same past: difference",
                float(after(rate, "research").market.labs.exchanges[STUDENT, TEACHER]) -
                number["a nat worth $ 200 M a month"], 0, absolute=0)  # fmt: skip
    yield from unlike_teachers()


def unlike_teachers() -> Iterator[Check]:
    """The best teacher is dear and secretive: the student spreads its exchanges, nearly as well as a search can."""
    value, dear = 200.0, np.full((LABS, 3), 8.0)
    dear[TEACHER] *= 60
    there = np.isin(np.arange(LABS), [*UNLIKE, STUDENT])
    at = with_labs(school(value, hidden=pairs(s0t5=1.0, s2t5=0.5), price=dear), active=there)
    chosen = np.asarray(after(at, "research").market.labs.exchanges[STUDENT])[list(UNLIKE)]
    costs, worth = [cost_of(at, value, teacher) for teacher in UNLIKE], value * float(seen("duration", at)[STUDENT])

    def loss(numbers: np.ndarray) -> float:
        exchanges = dict(zip(UNLIKE, np.maximum(numbers, 1e-6), strict=True))
        return float(np.dot(costs, numbers) - worth * (learnt(at, exchanges) - 0.5)) + 1e3 * max(0.0, -numbers.min())

    best = minimize(loss, chosen + 0.5, method="Nelder-Mead", options=dict(xatol=1e-3, fatol=1e-4, maxfev=400))
    yield check("three unlike teachers: worth less cost of the exchanges over the most that a search finds",
                loss(chosen) / best.fun, 1, absolute=0.01)  # fmt: skip
    yield above("and teachers that are used", (chosen > 0).sum(), 1)


def two_teachers() -> Iterator[Check]:
    """Two who know the same teach what one would with the exchanges of both; nobody teaches past its ceiling."""
    there = np.isin(np.arange(LABS), [TEACHER, SECOND, STUDENT])
    for words, quota in (("quotas bind", pairs(s0t5=2.5, s1t5=2.5)), ("no quota binds", pairs())):
        at = school(vigilance=quota)
        one, two = (after(then, "research").market.labs for then in (at, with_labs(at, active=there)))
        asked, both = float(one.exchanges[STUDENT].sum()), np.asarray(two.exchanges[STUDENT])
        gained = float(two.distilled[STUDENT] - 0.5) / float(one.distilled[STUDENT] - 0.5)
        if words == "quotas bind":
            yield check(f"two equal teachers, {words}: exchanges with the second over the first", both[1] / both[0], 1,
                        relative=1e-12)  # fmt: skip
            alone_had = asked / float(at.p.exchange_scale)
            yield check("and what they teach together over what one does", gained, np.expm1(-2 * alone_had) /
                        np.expm1(-alone_had), relative=1e-9)  # fmt: skip
            yield above("which is more", gained, 1.2)
        else:
            yield check(f"two equal teachers, {words}: exchanges with both over those with one alone", both.sum() / asked, 1,
                        relative=1e-9)  # fmt: skip
            yield check("and what they teach together over what one does", gained, 1, relative=1e-9)
    capability = np.where(np.arange(LABS) < CLOSED, np.linspace(2.5, 1.5, LABS), 0.0)
    fast, eager = dict(distillation_rate=50.0, ip_strength=0), alone(0.0, STUDENT, 1e6)
    at = world([*range(CLOSED), STUDENT], capability, fast, nat_value=eager)
    own = dict(efficiency=alone(-20.0, STUDENT, 0.0), run_compute=np.full(LABS, float(at.p.reference_compute)))
    at = with_labs(
        under(at, algorithmic_doubling_time=1e9), training=np.zeros(LABS), **own
    )  # its run is worth its flagship
    ceiling = capability[0] + np.log(float(at.p.distillation_ceiling))
    once, often = (float(months(at, number, "research").market.labs.distilled[STUDENT]) for number in (1, 12))
    yield above(
        "five teachers at the fastest rate: share of the way to the best ceiling in a month", once / ceiling, 0.95
    )
    yield check("and in a year, nats beyond it", often - ceiling, 0, absolute=1e-9)


def quotas() -> Iterator[Check]:
    """x_max exp(-v)."""
    for effort in (0.0, 1.5, 4.0):
        at = school(1e6, dict(ip_strength=0), vigilance=pairs(s0t5=effort))
        exchanges = after(at, "research").market.labs.exchanges[STUDENT, TEACHER]
        limit = float(at.p.exchange_limit) * np.exp(-effort)
        yield check(
            f"quota, vigilance {effort:g}: exchanges of a student who wants more", exchanges, limit, relative=1e-9
        )


def leaks() -> Iterator[Check]:
    """sum of nats by which its students' releases came nearer, over exchanges behind them, forgotten at one pace."""
    capability = np.array([3.0, 2.0, 0.0, 0.0, 0.0, 1.0, *[0.0] * (LABS - 6)])
    columns = dict(
        distilled=alone(NEVER, STUDENT, 2.5), exchanges_used=pairs(s5t0=4.0), leak=np.tile([0.2, 10.0], (LABS, 1))
    )
    given = dict(release_hazard=1.0, lead_forgetting=0.1)
    at = world([TEACHER, SECOND, STUDENT], capability, given, **columns)
    labs = after(at, "release").market.labs
    for lab, expected, words in (
        (TEACHER, (0.9 * 0.2 + 1.5, 0.9 * 10 + 4), "a teacher whose student came nearer by 1.5"),
        (SECOND, (0.9 * 0.2, 0.9 * 10), "a lab that the student did not ask"),
    ):
        for index, what in enumerate(("nats", "M exchanges behind them")):
            yield check(f"leak of {words}: {what}", labs.leak[lab, index], expected[index], relative=1e-9)
    own = with_labs(at, efficiency=alone(-20.0, STUDENT, 0.0), run_compute=np.full(LABS, float(at.p.reference_compute)))
    yield check("and with more of the student's own in the same release: difference",
                abs(after(own, "release").market.labs.leak - labs.leak).max(), 0, absolute=0)  # fmt: skip
    past = with_labs(
        at, capability=at.market.labs.capability.at[STUDENT, 0].set(2.8), distilled=alone(NEVER, STUDENT, 9.0)
    )
    yield check("a student who passes its teacher: nats by which it came nearer",
                after(past, "release").market.labs.leak[TEACHER, 0] - 0.9 * 0.2, 0.2, absolute=1e-9)  # fmt: skip


def guarded(**columns: Any) -> World:
    """A teacher who has something to lose, and two students, one nearer than the other."""
    capability = np.array([3.0, 2.4, 0.0, 0.0, 0.0, 1.5, *[0.0] * (LABS - 6)])
    given = dict(
        gross_profit=alone(0.0, TEACHER, 4.0),
        exchanges=pairs(s1t0=3.0, s5t0=9.0),
        hidden=pairs(),
        vigilance=pairs(),
    )
    return world([TEACHER, SECOND, STUDENT], capability, **(given | columns))


def guards() -> Iterator[Check]:
    """Cost of an account: what it can take at its limit, or takes, less what it pays, plus what limiting and hiding cost."""
    at = guarded()
    labs = after(at, "enforcement").market.labs
    fear = seen("threat", at)
    free = float(seen("books", at).defence[TEACHER])
    for student, words in ((SECOND, "the nearer student"), (STUDENT, "the other student")):
        loss, used = float(fear.loss[TEACHER, student]), float(at.market.labs.exchanges[student, TEACHER])
        paid, hidden = float(fear.paid[TEACHER, student]), float(labs.hidden[TEACHER, student])

        def limited(
            effort: float, student: int = student, loss: float = loss, paid: float = paid, h: float = hidden
        ) -> float:
            then = with_labs(at, vigilance=pairs(**{f"s{TEACHER}t{student}": effort}))
            quota = float(seen("teaching", then).quota[student, TEACHER])
            return (loss * np.exp(-h) - paid) * quota + float(seen("books", then).defence[TEACHER]) - free

        def shown(nats: float, student: int = student, loss: float = loss, used: float = used) -> float:
            then = with_labs(at, hidden=pairs(**{f"s{TEACHER}t{student}": nats}))
            clear = float(seen("teaching", then).clear[student, TEACHER])
            return loss * used * clear + float(seen("books", then).defence[TEACHER]) - free

        for cost, chosen, what in (
            (limited, labs.vigilance[TEACHER, student], "vigilance"),
            (shown, hidden, "reasoning hidden, nats"),
        ):
            best = minimize_scalar(cost, bounds=(0, 8), method="bounded", options=dict(xatol=1e-9))
            yield check(f"{what} towards {words}: the one that costs least", chosen, best.x, absolute=1e-4)
            yield above("and it is some", best.x, 0.1)
    falls = np.ones((LABS, 2))
    for words, columns in (
        ("no rent", dict(gross_profit=np.zeros(LABS))),
        ("rents that never fall", dict(rents_seen=falls, rents_lost=0 * falls)),
        ("rents that fall as fast ahead as once matched", dict(rents_seen=falls, rents_lost=0.05 * falls)),
        ("students who never came nearer", dict(leak=np.tile([0.0, 16.0], (LABS, 1)))),
    ):
        calm = after(guarded(**columns), "enforcement").market.labs
        yield check(f"a teacher with {words}: vigilance and hidden reasoning", (calm.vigilance + calm.hidden).max(), 0,
                    absolute=1e-12)  # fmt: skip
    ahead = world([TEACHER, STUDENT], alone(0.0, STUDENT, 3.0), gross_profit=np.full(LABS, 100.0))
    yield check("an open lab that leads, from which nobody needs exchanges: vigilance",
                after(ahead, "enforcement").market.labs.vigilance[STUDENT].max(), 0, absolute=1e-12)  # fmt: skip


def lineages(licence: float, numbers: dict[int, int]) -> dict[str, np.ndarray]:
    """Columns of labs whose flagships owe all but a tenth to so many owners' weights alike, under the same licence."""
    lineage = np.eye(LABS)
    for lab, number in numbers.items():
        others = [other for other in reversed(OPEN_LABS) if other not in numbers][:number]
        lineage[lab] = 0.0
        lineage[lab, lab], lineage[lab, others] = 0.1, 0.9 / number
    return {"lineage": lineage, "licence": np.where(np.arange(LABS) < CLOSED, 0.0, licence)}


STACKED, PLAIN_PARENT = CLOSED + 1, CLOSED + 2
"""Two parents to choose from: the better one descends from others, the other from nobody."""


def parents() -> Iterator[Check]:
    """The nats that a parent brings, less its owners' part of them."""
    capability = np.where(np.isin(np.arange(LABS), [STACKED, PLAIN_PARENT]), 2.0, 0.0)
    capability[STACKED] += 0.1
    for licence, words in ((1.0, "free licences"), (0.4, "licences that reserve rights")):
        columns = lineages(licence, {STACKED: 2}) | {"copied": np.full(LABS, NEVER)}
        chosen, asked = [], []
        for strength in (0.0, 0.3, 0.9):
            at = world(OPEN_LABS, capability, dict(ip_strength=strength), **columns)
            chosen.append(int(after(at, "research").market.labs.copied_from[STUDENT]))
            asked.append(float(seen("teaching", at).fee[STUDENT].max()))
        if licence == 1.0:
            yield check(f"{words}: largest royalty of a parent over strengths of rights", max(asked), 0, absolute=1e-12)
            yield check(f"{words}: parents that are chosen over strengths of rights", len(set(chosen)), 1, absolute=0)
            yield check("and it is the better one", chosen[0], STACKED, absolute=0)
        else:
            yield check(f"{words}, no strength: the better parent", chosen[0], STACKED, absolute=0)
            yield check(f"{words}, strength 0.9: the parent without other owners", chosen[-1], PLAIN_PARENT, absolute=0)


def hold_up() -> Iterator[Check]:
    """gap V' (1 - fee) = fee x sales, of a lab that pays nothing yet: beyond these sales nobody builds on weights."""
    worth, strength, licence = 10.0, 0.9, 0.4
    capability = alone(0.0, PLAIN_PARENT, 2.0)

    def built_on(sales: float, strength: float = strength, licence: float = licence) -> int:
        columns = lineages(licence, {}) | dict(
            nat_value=np.full(LABS, worth), revenue=np.full(LABS, sales), copied=np.full(LABS, NEVER)
        )
        at = world(OPEN_LABS, capability, dict(ip_strength=strength), **columns)
        labs = after(at, "research").market.labs
        return int(labs.copied_from[STUDENT]) if float(labs.copied[STUDENT]) > NEVER else -1

    p = world(OPEN_LABS, capability).p
    fee = strength * (1 - licence)
    gap = 2.0 + np.log(float(p.copy_fidelity)) - float(p.fork_cost)
    most = gap * worth * (1 - fee) / fee
    yield check(
        "sales at which a royalty costs nearly what weights bring: the parent",
        built_on(0.999 * most),
        PLAIN_PARENT,
        absolute=0,
    )
    yield check("sales at which it costs a little more: no parent", built_on(1.001 * most), -1, absolute=0)
    yield check("a hundred times these sales: no parent", built_on(100 * most), -1, absolute=0)
    yield check("the same under free licences: the parent", built_on(100 * most, licence=1.0), PLAIN_PARENT, absolute=0)
    yield check(
        "and under reserved ones that no court enforces", built_on(100 * most, strength=0.0), PLAIN_PARENT, absolute=0
    )


def owners() -> Iterator[Check]:
    """Each of n like owners asks for itself: together 2n / (n + 1) of what one would get, up to the cap."""
    strength = 0.4
    for number in (1, 2, 4):
        at = world((SECOND, *OPEN_LABS), 2.0, dict(ip_strength=strength), **lineages(0.4, {SECOND: number}))
        then = after(at, "release", "tokens")
        labs = then.market.labs
        share = 0.9 * (1 - float(labs.licence[LABS - 1]))
        expected = strength * share * 2 * number / (number + 1)
        yield check(
            f"royalty of a closed lab's fork, {number} owner{'s' * (number > 1)}",
            labs.royalty[SECOND],
            expected,
            relative=1e-12,
        )
        books = seen("books", then)
        paid, part = float(books.royalties[SECOND]), float(books.licences[LABS - 1])
        yield above("and what it pays, $ M per month", paid, 0.0)
        yield check("and the share of its sales", paid / float(books.income[SECOND]), expected, relative=1e-12)
        yield check("and what one of them gets of it", part / paid, 1 / number, relative=1e-9)
    strict = world((SECOND, *OPEN_LABS), 2.0, dict(ip_strength=1.0), **lineages(0.0, {SECOND: 4}))
    yield check("royalty, strength 1 and everything reserved: the cap", after(strict, "release").market.labs.royalty[SECOND],
                0.95, relative=1e-12)  # fmt: skip
    alike = np.asarray(enforcement.royalty(jnp.array([[0.5, 0.0, 0.0], [0.25, 0.25, 0.0]]), jnp.array([0.4, 0.4])))
    yield check("and of two owners over that of one, the same share", alike[1] / alike[0], 4 / 3, relative=1e-12)


def followers() -> Iterator[Check]:
    """Research of labs that build on weights, by strength: with owners to pay, a nat is worth less to them."""
    strengths = np.linspace(0, 1, 6)
    found = {}
    for words, licence, number in (
        ("one lineage, free", 1.0, 1),
        ("one lineage, reserved", 0.6, 1),
        ("four lineages, reserved", 0.6, 4),
    ):
        effort = []
        for strength in strengths:
            columns = lineages(licence, {STUDENT: number}) | dict(
                marginal_value=np.full(LABS, 6.0), cash=np.full(LABS, 1e5)
            )
            # Labs that are far behind and lean to openness keep their licences free.
            given = dict(ip_strength=strength, ip_clarity=1.0, openness_response=20.0 * (licence == 1))
            at = after(world((TEACHER, *OPEN_LABS), alone(2.0, TEACHER, 6.0), given, **columns), "release")
            labs = at.market.labs.do("plan", at.p, outlook=seen("outlook", at))
            effort.append(float(labs.research_intensity[STUDENT]))
        found[words] = np.array(effort)
    free, one, many = found.values()
    yield check(
        "followers' research, free lineage: largest change over strengths of rights", np.ptp(free), 0, absolute=1e-12
    )
    yield below(
        "followers' research, four owners: change from no rights to full ones, %", 100 * (many[-1] / many[0] - 1), -0.5
    )
    yield below("and it falls beyond every strength: largest step", np.diff(many).max(), 0)
    yield above("and by more than with one owner: ratio of falls", (many[0] - many[-1]) / (one[0] - one[-1]), 1.2)
