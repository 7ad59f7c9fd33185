"""V25: the limits of courts, of leads and of hurry, played through the model's own phases."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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
    that are certain leave nothing to forecast, and an option to wait worth what it is without courts. A case is decided after
    the time of courts, and damages are what was taught of the sales until then. A lab that is matched every so many months
    comes to expect that. A hurried release is worse by a square in what it lacks of the time of a run."""
    yield from certain_courts()
    yield from cases()
    yield from expected_leads()
    yield from hurried_releases()


def certain_courts() -> Iterator[Check]:
    """Forecast error of a ruling is its draw, whose spread is ruling_spread (1 - clarity)."""
    multiples = {}
    for clarity in (1.0, 0.5):
        at = world([TEACHER, STUDENT], 1.0, dict(ip_strength=0.5, ip_clarity=clarity))
        spread = []
        for _ in range(240):
            at = months(at, 1, "enforcement")
            spread.append(np.asarray(at.market.accounts.rulings[:, 1]))
        volatility = float(seen("outlook", at).volatility[STUDENT])
        multiples[clarity] = float(investment.option_multiple(at.p.interest_rate, at.p.payout_rate, volatility))
        if clarity == 1.0:
            forecast = np.asarray(at.market.accounts.rulings[:, 0])
            yield check("certain rulings: spread of forecasts", np.max(spread), 0, absolute=1e-12)
            yield check("and the forecast", forecast.mean(), 0.5, absolute=1e-12)
            calm = float(at.p.demand_volatility) * (1 - float(at.p.guarantee_share * at.p.guarantee_insurance))
            bare = float(investment.option_multiple(at.p.interest_rate, at.p.payout_rate, calm))
            yield check("and the option multiple, as without courts", multiples[1.0], bare, relative=1e-12)
        else:
            pace, drawn = float(at.p.ruling_learning), (float(at.p.ruling_spread) * (1 - clarity)) ** 2
            # A forecast that is a slow mean itself adds pace / (2 - pace) to the variance of its error.
            expected, free = drawn * 2 / (2 - pace), len(spread) * spread[0].size
            yield check("uncertain rulings: mean squared error of forecasts over its expectation",
                        np.mean(spread[60:]) / expected, 1, standard_error=np.sqrt(2 / (0.75 * free)))  # fmt: skip
            yield above(
                "and the option multiple over the one of certain rulings", multiples[clarity] / multiples[1.0], 1.005
            )


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
    """Of a lab that releases a flagship every three years, matched after D months, and then earns less by a third."""
    fade = 0.002  # slow, so that months early and late in a lead count alike
    for lead in (1, 5, 20):
        at = world([TEACHER, STUDENT], 1.0, dict(lead_forgetting=fade))
        expected, lost = watched(at, lead, 36)
        yield check(f"leads that last {lead} months: what the lab expects", expected, lead, relative=0.06)
        yield check("and the share of a rent that goes when they end", lost, 1 / 3, relative=0.01)
    at = world([TEACHER, STUDENT], 1.0, dict(lead_forgetting=fade))
    yield above("leads that nobody ends: what the lab expects, months", watched(at, 2_000, 36)[0], 200)


def watched(at: World, lead: int, apart: int, years: int = 200) -> tuple[float, float]:
    """Lead that the teacher expects after years of releases `apart` months, and the share of its rent that it expects to lose."""

    nobody: Any = SimpleNamespace(awards=jnp.zeros(LABS), licences=jnp.zeros(LABS))

    @jax.jit
    def play(labs: Any) -> Any:
        def month(labs: Any, time: Any) -> tuple[Any, None]:
            age = time % apart
            labs = labs.replace(
                released=jnp.zeros_like(labs.released).at[TEACHER, 0].set(age == 0),
                capability=labs.capability.at[STUDENT, 0].set(
                    labs.capability[TEACHER, 0] - jnp.where(age >= lead, 0, 2)
                ),
                gross_profit=jnp.full(LABS, jnp.where(age > lead, 20.0, 30.0)),
            )
            market = at.market.replace(labs=labs, flows=at.market.flows.replace(tokens=jnp.asarray(100.0)))
            return labs.do("watch_lead", at.p, seen=leads_of(market, nobody)), None

        return jax.lax.scan(month, labs, jnp.arange(12 * years))[0]

    labs = play(at.market.labs)
    return float(labs.lead_months[TEACHER] / labs.leads_ended[TEACHER]), float(labs.lost_share[TEACHER])


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
