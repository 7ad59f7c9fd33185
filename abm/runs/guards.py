"""What is refused of the numbers of a run, and what is warned of."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from abm.market.measures import UNDEFINED
from abm.market.month import Month
from abm.market.observables import ProductRecord
from abm.runs.setup import Setup
from abm.support.messages import AbmWarning

HIGHEST_PRICE = 1e9
"""$ per million tokens: a thousand dollars a token, more than a million times the dearest list price to June 2025."""


def check_prices(products: ProductRecord, setup: Setup, first: int = 0) -> None:
    """Reject prices that are not finite and positive, and warn of those that nobody would ever ask.

    products : arrays (months, labs, tiers) from month `first` on. Raises ValueError with the first lab and month. Parameters
    that are extreme together can give prices beyond any market: of these it warns.
    """
    bad = np.asarray(products.active) & ~((np.asarray(products.price) > 0) & np.isfinite(products.price))
    if bad.any():
        month, lab, tier = np.argwhere(bad)[0]
        price = np.asarray(products.price)[month, lab, tier]
        raise ValueError(
            f"the price of {setup.cast.labs[lab]} in month {first + month} is {price:g}: a price must be a finite number"
            " above 0; look at the rules that this run overrides"
        )
    dear = np.asarray(products.active) & (np.asarray(products.price) > HIGHEST_PRICE)
    if dear.any():
        month, lab, tier = np.argwhere(dear)[0]
        price = np.asarray(products.price)[month, lab, tier]
        warnings.warn(
            f"the price of {setup.cast.labs[lab]} in month {first + month} is {price:.3g} $ per million tokens, above"
            f" {HIGHEST_PRICE:.0e}: this run is of no market; look at its parameters and rules",
            AbmWarning,
            stacklevel=3,
        )


def warn_of_prices(observables: Mapping[str, Any], seeds: Sequence[int]) -> None:
    """As `check_prices` of runs whose products are not kept; observables : arrays (runs, months)."""
    for name in ("frontier_price", "mean_price_paid"):
        dear = np.asarray(observables[name]) > HIGHEST_PRICE
        if dear.any():
            run, month = np.argwhere(dear)[0]
            warnings.warn(
                f"{name} of {int(dear.any(1).sum())} of {len(seeds)} runs is above {HIGHEST_PRICE:.0e} $ per million"
                f" tokens, first in month {month} of seed {seeds[run]}: those runs are of no market; look at their"
                " parameters and rules",
                AbmWarning,
                stacklevel=3,
            )
            return


def check_finite(observables: Mapping[str, Any], setup: Setup, seeds: Sequence[int], first: int = 0) -> None:
    """Reject a run in which a user's rule gave NaN or infinity, or a price that is not above 0 (`observables.of_a_market`).

    observables : arrays (runs, months) from month `first` on. Raises ValueError with the first month, the seed, and whose
    rules to look at.
    """
    if setup.program_key.is_plain:
        return
    bad = {n: ~np.isfinite(np.asarray(x)) for n, x in observables.items() if n not in UNDEFINED}
    begin = {name: int(np.argmax(wrong.any(0))) for name, wrong in bad.items() if wrong.any()}
    if begin:
        name = min(begin, key=lambda one: begin[one])
        seed = seeds[int(np.argmax(bad[name][:, begin[name]]))]
        whose = ", ".join(kind.__name__ for kind in setup.program_key.own_kinds) or "the package that were replaced"
        raise ValueError(
            f"{name} is not a finite number from month {first + begin[name]} on (seed {seed}): look at the rules of {whose},"
            " which gave NaN, infinity or a price that is not above 0"
        )


def check_run(report: Month, setup: Setup, seed: int, first: int = 0) -> None:
    """Both checks of one run; report : arrays (months, ...) from month `first` on."""
    values = {name: np.asarray(x)[None] for name, x in report.observables.items()}
    wrong = [~np.isfinite(x[0]) for name, x in values.items() if name not in UNDEFINED]
    until = (
        int(np.argmax(np.any(wrong, axis=0))) + 1 if np.any(wrong) else None
    )  # what came of it later is nobody's price
    check_prices(ProductRecord(*(np.asarray(x)[:until] for x in report.products)), setup, first)
    check_finite(values, setup, [seed], first)
