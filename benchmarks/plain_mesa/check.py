"""One month in plain Mesa and in the compiled model, with the same draws: `python -m benchmarks.plain_mesa.check`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Draws
from abm.market.state import Market
from abm.runs.months import months_of
from abm.runs.setup import Setup
from abm.support.axes import DAYS
from benchmarks.plain_mesa.draws import GivenDraws
from benchmarks.plain_mesa.headlines import HEADLINES
from benchmarks.plain_mesa.model import PlainMarket
from benchmarks.plain_mesa.start import GROUPS, PARTS

PRECISION = 1e-9
ROUNDING = ("waiting", "purse", "displaced", "smuggling", "compute_waiting", "delay_loss", "additionality")
ROUNDING += ("hosts_margin", "rent_hosts", "lerner_open")
"""What may be nothing but rounding; a difference counts relative to one unit at least."""
OF_LABS = {
    "research luck": "normal",
    "court": "uniform",
    "disclosure motive": "normal",
    "entry": "uniform",
    "release day": "uniform",
}


def draws_of(market: Market, seed: int) -> GivenDraws:
    """Draws of the compiled model for the next month."""
    luck, labs = Draws.from_seed(seed).at(market.month), market.labs
    listed = (market.vendors, labs, market.infrastructure)
    table = {name: getattr(luck, kind)(name, labs) for name, kind in OF_LABS.items()}
    table["detection"] = luck.uniform("detection", labs, (labs.size,))
    table["ruling"] = luck.normal("ruling", market.regulators)
    table["release"] = luck.uniform("release", labs, (2,))
    table["fit"] = luck.normal("fit", market.adopters, (labs.size,))
    table["lenders"] = luck.normal("lenders", market.programmes)
    table["demand for work"] = luck.market_normal("demand for work", 1)
    table["policy announcement"] = luck.normal("policy announcement", market.regulators)
    table["audit"] = luck.market_normal("audit", DAYS)
    days = [luck.at(day) for day in range(DAYS)]
    table["attention"] = jnp.stack([day.uniform("attention", market.investors) for day in days])
    table["price noise"] = jnp.stack(
        [jnp.concatenate([day.normal("price noise", group) for group in listed]) for day in days]
    )
    table["market noise"] = jnp.stack([day.market_normal("market noise", 1) for day in days])
    return GivenDraws({name: np.asarray(numbers) for name, numbers in table.items()})


def pairs(plain: PlainMarket, market: Market, report: Any) -> Iterator[tuple[str, Any, Any]]:
    """(name, value here, value in the compiled model) of everything that a month changes or reports."""
    for name, theirs in GROUPS.items():
        group = getattr(market, theirs)
        for field in group.populations[0].columns:
            yield f"{name}.{field}", [getattr(agent, field) for agent in getattr(plain, name)], getattr(group, field)
    for name in PARTS:
        part = getattr(market, name)
        for field in part.names():
            yield f"{name}.{field}", getattr(getattr(plain, name), field), getattr(part, field)
    yield "month", plain.month, market.month
    yield "daily returns", plain.exchange.daily_returns, report.daily_returns
    for name in HEADLINES:
        yield f"observable {name}", plain.datacollector.model_vars[name][-1], report.observables[name]


def difference(here: Any, there: Any, least: float = 0.0) -> float:
    """Largest difference, relative to the largest number of the field, or to `least` if that is more.

    It is infinite if shapes or infinities differ.
    """
    here, there = np.asarray(here, dtype=float), np.asarray(there, dtype=float)
    finite = np.isfinite(there)
    if here.shape != there.shape or not np.array_equal(here[~finite], there[~finite], equal_nan=True):
        return np.inf
    if not finite.any():
        return 0.0
    gap, scale = np.abs(here[finite] - there[finite]).max(), max(np.abs(there[finite]).max(), least)
    return float(np.nan_to_num(gap / scale if scale > 0 else gap, nan=np.inf))


def apart(plain: PlainMarket, market: Market, report: Any) -> dict[str, float]:
    """Difference of everything that a month changes or reports, by name."""
    found = {}
    for name, here, there in pairs(plain, market, report):
        field = re.split("[. ]", name)[-1]
        found[name] = difference(here, there, least=1.0 if field in ROUNDING else 0.0)
    return found


def differences(months: Sequence[int] = (0, 24), seed: int = 1, **options: Any) -> dict[str, float]:
    """Largest relative difference by field over these months of a run, each started from the same market."""
    with jax.enable_x64(True):
        setup = Setup.of(months=max(months) + 1, **options)
        found: dict[str, float] = {}
        before: Any = None
        for market, report in months_of(setup, seed):
            if before is not None and int(before.month) in months:
                draws = draws_of(before, seed)
                plain = PlainMarket.from_market(
                    before, setup.values, setup.timeline, setup.equations, draws=draws, rng=0
                )
                plain.step()
                for name, size in apart(plain, market, report).items():
                    found[name] = max(found.get(name, 0.0), size)
            before = market
        return found


def main() -> None:
    """Print the difference of every field, largest first, and fail if one exceeds the precision."""
    found = differences()
    for name, size in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{size:.1e}  {name}")
    wrong = [name for name, size in found.items() if not size <= PRECISION]
    print(f"{len(found)} fields, {len(wrong)} of them further apart than {PRECISION:g}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
