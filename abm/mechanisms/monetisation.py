"""What a lab earns besides the price of tokens: fees, advertising, and money from investors."""

import jax.numpy as jnp

from abm.support.shapes import Floats, Numbers
from abm.support.values import Values


def open_core_fees(enterprise_sales: Numbers, p: Values) -> Numbers:
    """Fees for what enterprises need around open weights, $ M per month, in proportion to the tokens they buy.

    enterprise_sales : their tokens at list prices, $ M per month. Parameter: open_core_fee, share.
    Source: Lerner & Tirole (2002), complements as the income of open-source firms.
    """
    return p.open_core_fee * enterprise_sales


def complement_income(cost: Numbers, p: Values) -> Numbers:
    """Gain of the lab's other businesses from users of its models, $ M per month: a multiple of the cost of serving them.

    cost : $ M per month. Parameter: complement_benefit, $ per $.
    """
    return p.complement_benefit * cost


def funding(value: Numbers, cash: Numbers, spending: Numbers, p: Values) -> Floats:
    """New money from owners, $ M per month: a share of market value, less the more cash there is for the months ahead.

    funding = funding_rate * value * thirst, thirst = 1 / (1 + cash / (cash_target * spending)).
    value : $ M; cash : $ M, debts count as none; spending : $ M per month, of which cash_target months are wanted in cash.
    """
    thirst = 1 / (1 + jnp.maximum(cash, 0.0) / jnp.maximum(p.cash_target * (spending + 1.0), 1.0))
    return p.funding_rate * value * thirst
