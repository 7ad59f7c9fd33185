"""V21: the limits of the market for compute, played through the model's own months of machines and rent."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from abm.scenarios.events import CapexProgramme
from abm.validation.compute_limits import STILL, path
from abm.validation.ladder import Check, above, below, between, check, rung

PERMITS = (3, 6, 12, 24, 48)
"""Months."""


@rung("V21", "The market for compute", "Jorgenson (1963); Saunders (1992); Sterman (2000), ch. 11; limits derived")
def market_for_compute() -> Iterator[Check]:
    """A world without labs and events, in the model's own months. Without growth, rent settles at user cost. Work per machine
    jumps by half a nat: machines change by (epsilon - 1) / 2 in the end, epsilon as measured by dearer capital. Longer permits
    raise rent and lower machines. A programme with the market's capital and sites replaces what others would have built;
    with power of its own, where the grid binds, it adds. Machines wait for no place, and idle only where rent does not cover
    their energy."""
    yield from stationary()
    yield from jump_of_efficiency()
    yield from permits()
    yield from programmes()
    yield from waiting_and_idle()


def stationary() -> Iterator[Check]:
    """Free entry: in the end rent covers user cost in every jurisdiction, and no more."""
    end = {name: values[-24:] for name, values in path(**STILL).items()}
    yield between(
        "stationary: lowest rent over user cost, 24 months, all jurisdictions", end["lowest"].min(), 0.95, 1.05, 1
    )
    yield between("stationary: highest", end["highest"].max(), 0.95, 1.05, 1)


def jump_of_efficiency() -> Iterator[Check]:
    """Rebound in the long run, with an elastic supply of power so that its price hardly moves."""
    for elasticity in (0.7, 1.0, 1.3, 1.6):
        world: dict[str, Any] = STILL | dict(power_elasticity=50, chip_demand_elasticity=elasticity)
        base, dear, jump = (
            path(**world),
            path(**world | dict(capital_cost=0.15)),
            path(efficiency_step={300: 0.5}, **world),
        )
        measured = -in_the_end("compute_installed", dear, base) / in_the_end("rental_price", dear, base)
        yield check(f"elasticity of machines in rent, epsilon {elasticity:g}", measured, elasticity, absolute=0.02)
        yield check(
            f"machines after a jump of work per machine, log points, epsilon {elasticity:g}",
            100 * in_the_end("compute_installed", jump, base),
            50 * (measured - 1),
            absolute=2.0,
        )


def in_the_end(name: str, other: dict[str, np.ndarray], base: dict[str, np.ndarray]) -> float:
    """Log change of the mean of the last 24 months."""
    return float(np.log(other[name][-24:].mean() / base[name][-24:].mean()))


def permits() -> Iterator[Check]:
    """Places that take longer are missing for longer: years 2 to 6 of a world that grows without shocks."""
    paths = [path(permitting_lag=months, boom_volatility=0.0) for months in PERMITS]
    yearly = [
        {name: x[name][12:72].reshape(5, 12).mean(1) for name in ("rental_price", "compute_installed")} for x in paths
    ]
    for (short, less), (long, more) in pairwise(zip(PERMITS, yearly, strict=True)):
        rise, fall = (100 * np.log(more[name] / less[name]) for name in less)
        words = f"permits of {long} months for {short}"
        yield above(f"{words}: smallest rise of a year's rent, log points", rise.min(), 0)
        yield below(f"{words}: smallest fall of a year's machines, log points", fall.max(), 0)


def announced(own_power: float, **world: Any) -> tuple[np.ndarray, np.ndarray]:
    """Additionality of a programme of 500 $ B by month since its first, and machines relative to a world without it, means over
    twelve months: what a programme moves by a month or two within a cycle is not a change of machines.
    """
    programme = CapexProgramme(
        id="programme", month=30, day=0, amount=500_000.0, months=48, phases=5, own_power=own_power, offtake=1.0
    )
    base, other = (path(given, boom_volatility=0.0, **world) for given in (None, programme))
    months = slice(programme.when[0] + 1, programme.when[0] + 91)
    machines = (other["compute_installed"] / base["compute_installed"])[months]
    return other["additionality"][months], np.convolve(machines, np.full(12, 1 / 12), "valid")


def programmes() -> Iterator[Check]:
    """Free entry fills whatever a programme leaves, unless the grid keeps others out."""
    later = slice(60, None)
    added, machines = announced(own_power=0.0)
    yield below("programme on the market's sites: additionality after 60 months", added[later].max(), 0.01)
    yield check("and machines, change in %", 100 * abs(machines[later] - 1).max(), 0, absolute=2)
    yield above("and machines, % of those without it, lowest year", 100 * machines.min(), 99)
    added, machines = announced(own_power=1.0, connection_rate=0.04)
    yield above("programme with power of its own where the grid binds: lowest additionality", added.min(), 0.7)
    yield above("and machines after 60 months, % more", 100 * (machines[later].min() - 1), 1)
    yield above("and machines, % of those without it, lowest year", 100 * machines.min(), 99)


def waiting_and_idle() -> Iterator[Check]:
    """No chips without a place; machines idle where rent does not cover their energy, and nowhere else."""
    still, grows = path(**STILL), {name: values[:72] for name, values in path().items()}
    waits = (still["compute_waiting"] / still["compute_installed"]).max()
    yield check("stationary: machines without a place, share, highest month", waits, 0, absolute=1e-9)
    yield below("growing: the same in six years", (grows["compute_waiting"] / grows["compute_installed"]).max(), 0.1)
    for words, world in (("stationary", still), ("growing", grows)):
        yield check(
            f"{words}: share of machines that run, lowest month", world["compute_utilisation"].min(), 1, absolute=1e-9
        )
    dear = path(power_price_start=2e-3)["compute_utilisation"][:24]
    yield below("growing, power at 27 times its price: share that run, lowest month of two years", dear.min(), 0.99)
