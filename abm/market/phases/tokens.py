"""6. Tokens: labs set prices, users choose, buy, and learn whom to trust."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from abm.agents import OpenLab
from abm.agents.adopter import CONSUMER, ENTERPRISE
from abm.agents.lab import OPEN_CORE
from abm.engine import Group, loop, mean_of_neighbours
from abm.market.phases.common import (
    Products,
    Sales,
    by_offer,
    is_open_lab,
    products_of,
    sales_of,
    share_of_copies,
    sold_beside_copies,
)
from abm.market.phases.research import workplace_of
from abm.market.state import Accounts, Market, Now, Values
from abm.mechanisms import conduct, monetisation, tokens, use
from abm.support.axes import OFFERS, SUBSCRIPTION_OFFER, TIERS
from abm.support.shapes import AnyArray, Index, Numbers, Scalar

POSTED_STEPS = 6
NASH_STEPS = 20  # a month
FIRST_PACE = 0.5
FACTORS = np.exp((-1.2, -0.8, -0.5, -0.25, 0.0, 0.25, 0.5, 0.8, 1.2))  # of its posted prices, which a lab tries first
DEARER = np.exp((0.0, 0.3, 0.8))  # of its best prices, which a lab would try with a better model
EXACT_STEPS = 80  # where Nash prices are what is charged
MEMORY = 60  # months over which the life of rents is measured
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
    """Prices on their way to those that pay best, of labs that look at demand (C, O)."""

    price: Float[Array, "C O"]  # $ per M tokens
    move: Float[Array, "C O"]  # nats, the last step in full
    pace: Float[Array, "C O"]  # part of it that was taken


class Demand(NamedTuple):
    """Segments' choice at given prices, from which that at other prices follows."""

    price: Float[Array, "L O"]
    chosen: Float[Array, "J L O"]  # of a segment's spending, with faithful copies of each offer
    shares: Float[Array, "J L O"]  # without
    copies: Float[Array, " J"]  # share of faithful copies, which are sold at cost whatever the labs charge
    log_index: Float[Array, " J"]  # ln of the price of use


class Others(NamedTuple):
    """Demand as some labs (C,) see it, each by itself."""

    price: Float[Array, "C O"]
    shares: Float[Array, "J C O"]
    rivals: Float[Array, "J C"]  # shares of all others, and of copies
    log_index: Float[Array, " J"]


def trade_tokens(market: Market, now: Now) -> Market:
    """Set costs and prices; users choose, buy and learn; then work out what a better model would bring each lab."""
    p, labs = now.p, market.labs
    labs = labs.do("cost_tokens", p, workplace=workplace_of(market, now))
    market = market.replace(labs=labs)
    products = products_of(labs, p)
    worth, certified, slope, useful = market.adopters.ask("worth", p, products)
    seen = demand_at(market, now, products, worth)

    nash = best_prices(market, now, seen, nash=True)
    reply = nash if now.equations.pricing == "nash" else best_prices(market, now, seen, nash=False)
    earned, instead = earnings(market, now, seen, labs.price), earnings(market, now, seen, reply)
    labs = labs.do(
        "set_prices", p, now.equations.pricing, reply=Reply(reply, earned, instead - earned, now.events.price_factor)
    )
    labs = labs.replace(nash_markup=jnp.log(nash / labs.token_cost))
    market = market.replace(labs=labs)

    products = products_of(labs, p)
    labs = labs.replace(uncopied=sold_beside_copies(labs, p)[2])
    market = market.replace(labs=labs)
    shown = demand_at(market, now, products, worth)
    target = shown.chosen.reshape(worth.shape)
    market = use_models(market, now, products, worth, certified, useful, target)
    sold = sales_of(market)
    labs = market.labs.replace(
        marginal_value=value_of_a_nat(market, now, shown, slope, reply), tier_slope=slope_at_customers(market, slope)
    )
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
    useful: Float[Array, " J"],
    target: Float[Array, "J q"],
) -> Market:
    """Adoption spreads, segments buy, and trust follows use, their own and that of peers."""
    p, adopters, peers = now.p, market.adopters, market.networks.peers
    adopters = adopters.do("adopt", p, useful=useful, peers_adopted=mean_of_neighbours(adopters.adopted, peers))
    adopters = adopters.do("buy", p, products, worth=worth, certified=certified, target=target)
    incidents = jnp.append(market.accounts.incidents, 0.0)
    adopters = adopters.do("learn_trust", p, incidents, peers_relied=mean_of_neighbours(adopters.relied, peers))
    return market.replace(adopters=adopters)


# --- demand and prices ---


def demand_at(market: Market, now: Now, products: Products, worth: Float[Array, "J q"]) -> Demand:
    """What segments would choose at posted prices; copies of an offer at cost take their part of its share."""
    labs = market.labs
    shares, log_index = market.adopters.ask("choose", now.p, products, worth=worth)
    chosen = by_offer(shares, labs)
    copies = (chosen * share_of_copies(labs, now.p)).sum((-2, -1))
    return Demand(labs.price, chosen, chosen * sold_beside_copies(labs, now.p)[2], copies, log_index)


def pulls_of(seen: Demand, price: Float[Array, "L O"], p: Values) -> Float[Array, "J L O"]:
    """Pulls of all offers at other prices, as multiples of the sum of pulls at the prices seen."""
    return use.pull_at(seen.shares, seen.price, price, p)


def sold_together(
    market: Market, now: Now, seen: Demand, price: Float[Array, "L O"]
) -> tuple[Float[Array, "J L O"], Float[Array, "J L O"], Float[Array, " J"]]:
    """Shares, spending ($ per month) and elasticity of use if all labs charge these prices."""
    pull = pulls_of(seen, price, now.p)
    total = jnp.maximum(pull.sum((-2, -1)) + seen.copies, use.least_positive(pull))
    log_index = seen.log_index - jnp.log(total) / now.p.substitution
    spending, elasticity = market.adopters.ask("wanted", now.p, log_price=log_index)
    shares = pull / total[:, None, None]
    return shares, shares * spending[:, None, None], elasticity


def sold_beside(
    market: Market,
    now: Now,
    seen: Demand,
    rows: Int[np.ndarray, " C"],
    fixed: Float[Array, " J"],
    price: Float[Array, "C O"],
) -> tuple[Float[Array, "J C O"], Float[Array, "J C O"], Float[Array, "J 1"]]:
    """The same of some labs only, if they charge these prices and the pulls of all others are `fixed`."""
    pull = use.pull_at(seen.shares[:, rows], seen.price[rows], price, now.p)
    total = jnp.maximum(fixed + pull.sum((-2, -1)), use.least_positive(pull))
    log_index = seen.log_index - jnp.log(total) / now.p.substitution
    spending, elasticity = market.adopters.ask("wanted", now.p, log_price=log_index)
    shares = pull / total[:, None, None]
    return shares, shares * spending[:, None, None], elasticity[:, None]


def sold_alone(
    market: Market, now: Now, others: Others, price: Float[Array, "C O"]
) -> tuple[Float[Array, "J C O"], Float[Array, "J C O"], Float[Array, "J C"]]:
    """The same for each of some labs by itself, if it alone charges these prices and its rivals those seen."""
    pull = use.pull_at(others.shares, others.price, price, now.p)
    total = jnp.maximum(others.rivals + pull.sum(-1), use.least_positive(pull))
    log_index = others.log_index[:, None] - jnp.log(total) / now.p.substitution
    spending, elasticity = market.adopters.ask("wanted", now.p, log_price=log_index)
    shares = pull / total[..., None]
    return shares, shares * spending[..., None], elasticity


def others_of(seen: Demand, rows: Int[np.ndarray, " C"]) -> Others:
    """Demand as some labs see it, each by itself.

    Rivals' shares are added up, since 1 less one's own is nothing but rounding where that is near 1.
    """
    rivals = 1.0 - jnp.eye(seen.shares.shape[1])[:, rows]
    rest = jnp.matmul(seen.shares.sum(-1), rivals, precision="highest") + seen.copies[:, None]
    return Others(seen.price[rows], seen.shares[:, rows], rest, seen.log_index)


def cross_of(
    shares: Float[Array, "J C O"], spent: Float[Array, "J C O"], weight: Float[Array, "J C"]
) -> Float[Array, "C O O"]:
    """sum_j s_jr (sigma + 1 - P_j/v_j) S_jq of `conduct.best_margins`."""
    return ((shares * weight[..., None])[..., :, None] * spent[..., None, :]).sum(
        0
    )  # faster than a product of small matrices


def solvers_of(labs: Group) -> Int[np.ndarray, " C"]:
    """Labs that look at demand when they set prices (a constant): all but those with the built-in rule of hosts."""
    kinds = [population.kind for population in labs.populations for _ in range(population.size)]
    return np.flatnonzero([kind.wanted_price is not OpenLab.wanted_price for kind in kinds])


def best_prices(market: Market, now: Now, seen: Demand, nash: bool) -> Float[Array, "L O"]:
    """Prices at which labs' first-order conditions hold: each alone against posted prices, or all together (Bertrand-Nash).

    Steps are those of the labs' own rule, each taken in part. A lab alone starts from the best multiple of its posted prices:
    where segments change hands, its profit has several peaks. All together start from last month's Nash markups. Hosts of
    open weights charge what they charge whatever labs do.
    """
    p, labs = now.p, market.labs
    rows = solvers_of(labs)
    steps = POSTED_STEPS if not nash else EXACT_STEPS if now.equations.pricing == "nash" else NASH_STEPS
    start = labs.token_cost * jnp.exp(labs.nash_markup) if nash else labs.price
    others = others_of(seen, rows)
    if not nash:
        start = start.at[rows].set(best_multiple(market, now, others, start[rows], labs.ask("net_cost", p)[rows]))
    offer = Offer(start, jnp.zeros_like(start), jnp.zeros((*start.shape, OFFERS)), hosts_of(market, now))
    start = labs.ask("asked_price", p, offer=offer).at[rows].set(start[rows])
    hosts = np.setdiff1d(np.arange(labs.size), rows)
    fixed = pulls_of(seen, start, p)[:, hosts].sum((-2, -1)) + seen.copies

    def step(state: Steps, _: Index) -> tuple[Steps, None]:
        price, before, pace = state
        if nash:
            shares, spent, elasticity = sold_beside(market, now, seen, rows, fixed, price)
        else:
            shares, spent, elasticity = sold_alone(market, now, others, price)
        cross = cross_of(shares, spent, jnp.broadcast_to(p.substitution + 1 - elasticity, spent.shape[:2]))
        asked = offer._replace(
            price=start.at[rows].set(price),
            spent=offer.spent.at[rows].set(spent.sum(0)),
            cross=offer.cross.at[rows].set(cross),
        )
        move = jnp.log(labs.ask("asked_price", p, offer=asked)[rows]) - jnp.log(price)
        part, pace = conduct.resilient_step(move, before, pace)
        return Steps(price * jnp.exp(part), move, pace), None

    begin = Steps(start[rows], jnp.zeros_like(start[rows]), jnp.full_like(start[rows], FIRST_PACE))
    return start.at[rows].set(loop(step, begin, jnp.arange(steps))[0].price)


def best_multiple(
    market: Market, now: Now, others: Others, price: Float[Array, "C O"], cost: Float[Array, "C O"]
) -> Float[Array, "C O"]:
    """These prices times the factor that earns each lab most: one for its tiers, which share segments, one for subscriptions."""

    def tried(_: None, factor: Scalar) -> tuple[None, Float[Array, "C O"]]:
        spent = sold_alone(market, now, others, price * factor)[1]
        return None, spent.sum(0) * (1 - cost / (price * factor))

    earned = loop(tried, None, jnp.asarray(FACTORS))[1]
    tiers = jnp.asarray(FACTORS)[earned[..., :TIERS].sum(-1).argmax(0)]
    rest = jnp.asarray(FACTORS)[earned[..., TIERS:].sum(-1).argmax(0)]
    return price * jnp.stack([tiers] * TIERS + [rest] * (OFFERS - TIERS), axis=-1)


def earnings(market: Market, now: Now, seen: Demand, price: Float[Array, "L O"]) -> Float[Array, " L"]:
    """Gross profit of each lab that looks at demand if it alone charged these prices, $ M per month; 0 for the others."""
    labs = market.labs
    rows = solvers_of(labs)
    _, spent, _ = sold_alone(market, now, others_of(seen, rows), price[rows])
    earned = (spent.sum(0) * (1 - labs.ask("net_cost", now.p)[rows] / price[rows])).sum(-1) * 1e-6
    return jnp.zeros(labs.size).at[rows].set(earned)


def hosts_of(market: Market, now: Now) -> Float[Array, " L"]:
    """Number of hosts of each lab's weights, by last month's sales at this month's cost."""
    labs = market.labs
    sales = (sales_of(market).tokens * labs.token_cost).sum(-1) * 1e-6  # $ M per month
    return tokens.number_of_hosts(sales, labs.licence, now.p)


# --- what it comes to ---


def nash_margins(market: Market, now: Now, seen: Demand, nash: Float[Array, "L O"]) -> Float[Array, "L O 2"]:
    """Sales and gross profit of every lab at the month's Nash prices, $ M per month."""
    cost = market.labs.ask("net_cost", now.p)
    _, spent, _ = sold_together(market, now, seen, nash)
    sales = spent.sum(0)
    return jnp.stack([sales, sales * (1 - cost / nash)], axis=-1) * 1e-6


def value_of_a_nat(
    market: Market, now: Now, seen: Demand, slope: Float[Array, "J q"], reply: Float[Array, "L O"]
) -> Float[Array, " L"]:
    """What each lab would earn more with models a nat better, rivals as they are, $ M per month.

    With either it would ask the prices that pay best now, and with a better one some multiple of them if that pays better;
    hosts of open weights ask what they ask, and keep what they sell, unless they are the lab's parent. Fees for open models
    come with all sales to enterprises. A faithful copy is as good as what it copies.
    """
    p, labs, segment = now.p, market.labs, market.adopters.segment
    fee = jnp.where(labs.monetisation == OPEN_CORE, monetisation.open_core_fees(1.0, p), 0.0)
    kept = jnp.where(labs.of_parent, 1.0, labs.first_party_share)
    part = kept + fee * (segment == ENTERPRISE)[:, None]
    net = kept[:, None] * labs.ask("net_cost", p) / reply
    others = others_of(seen, np.arange(labs.size))
    own = others.shares * (labs.price / reply) ** p.substitution
    more = by_offer(use.gain_of_a_nat(slope, p), labs)
    better, copied = use.pull_times(own, more, p), seen.chosen * share_of_copies(labs, p)
    beside = others.rivals + (use.pull_times(copied, more, p) - copied).sum(-1)  # copies of better models are better
    kinds = jnp.stack([segment == CONSUMER, segment != CONSUMER]) * 1.0  # their prices are set apart

    def earned(
        pulls: Float[Array, "J L O"], rivals: Float[Array, "J L"], rows: Int[np.ndarray, " C"], factor: Numbers = 1.0
    ) -> Float[Array, "2 C"]:
        pull = factor**-p.substitution
        margins = pulls.sum(-1) * part - (pulls * net).sum(-1) / factor
        total = rivals[:, rows] + pull * pulls[:, rows].sum(-1)
        total = jnp.maximum(total, use.least_positive(total))
        log_price = others.log_index[:, None] - jnp.log(total) / p.substitution
        spending, _ = market.adopters.ask("wanted", p, log_price=log_price)
        return kinds @ (spending * pull / total * margins[:, rows])

    sets = solvers_of(labs)
    hosts = np.setdiff1d(np.arange(labs.size), sets)
    most = jnp.stack([earned(better, beside, sets, factor) for factor in DEARER]).max(0)
    of_hosts = earned(better, beside, hosts) - earned(own, others.rivals, hosts)
    gain = jnp.zeros((2, labs.size)).at[:, sets].set(most - earned(own, others.rivals, sets)).at[:, hosts].set(of_hosts)
    return jnp.where(labs.active, jnp.maximum(gain.sum(0), 0.0) * 1e-6, 0.0)


def watch_rents(market: Market, sold: Sales) -> Accounts:
    """How soon a closed flagship that led the market at its release earns half of its best, before its lab's next release.

    Its rent is held at the unit cost of its release and counted per use of adopters, so that neither cheaper machines nor
    more users hide what rivals take. Months at risk and halvings are kept as sums that fade: their ratio is the hazard.
    """
    labs, adopters, accounts = market.labs, market.adopters, market.accounts
    capability, fresh = labs.capability[:, 0], labs.age[:, 0] < 1
    rivals = jnp.where(labs.active & ~jnp.eye(labs.size, dtype=bool), capability, -jnp.inf).max(1)
    led = labs.active & ~is_open_lab(labs) & (capability >= rivals)
    cost = jnp.where(fresh, labs.token_cost[:, 0], accounts.vintage[:, 0])
    best = jnp.where(fresh, 0.0, accounts.vintage[:, 1])
    watched = jnp.where(fresh, led, (accounts.vintage[:, 2] > 0) & labs.active)
    spent, tokens = (rows[:, 0] + rows[:, SUBSCRIPTION_OFFER] for rows in (sold.spent, sold.tokens))
    reach = (adopters.adopted * adopters.tasks * adopters.value).sum()
    rent = (spent - cost * tokens * 1e-6) / jnp.maximum(reach, 1e-30)
    at_risk = watched & (best > 0)
    halved = at_risk & (rent < 0.5 * best)
    vintage = jnp.stack([cost, jnp.maximum(best, rent), (watched & ~halved) * 1.0], axis=-1)
    seen = jnp.stack([at_risk.sum(), halved.sum()])
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
    """Share of spending on closed models in segments where open models keep closed labs from raising prices; NaN of nothing.

    The hypothetical-monopolist test: all closed labs together would lose by a rise of a tenth, and would gain by it were
    there no open models and no faithful copies. Where they would lose either way, users do without, and nothing is contested.
    """
    labs, adopters, sigma = market.labs, market.adopters, now.p.substitution
    closed = ~is_open_lab(labs) & labs.active
    sold = seen.shares * closed[:, None]
    part, cost = sold.sum((-2, -1)), (sold * labs.ask("net_cost", now.p) / seen.price).sum((-2, -1))
    others = (seen.shares * ~closed[:, None]).sum((-2, -1)) + seen.copies

    def profit(rest: Float[Array, " J"], rise: float) -> Float[Array, " J"]:
        pull = rise**-sigma
        total = jnp.maximum(rest + pull * part, use.least_positive(part))
        spending, _ = adopters.ask("wanted", now.p, log_price=seen.log_index - jnp.log(total) / sigma)
        return spending * pull / total * (part - cost / rise)

    loses, loses_alone = (profit(rest, 1 + SSNIP) < profit(rest, 1.0) for rest in (others, jnp.zeros_like(others)))
    paid = (by_offer(adopters.spent, labs) * labs.uncopied).sum(-1) @ (closed * 1.0)
    some = paid.sum() > 0
    contested = jnp.where(loses & ~loses_alone, paid, 0.0).sum()
    return jnp.where(some, contested / jnp.where(some, paid.sum(), 1.0), jnp.nan)
