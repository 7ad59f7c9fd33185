"""ODD 3: research, enforcement, release, tokens and accounts of one month; and the end of the month."""

import copy

from oracle.accounts import close_books
from oracle.common import TIERS, quantity
from oracle.enforcement import enforce
from oracle.release import release_models
from oracle.research import do_research
from oracle.tokens import trade_tokens

SHOCK_MONTH = 24
OUTSIDE_LABS = ("machines", "ordered", "supplied", "chip_bill")
OUTSIDE_CLOUD = ("installed", "ordered", "power", "book_value")
OUTSIDE_ACCOUNTS = ("scarcity", "chip_demand", "deliveries", "retired")
OUTSIDE_FLOWS = ("chips_labs", "chips_platforms", "chip_costs")


def month(world, now):
    """From the market after policy and chips to the market before equities."""
    world = copy.deepcopy(world)
    do_research(world, now)
    enforce(world, now)
    release_models(world, now)
    trade_tokens(world, now)
    close_books(world, now)
    fix_basket(world)
    return world


def fix_basket(world):
    """ODD 7.8, end: what each segment spends on closed models, until the shock."""
    if world.month < SHOCK_MONTH:
        world.accounts.basket = [
            1e-6
            * sum(
                quantity(adopter, number, t) * lab.price[t]
                for number, lab in enumerate(world.labs)
                if not lab.open
                for t in TIERS
            )
            for adopter in world.adopters
        ]


def with_outside(mine, given):
    """My own state a month on, with what policy, chips and equities do put in from `given`."""
    mine = copy.deepcopy(mine)
    for name in ("regulators", "vendors", "exchange", "peers", "month"):
        setattr(mine, name, copy.deepcopy(getattr(given, name)))
    for lab, other in zip(mine.labs, given.labs, strict=True):
        take(lab, other, OUTSIDE_LABS)
    take(mine.cloud, given.cloud, OUTSIDE_CLOUD)
    take(mine.accounts, given.accounts, OUTSIDE_ACCOUNTS)
    take(mine.flows, given.flows, OUTSIDE_FLOWS)
    return mine


def take(mine, given, names):
    for name in names:
        setattr(mine, name, copy.deepcopy(getattr(given, name)))
