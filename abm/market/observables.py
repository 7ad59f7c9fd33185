"""10. Observe: the observables and products that a run reports every month."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Shaped

from abm.agents.adopter import DEVELOPER, ENTERPRISE
from abm.agents.infrastructure import APPLICATIONS, PLATFORMS, POWER
from abm.engine import Group
from abm.market.machine_observables import chips_and_compute
from abm.market.phases.accounts import consumer_surplus, lag_of_open, outlook_of
from abm.market.phases.common import NOTHING, frontier, is_open_lab, open_frontier, sales_of
from abm.market.phases.machines import of_owners
from abm.market.residuals import residuals
from abm.market.state import Market, Now
from abm.mechanisms import beliefs, investment, machines, welfare
from abm.support.axes import JURISDICTIONS, QUESTIONS, SUBSCRIPTION_OFFER, TIERS
from abm.support.shapes import AnyArray, Scalar

LEVELS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
"""Capabilities (nats) for which the cheapest price is reported."""


SOME = 1e-3
"""Share of sales below which a margin or a premium says nothing."""
YEAR = 12.0


class ProductRecord(NamedTuple):
    """All products of a month; results have months, and runs, in front."""

    price: Float[AnyArray, "... L T"]  # $ per M tokens
    capability: Float[AnyArray, "... L T"]  # nats
    released: Bool[AnyArray, "... L T"]
    revision: Float[AnyArray, "... L T"]  # ln change of list price without a release
    active: Bool[AnyArray, "... L T"]
    volume: Float[AnyArray, "... L T"]  # M tokens; a flagship's with those of subscribers and free users
    cost: Float[AnyArray, "... L T"]  # $ per M tokens
    revenue: Float[AnyArray, "... L T"]  # $ M; a flagship's with subscriptions
    paid: Float[AnyArray, "... L T"]  # M tokens, the volume without that of free users
    disclosed: Float[AnyArray, "... L T"]  # $ M, cost that its lab disclosed for the flagship; 0 for efficient models


def record_products(market: Market) -> ProductRecord:
    """Record each lab's products of the month and the tokens sold of each."""
    labs = market.labs
    on = jnp.broadcast_to(labs.active[:, None], (labs.size, TIERS))
    sold = sales_of(market)
    revenue, paid = (x[:, :TIERS].at[:, 0].add(x[:, SUBSCRIPTION_OFFER]) for x in (sold.spent, sold.tokens))
    volume = paid.at[:, 0].add(sold.free)
    price, cost, revision = (x[:, :TIERS] for x in (labs.price, labs.token_cost, labs.revision))
    disclosed = jnp.zeros_like(price).at[:, 0].set(labs.claimed_cost)
    return ProductRecord(price, labs.capability, labs.released, revision, on, volume, cost, revenue, paid, disclosed)


def observe(before: Market, market: Market, now: Now) -> dict[str, Scalar]:
    """All observables of the month; `before` is the market at its start, for the accounting residuals."""
    return (
        pricing_power(market, now)
        | prices(market, now)
        | race(market, now)
        | chips_and_compute(market, now)
        | enforcement_and_entry(market, now)
        | beliefs_and_equities(market, now)
        | surpluses(market, now)
        | residuals(before, market, now)
    )


def mask_invalid_prices(observables: dict[str, Scalar], products: ProductRecord) -> dict[str, Scalar]:
    """Set all observables to NaN unless every price on sale is finite and positive.

    An invalid price from a user's rule would otherwise look like a market without sales or without costs.
    """
    invalid = jnp.any(products.active & ~((products.price > 0) & jnp.isfinite(products.price)))
    return {name: jnp.where(invalid, jnp.nan, value) for name, value in observables.items()}


def pricing_power(market: Market, now: Now) -> dict[str, Scalar]:
    """Measures of pricing power: no single one is enough (Frank and Salkever 1997). NaN where one is not defined."""
    p, labs, adopters = now.p, market.labs, market.adopters
    is_open, on = is_open_lab(labs), labs.active
    sold = sales_of(market)
    sales, tokens = sold.spent.sum(-1), sold.tokens
    copies, spent_on_copies = sold.copies.sum(), sold.spent_on_copies.sum()  # open models, for what they cost
    closed, opened = ~is_open & on, is_open & on
    leads = leader_of(labs)
    follows = closed * (leads == 0) * labs.distilled_share
    everywhere = {"closed": closed, "leader": leads, "rest": closed & (leads == 0), "followers": follows}
    at_posted = jnp.stack([sold.spent, sold.spent - tokens * labs.ask("net_cost", p) * 1e-6], axis=-1)
    nash, by_rank = market.accounts.nash, {"leader": leads, "followers": follows}
    of_segment = margin_of_segments(market)
    basket = market.accounts.basket
    closed_profit = jnp.where(closed, labs.profit, 0.0).sum()
    variable = sales - (tokens * labs.token_cost).sum(-1) * 1e-6
    earned = jnp.maximum(variable, 0.0)  # a share of losses is none
    developers = (adopters.tokens * (adopters.segment == DEVELOPER)[:, None]).sum(0).reshape(labs.size, -1).sum(-1)
    copies_of_developers = (spent_on_copies_by(market, DEVELOPER) / labs.token_cost).sum() * 1e6
    enterprises, copies_of_enterprises = sold.enterprises.sum(-1), spent_on_copies_by(market, ENTERPRISE).sum()
    training = jnp.where(closed, labs.training_bill, 0.0).sum()
    premium, coverage = hedonic_premium(market)
    by_lab = tokens.sum(-1)
    volume, revenue = by_lab.sum() + copies, sales.sum() + spent_on_copies
    return {
        **{f"lerner_{who}": margin_of(of, at_posted.sum(1)) for who, of in everywhere.items()},
        **{f"lerner_{who}_nash": margin_of(of, nash.sum(1)) for who, of in everywhere.items()},
        **{f"lerner_{who}_api": margin_of(of, at_posted[:, :TIERS].sum(1)) for who, of in by_rank.items()},
        **{f"lerner_{who}_api_nash": margin_of(of, nash[:, :TIERS].sum(1)) for who, of in by_rank.items()},
        "lerner_open": margin_of(opened, jnp.stack([sales, variable], axis=-1)),
        "lerner_basket": ratio((basket * of_segment).sum(), basket.sum()),
        "closed_premium": jnp.where(coverage > SOME, premium, jnp.nan),
        "premium_coverage": coverage,
        "contestable_share": market.accounts.contestable_share,
        "rent_half_life": half_life(market.accounts.rent_life),
        "closed_profit": closed_profit,
        "closed_profit_per_training": ratio(closed_profit, training),
        "closed_margin_share": ratio(earned @ closed, earned @ (closed | opened)),
        "open_token_share": ratio(by_lab @ opened + copies, volume),
        "open_revenue_share": ratio(sales @ opened + spent_on_copies, revenue),
        "open_developer_share": ratio(developers @ opened + copies_of_developers, developers.sum()),
        "open_enterprise_share": ratio(
            enterprises @ opened + copies_of_enterprises, enterprises.sum() + copies_of_enterprises
        ),
        "hhi": jnp.where(sales.sum() > 0, welfare.herfindahl(sales), jnp.nan),
        "token_volume": volume + sold.free.sum(),
        "token_revenue": revenue,
        "api_revenue": (sold.spent + sold.spent_on_copies)[:, :TIERS].sum(),
        "subscription_revenue": (sold.spent + sold.spent_on_copies)[:, SUBSCRIPTION_OFFER].sum(),
        "adoption": (adopters.adopted * adopters.tasks * adopters.value).sum()
        / (adopters.tasks * adopters.value).sum(),
    }


def leader_of(labs: Group) -> Float[AnyArray, " L"]:
    """1 at the closed lab with the best flagship; zeros if there is no closed lab."""
    closed = ~is_open_lab(labs) & labs.active
    best = jnp.argmax(jnp.where(closed, labs.capability[:, 0], -jnp.inf))
    return jax.nn.one_hot(best, labs.size) * closed


def one_of(which: Float[AnyArray, " L"], values: Float[AnyArray, " L"]) -> Scalar:
    """The value of one lab, NaN if there is none."""
    return jnp.where(which.any(), which @ values, jnp.nan)


def spent_on_copies_by(market: Market, segment: int) -> Float[AnyArray, "L O"]:
    """Spending of one kind of user on faithful copies, $ M."""
    labs, adopters = market.labs, market.adopters
    spent = (adopters.spent * (adopters.segment == segment)[:, None]).sum(0).reshape(labs.price.shape)
    return spent * (1 - labs.uncopied) * 1e-6


def ratio(part: Scalar, whole: Scalar) -> Scalar:
    """A share, NaN of nothing."""
    some = whole > 0
    return jnp.where(some, part / jnp.where(some, whole, 1.0), jnp.nan)


def margin_of(labs: Shaped[AnyArray, " L"], books: Float[AnyArray, "L 2"]) -> Scalar:
    """Gross profit over sales of some labs; NaN where they have next to nothing of all sales (`SOME`)."""
    sales, profit = (labs * 1.0) @ books
    return jnp.where(sales > SOME * books[:, 0].sum(), ratio(profit, sales), jnp.nan)


def half_life(watched: Float[AnyArray, " 2"]) -> Scalar:
    """Median months until a rent halves, at the hazard of late; NaN before a year's worth of months in which one could have.

    The hazard is (halvings + 1/2) / (months + 1), the mean of a beta distribution whose prior is half a halving in a month
    (close to Jeffreys), so that runs in which none has halved yet do not drop out of means.
    """
    months, halved = watched
    hazard = (halved + 0.5) / (months + 1)
    return jnp.where(months >= YEAR, -jnp.log(2.0) / jnp.log1p(-jnp.minimum(hazard, 0.999)), jnp.nan)


def margin_of_segments(market: Market) -> Float[AnyArray, " J"]:
    """Lerner index of what each segment buys; 0 without purchases."""
    spent = market.adopters.spent.sum(1)
    cost = market.adopters.tokens @ market.labs.token_cost.reshape(-1)
    return jnp.where(spent > 0, 1 - cost / jnp.where(spent > 0, spent, 1.0), 0.0)


def hedonic_premium(market: Market) -> tuple[Scalar, Scalar]:
    """Log price of closed models over that of open ones at equal capability, weighted by sales, and the share it covers.

    Lines through open models' log prices and capabilities, parallel and one for each tier, within the range of its
    capabilities (hedonic regression; Griliches 1961): efficient models are compared with efficient ones.
    """
    labs = market.labs
    is_open = is_open_lab(labs)[:, None] & jnp.ones(TIERS, bool)
    on = labs.active[:, None]
    k, price = labs.capability, jnp.log(labs.price[:, :TIERS])
    weight = (is_open & on) * 1.0
    number = jnp.maximum(weight.sum(0), 1.0)
    mean_k, mean_price = (weight * k).sum(0) / number, (weight * price).sum(0) / number
    spread = (weight * (k - mean_k) ** 2).sum()
    slope = (weight * (k - mean_k) * (price - mean_price)).sum() / jnp.maximum(spread, 1e-9)
    gap = price - mean_price - slope * (k - mean_k)
    low, high = jnp.min(jnp.where(weight > 0, k, jnp.inf), 0), jnp.max(jnp.where(weight > 0, k, -jnp.inf), 0)
    sales = jnp.where(~is_open & on, sales_of(market).spent[:, :TIERS], 0.0)
    covered = jnp.where((k >= low) & (k <= high), sales, 0.0)
    return ratio((covered * gap).sum(), covered.sum()), ratio(covered.sum(), sales.sum())


def prices(market: Market, now: Now) -> dict[str, Scalar]:
    """Price indices, list prices and the cheapest price by capability."""
    labs, adopters = market.labs, market.adopters
    on = jnp.broadcast_to(labs.active[:, None], (labs.size, TIERS)).reshape(-1)
    price, capability = labs.price[:, :TIERS].reshape(-1), labs.capability.reshape(-1)
    weight = adopters.spending / jnp.maximum(adopters.spending.sum(), 1e-12)
    closed = (labs.active & ~is_open_lab(labs))[:, None]
    best = jnp.argmax(jnp.where(on, capability, -jnp.inf))
    out = {
        "price_index": jnp.where(weight.sum() > 0, jnp.exp((weight * jnp.log(adopters.price_index)).sum()), jnp.nan),
        "frontier_price": price[best],
        "mean_price_paid": ratio(adopters.spending.sum() * 1e6, adopters.tokens.sum()),
        "price_revisions": ratio(
            (closed & (jnp.abs(labs.revision[:, :TIERS]) > 1e-9)).sum() * 1.0, closed.sum() * 1.0 * TIERS
        ),
    }
    for level in LEVELS:
        cheapest = jnp.min(jnp.where(on & (capability >= level), price, jnp.inf))
        out[f"price_at_k{level:.0f}"] = jnp.where(jnp.isfinite(cheapest), cheapest, jnp.nan)
    return out


def race(market: Market, now: Now) -> dict[str, Scalar]:
    """Frontiers and gaps, research, releases and distillation."""
    labs = market.labs
    on = labs.active * 1.0
    mean = on / jnp.maximum(on.sum(), 1.0)  # over labs in business
    us, china = (jnp.max(jnp.where(labs.active & (labs.home == i), labs.capability.max(-1), NOTHING)) for i in range(2))
    is_open = is_open_lab(labs)
    both = (labs.active & is_open).any() & (labs.active & ~is_open).any()
    outlook = outlook_of(market, now)
    multiple = investment.option_multiple(now.p.interest_rate, now.p.payout_rate, outlook.volatility)
    wages = (labs.research_spending * on).sum()
    leads = leader_of(labs)
    rest = on * (1 - leads)
    return {
        "frontier": frontier(market),
        "open_frontier": open_frontier(market),
        "open_closed_gap": jnp.where(both, frontier(market) - open_frontier(market), jnp.nan),
        "open_closed_lag": jnp.where(both, lag_of_open(market), jnp.nan),
        "us_china_gap": jnp.where((us > NOTHING) & (china > NOTHING), us - china, jnp.nan),
        "research_intensity": (labs.research_intensity * mean).sum(),
        "research_to_sales": wages / jnp.maximum((labs.revenue * on).sum(), 1e-9),
        "research_spending": wages,
        "research_of_leader": one_of(leads, labs.research_intensity),
        "research_of_rest": ratio(labs.research_intensity @ rest, rest.sum()),
        "lead_expected": one_of(leads, labs.lead_months / jnp.maximum(labs.leads_ended, 1e-6)),
        "option_multiple": (multiple * mean).sum(),
        "releases": (labs.released & labs.active[:, None]).sum() * 1.0,
        "distillation_volume": (labs.exchanges.sum(-1) * on).sum(),
        "distilled_share": (labs.distilled_share * mean).sum(),
        "vigilance": (labs.vigilance @ mean * mean).sum(),
    }


def enforcement_and_entry(market: Market, now: Now) -> dict[str, Scalar]:
    """Detections, suits, entry and exit."""
    labs, accounts = market.labs, market.accounts
    return {
        "detections": accounts.detections,
        "suits_lost": accounts.suits_lost,
        "damages": market.flows.damages,
        "royalties": market.flows.royalties,
        "active_labs": labs.active.sum() * 1.0,
        "active_closed_labs": (labs.active & ~is_open_lab(labs)).sum() * 1.0,
        "entries": accounts.entries,
        "exits": accounts.exits,
        "lab_cash": jnp.where(labs.active, labs.cash, 0.0).sum(),
        "ip_strength": market.regulators.ip_strength.mean(),
    }


def beliefs_and_equities(market: Market, now: Now) -> dict[str, Scalar]:
    """Market values, and the beliefs and attention of investors weighted by wealth."""
    investors, exchange = market.investors, market.exchange
    weight = jnp.where(investors.active, investors.wealth, 0.0)
    weight = weight / weight.sum()
    mean = (weight[:, None] * investors.belief).sum(0)
    spread = jnp.sqrt((weight[:, None] * (investors.belief - mean) ** 2).sum(0))
    posterior = (weight[:, None] * investors.uncertainty).sum(0)
    vendors, labs, layers = market.vendors, market.labs, market.infrastructure
    value = jnp.exp(exchange.log_price) * exchange.shares
    v, n = vendors.size, labs.size
    is_open, on = is_open_lab(labs), labs.active
    lab_value, layer_value = value[v : v + n], value[v + n :]
    out = {
        "equity_leader": value[0],
        "equity_chips": value[:v].sum(),
        "equity_closed": jnp.where(on & ~is_open, lab_value, 0.0).sum(),
        "equity_open": jnp.where(on & is_open, lab_value, 0.0).sum(),
        "equity_power": jnp.where(layers.layer == POWER, layer_value, 0.0).sum(),
        "equity_platforms": jnp.where(layers.layer == PLATFORMS, layer_value, 0.0).sum(),
        "equity_applications": jnp.where(layers.layer == APPLICATIONS, layer_value, 0.0).sum(),
        "belief_dispersion": spread[:3].mean(),
        "posterior_variance": posterior[:3].mean(),
        "winner_entropy": beliefs.entropy(mean[:3], posterior[:3] + spread[:3] ** 2).mean(),
        "attention": (weight * investors.attentive).sum(),
        "trend_share": (weight * investors.trend_share).sum(),
    }
    names = ("intensity", "appropriability", "tightness", "credibility")
    return out | {f"belief_{names[i]}": mean[i] for i in range(len(QUESTIONS))}


def surpluses(market: Market, now: Now) -> dict[str, Scalar]:
    """Welfare: users' gain net of all payments, plus producers' profits minus the machines they buy.

    On a cash basis: machines are charged when they are bought. Power is taken at cost, since the model has no resource
    cost of energy, so its profit is left out. Delays and compliance are already in profits and surplus, and the debts of
    failed labs were losses before; spillovers of research outside the model are reported but not added.
    """
    p, flows, labs, adopters = now.p, market.flows, market.labs, market.adopters
    gross = consumer_surplus(market)
    charged = p.application_share * jnp.maximum(gross, 0.0)
    weight = adopters.spending / jnp.maximum(adopters.spending.sum(), 1e-12)
    segment = gross - charged - flows.fees * weight
    on = labs.active * 1.0
    lab_gain = (labs.profit - labs.bought.sum(-1) - labs.construction) * on
    spillover = p.social_return_ratio * labs.research_spending * on
    compliance = on * (
        market.regulators.compliance_fixed[labs.home]
        + market.regulators.compliance_proportional[labs.home] * labs.revenue
    )
    waiting = of_owners(market, "waiting").sum()
    programmes = flows.rent_programmes - flows.energy_programmes - flows.chips_programmes - flows.places_programmes
    chip_profit = market.vendors.profit
    layers = market.infrastructure.profit - market.infrastructure.other_income
    layers = jnp.where(market.infrastructure.layer == POWER, 0.0, layers)
    invested = flows.chips_platforms + flows.places_platforms
    out = {
        "consumer_surplus": segment.sum(),
        "producer_surplus": lab_gain.sum() + chip_profit.sum() + layers.sum() + programmes - invested,
        "research_spillover": spillover.sum(),
        "compliance_cost": compliance.sum(),
        "delay_loss": waiting * market.vendors.chip_price[0] * p.interest_rate / 12,
    }
    work = machines.work_surplus(market.compute.rental_price, market.compute.pull, market.compute.efficiency, p)
    out["welfare"] = out["consumer_surplus"] + out["producer_surplus"] + work.sum()
    for i, name in enumerate(JURISDICTIONS):
        users = jnp.where(adopters.home == i, segment, 0.0).sum()
        firms = jnp.where(labs.home == i, lab_gain, 0.0).sum()
        makers = jnp.where(market.vendors.home == i, chip_profit, 0.0).sum()
        out[f"welfare_{name}"] = users + firms + makers
    return out
