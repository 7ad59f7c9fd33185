"""V25: the limits of courts, of leads and of hurry, played through the model's own phases."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import quad

from abm.market.phases.accounts import leads_of
from abm.mechanisms import investment
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
from abm.validation.ladder import Check, above, check, rung
from abm.validation.token_limits import LABS


@rung(
    "V25",
    "Courts and leads",
    "Dixit and Pindyck (1994); limits derived",
)
def courts_and_leads() -> Iterator[Check]:
    """Labs that are given, in the model's own phases of enforcement and release, and their own rule of watching leads. Rulings
    that are certain leave nothing to forecast: those of clear courts, and of any where owners have no rights or all. An option
    to wait is worth more the less certain rulings are, as far as income hangs on them; where none does, clarity does nothing.
    A case is decided after the time of courts, and damages are what was taught of the sales until then; without rights nobody
    owes any. A lab that is matched every so many months, and earns less from then on, comes to expect that, and a lead is
    worth the sum of what is left of rents month by month. A hurried release is worse by a square in what it lacks of the time
    of a run."""
    yield from certain_courts()
    yield from exposure()
    yield from extremes()
    yield from cases()
    yield from expected_leads()
    yield from lead_limits()
    yield from hurried_releases()


def certain_courts() -> Iterator[Check]:
    """Forecast error of a ruling is its draw, whose spread is ruling_spread (1 - clarity) 2 sqrt(S (1 - S))."""
    multiples = {}
    for clarity in (1.0, 0.5):
        at = world([TEACHER, STUDENT], 1.0, dict(ip_strength=0.3, ip_clarity=clarity))
        spread = []
        for _ in range(240):
            at = months(at, 1, "enforcement")
            spread.append(np.asarray(at.market.accounts.rulings[:, 1]))
        multiples[clarity] = multiple_of(with_labs(at, royalty=np.full(LABS, 0.4), revenue=np.full(LABS, 10.0)))
        yield check(f"clarity {clarity:g}: option multiple of a lab whose income hangs on no court, as without courts",
                    multiple_of(at), multiple_of(at, calm(at)), relative=1e-12)  # fmt: skip
        if clarity == 1.0:
            forecast = np.asarray(at.market.accounts.rulings[:, 0])
            yield check("certain rulings: spread of forecasts", np.max(spread), 0, absolute=1e-12)
            yield check("and the forecast", forecast.mean(), 0.3, absolute=1e-12)
            yield check("and the option multiple of a lab that owes royalties", multiples[1.0], multiple_of(at, calm(at)),
                        relative=1e-12)  # fmt: skip
        else:
            pace = float(at.p.ruling_learning)
            drawn = (float(at.p.ruling_spread) * (1 - clarity)) ** 2 * 4 * 0.3 * 0.7
            # A forecast that is a slow mean itself adds pace / (2 - pace) to the variance of its error.
            expected, free = drawn * 2 / (2 - pace), len(spread) * spread[0].size
            yield check("uncertain rulings: mean squared error of forecasts over its expectation",
                        np.mean(spread[60:]) / expected, 1, standard_error=np.sqrt(2 / (0.75 * free)))  # fmt: skip
            yield above(
                "and the option multiple over the one of certain rulings", multiples[clarity] / multiples[1.0], 1.005
            )


def calm(at: World) -> float:
    """Volatility of what research is worth where nothing hangs on courts."""
    return float(at.p.demand_volatility) * (1 - float(at.p.guarantee_share * at.p.guarantee_insurance))


def multiple_of(at: World, volatility: float | None = None) -> float:
    """Option multiple of the student, or at a volatility."""
    seen_now = float(seen("outlook", at).volatility[STUDENT]) if volatility is None else volatility
    return float(investment.option_multiple(at.p.interest_rate, at.p.payout_rate, seen_now))


def exposure() -> Iterator[Check]:
    """variance = that of demand + (share of income at stake x relative error of forecasts)^2."""
    forecast, error = 0.4, 0.2
    at = world([TEACHER, STUDENT], alone(2.0, TEACHER, 3.0), dict(damages_multiple=0.5))
    rulings = jnp.broadcast_to(jnp.array([forecast, error**2]), at.market.accounts.rulings.shape)
    at = at._replace(market=at.market.replace(accounts=at.market.accounts.replace(rulings=rulings)))
    owing = dict(
        source=alone(-1, STUDENT, TEACHER).astype(int), distilled_share=np.full(LABS, 0.5), case_left=np.full(LABS, 3.0)
    )
    sales = dict(revenue=np.full(LABS, 30.0))
    for words, columns, stake in (
        ("nothing", {}, 0.0),
        ("royalties of a fifth of its sales", dict(royalty=np.full(LABS, 0.2)), 0.2),
        ("damages of half of what it sells meanwhile", owing, forecast * 0.5 * 0.5),
        ("awards of a tenth of its income", dict(awards_seen=np.full(LABS, 30.0 / 9)), 0.1),
    ):
        there = with_labs(at, **(sales | columns))
        found = float(seen("outlook", there).volatility[STUDENT])
        kept = calm(at) / float(at.p.demand_volatility)
        expected = np.sqrt(float(at.p.demand_volatility) ** 2 + (stake * error / forecast) ** 2) * kept
        yield check(f"courts decide on {words}: volatility of what research is worth", found, expected, relative=1e-9)
    for words, licence, moves in (("free weights", 1.0, False), ("reserved weights", 0.4, True)):
        played = {clarity: followed(clarity, licence) for clarity in (0.0, 1.0)}
        apart = max(
            float(np.abs(np.nan_to_num(a * 1.0 - b * 1.0)).max())
            for a, b in zip(jax.tree.leaves(played[0.0]), jax.tree.leaves(played[1.0]), strict=True)
        )
        what = f"{words} and no detection: largest difference between labs under clear and vague courts, two years"
        yield above(what, apart, 1e-3) if moves else check(what, apart, 0, absolute=0)


def followed(clarity: float, licence: float) -> Any:
    """Labs after two years in which one builds on another's weights, which are free (licence 1) or reserve rights."""
    given = dict(ip_strength=0.5, ip_clarity=clarity, detection_rate=0.0)
    parent = STUDENT + 1
    at = world(
        [TEACHER, STUDENT, parent], alone(alone(0.0, parent, 3.0), TEACHER, 4.0), given,
        marginal_value=np.full(LABS, 6.0), revenue=np.full(LABS, 10.0), cash=np.full(LABS, 1e5),
        licence=np.where(np.arange(LABS) < STUDENT, 0.0, licence), caught_seen=np.tile([0.0, 20.0], (LABS, 1)),
    )  # fmt: skip
    at = under(at, openness_response=1e3 * (licence == 1))  # they stay free
    for _ in range(24):
        at = months(at, 1, "research", "enforcement", "release")
        labs = at.market.labs.do("plan", at.p, outlook=seen("outlook", at))
        at = at._replace(market=at.market.replace(labs=labs))
    return at.market.labs


def extremes() -> Iterator[Check]:
    """S = 0 and S = 1: courts side with nobody, or with every owner."""
    for clarity in (0.0, 0.5, 1.0):
        for strength in (0.0, 1.0):
            time = 3
            given = dict(ip_strength=strength, ip_clarity=clarity, court_time=time, detection_rate=10)
            at = world(
                [TEACHER, STUDENT, STUDENT + 1], alone(1.0, TEACHER, 3.0), given,
                exchanges=pairs(s5t0=500.0), source=alone(-1, STUDENT, TEACHER).astype(int), revenue=np.full(LABS, 10.0),
                distilled_share=alone(0.0, STUDENT, 0.8), licence=np.where(np.arange(LABS) < STUDENT, 0.0, 0.4),
                lineage=np.eye(LABS) + alone(0.0, STUDENT, 0.5)[:, None] * np.eye(LABS)[STUDENT + 1],
            )  # fmt: skip
            for _ in range(time + 1):
                at = months(at, 1, "enforcement", "release")
            labs, rulings = at.market.labs, at.market.accounts.rulings
            words = f"strength {strength:g}, clarity {clarity:g}"
            yield check(
                f"{words}: spread of rulings", jnp.abs(rulings - jnp.array([strength, 0.0])).max(), 0, absolute=0
            )
            claimed = 0.5 * (1 - float(labs.licence[STUDENT + 1]))
            yield check("and the royalty of a fork", labs.royalty[STUDENT], strength * claimed, relative=1e-12)
            lost = float(at.p.damages_multiple) * 0.8 * 10.0 * (time + 1)
            yield check("and damages owed, $ M", labs.legal_exposure[STUDENT], strength * lost, relative=1e-12)


def cases() -> Iterator[Check]:
    """Sued in month 0, decided in month T; what was taught of the sales of months 0 to T is owed, times the multiple."""
    for time, multiple in ((1, 1.0), (6, 2.0)):
        given = dict(ip_strength=1.0, ip_clarity=1.0, court_time=time, detection_rate=10, damages_multiple=multiple)
        at = world(
            [TEACHER, STUDENT],
            alone(1.0, TEACHER, 3.0),
            given,
            exchanges=pairs(s5t0=500.0),
            source=alone(-1, STUDENT, TEACHER).astype(int),
            taught_by=alone(-1, STUDENT, SECOND).astype(int),  # by now another lab teaches it more
            distilled_share=alone(0.0, STUDENT, 0.8),
        )
        owed, sales, decided = 0.0, 0.0, -1
        for month in range(time + 1):
            at = with_labs(at, revenue=alone(0.0, STUDENT, 10.0 + month))
            sales += 10.0 + month
            at = months(at, 1, "enforcement")
            owed = float(at.market.labs.legal_exposure[STUDENT])
            if owed > 0 and decided < 0:
                decided = month
        labs = at.market.labs
        yield check(f"courts that take {time} months: month of the ruling", decided, time, absolute=0)
        yield check("and damages owed, $ M", owed, multiple * 0.8 * sales, relative=1e-12)
        yield check("and who sued", labs.claimant[STUDENT], TEACHER, absolute=0)
        yield check("and sales on which no court has ruled, $ M", labs.taught_sales[STUDENT], 0, absolute=1e-12)
    harmless = world(
        [TEACHER, STUDENT], alone(1.0, TEACHER, 3.0), given, exchanges=pairs(s5t0=500.0), revenue=np.full(LABS, 9.0)
    )
    nothing = months(harmless, 8, "enforcement").market.labs.legal_exposure[STUDENT]
    yield check("a case over what owes nothing to a teacher: damages owed, $ M", nothing, 0, absolute=1e-12)


def expected_leads() -> Iterator[Check]:
    """Of a lab that releases a flagship every three years and is matched after D months; rents then fall faster than before."""
    fade = 0.002  # slow, so that months early and late in a lead count alike
    for lead in (1, 5, 20):
        at = world([TEACHER, STUDENT], 1.0, dict(lead_forgetting=fade))
        expected, falls = watched(at, lead, 36)
        yield check(f"leads that last {lead} months: what the lab expects", expected, lead, relative=0.06)
        yield check("and by how much rents fall a month while they last", falls[0], RENTS_FALL[0], relative=1e-6)
        yield check("and once it is matched", falls[1], RENTS_FALL[1], relative=1e-6)
    at = world([TEACHER, STUDENT], 1.0, dict(lead_forgetting=fade))
    yield above("leads that nobody ends: what the lab expects, months", watched(at, 2_000, 36)[0], 200)


RENTS_FALL = (0.01, 0.07)
"""A month, while the teacher is ahead and once it is matched."""


def watched(at: World, lead: int, apart: int, years: int = 200) -> tuple[float, np.ndarray]:
    """Lead that the teacher expects after years of releases `apart` months, and how fast it expects rents to fall (2,).

    A release brings its rent back, and that month tells nothing.
    """
    nobody: Any = SimpleNamespace(awards=jnp.zeros(LABS), licences=jnp.zeros(LABS))
    kept = 1 - np.array(RENTS_FALL)
    rents = jnp.asarray([30 * kept[0] ** min(age, lead) * kept[1] ** max(age - lead, 0) for age in range(apart)])

    @jax.jit
    def play(labs: Any) -> Any:
        def month(labs: Any, time: Any) -> tuple[Any, None]:
            age = time % apart
            labs = labs.replace(
                released=jnp.zeros_like(labs.released).at[TEACHER, 0].set(age == 0),
                capability=labs.capability.at[STUDENT, 0].set(
                    labs.capability[TEACHER, 0] - jnp.where(age >= lead, 0, 2)
                ),
                gross_profit=jnp.full(LABS, rents[age]),
            )
            market = at.market.replace(labs=labs, flows=at.market.flows.replace(tokens=jnp.asarray(100.0)))
            return labs.do("watch_lead", at.p, seen=leads_of(market, nobody)), None

        return jax.lax.scan(month, labs, jnp.arange(12 * years))[0]

    labs = play(at.market.labs.replace(rents_seen=jnp.zeros((LABS, 2)), rents_lost=jnp.zeros((LABS, 2))))
    falls = np.asarray(labs.rents_lost[TEACHER] / jnp.maximum(labs.rents_seen[TEACHER], 1e-12))
    return float(labs.lead_months[TEACHER] / labs.leads_ended[TEACHER]), falls


def lead_limits() -> Iterator[Check]:
    """Months of today's rent that a lead is worth, and its loss to a teacher, against sums month by month."""
    horizon = 60
    for words, lead, falls, growth, interest in (
        ("nothing takes rents", 12.0, (0.0, 0.0), 0.0, 0.0),
        ("rents rose of late", 12.0, (-0.1, -0.02), 0.0, 0.0),
        ("leads that nobody ends", 1e9, (0.02, 0.3), 0.0, 0.1),
        ("no more difference once matched", 3.0, (0.04, 0.04), 0.5, 0.1),
        ("leads of a year in a market that grows", 12.0, (0.01, 0.08), 0.8, 0.1),
        ("leads of a quarter in one that shrinks", 3.0, (0.0, 0.3), -0.3, 0.05),
    ):
        at = world(
            [TEACHER, STUDENT], alone(1.0, TEACHER, 3.0),
            lead_months=np.full(LABS, 2 * lead), leads_ended=np.full(LABS, 2.0),
            rents_seen=np.ones((LABS, 2)), rents_lost=np.tile(falls, (LABS, 1)),
        )  # fmt: skip
        at = under(at, interest_rate=interest)
        at = at._replace(
            market=at.market.replace(accounts=at.market.accounts.replace(market_growth=jnp.asarray(growth)))
        )
        ahead, matched = month_by_month(lead, falls, growth, float(at.p.growth_fading), interest, horizon)
        found = float(seen("duration", at)[TEACHER])
        yield check(f"{words}: months of rent that a lead is worth, month by month", found, ahead, relative=1e-9)
        if not any(falls) and not interest:
            yield check("and that is the horizon", found, horizon, relative=1e-9)
        rent = with_labs(at, gross_profit=np.full(LABS, 10.0), leak=np.tile([0.5, 10.0], (LABS, 1)))
        fear = float(seen("threat", rent).loss[TEACHER, STUDENT])
        # The student is the only one, two nats behind: what exchanges teach of that.
        yield check("and what a teacher fears of a M exchanges, $ M", fear, 10.0 * (ahead - matched) * 0.05 / 2.0,
                    absolute=1e-8)  # fmt: skip


def month_by_month(
    lead: float, falls: tuple[float, float], growth: float, fading: float, interest: float, horizon: int
) -> tuple[float, float]:
    """Sums of what is left of a rent, of a lab ahead and of one just matched: averages over when the lead ends, by quadrature."""
    first, then = np.maximum(falls, 0.0)
    ahead = matched = 0.0
    for month in range(1, horizon + 1):
        years = month / 12
        market = np.exp(growth * (1 - np.exp(-fading * years)) / fading - interest * years)

        def ends(at: float, month: int = month) -> float:
            return float(np.exp(-at / lead) / lead * np.exp(-first * at - then * (month - at)))

        still = np.exp(-month / lead - first * month)
        ahead += market * (still + quad(ends, 0, month)[0])
        matched += market * np.exp(-then * month)
    return float(ahead), float(matched)


def hurried_releases() -> Iterator[Check]:
    """Runs that are alike, of labs whose last flagships are of different ages: hurry_loss (1 - months / T)^2."""
    p = dict(release_hazard=1.0, hurry_loss=0.5, training_months=6)
    ages = np.array([-1, 0, 1, 2, 3, 4, 5, 6, 11, 23], float)[:, None]
    at = world(range(LABS), 0.0, p, efficiency=np.full(LABS, 3.0), run_compute=np.full(LABS, 2e5), age=np.tile(ages, 2))
    labs = after(at, "release").market.labs
    lost = float(labs.capability[-1, 0]) - np.asarray(labs.capability[:, 0])
    yield check(
        "releases: flagships from runs of their own", (labs.from_own_run & labs.released[:, 0]).sum(), LABS, absolute=0
    )
    for i, age in enumerate(ages[:, 0]):
        since = age + 1
        yield check(f"{since:.0f} months after the last release: nats lost", lost[i], 0.5 * max(1 - since / 6, 0) ** 2,
                    absolute=1e-9)  # fmt: skip
    yield check("and at most", lost.max(), 0.5, absolute=1e-9)
