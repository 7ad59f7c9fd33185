"""The token market of a run: its books, its prices against an optimiser, trust, hosts and releases."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.sizes import FEW, SMALL
from scipy.optimize import minimize_scalar

from abm import simulate
from abm.agents.adopter import CONSUMER, ENTERPRISE
from abm.agents.lab import COMPLEMENT, HOSTING, OPEN_CORE, SMALLEST_REVISION
from abm.engine import Draws, floats_of, interpreted
from abm.market.phases import tokens
from abm.market.phases.accounts import close_books, consumer_surplus, outlook_of
from abm.market.phases.common import by_offer, is_open_lab, products_of, sales_of
from abm.market.phases.exits import close_labs
from abm.market.phases.release import ReleaseNews, Releases
from abm.market.state import Now, Values
from abm.runs.months import months_of, one_month
from abm.runs.setup import Setup
from abm.support.axes import OFFERS, SUBSCRIPTION_OFFER, TIERS

MONTHS, SEED = 26, 3
USUAL, FEWEST = tuple(SMALL.items()), tuple(FEW.items())


def changed(p, **values):
    return Values(p.table | {name: jnp.asarray(value, float) for name, value in values.items()})


@functools.cache
def market_of_run(pricing="posted", sizes=USUAL, seed=SEED, **parameters):
    """The market in the second month after R1, and the inputs of that month."""
    setup = Setup.of(parameters, months=MONTHS, pricing=pricing, **dict(sizes))
    values = Values({name: jnp.asarray(value) for name, value in setup.values.items()})
    *_, (market, _) = months_of(setup, seed)
    return market, Now(values, setup.events(MONTHS - 1), Draws.from_seed(seed).at(market.month), setup.equations)


def seen_in(market, now):
    """Products, what they are worth to users, and the demand that labs see."""
    products = products_of(market.labs, now.p)
    worth, certified, *_ = market.adopters.ask("worth", now.p, products)
    return products, worth, certified, tokens.demand_at(market, now, products, worth)


# --- books ---


@pytest.mark.parametrize("pricing", ["posted", pytest.param("nash", marks=pytest.mark.slow)])
def test_money_and_compute_balance(pricing):
    run = simulate(seed=5, months=30, pricing=pricing, **SMALL)
    assert run["money_residual"].max() < 1e-8 and run["compute_residual"].max() < 1e-8
    np.testing.assert_allclose(run["api_revenue"] + run["subscription_revenue"], run["token_revenue"], rtol=1e-12)


def test_what_users_spend_is_what_is_sold():
    market, now = market_of_run()
    adopters, labs = market.adopters, market.labs
    sold, spent = sales_of(market), np.asarray(adopters.spent)
    np.testing.assert_allclose(spent.sum(1) * 1e-6, adopters.spending, rtol=1e-12)
    np.testing.assert_allclose(sold.spent.sum(), market.flows.tokens, rtol=1e-12)
    margin = np.where(adopters.certified, np.exp(now.p.certified_margin), 1.0)
    np.testing.assert_allclose(
        adopters.tokens * np.asarray(labs.price).reshape(-1) * margin, spent, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(np.asarray(adopters.usage).sum(1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(adopters.relied).sum(1), 1.0, rtol=1e-12)
    assert np.all(sold.hosted_spent <= sold.spent + 1e-12) and np.all(
        np.asarray(sold.hosted_spent)[~is_open_lab(labs)] == 0
    )


def test_consumers_subscribe_and_others_pay_by_the_token():
    market, now = market_of_run()
    spent = np.asarray(by_offer(market.adopters.spent, market.labs))
    consumer = np.asarray(market.adopters.segment) == CONSUMER
    assert consumer.any() and not consumer.all()
    assert np.all(spent[consumer][:, :, :TIERS] == 0) and np.all(spent[~consumer][:, :, SUBSCRIPTION_OFFER] == 0)
    assert np.all(np.asarray(market.adopters.free_tokens)[~consumer] == 0)


def test_a_month_of_trade_is_the_same_rule_by_rule():
    market, now = market_of_run(sizes=FEWEST)
    with floats_of(64):
        compiled = jax.jit(lambda market: tokens.trade_tokens(market, now))(market)
        with interpreted():
            plain = tokens.trade_tokens(market, now)
    for a, b in zip(jax.tree.leaves(compiled), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("role", ["closed_labs", "open_labs"])
def test_a_market_plays_though_one_kind_of_lab_has_left(role):
    """As few of them as there can be, and these without money from the start."""
    sizes = FEW | {role: 1, "entrants": 0}
    setup = Setup.of(months=4, **sizes)
    values, draws = Values({n: jnp.asarray(v) for n, v in setup.values.items()}), Draws.from_seed(1)
    market = next(months_of(setup, 1))[0]
    gone = np.asarray(is_open_lab(market.labs)) == (role == "open_labs")
    market = close_labs(market, jnp.asarray(gone))
    for month in range(3):
        market, report = one_month(setup, market, values, setup.events(month), draws)
        of_none = "lerner_closed" if role == "closed_labs" else "lerner_open"
        assert np.isnan(report.observables[of_none]), "not defined, and not 0"
        assert float(report.observables["token_revenue"]) > 0
        assert float(report.observables["money_residual"]) < 1e-8
        assert np.isfinite(np.asarray(market.labs.price)).all()
    np.testing.assert_array_equal(np.asarray(sales_of(market).spent)[gone], 0)


# --- surplus ---


def test_a_small_price_rise_costs_users_the_tokens_they_would_buy():
    market, now = market_of_run()
    p, labs = changed(now.p, habit_rate=1.0), market.labs
    products, worth, certified, _ = seen_in(market, now)

    def users(price):
        offered = products._replace(price=price)
        shares, _ = market.adopters.ask("choose", p, offered, worth=worth)
        adopters = market.adopters.do("buy", p, offered, worth=worth, certified=certified, target=shares)
        return consumer_surplus(market.replace(adopters=adopters)).sum(), adopters.spent.sum(0) / price

    slope, bought = jax.jit(jax.grad(users, has_aux=True))(labs.price.reshape(-1))
    assert (np.asarray(bought) > 1.0).sum() > 3
    np.testing.assert_allclose(slope * 1e6, -bought, rtol=1e-6, atol=1e-6)


# --- prices ---


def of_closed(market, rows):
    return np.asarray(rows)[np.flatnonzero(np.asarray(~is_open_lab(market.labs) & market.labs.active))]


@pytest.mark.parametrize("seed", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_prices_at_which_a_step_changes_nothing_satisfy_an_optimiser(seed):
    """Rivals' posted prices given, no other price of an offer near by pays more."""
    market, now = market_of_run(seed=seed)
    p, labs, (_, _, _, seen) = now.p, market.labs, seen_in(market, now)
    cost, hosts = labs.ask("net_cost", p), tokens.hosts_of(market, now)
    everybody = np.arange(labs.size)
    others = tokens.others_of(seen, everybody)

    @jax.jit
    def step(price):
        shares, spent, elasticity = tokens.sold_alone(market, now, others, price)
        cross = tokens.cross_of(shares, spent, p.substitution + 1 - elasticity)
        return labs.ask("wanted_price", p, offer=tokens.Offer(price, spent.sum(0), cross, hosts)), spent.sum(0)

    price = 1.5 * cost
    for _ in range(600):
        price = price * (step(price)[0] / price) ** 0.05
    wanted, spent = step(price)
    earned = jax.jit(lambda x, lab, offer: tokens.earnings(market, now, seen, price.at[lab, offer].set(x))[lab])
    still = np.abs(np.log(wanted / price)) < 1e-6
    sells = np.asarray(spent > 1.0) & ~np.asarray(is_open_lab(labs))[:, None] & np.asarray(still)
    assert sells.sum() >= 2
    for lab, offer in np.argwhere(sells):
        chosen = float(price[lab, offer])
        near = np.log(chosen) + np.array([-0.02, 0.02])
        loss = lambda x, lab=lab, offer=offer: -float(earned(np.exp(x), lab, offer))  # noqa: E731
        best = minimize_scalar(loss, bounds=near, method="bounded", options={"xatol": 1e-8})
        assert -best.fun <= float(earned(chosen, lab, offer)) * (1 + 1e-6) + 1e-9, (lab, offer)


def test_the_best_prices_of_a_month_earn_what_an_optimiser_could():
    """A lab takes a few steps: it comes near, and never earns much less than at the prices it has."""
    market, now = market_of_run()
    labs, (_, _, _, seen) = market.labs, seen_in(market, now)
    cost = labs.ask("net_cost", now.p)
    price = tokens.best_prices(market, now, seen, nash=False)
    earned = jax.jit(lambda price: tokens.earnings(market, now, seen, price))
    most = of_closed(market, earned(price))
    for factor in np.exp(np.linspace(-1, 1, 21)):  # of all of a lab's prices together
        most = np.maximum(most, of_closed(market, earned(jnp.maximum(factor * price, 1.01 * cost))))
    best, posted = of_closed(market, earned(price)), of_closed(market, earned(labs.price))
    relevant = most > 0.01 * most.max()
    assert np.all(best[relevant] > 0.85 * most[relevant])
    assert np.all(best[relevant] > 0.95 * posted[relevant])


def labs_with(**columns):
    market, now = market_of_run()
    return market.labs.replace(**columns), now.p


def test_posted_prices_change_at_a_release_or_where_it_pays_more_than_the_menu_cost():
    market, now = market_of_run()
    size, closed = market.labs.size, np.flatnonzero(~np.asarray(is_open_lab(market.labs)))
    ten, out, gain = jnp.full((size, OFFERS), 10.0), np.zeros((size, TIERS), bool), np.zeros(size)
    out[closed[0], 0] = True
    gain[closed[1]], gain[closed[2]] = 0.6, 0.4
    labs = market.labs.replace(price=ten, released=jnp.asarray(out), best_profit=jnp.ones(size))
    p = changed(now.p, menu_cost=0.5)
    reply = tokens.Reply(0.8 * ten, jnp.ones(size), jnp.asarray(gain), jnp.ones(size))
    after = labs.do("set_prices", p, "posted", reply=reply)
    expected = np.full((size, OFFERS), 10.0)
    expected[closed[0], [0, 2]], expected[closed[1]] = (
        8.0,
        8.0,
    )  # the flagship that came out; the gain of more than half
    np.testing.assert_allclose(np.asarray(after.price)[closed], expected[closed])
    np.testing.assert_allclose(after.revision[closed[1]], np.log(0.8))
    assert np.all(after.revision[closed[0]] == 0)
    is_open = np.asarray(is_open_lab(labs))
    np.testing.assert_allclose(np.asarray(after.price)[is_open], 8.0)  # hosts are bound by no posted price
    np.testing.assert_allclose(labs.do("set_prices", p, "nash", reply=reply).price, 8.0)


@pytest.mark.parametrize("menu_cost", [0.0, 0.1, 5.0])
def test_in_a_run_no_price_changes_for_less_than_the_menu_cost(menu_cost):
    market, now = market_of_run()
    now = now._replace(p=changed(now.p, menu_cost=menu_cost))
    before = market.labs.replace(released=jnp.zeros_like(market.labs.released))
    after = jax.jit(lambda market: tokens.trade_tokens(market, now).labs)(market.replace(labs=before))
    priced = market.replace(labs=before.replace(token_cost=after.token_cost))  # as labs see the month
    *_, seen = seen_in(priced, now)
    best = tokens.best_prices(priced, now, seen, nash=False)
    earned, instead = (np.asarray(tokens.earnings(priced, now, seen, price)) for price in (before.price, best))
    pays = instead - earned > menu_cost * np.asarray(before.best_profit)
    closed, moved = ~np.asarray(is_open_lab(before)), np.abs(np.asarray(after.revision)) > 0
    far = np.abs(np.log(best / before.price)) > SMALLEST_REVISION
    np.testing.assert_array_equal(moved[closed], (pays[:, None] & far)[closed])


# --- what a better model earns ---


@functools.cache
def market_of_kinds(seed=SEED):
    """The same with an open lab of each way to earn money, one at its parent's; two labs owe royalties, and one left.

    Certified hosts offer what labs do.
    """
    market, now = market_of_run(seed=seed)
    labs, first_open = market.labs, int(np.flatnonzero(np.asarray(is_open_lab(market.labs)))[0])
    kinds = labs.monetisation.at[first_open : first_open + 3].set(jnp.array([OPEN_CORE, COMPLEMENT, HOSTING]))
    labs = labs.replace(
        monetisation=kinds.at[2].set(COMPLEMENT),
        of_parent=labs.of_parent.at[first_open + 1].set(True),
        royalty=labs.royalty.at[jnp.array([1, first_open])].set(0.2),
        active=labs.active.at[3].set(False),
        hosted=labs.capability,
    )
    return market.replace(labs=labs), now


def money_program(now):
    """A compiled oracle: what a lab earns by kind of user, at other prices and with better models; $ M per month."""

    @jax.jit
    def earned(market, lab, nats, factor):
        p, labs = now.p, market.labs
        better, dearer = jnp.zeros(labs.size).at[lab].set(nats)[:, None], jnp.ones_like(labs.price).at[lab].set(factor)
        labs = labs.replace(capability=labs.capability + better, hosted=labs.hosted + better, price=labs.price * dearer)
        market = market.replace(labs=labs)
        *_, seen = seen_in(market, now)
        spending, _ = market.adopters.ask("wanted", p, log_price=seen.log_index)
        spent = seen.chosen[:, lab] * spending[:, None]
        tokens_sold = spent / labs.price[lab]
        served = (tokens_sold * labs.token_cost[lab]).sum(-1)
        enterprise = market.adopters.segment == ENTERPRISE
        fees = jnp.where(labs.monetisation[lab] == OPEN_CORE, p.open_core_fee * enterprise, 0.0) * spent.sum(-1)
        complement = jnp.where(labs.monetisation[lab] == COMPLEMENT, p.complement_benefit, 0.0) * served
        kept = jnp.where(labs.of_parent[lab], 1.0, labs.first_party_share[lab])
        money = (kept * (spent.sum(-1) + complement) + fees) * (1 - labs.royalty[lab]) - kept * served
        consumer = market.adopters.segment == CONSUMER
        return 1e-6 * jnp.where(consumer, money, 0.0).sum(), 1e-6 * jnp.where(consumer, 0.0, money).sum()

    return earned


@functools.cache
def worth_of_a_nat(seed):
    """What the model says, royalties off, and what a search over the same multiples of the same prices finds, by lab."""
    market, now = market_of_kinds(seed)
    labs, earned = market.labs, money_program(now)
    sets = tokens.solvers_of(labs)
    _, _, _, seen = seen_in(market, now)
    *_, slope, _ = market.adopters.ask("worth", now.p, products_of(labs, now.p))
    best = np.ones((labs.size, OFFERS))
    best[sets] = np.random.default_rng(seed).uniform(0.8, 1.25, (len(sets), OFFERS))  # of posted prices, say
    expected = np.zeros(labs.size)
    for lab in np.flatnonzero(np.asarray(labs.active)):
        before = sum(float(x) for x in earned(market, lab, 0.0, best[lab]))
        multiples = tokens.DEARER if lab in sets else [1.0]
        tried = np.array([[float(x) for x in earned(market, lab, 1.0, factor * best[lab])] for factor in multiples])
        expected[lab] = tried.max(0).sum() - before
    value = tokens.value_of_a_nat(market, now, seen, slope, labs.price * best)
    return np.asarray(value * (1 - labs.royalty)), expected


def with_fees(market):
    return np.asarray(market.labs.monetisation) == OPEN_CORE


@pytest.mark.parametrize("seed", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_a_nat_is_worth_what_a_better_model_would_earn_more(seed):
    """Recomputed from users' choices, lab by lab, with its models a nat better, at the best of the same multiples of its prices.

    What owners of weights take is off: (1 - royalty) times the value. Prices for consumers are set apart from others.
    """
    (market, _), (value, expected) = market_of_kinds(seed), worth_of_a_nat(seed)
    others = ~with_fees(market)
    expected = np.maximum(expected, 0.0)  # what earns less can be left unreleased
    np.testing.assert_allclose(value[others], expected[others], rtol=1e-6, atol=1e-9 * expected.max())
    assert (np.abs(expected) > 0.01).sum() >= 4
    np.testing.assert_array_equal(value[~np.asarray(market.labs.active)], 0.0)


def test_a_nat_is_worth_the_fees_that_come_with_it():
    (market, _), (value, expected) = market_of_kinds(SEED), worth_of_a_nat(SEED)
    np.testing.assert_allclose(value[with_fees(market)], np.maximum(expected[with_fees(market)], 0.0), rtol=1e-6)


def test_in_a_run_labs_that_set_prices_lose_nothing_by_a_better_model():
    """They could leave it unreleased."""
    worth = [np.asarray(market.labs.marginal_value)[tokens.solvers_of(market.labs)] for market in run_of_labs()]
    assert np.min(worth) >= 0


def run_of_labs():
    return [market for market, report in months_of(Setup.of(months=MONTHS, **SMALL), SEED) if report is not None]


def test_in_a_run_a_nat_is_worth_something_to_labs_in_business_alone():
    for market in run_of_labs():
        labs, value = market.labs, np.asarray(market.labs.marginal_value)
        assert (value[tokens.solvers_of(labs)] > 0).any()
        assert not value[~np.asarray(labs.active)].any()


# --- releases ---


def news_for(labs, forced, **more):
    n = labs.size
    given = dict(
        forced=jnp.full(n, forced), capability=labs.capability[:, 0] + 0.2, size_step=jnp.zeros(n), parent_size=jnp.full(n, 9.0),
        parent_cost=jnp.full(n, 90.0), parent_lineage=labs.lineage[labs.copied_from], itself=jnp.eye(n),
        luck=jnp.ones((n, TIERS)), claimed_cost=jnp.zeros(n), report_ratio=jnp.ones(n), serving_efficiency=jnp.zeros(n),
    )  # fmt: skip
    return ReleaseNews(**(given | more))


def test_a_release_that_a_scenario_imposes_keeps_size_and_run():
    labs, p = labs_with()
    after = labs.do("release", p, news=news_for(labs, True))
    np.testing.assert_allclose(after.capability[:, 0], labs.capability[:, 0] + 0.2)
    for name in ("run_compute", "run_cost"):
        np.testing.assert_array_equal(getattr(after, name), getattr(labs, name))
    forked = np.asarray((labs.copied >= labs.distilled) & (labs.copied > labs.ask("own_candidate", p)))
    same = ~(forked & (np.asarray(labs.copied_from) >= 0))
    np.testing.assert_allclose(np.asarray(after.model_size)[same, 0], np.asarray(labs.model_size)[same, 0])
    larger = labs.do("release", p, news=news_for(labs, True, size_step=jnp.full(labs.size, 0.7)))
    np.testing.assert_allclose(larger.model_size[:, 0] - after.model_size[:, 0], 0.7)


def test_certified_hosts_offer_a_release_after_the_delay():
    labs, p = labs_with()
    p = changed(p, certified_delay=3.0)
    out = labs.do("release", p, news=news_for(labs, True))
    offered = []
    for _ in range(5):
        out = out.do("release", p, news=news_for(out, False))
        offered.append(np.allclose(out.hosted[:, 0], out.capability[:, 0]))
    assert not any(offered[:2]) and all(offered[3:])


def test_users_who_need_trust_take_open_weights_from_a_certified_host():
    market, now = market_of_run()
    products = products_of(market.labs, now.p)
    products = products._replace(hosted=products.capability)
    is_open = np.arange(products.price.size) >= products.closed_labs * OFFERS

    def certified(need, trust_in_labs, trust_in_hosts):
        n, providers = market.adopters.trust.shape
        trust = jnp.full((n, providers), trust_in_labs).at[:, -1].set(trust_in_hosts)
        adopters = market.adopters.replace(compliance_need=jnp.full(n, need), trust=trust)
        worth, chosen, *_ = adopters.ask("worth", now.p, products)
        return np.asarray(worth), np.asarray(chosen)

    assert certified(1.0, 0.05, 0.95)[1][:, is_open].all(), "ln(0.95/0.05) exceeds the margin"
    assert not certified(1.0, 0.9, 0.95)[1].any(), "the margin exceeds what trust is worth"
    without_need, chosen = certified(0.0, 0.05, 0.95)
    assert not chosen.any()
    np.testing.assert_array_equal(without_need, certified(0.0, 0.9, 0.1)[0])  # without a need, trust does nothing


# --- trust and fit ---


def test_trust_falls_with_an_incident_and_grows_with_use():
    market, now = market_of_run()
    adopters, p = market.adopters, changed(now.p, trust_rate=0.1, incident_loss=0.3)
    incidents = jnp.zeros(market.labs.size + 1).at[0].set(1.0)
    quiet = adopters.do("learn_trust", p, 0.0 * incidents, peers_relied=adopters.relied)
    after = adopters.do("learn_trust", p, incidents, peers_relied=adopters.relied)
    np.testing.assert_allclose(after.trust[:, 0], 0.7 * quiet.trust[:, 0])
    np.testing.assert_array_equal(after.trust[:, 1:], quiet.trust[:, 1:])
    assert np.all(quiet.trust >= adopters.trust) and np.any(quiet.trust > adopters.trust)


def test_a_copy_suits_users_as_its_source_does():
    market, now = market_of_run()
    adopters, n = market.adopters, market.labs.size
    out, source, owed = np.zeros(n, bool), np.full(n, -1), np.zeros(n)
    out[:2], source[1], owed[1] = True, 3, 1.0
    releases = Releases(*(jnp.asarray(x) for x in (out, out & (owed == 0), source, owed)))
    p = changed(now.p, fit_inheritance=1.0)
    after = adopters.do("try_releases", p, releases, luck=jnp.zeros((adopters.size, n)))
    np.testing.assert_allclose(after.fit[:, 1], adopters.fit[:, 3])
    np.testing.assert_allclose(after.fit[:, 0], p.fit_persistence * adopters.own_fit[:, 0])
    np.testing.assert_array_equal(after.fit[:, 2:], adopters.fit[:, 2:])
    np.testing.assert_array_equal(after.own_fit[:, 1:], adopters.own_fit[:, 1:])


# --- what labs can know ---


@pytest.mark.parametrize("name", ["copying_rate", "distillation_rate", "copy_fidelity", "fit_inheritance"])
def test_plans_and_prices_read_no_technology_of_imitation(name):
    """From one state, with another parameter: the same plans and prices to the last bit, since labs learn from leads they saw."""
    market, now = market_of_run()
    other = now._replace(p=changed(now.p, **{name: 0.5 * float(now.p.table[name])}))

    @jax.jit
    def decided(p):
        given = now._replace(p=Values(p))
        labs = close_books(tokens.trade_tokens(market, given), given).labs
        return labs.price, labs.research_intensity, labs.training_budget, outlook_of(market, given)

    for a, b in zip(jax.tree.leaves(decided(now.p.table)), jax.tree.leaves(decided(other.p.table)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_labs_count_a_complement_and_royalties_in_their_cost():
    """A complement earns on every token that is served; what owners of weights take of income is as much more of cost."""
    labs, p = labs_with()
    cost, kinds = np.asarray(labs.ask("net_cost", p)), np.asarray(labs.monetisation)
    owing = np.asarray(labs.replace(royalty=jnp.full(labs.size, 0.2)).ask("net_cost", p))
    free, tokens_cost = np.asarray(labs.replace(royalty=jnp.zeros(labs.size)).ask("net_cost", p)), labs.token_cost
    np.testing.assert_allclose(owing - free, np.asarray(tokens_cost) * (1 / (1 - 0.2) - 1))
    share = 1 + (cost - np.asarray(labs.token_cost / (1 - labs.royalty)[:, None])) / np.asarray(tokens_cost)
    np.testing.assert_allclose(share[kinds != COMPLEMENT], 1.0)
    np.testing.assert_allclose(share[kinds == COMPLEMENT], 1 - min(float(p.complement_benefit), 0.98))
