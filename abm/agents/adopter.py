"""Adopters: segments of users, who buy tokens."""

import jax.numpy as jnp

from abm.engine import Agent, Field
from abm.mechanisms import use
from abm.support.axes import OFFERS, SUBSCRIPTION_OFFER, TIERS

DEVELOPER, ENTERPRISE, CONSUMER = range(3)


class Adopter(Agent):
    """A segment of users with tasks of one difficulty: buys tokens that do the most for their price, and learns whom to trust."""

    stream = "adopter"
    home = Field(0, "", "home jurisdiction", dtype=int)
    segment = Field(DEVELOPER, "", "0 developers, 1 an enterprise, 2 consumers", dtype=int)
    difficulty = Field(1.0, "nats", "capability at which half of its tasks work", symbol="h_j")
    value = Field(15.0, "$ per M tokens", "mean value of its tasks per unit of use", symbol="v_j")
    tasks = Field(
        1.0, "M tokens per month", "use if it cost nothing, once all of the segment has adopted", symbol="m_j"
    )
    compliance_need = Field(0.0, "", "share of its tasks that require a trusted provider", symbol="tau_j")
    pace = Field(1.0, "of developers", "how often it reviews what it uses")
    adopted = Field(0.01, "share", "part of the segment that uses models", symbol="a_j")
    own_fit = Field(0.0, "log points", "fit of each lab's own models", shape=("lab",))
    fit = Field(0.0, "log points", "fit of each lab's released models", symbol="phi_jl", shape=("lab",))
    trust = Field(0.5, "", "trust in each lab, then in certified hosts", symbol="T_jo", shape=("provider",))
    relied = Field(0.0, "", "share of its spending served by each provider", shape=("provider",))
    usage = Field(0.0, "", "shares of its spending", symbol="s_jq", shape=("product",))
    tokens = Field(0.0, "M tokens per month", "tokens bought, by offer", symbol="x_jq", shape=("product",))
    spent = Field(0.0, "$ per month", "spending, by offer", symbol="S_jq", shape=("product",))
    certified = Field(False, "", "whether it takes an open model from a certified host", shape=("product",), dtype=bool)
    free_tokens = Field(0.0, "M tokens per month", "tokens of consumers who do not pay")
    price_index = Field(1.0, "$ per M tokens", "price of use", symbol="P_j")
    spending = Field(0.0, "$ M per month", "spending on tokens")

    def worth(self, p, products):
        """ln of what a token of each offer is worth to it, whether it comes from a certified host, its slope in capability, and
        the share of its tasks that the best model it can buy can do.

        An open model has two offers, of its lab and of certified hosts under their own trust at a higher price; the segment
        takes the better one. Worth of the latter is net of the higher price.
        """
        closed = products.closed_labs  # the others are open, and only they have hosts
        log_useful, beyond = use.usefulness(products.capability, self.difficulty, p.usefulness_width)
        known = self.fit + jnp.log(use.acceptance(self.compliance_need, self.trust[:-1]))
        direct = log_useful + known[:, None]
        hosted, _ = use.usefulness(products.hosted[closed:], self.difficulty, p.usefulness_width)
        at_host = jnp.log(use.acceptance(self.compliance_need, self.trust[-1])) - p.certified_margin
        hosted = hosted + self.fit[closed:, None] + at_host
        certified = jnp.concatenate([jnp.zeros((closed, TIERS), bool), hosted > direct[closed:]])
        worth = jnp.concatenate([direct[:closed], jnp.maximum(direct[closed:], hosted)])
        sold = self.on_sale(products).reshape(-1, OFFERS)
        on = jnp.concatenate([sold[:, :1] | sold[:, SUBSCRIPTION_OFFER:], sold[:, 1:TIERS]], axis=1)
        useful = jnp.max(jnp.where(on, 1 - beyond, 0.0))
        return of_offers(worth), of_offers(certified), of_offers(beyond) / p.usefulness_width, useful

    def on_sale(self, products):
        """Offers that it can buy: consumers subscribe, others pay by the token."""
        subscription = jnp.arange(products.available.shape[-1]) % OFFERS == SUBSCRIPTION_OFFER
        return products.available & (subscription == (self.segment == CONSUMER))

    def choose(self, p, products, worth):
        """Shares of spending that it would choose, and ln of the price of use at them."""
        return use.relative_pull(jnp.log(products.price) - worth, self.on_sale(products), p)

    def wanted(self, p, log_price):
        """Spending, $ per month, and elasticity of use at a price of use."""
        elasticity = use.relative_price(log_price, self.value)
        return self.value * elasticity * use.use(self.adopted * self.tasks, log_price, self.value), elasticity

    def surplus(self):
        """Gain over the price of what it uses, $ per month."""
        return use.surplus(self.adopted * self.tasks, jnp.log(self.price_index), self.value)

    def adopt(self, p, useful, peers_adopted):
        """More of the segment uses models where they are useful, the more so the more of its peers do."""
        self.adopted += use.adopters_gained(self.adopted, peers_adopted, useful, p)

    def buy(self, p, products, worth, certified, target):
        """Move shares part of the way to those it would choose (habit), and buy tokens at the price of use that results."""
        sold = self.on_sale(products)
        known = jnp.where(sold, self.usage, 0.0)
        reviewed = 1 - (1 - p.habit_rate) ** self.pace
        habit = jnp.where(known.sum() > 0, reviewed, 1.0)
        shares = (1 - habit) * known + habit * target  # a sum of what is positive: shares of next to nothing stay exact
        shares = shares / jnp.maximum(shares.sum(), use.least_positive(shares))
        log_price = use.log_price_of_use(shares, jnp.log(products.price) - worth, p)
        spending, _ = self.wanted(p, log_price)
        self.usage = shares
        self.certified = certified & sold
        self.spent = shares * spending
        paid = products.paid * jnp.where(certified, jnp.exp(p.certified_margin), 1.0)
        self.tokens = jnp.where(sold, self.spent / paid, 0.0)
        free = use.free_use(self.adopted * self.tasks, log_price, self.value, p)
        self.free_tokens = jnp.where((self.segment == CONSUMER) & sold.any(), free, 0.0)
        self.price_index = jnp.exp(jnp.minimum(log_price, 60.0))
        self.spending = spending * 1e-6
        by_lab = (shares * ~self.certified).reshape(-1, OFFERS).sum(-1)
        self.relied = jnp.append(by_lab, (shares * self.certified).sum())

    def learn_trust(self, p, incidents, peers_relied):
        """Trust grows with use by itself and its peers, and falls with incidents, as a share of it."""
        trust = self.trust + use.trust_gained(self.trust, self.relied, peers_relied, p)
        self.trust = trust * (1 - p.incident_loss * incidents)

    def try_releases(self, p, releases, luck):
        """How well released models suit it: own training renews fit in part, what is owed to a source comes with the source's."""
        own = jnp.where(releases.own, use.renewed_fit(self.own_fit, luck, p), self.own_fit)
        source = jnp.where(releases.source >= 0, self.fit[releases.source], own)
        self.own_fit = own
        self.fit = jnp.where(releases.out, use.inherited_fit(own, source, releases.owed, p), self.fit)


def of_offers(tiers):
    """Rows (L, T) of models as columns of offers (L x O): a subscription is with the flagship."""
    return jnp.concatenate([tiers, tiers[:, :1]], axis=1).reshape(-1)
