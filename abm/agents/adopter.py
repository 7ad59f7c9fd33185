"""Adopters: segments of users, who buy tokens."""

import jax.numpy as jnp

from abm.engine import Agent, Field
from abm.mechanisms import demand, tokens


class Adopter(Agent):
    """A segment of users: chooses among the models useful for its tasks, and uses more when its price index falls."""

    stream = "adopter"
    home = Field(0, "", "home jurisdiction", dtype=int)
    difficulty = Field(1.0, "nats", "capability at which half of its tasks work", symbol="h_j")
    price_sensitivity = Field(1.0, "", "coefficient on log price", symbol="sigma_j")
    quality_taste = Field(1.5, "utils", "coefficient on log usefulness", symbol="theta_j")
    compliance_need = Field(0.0, "", "weight on a lab's trust and compliance record", symbol="tau_j")
    openness_taste = Field(0.0, "utils", "taste for open weights (self-hosting)", symbol="o_j")
    scale = Field(1.0, "M tokens per month", "use at the price of the status quo", symbol="m_j")
    usage_elasticity = Field(1.1, "", "elasticity of use in the price index", symbol="eps_j")
    enterprise = Field(False, "", "an enterprise rather than a developer", dtype=bool)
    usage = Field(
        0.0,
        "",
        "product shares of its use (of its spending under log prices); the rest is the outside option",
        symbol="s_jq",
        shape=("product",),
    )
    tokens = Field(0.0, "M tokens per month", "tokens used, by product", symbol="x_jq", shape=("product",))
    price_index = Field(1.0, "$ per M tokens", "quality-adjusted price index", symbol="P_j")
    spending = Field(0.0, "$ M per month", "spending on tokens")

    def quality(self, p, products):
        """Utility of each product before price: usefulness for the task, trust, openness, brand.

        No product affects the utility of another, so the rule serves the whole market and one lab's models alike.
        """
        usefulness = tokens.log_usefulness(products.capability, self.difficulty, p.usefulness_width)
        return (
            self.quality_taste * usefulness
            + self.compliance_need * products.trust
            + self.openness_taste * products.is_open
            + products.brand
        )

    def choose(self, p, products, price_form, quality, peer_share):
        """Target shares over products, and the price index at those shares."""
        target, value = demand.choice(
            quality,
            products.price,
            nest=products.nest,
            peer=peer_share,
            available=products.available,
            **self.taste(p, price_form),
        )
        return target, self.index(value, price_form)

    def taste(self, p, price_form):
        """Coefficients of the choice among models."""
        return {
            "price_sensitivity": self.sensitivity(p, price_form),
            "nest_correlation": p.nest_correlation,
            "network_effect": p.network_effect,
            "price_form": price_form,
            "outside": self.outside(p, price_form),
        }

    def sensitivity(self, p, price_form):
        """Coefficient on price or on log price.

        The two forms have the same elasticity of substitution between nests at a price of `linear_price_scale`.
        """
        return self.substitution(price_form) / (p.linear_price_scale if price_form == "linear" else 1.0)

    def substitution(self, price_form):
        """Coefficient on price in units of the linear scale: one more for shares of quantity than for shares of spending."""
        return self.price_sensitivity + (1.0 if price_form == "linear" else 0.0)

    def outside(self, p, price_form):
        """Utility of the status quo, human work at a fixed price."""
        price = p.outside_price if price_form == "linear" else jnp.log(p.outside_price)
        return -self.sensitivity(p, price_form) * price

    def index(self, value, price_form):
        """Quality-adjusted price index of a division of use with the utility `value`."""
        return jnp.exp(-value / self.substitution(price_form))

    def scale_at_one(self, p, price_form, growth):
        """Use at a price index of one, M tokens per month."""
        return self.scale * growth * self.index(self.outside(p, price_form), price_form) ** self.usage_elasticity

    def wanted(self, p, products, price_form, growth, shares, price_index):
        """Tokens wanted of each product if use is divided in these shares."""
        scale = self.scale_at_one(p, price_form, growth)
        return demand.quantities(shares, products.price, price_index, scale, self.usage_elasticity, price_form)

    def rest_of_market(self, p, products, price_form, quality, peer_share):
        """For every lab, the offers of all other labs to this segment as two products (`demand.rivals_as_one`)."""
        price = products.price if price_form == "linear" else jnp.log(products.price)
        utility = quality - self.sensitivity(p, price_form) * price + p.network_effect * peer_share
        return demand.rivals_as_one(utility, products.available, products.owner, products.nest, p.nest_correlation)

    def adopt(self, p, products, target):
        """Move usage shares part of the way to the target shares (habit); products off the market drop to zero."""
        usage = self.usage + p.habit_rate * (target - self.usage)
        self.usage = jnp.where(products.available, usage, 0.0)

    def use(self, p, products, price_form, growth, quality, peer_share):
        """Set tokens used, at the price index of its usage shares, and spending."""
        value = demand.value_of_shares(
            quality,
            products.price,
            self.usage,
            nest=products.nest,
            peer=peer_share,
            available=products.available,
            **self.taste(p, price_form),
        )
        self.price_index = self.index(value, price_form)
        self.tokens = self.wanted(p, products, price_form, growth, self.usage, self.price_index)
        self.spending = (self.tokens * products.price).sum() * 1e-6
