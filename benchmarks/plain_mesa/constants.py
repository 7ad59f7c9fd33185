"""Constants and functions used by several modules."""

from __future__ import annotations

import math

FLAGSHIP, EFFICIENT = TIERS = (0, 1)
SUBSCRIBED = 2
OFFERS = (*TIERS, SUBSCRIBED)  # tokens of both models, and a subscription with the flagship
DEVELOPER, ENTERPRISE, CONSUMER = range(3)
DAYS, WEEK, QUESTIONS = 21, 5, 4
LAST_GENERATION = 5  # of machines
UNITED_STATES, CHINA = 0, 1
LARGE_PLATFORMS = 4  # the first operators
SHOCK_MONTH = 24
METERED, SUBSCRIPTION, HOSTING, COMPLEMENT, OPEN_CORE = range(5)
POWER, PLATFORMS, APPLICATIONS = range(3)
NOBODY = -1
NOTHING = -30.0  # nats: capability of a market without sales
FIRST_API = 6.0  # months from the start until flagships can be used through an API by anybody
NEVER = -50.0  # nats: below any capability
INSTRUMENTS = (
    "ip_strength",
    "ip_clarity",
    "enforcement_effort",
    "compliance_fixed",
    "compliance_proportional",
    "permitting_lag",
    "power_growth",
    "policy_uncertainty",
)


def clip(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


def logistic(x: float) -> float:
    if x < 0:
        power = math.exp(x)
        return power / (1 + power)
    return 1 / (1 + math.exp(-x))


def first_greatest(values: list[float]) -> int:
    """Index of the maximum; the first one if tied."""
    return values.index(max(values))


def erlang_stages(stages: list[float], inflow: float, mean_lag: float) -> tuple[float, list[float]]:
    """One month of an Erlang delay: outflow and new stages."""
    moving = min(len(stages) / mean_lag, 1.0)
    moved = [stage * moving for stage in stages]
    entering = [inflow, *moved[:-1]]
    return moved[-1], [old - out + new for old, out, new in zip(stages, moved, entering, strict=True)]


def price_response(sd_value: float, sd_motive: float, cost: float) -> float:
    """Response of a price to a report (Fischer and Verrecchia 2000)."""
    if sd_value <= 0:
        return 0.0
    scale = math.sqrt(3) * sd_motive / (cost * sd_value)
    if scale <= 1e-6:
        return 1 - scale**2 / 3
    return 2 / scale * math.sinh(math.asinh(1.5 * scale) / 3)


def option_multiple(interest: float, payout: float, volatility: float) -> float:
    """Ratio of value to cost at which investing is optimal (Dixit and Pindyck 1994)."""
    variance = max(volatility, 1e-9) ** 2
    drift = interest - payout - variance / 2
    root = math.sqrt(drift**2 + 2 * interest * variance)
    inverse = (drift + root) / (2 * interest) if drift > 0 else variance / (root - drift)
    return 1 / (1 - inverse)


def royalty(claims: list[float], chance: float) -> float:
    """Share of sales that owners of weights ask: each for itself, and so more in all (Cournot 1838, Shapiro 2001)."""
    total = sum(claims)
    owners = total**2 / max(sum(claim**2 for claim in claims), 1e-12)
    return min(chance * total * 2 * owners / (owners + 1), 0.95)
