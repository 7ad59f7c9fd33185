"""Who buys tokens."""

import jax.numpy as jnp

from abm.engine import Agent, Field
from abm.mechanisms import demand, tokens


class Adopter(Agent):
    """A segment of users: picks among models useful for its tasks, uses more when the price index falls."""

    stream = "adopter"
    home = Field(0, "", "its jurisdiction", dtype=int)
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
        "shares of products in its use (of spending under log prices); the rest is the outside option",
        symbol="s_jq",
        shape=("product",),
    )
    tokens = Field(0.0, "M tokens per month", "tokens used of each product", symbol="x_jq", shape=("product",))
    price_index = Field(1.0, "$ per M tokens", "quality-adjusted price of its use", symbol="P_j")
    spending = Field(0.0, "$ M per month", "spent on tokens")

    def quality(self, p, products):
        """Utility of each product before price: usefulness for the task, trust, openness, brand.

        Each for itself: it is asked of all that is on sale, and of one lab's models alone.
        """
        usefulness = tokens.log_usefulness(products.capability, self.difficulty, p.usefulness_width)
        return (
            self.quality_taste * usefulness
            + self.compliance_need * products.trust
            + self.openness_taste * products.is_open
            + products.brand
        )

    def choose(self, p, products, price_form, quality, peer_share):
        """Target shares over products and the price index they would give."""
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
        """Coefficient on price, or on log price: nests are as good substitutes in both at a price of the linear scale."""
        return self.substitution(price_form) / (p.linear_price_scale if price_form == "linear" else 1.0)

    def substitution(self, price_form):
        """Coefficient on price in units of the linear scale: shares of quantity fall by one more than those of spending."""
        return self.price_sensitivity + (1.0 if price_form == "linear" else 0.0)

    def outside(self, p, price_form):
        """Utility of the status quo, human work at a fixed price."""
        price = p.outside_price if price_form == "linear" else jnp.log(p.outside_price)
        return -self.sensitivity(p, price_form) * price

    def index(self, value, price_form):
        """Quality-adjusted price of a way of dividing its use that has this utility."""
        return jnp.exp(-value / self.substitution(price_form))

    def scale_at_one(self, p, price_form, growth):
        """Use at a price index of one, M tokens a month."""
        return self.scale * growth * self.index(self.outside(p, price_form), price_form) ** self.usage_elasticity

    def wanted(self, p, products, price_form, growth, shares, price_index):
        """Tokens of each product, if use were divided in these shares."""
        scale = self.scale_at_one(p, price_form, growth)
        return demand.quantities(shares, products.price, price_index, scale, self.usage_elasticity, price_form)

    def rest_of_market(self, p, products, price_form, quality, peer_share):
        """For every lab, what the others offer this segment, as two products (`demand.rivals_as_one`)."""
        price = products.price if price_form == "linear" else jnp.log(products.price)
        utility = quality - self.sensitivity(p, price_form) * price + p.network_effect * peer_share
        return demand.rivals_as_one(utility, products.available, products.owner, products.nest, p.nest_correlation)

    def adopt(self, p, products, target):
        """Usage shares move towards the target shares: habit. What has left the market is used no more."""
        usage = self.usage + p.habit_rate * (target - self.usage)
        self.usage = jnp.where(products.available, usage, 0.0)

    def use(self, p, products, price_form, growth, quality, peer_share):
        """How much to use, at the price index of what habit has it use, and what it costs."""
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
