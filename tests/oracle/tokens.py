"""ODD 7.6: tokens."""

import cmath
import math

from oracle.common import (
    COMPLEMENT,
    SUBSCRIPTION,
    TIERS,
    active_labs,
    adoption,
    clip,
    logistic,
    pos,
    product,
    quantity,
)


def trade_tokens(world, now):
    p = now.p
    for _, lab in active_labs(world):
        cost_tokens(world, lab, p)
    tastes = tastes_of(world, p)
    hosts = [hosts_of(world, number, p) for number, _ in enumerate(world.labs)]
    undercut = [[how_undercut(world, number, t, p) for t in TIERS] for number, _ in enumerate(world.labs)]
    perceived = perceive(world, now, tastes, prices_of(world))
    priced_on = nash(world, now, tastes, hosts, perceived) if now.pricing == "nash" else perceived
    for number, lab in active_labs(world):
        set_prices(lab, wanted_price(lab, *priced_on[number], hosts[number], p), undercut[number], number, now)

    choices = [choose(world, now, adopter, tastes[j], prices_of(world)) for j, adopter in enumerate(world.adopters)]
    for adopter, (target, _), taste in zip(world.adopters, choices, tastes, strict=True):
        adopt_and_use(world, now, adopter, target, taste)
    if world.month % 3 == 0:
        values = [marginal_value(world, now, tastes, number) for number, _ in enumerate(world.labs)]
        for lab, value in zip(world.labs, values, strict=True):
            lab.marginal_value = value if lab.active else 0.0

    accounts = world.accounts
    accounts.demand_elasticity = [elasticity for elasticity, _ in perceived]
    for number, _ in enumerate(world.labs):
        for t in TIERS:
            usual = accounts.accustomed[number][t]
            accounts.accustomed[number][t] = usual + p.accustoming * (undercut[number][t] - usual)
    accounts.undercut = undercut
    accounts.contestable_share = contestable_share(world, tastes, now)
    serve(world, p)


# Cost


def saved(world, lab, tier, p):
    """Inference efficiency of a model on sale: that of its release, and part of what came after."""
    own = lab.serving_efficiency[tier]
    return own + p.serving_retrofit * (world.accounts.serving_efficiency - own)


def cost_tokens(world, lab, p):
    dear = world.cloud.rental_price / p.rental_price_start
    lab.token_cost = [p.token_cost_start * math.exp(lab.model_size[t] - saved(world, lab, t, p)) * dear for t in TIERS]


# Choice of adopters


def quality(adopter, lab, tier, p):
    """Utility of a product before price and peers."""
    useful = logistic((lab.capability[tier] - adopter.difficulty) / p.usefulness_width)
    return (
        adopter.quality_taste * math.log(useful)
        + adopter.compliance_need * lab.trust
        + adopter.openness_taste * (1 if lab.open else 0)
        + lab.brand
    )


def tastes_of(world, p):
    """What each segment makes of each product, price apart."""
    return [
        dict(quality=[quality(adopter, lab, t, p) for lab in world.labs for t in TIERS], peer=peer_shares(world, j))
        for j, adopter in enumerate(world.adopters)
    ]


def peer_shares(world, j):
    """Mean usage of each product over the adopters that j watches."""
    watched = [world.adopters[other].usage for other in world.peers[j]]
    return [sum(usage[q] for usage in watched) / len(watched) for q in range(2 * len(world.labs))]


def prices_of(world):
    return [lab.price[t] for lab in world.labs for t in TIERS]


def substitution(adopter, now):
    """Coefficient on log price, or on price in units of linear_price_scale."""
    return adopter.price_sensitivity + 1 if now.price_form == "linear" else adopter.price_sensitivity


def utility_of_price(adopter, price, now):
    if now.price_form == "linear":
        return substitution(adopter, now) / now.p.linear_price_scale * price
    return adopter.price_sensitivity * math.log(price)


def choose(world, now, adopter, taste, prices):
    """Target shares over products, and the price index: nested logit (McFadden 1978)."""
    p = now.p
    spread = 1 - p.nest_correlation
    sums = {False: 0, True: 0}  # closed and open nest
    worth = {}
    for number, lab in active_labs(world):
        for t in TIERS:
            q = product(number, t)
            v = taste["quality"][q] - utility_of_price(adopter, prices[q], now) + p.network_effect * taste["peer"][q]
            worth[q] = cmath.exp(v / spread) if isinstance(v, complex) else math.exp(v / spread)
            sums[lab.open] += worth[q]
    total = math.exp(-utility_of_price(adopter, p.outside_price, now))
    for nest in sums.values():
        total += nest**spread if nest != 0 else 0.0
    target = [0.0] * (2 * len(world.labs))
    for q, exp_v in worth.items():
        nest = sums[world.labs[q // 2].open]
        target[q] = exp_v / nest * nest**spread / total
    return target, total ** (-1 / substitution(adopter, now))


# What a lab knows when it prices


def at_one(adopter, now):
    """Use at an index of one, without growth."""
    p, eps = now.p, adopter.usage_elasticity
    if now.price_form == "linear":
        return adopter.scale * math.exp(p.outside_price / p.linear_price_scale) ** eps
    return adopter.scale * p.outside_price**eps


def use_of(adopter, m, target, index, prices, now):
    """Tokens of each product if use were divided in the target shares: of spending under log prices, else of quantity."""
    if now.price_form == "linear":
        return [m * index ** (-adopter.usage_elasticity) * share for share in target]
    spent = m * index ** (1 - adopter.usage_elasticity)
    return [spent * share / price for share, price in zip(target, prices, strict=True)]


def mean_by(weights, values):
    """Weighted mean; the plain one where all weights are zero."""
    if sum(weights) > 0:
        return sum(a * b for a, b in zip(weights, values, strict=True)) / sum(weights)
    return sum(values) / len(values)


def perceive(world, now, tastes, prices):
    """(elasticity, margin) of each lab at given prices."""
    p, rho = now.p, now.p.nest_correlation
    seen = []  # by segment: target shares, tokens by product
    for j, adopter in enumerate(world.adopters):
        target, index = choose(world, now, adopter, tastes[j], prices)
        seen.append((target, use_of(adopter, at_one(adopter, now), target, index, prices, now)))
    perceived = []
    for number, lab in enumerate(world.labs):
        mine = [product(number, t) for t in TIERS]
        nest = [product(n, t) for n, other in enumerate(world.labs) if other.open == lab.open for t in TIERS]
        paid, each, sold, slopes = [], [], [], []
        for adopter, (target, use) in zip(world.adopters, seen, strict=True):
            share, of_nest = sum(target[q] for q in mine), sum(target[q] for q in nest)
            within = share / of_nest if of_nest > 0 else 0.0
            away = (1 - rho * within) / (1 - rho) - share
            paid.append(sum(use[q] * prices[q] for q in mine))
            each.append(1 - share + adopter.price_sensitivity * away + adopter.usage_elasticity * share)
            sold.append(sum(use[q] for q in mine))
            steep = (1 + adopter.price_sensitivity) * away + adopter.usage_elasticity * share
            slopes.append(steep / p.linear_price_scale)
        if now.price_form == "linear":
            perceived.append((2.0, 1 / mean_by(sold, slopes)))
        else:
            perceived.append((mean_by(paid, each), 0.0))
    return perceived


def hosts_of(world, number, p):
    """How many hosts an open model bears: last month's quantities at this month's cost."""
    lab = world.labs[number]
    sales = 1e-6 * sum(quantity(a, number, t) * lab.token_cost[t] for a in world.adopters for t in TIERS)
    return 1 + math.sqrt(p.host_differentiation * sales * pos(lab.licence) / p.host_fixed_cost)


def how_undercut(world, number, tier, p):
    """How far the cheapest active rival of like capability is below a product's price, nats."""
    lab = world.labs[number]
    enough = lab.capability[tier] - p.capability_slack
    rivals = [
        other.price[t]
        for other_number, other in active_labs(world)
        for t in TIERS
        if other_number != number and other.capability[t] >= enough
    ]
    return pos(math.log(lab.price[tier]) - math.log(min([*rivals, 1e9])))


# Wanted prices


def wanted_price(lab, elasticity, margin, hosts, p):
    e = clip(elasticity, p.elasticity_floor, p.elasticity_ceiling)
    wanted = []
    for t in TIERS:
        cost = lab.token_cost[t]
        if lab.open:
            hosted = cost * (1 + p.host_differentiation / max(hosts, 1))
            given_up = max(hosted - p.complement_benefit * cost, cost)
            wanted.append(given_up if lab.monetisation == COMPLEMENT else hosted)
            continue
        markup = (cost + margin) / cost if margin > 0 else e / (e - 1)
        if lab.monetisation == SUBSCRIPTION:
            wanted.append(cost * markup ** (1 - p.subscription_fee_share))
        elif lab.monetisation == COMPLEMENT:
            wanted.append(max(cost * (1 - p.complement_benefit), 0.02 * cost) * markup)
        else:
            wanted.append(cost * markup)
    return wanted


def nash(world, now, tastes, hosts, perceived):
    """Forty damped steps towards what labs perceive at the prices they want."""
    for _ in range(40):
        prices = [
            price
            for number, lab in enumerate(world.labs)
            for price in wanted_price(lab, *perceived[number], hosts[number], now.p)
        ]
        there = perceive(world, now, tastes, prices)
        perceived = [
            ((e + e_there) / 2, (m + m_there) / 2) for (e, m), (e_there, m_there) in zip(perceived, there, strict=True)
        ]
    return perceived


def set_prices(lab, wanted, undercut, number, now):
    """Posting: the wanted price at a release; afterwards by the conduct of the run."""
    p = now.p
    for t in TIERS:
        step = math.log(wanted[t]) - math.log(lab.price[t])
        if now.pricing == "posted":
            hazard = p.price_change_hazard * (1 + p.undercut_response * undercut[t])
            change = step if now.draws["price change"][number][t] < hazard and abs(step) > p.menu_cost_band else 0.0
        elif now.pricing == "flexible":
            change = p.price_adjustment * step
        else:
            change = step
        change += math.log(now.events.price_factor[number])
        lab.revision[t] = 0.0 if lab.released[t] else change
        lab.price[t] = wanted[t] if lab.released[t] else lab.price[t] * math.exp(change)


# Habit and use


def adopt_and_use(world, now, adopter, target, taste):
    p, prices = now.p, prices_of(world)
    there = [lab.active for lab in world.labs for _ in TIERS]
    moved = [s + p.habit_rate * (new - s) for s, new in zip(adopter.usage, target, strict=True)]
    adopter.usage = [s if on_sale else 0.0 for s, on_sale in zip(moved, there, strict=True)]
    value = value_of_use(world, now, adopter, taste, prices)
    adopter.price_index = math.exp(-value / substitution(adopter, now))
    m = at_one(adopter, now) * adoption(world, p)
    adopter.tokens = use_of(adopter, m, adopter.usage, adopter.price_index, prices, now)
    adopter.spending = 1e-6 * sum(x * price for x, price in zip(adopter.tokens, prices, strict=True))


def value_of_use(world, now, adopter, taste, prices):
    """Utility of the shares that a segment has, with what variety is worth (Anderson, de Palma & Thisse 1988)."""
    rho, value, inside = now.p.nest_correlation, 0.0, 0.0
    for nest in (False, True):
        products = [product(n, t) for n, lab in active_labs(world) if lab.open == nest for t in TIERS]
        products = [q for q in products if adopter.usage[q] > 0]
        of_nest = sum(adopter.usage[q] for q in products)
        inside += of_nest
        for q in products:
            v = taste["quality"][q] - utility_of_price(adopter, prices[q], now)
            v += now.p.network_effect * taste["peer"][q]
            share = adopter.usage[q]
            value += share * (v - (1 - rho) * math.log(share / of_nest) - math.log(of_nest))
    rest = pos(1 - inside)
    value -= rest * utility_of_price(adopter, now.p.outside_price, now)
    return value - (rest * math.log(rest) if rest > 0 else 0.0)


# Value of a nat


def marginal_value(world, now, tastes, number):
    """The closed form: derivative of token profit at target shares in the capability of both tiers."""
    p, lab = now.p, world.labs[number]
    if not lab.active:
        return 0.0
    rho, value = p.nest_correlation, 0.0
    for j, adopter in enumerate(world.adopters):
        target, index = choose(world, now, adopter, tastes[j], prices_of(world))
        in_nest = sum(target[product(n, t)] for n, other in active_labs(world) if other.open == lab.open for t in TIERS)
        gain, within, share = [], [], []
        for t in TIERS:
            useful = logistic((lab.capability[t] - adopter.difficulty) / p.usefulness_width)
            gain.append(adopter.quality_taste / p.usefulness_width * (1 - useful))
            share.append(target[product(number, t)])
            within.append(share[t] / in_nest)
        g1 = sum(within[t] * gain[t] for t in TIERS)
        g2 = sum(share[t] * gain[t] for t in TIERS)
        power = adopter.usage_elasticity - (now.price_form == "log")
        tokens = use_of(adopter, at_one(adopter, now) * adoption(world, p), target, index, prices_of(world), now)
        for t in TIERS:
            rise = (gain[t] - rho * g1) / (1 - rho) - g2 + power / substitution(adopter, now) * g2
            value += 1e-6 * tokens[product(number, t)] * (lab.price[t] - lab.token_cost[t]) * rise
    return value * (p.open_capture if lab.open else 1)


def marginal_value_by_complex_step(world, now, tastes, number, step=1e-30):
    """The same from its definition: profit at a capability with a tiny imaginary part."""
    p, lab = now.p, world.labs[number]
    profit = 0.0
    for j, adopter in enumerate(world.adopters):
        moved = list(tastes[j]["quality"])
        for t in TIERS:
            away = (lab.capability[t] + 1j * step - adopter.difficulty) / p.usefulness_width
            fixed = quality(adopter, lab, t, p) - adopter.quality_taste * math.log(logistic(away.real))
            moved[product(number, t)] = fixed - adopter.quality_taste * cmath.log(1 + cmath.exp(-away))
        target, index = choose(world, now, adopter, dict(quality=moved, peer=tastes[j]["peer"]), prices_of(world))
        tokens = use_of(adopter, at_one(adopter, now) * adoption(world, p), target, index, prices_of(world), now)
        for t in TIERS:
            profit += 1e-6 * tokens[product(number, t)] * (lab.price[t] - lab.token_cost[t])
    return profit.imag / step * (p.open_capture if lab.open else 1)


# Memory of the month


def contestable_share(world, tastes, now):
    """Share of spending in segments whose best open offer is within a switching cost of the best closed one."""
    contestable = 0.0
    for j, adopter in enumerate(world.adopters):
        best = {False: -1e9, True: -1e9}
        for number, lab in active_labs(world):
            for t in TIERS:
                offer = tastes[j]["quality"][product(number, t)] - utility_of_price(adopter, lab.price[t], now)
                best[lab.open] = max(best[lab.open], offer)
        if best[True] >= best[False] - now.p.switching_cost:
            contestable += adopter.spending
    return contestable / max(sum(adopter.spending for adopter in world.adopters), 1e-12)


# Serving and the rental price


def workload_growth(months, p):
    """ODD 7.2: growth(T) of the platforms' own demand since the start."""
    return p.workload_growth * (1 - math.exp(-p.workload_slowdown * months / 12)) / p.workload_slowdown


def serve(world, p):
    """Tokens are always served; the platforms' own work gets what is left."""
    cloud, accounts = world.cloud, world.accounts
    serving = 0.0
    for number, lab in enumerate(world.labs):
        for t in TIERS:
            work = p.token_cost_start * math.exp(lab.model_size[t] - saved(world, lab, t, p))
            need = 1e-6 * work / p.rental_price_start
            serving += need * sum(quantity(adopter, number, t) for adopter in world.adopters)
    eps = p.chip_demand_elasticity
    dear = cloud.rental_price / p.rental_price_start
    own_work = p.workload_scale * math.exp(workload_growth(world.month, p)) * dear ** (-eps)
    own_work *= math.exp((eps - 1) * accounts.serving_efficiency)
    supply = sum(cloud.installed)
    cloud.demand, cloud.serving = serving + own_work, serving
    pressure = math.log(max(cloud.demand, 1e-9) / max(p.usual_utilisation * supply, 1e-9))
    cloud.internal = min(own_work, pos(supply - serving))
    dearer = cloud.rental_price * math.exp(p.rental_adjustment * clip(pressure, -2, 2))
    cloud.rental_price = max(dearer, p.energy_cost)
    accounts.serving_efficiency += p.inference_efficiency_growth / 12
