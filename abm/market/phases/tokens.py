"""6. Tokens: labs set prices, users choose, buy, and learn whom to trust."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from abm.agents.adopter import CONSUMER
from abm.engine import loop, mean_of_neighbours
from abm.market.phases.common import (
    Products,
    Sales,
    by_offer,
    is_open_lab,
    products_of,
    sales_of,
    sold_beside_copies,
)
from abm.market.phases.research import workplace_of
from abm.market.state import Accounts, Market, Now
from abm.mechanisms import conduct, tokens
from abm.support.axes import OFFERS, SUBSCRIPTION_OFFER, TIERS
from abm.support.shapes import AnyArray, Index, Scalar

POSTED_STEPS = 8
NASH_STEPS = 8  # a month; prices start from a multiple of last month's markups
FIRST_PACE = 0.5
FACTORS = np.exp(np.linspace(-2.4, 2.4, 17))  # of its price, which a lab tries first
EXACT_STEPS = 80  # where Nash prices are what is charged
MEMORY = 24  # months over which the life of rents is measured
SETTLING = 3  # months after a release in which customers settle
SSNIP = 0.1
"""A small but significant increase in price (Horizontal Merger Guidelines, 2010)."""


class Offer(NamedTuple):
    """What a lab sees of demand for its offers at the price at which it asks (L, O)."""

    price: Float[Array, "L O"]  # $ per M tokens
    spent: Float[Array, "L O"]  # $ per month
    cross: Float[Array, "L O O"]  # $ per month, as in `conduct.best_margins`
    hosts: Float[Array, " L"]  # number of hosts of its weights


class Reply(NamedTuple):
    """What a lab knows when it posts prices (L,) or (L, O)."""

    price: Float[Array, "L O"]  # $ per M tokens that pays best, rivals' prices given
    earned: Float[Array, " L"]  # gross profit at the posted prices, $ M per month
    gain: Float[Array, " L"]  # what it would be more at the new ones
    price_factor: Float[AnyArray, " L"]  # factor of a price war in the scenario


class Steps(NamedTuple):
    """Prices on their way to those that pay best (L, O)."""

    price: Float[Array, "L O"]  # $ per M tokens
    move: Float[Array, "L O"]  # nats, the last step in full
    pace: Float[Array, "L O"]  # part of it that was taken


class Demand(NamedTuple):
    """Segments' choice at given prices, from which that at other prices follows."""

    price: Float[Array, "L O"]
    shares: Float[Array, "J L O"]  # of a segment's spending
    log_index: Float[Array, " J"]  # ln of the price of use


def trade_tokens(market: Market, now: Now) -> Market:
    """Set costs and prices; users choose, buy and learn; then work out what a better model would bring each lab."""
    p, labs = now.p, market.labs
    labs = labs.do("cost_tokens", p, workplace=workplace_of(market, now))
    market = market.replace(labs=labs)
    products = products_of(labs, p)
    worth, certified, slope = market.adopters.ask("worth", p, products)
    seen = demand_at(market, now, products, worth)

    nash = best_prices(market, now, seen, nash=True)
    reply = nash if now.equations.pricing == "nash" else best_prices(market, now, seen, nash=False)
    cost = labs.ask("net_cost", p)
    earned, instead = earnings(market, now, seen, labs.price, cost), earnings(market, now, seen, reply, cost)
    labs = labs.do(
        "set_prices", p, now.equations.pricing, reply=Reply(reply, earned, instead - earned, now.events.price_factor)
    )
    labs = labs.replace(nash_markup=jnp.log(nash / labs.token_cost))
    market = market.replace(labs=labs)

    products = products_of(labs, p)
    labs = labs.replace(uncopied=sold_beside_copies(labs, p)[2])
    market = market.replace(labs=labs)
    shown = demand_at(market, now, products, worth)
    target = (shown.shares / labs.uncopied).reshape(worth.shape)
    market = use_models(market, now, products, worth, certified, target)
    sold = sales_of(market)
    labs = market.labs.replace(
        tier_value=values_of_capability(market, now, shown, slope),
        tier_slope=slope_at_customers(market, slope),
    )
    labs = labs.replace(marginal_value=labs.tier_value.sum(-1))
    accounts = watch_rents(market, sold).replace(
        contestable_share=contestable_share(market, now, shown), nash=nash_margins(market, now, seen, nash)
    )
    return market.replace(labs=labs, accounts=accounts)


def use_models(
    market: Market,
    now: Now,
    products: Products,
    worth: Float[Array, "J q"],
    certified: Bool[Array, "J q"],
    target: Float[Array, "J q"],
) -> Market:
    """Adoption spreads, segments buy, and trust follows use, their own and that of peers."""
    p, adopters, peers = now.p, market.adopters, market.networks.peers
    adopters = adopters.do(
        "adopt",
        p,
        useful=adopters.ask("usefulness", p, products),
        peers_adopted=mean_of_neighbours(adopters.adopted, peers),
    )
    adopters = adopters.do("buy", p, products, worth=worth, certified=certified, target=target)
    incidents = jnp.append(market.accounts.incidents, 0.0)
    adopters = adopters.do("learn_trust", p, incidents, peers_relied=mean_of_neighbours(adopters.relied, peers))
    return market.replace(adopters=adopters)


# --- demand and prices ---


def demand_at(market: Market, now: Now, products: Products, worth: Float[Array, "J q"]) -> Demand:
    """What segments would choose at posted prices; copies of an offer at cost take their part of its share."""
    labs = market.labs
    shares, log_index = market.adopters.ask("choose", now.p, products, worth=worth)
    return Demand(labs.price, by_offer(shares, labs) * sold_beside_copies(labs, now.p)[2], log_index)


def at_prices(
    seen: Demand, price: Float[Array, "L O"], now: Now, alone: bool
) -> tuple[Float[Array, "J L O"], Float[Array, "J L"]]:
    """Shares and ln of the price of use if all prices change, or if only those of one lab do, for each lab by itself."""
    sigma = now.p.substitution
    pull = seen.shares * jnp.exp(sigma * jnp.log(seen.price / price))
    own = pull.sum(-1)
    copied = of_copies(seen.shares, now)
    if alone:
        total = of_rivals(seen.shares.sum(-1)) + own + copied
    else:
        total = jnp.broadcast_to(own.sum(-1, keepdims=True) + copied, own.shape)
    total = jnp.maximum(total, 1e-300)
    return pull / total[..., None], seen.log_index[:, None] - jnp.log(total) / sigma


def sold_at(
    market: Market, now: Now, seen: Demand, price: Float[Array, "L O"], alone: bool
) -> tuple[Float[Array, "J L O"], Float[Array, "J L O"], Float[Array, "J L"]]:
    """Shares, spending ($ per month) and elasticity of use at these prices."""
    shares, log_index = at_prices(seen, price, now, alone)
    adopters = market.adopters
    spending, elasticity = adopters.ask("wanted", now.p, log_price=log_index)
    return shares, shares * spending[..., None], elasticity


def best_prices(market: Market, now: Now, seen: Demand, nash: bool) -> Float[Array, "L O"]:
    """Prices at which labs' first-order conditions hold: each alone against posted prices, or all together (Bertrand-Nash).

    Steps are those of the labs' own rule, each taken in part, from the best of some multiples of last month's Nash markups.
    """
    p, labs = now.p, market.labs
    hosts = hosts_of(market, now)
    steps = POSTED_STEPS if not nash else EXACT_STEPS if now.equations.pricing == "nash" else NASH_STEPS

    def step(state: Steps, _: Index) -> tuple[Steps, None]:
        price, before, pace = state
        shares, spent, elasticity = sold_at(market, now, seen, price, alone=not nash)
        weight = p.substitution + 1 - elasticity
        cross = jnp.einsum("jlr,jlq,jl->lrq", shares, spent, weight)
        wanted = labs.ask("asked_price", p, offer=Offer(price, spent.sum(0), cross, hosts))
        move = jnp.log(wanted) - jnp.log(price)
        part, pace = conduct.resilient_step(move, before, pace)
        return Steps(price * jnp.exp(part), move, pace), None

    start = best_on_grid(market, now, seen, labs.token_cost * jnp.exp(labs.nash_markup), nash)
    begin = Steps(start, jnp.zeros_like(start), jnp.full_like(start, FIRST_PACE))
    return loop(step, begin, jnp.arange(steps))[0].price


def best_on_grid(market: Market, now: Now, seen: Demand, price: Float[Array, "L O"], nash: bool) -> Float[Array, "L O"]:
    """These prices times the factor that earns each lab most: where segments change hands, profit has several peaks.

    One factor for both tiers, which share segments, and one for subscriptions; rivals charge posted prices, or these ones.
    """
    p, labs, adopters = now.p, market.labs, market.adopters
    shares, log_index = at_prices(seen, price, now, alone=not nash)
    charged = shares if nash else seen.shares
    rivals = of_rivals(charged.sum(-1)) + of_copies(charged, now)
    own = shares.sum(-1)
    if not nash:  # in the same unit as own shares: total pull at these prices, by lab
        rivals = rivals * jnp.exp(p.substitution * (log_index - seen.log_index[:, None]))
    unit_cost = labs.ask("net_cost", p) / price
    cost = (shares * unit_cost).sum(-1) / jnp.where(own > 0, own, 1.0)  # over price, of what sells
    subscribes = (adopters.segment == CONSUMER) * 1.0

    def tried(_: None, factor: Scalar) -> tuple[None, Float[Array, "L group"]]:
        pull = own * factor**-p.substitution
        total = jnp.maximum(rivals + pull, 1e-300)
        spending, _ = adopters.ask("wanted", p, log_price=log_index - jnp.log(total) / p.substitution)
        earned = spending * pull / total * (1 - cost / factor)
        return None, jnp.stack([(1 - subscribes) @ earned, subscribes @ earned], axis=-1)

    best = loop(tried, None, jnp.asarray(FACTORS))[1].argmax(0)
    factor = jnp.asarray(FACTORS)[best]
    return price * jnp.concatenate([jnp.repeat(factor[:, :1], TIERS, axis=1), factor[:, 1:]], axis=1)


def of_copies(shares: Float[Array, "J L O"], now: Now) -> Float[Array, "J 1"]:
    """What faithful copies at their cost have, where there are any: the rest."""
    return jnp.where(now.p.perfect_copies > 0, jnp.maximum(1 - shares.sum((-2, -1)), 0.0), 0.0)[:, None]


def of_rivals(shares: Float[Array, "J L"]) -> Float[Array, "J L"]:
    """Shares of all other labs: added up, since 1 less one's own is nothing but rounding where that is near 1."""
    return jnp.matmul(shares, 1 - jnp.eye(shares.shape[1]), precision="highest")


def earnings(
    market: Market, now: Now, seen: Demand, price: Float[Array, "L O"], cost: Float[Array, "L O"]
) -> Float[Array, " L"]:
    """Gross profit of each lab if it alone charged these prices, $ M per month."""
    _, spent, _ = sold_at(market, now, seen, price, alone=True)
    return (spent.sum(0) * (1 - cost / price)).sum(-1) * 1e-6


def hosts_of(market: Market, now: Now) -> Float[Array, " L"]:
    """Number of hosts of each lab's weights, by last month's sales at this month's cost."""
    labs = market.labs
    sales = (sales_of(market).tokens * labs.token_cost).sum(-1) * 1e-6  # $ M per month
    return tokens.number_of_hosts(sales, labs.licence, now.p)


# --- what it comes to ---


def nash_margins(market: Market, now: Now, seen: Demand, nash: Float[Array, "L O"]) -> Float[Array, "L 2"]:
    """Sales and gross profit of every lab at the month's Nash prices, $ M per month."""
    cost = market.labs.ask("net_cost", now.p)
    _, spent, _ = sold_at(market, now, seen, nash, alone=False)
    sales = spent.sum(0)
    return jnp.stack([sales.sum(-1), (sales * (1 - cost / nash)).sum(-1)], axis=-1) * 1e-6


def values_of_capability(market: Market, now: Now, seen: Demand, slope: Float[Array, "J q"]) -> Float[Array, "L T"]:
    """Derivative of each lab's gross profit in the capability of each tier, $ M per month per nat, at given prices."""
    p, labs = now.p, market.labs
    margin = (1 - labs.ask("net_cost", p) / labs.price) * labs.uncopied  # a copy is as good as what it copies
    spending, elasticity = market.adopters.ask("wanted", p, log_price=seen.log_index)
    shares = seen.shares / labs.uncopied
    gain = conduct.value_of_worth(shares * spending[:, None, None], shares, margin, elasticity[:, None, None], p)
    gained = (gain * by_offer(slope, labs)).sum(0) * 1e-6
    value = gained[:, :TIERS].at[:, 0].add(gained[:, TIERS:].sum(-1))
    return value * (labs.active * jnp.where(is_open_lab(labs), p.open_capture, 1.0))[:, None]


def watch_rents(market: Market, sold: Sales) -> Accounts:
    """How fast the rents of closed flagships fall: rent per use of adopters, at the unit cost of the release.

    A rent is compared with the best of its first months, while customers settle, until the lab's next release; less than a
    hundredth of that counts as a hundredth.
    """
    labs, adopters, accounts = market.labs, market.adopters, market.accounts
    age = labs.age[:, 0]
    cost = jnp.where(age < 1, labs.token_cost[:, 0], accounts.vintage[:, 0])
    spent, tokens = (rows[:, 0] + rows[:, SUBSCRIPTION_OFFER] for rows in (sold.spent, sold.tokens))
    reach = (adopters.adopted * adopters.tasks * adopters.value).sum()
    rent = (spent - cost * tokens * 1e-6) / jnp.maximum(reach, 1e-30)
    first = jnp.where(age < 1, 0.0, accounts.vintage[:, 1])
    first = jnp.where(age < SETTLING, jnp.maximum(first, rent), first)
    watched = labs.active & ~is_open_lab(labs) & (age >= SETTLING) & (first > 0)
    before = jnp.where(age > SETTLING, accounts.vintage[:, 2], first)
    rent = jnp.maximum(rent, 0.01 * first)
    weight = jnp.where(watched, first, 0.0)
    weight = weight / jnp.maximum(weight.sum(), 1e-30)
    fell = jnp.where(watched, jnp.log(jnp.where(watched, before, 1.0)) - jnp.log(jnp.where(watched, rent, 1.0)), 0.0)
    seen = jnp.stack([weight.sum(), (weight * fell).sum()])
    vintage = jnp.stack([cost, first, rent], axis=-1)
    return accounts.replace(vintage=vintage, rent_life=accounts.rent_life * (1 - 1 / MEMORY) + seen)


def slope_at_customers(market: Market, slope: Float[Array, "J q"]) -> Float[Array, "L T"]:
    """Slope of ln worth in capability, weighted by what customers spend on each tier; unchanged without customers."""
    labs, adopters = market.labs, market.adopters
    spent = by_offer(adopters.spent, labs).at[:, :, 0].add(by_offer(adopters.spent, labs)[:, :, SUBSCRIPTION_OFFER])
    spent = spent[:, :, :TIERS]
    total = spent.sum(0)
    mean = (spent * by_offer(slope, labs)[:, :, :TIERS]).sum(0) / jnp.maximum(total, 1e-12)
    return jnp.where(total > 1.0, mean, labs.tier_slope)


def contestable_share(market: Market, now: Now, seen: Demand) -> Scalar:
    """Share of spending on closed models in segments where all closed labs together could not raise prices by a tenth.

    The hypothetical-monopolist test: they could not if what they lost to open models and to non-use outweighed the gain.
    """
    labs, adopters = market.labs, market.adopters
    closed = ~is_open_lab(labs) & labs.active
    cost = labs.ask("net_cost", now.p)
    raised = jnp.where(closed[:, None], (1 + SSNIP) * seen.price, seen.price)
    _, before, _ = sold_at(market, now, seen, seen.price, alone=False)
    _, after, _ = sold_at(market, now, seen, raised, alone=False)
    profit_before = (before * (1 - cost / seen.price)).sum(-1) @ (closed * 1.0)
    profit_after = (after * (1 - cost / raised)).sum(-1) @ (closed * 1.0)
    paid = adopters.spent.reshape(adopters.size, labs.size, OFFERS).sum(-1) @ (closed * 1.0)
    return jnp.where(profit_after < profit_before, paid, 0.0).sum() / jnp.maximum(paid.sum(), 1e-12)
