"""Checks on the numbers of a run: invalid values raise an error, implausible prices a warning."""

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
"""$ per million tokens: a thousand dollars per token, over a million times the highest list price to June 2025."""


def check_prices(products: ProductRecord, setup: Setup, first: int = 0) -> None:
    """Reject prices that are not finite and positive, and warn about implausibly high ones.

    products : arrays (months, labs, tiers) from month `first` on. Raises ValueError with the first lab and month. Prices
    above `HIGHEST_PRICE`, which a combination of extreme parameters can give, raise a warning only.
    """
    bad = np.asarray(products.active) & ~((np.asarray(products.price) > 0) & np.isfinite(products.price))
    if bad.any():
        month, lab, tier = np.argwhere(bad)[0]
        price = np.asarray(products.price)[month, lab, tier]
        raise ValueError(
            f"the price of {setup.cast.labs[lab]} in month {first + month} is {price:g}: a price must be a finite number"
            " above 0; check the rules that this run overrides"
        )
    high = np.asarray(products.active) & (np.asarray(products.price) > HIGHEST_PRICE)
    if high.any():
        month, lab, tier = np.argwhere(high)[0]
        price = np.asarray(products.price)[month, lab, tier]
        warnings.warn(
            f"the price of {setup.cast.labs[lab]} in month {first + month} is {price:.3g} $ per million tokens, above"
            f" {HIGHEST_PRICE:.0e}: this run is not economically meaningful; check its parameters and rules",
            AbmWarning,
            stacklevel=3,
        )


def warn_of_prices(observables: Mapping[str, Any], seeds: Sequence[int]) -> None:
    """Warn about high prices in runs whose products are not stored; observables : arrays (runs, months)."""
    for name in ("frontier_price", "mean_price_paid"):
        high = np.asarray(observables[name]) > HIGHEST_PRICE
        if high.any():
            run, month = np.argwhere(high)[0]
            warnings.warn(
                f"{name} of {int(high.any(1).sum())} of {len(seeds)} runs is above {HIGHEST_PRICE:.0e} $ per million"
                f" tokens, first in month {month} of seed {seeds[run]}: these runs are not economically meaningful;"
                " check their parameters and rules",
                AbmWarning,
                stacklevel=3,
            )
            return


def check_finite(observables: Mapping[str, Any], setup: Setup, seeds: Sequence[int], first: int = 0) -> None:
    """Reject runs in which a user's rule gave NaN, infinity or an invalid price (`observables.mask_invalid_prices`).

    observables : arrays (runs, months) from month `first` on. Raises ValueError with the first month, the seed, and the
    classes whose rules to check.
    """
    if setup.program_key.is_plain:
        return
    bad = {n: ~np.isfinite(np.asarray(x)) for n, x in observables.items() if n not in UNDEFINED}
    start = {name: int(np.argmax(invalid.any(0))) for name, invalid in bad.items() if invalid.any()}
    if start:
        name = min(start, key=lambda observable: start[observable])
        seed = seeds[int(np.argmax(bad[name][:, start[name]]))]
        owners = ", ".join(kind.__name__ for kind in setup.program_key.own_kinds) or "the package that were replaced"
        raise ValueError(
            f"{name} is not a finite number from month {first + start[name]} on (seed {seed}): check the rules of {owners},"
            " which gave NaN, infinity or a price that is not above 0"
        )


def check_run(report: Month, setup: Setup, seed: int, first: int = 0) -> None:
    """Apply `check_prices` and `check_finite` to one run; report : arrays (months, ...) from month `first` on."""
    values = {name: np.asarray(x)[None] for name, x in report.observables.items()}
    invalid = [~np.isfinite(x[0]) for name, x in values.items() if name not in UNDEFINED]
    # Prices after the first invalid month are consequences of it, and would blame the wrong rule.
    until = int(np.argmax(np.any(invalid, axis=0))) + 1 if np.any(invalid) else None
    check_prices(ProductRecord(*(np.asarray(x)[:until] for x in report.products)), setup, first)
    check_finite(values, setup, [seed], first)
