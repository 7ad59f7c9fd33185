"""1. Policy."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.plain_mesa.constants import NOTHING


def adjust_policy(model: Any) -> None:
    """Every regulator takes a damped step towards its targets."""
    p = model.p
    noise = model.draws.normal("policy announcement", len(model.regulators))
    price_level = math.tanh(math.log(price_paid(model)) - math.log(p.token_cost_start))
    best_open = max([NOTHING, *(lab.capability[0] for lab in model.labs if lab.active and lab.is_open)])
    open_risk = math.tanh(max(best_open - p.risk_threshold, 0.0))
    for regulator, luck in zip(model.regulators, noise, strict=True):
        regulator.adjust(price_level, open_risk, luck)


def price_paid(model: Any) -> float:
    """Average price paid last month, $ per M tokens."""
    bought = sum(sum(lab.sold.tokens) + sum(lab.sold.copies) for lab in model.labs)
    spent = sum(sum(lab.sold.spent) + sum(lab.sold.spent_on_copies) for lab in model.labs)
    return 1e6 * spent / max(bought, 1e-9) if bought > 0 else model.p.token_cost_start
