"""Closed labs, which sell access and keep their weights."""

import jax.numpy as jnp

from abm.agents.lab import COMPLEMENT, SUBSCRIPTION, Lab
from abm.mechanisms import tokens


class ClosedLab(Lab):
    """Sells access and keeps its weights; its price is cost times the markup that competition leaves it."""

    stream = "closed lab"

    def wanted_price(self, p, offer):
        """Cost times e/(e - 1), one markup for all tiers; a subscription or a complement lowers the price per token."""
        elasticity = jnp.clip(offer.elasticity, p.elasticity_floor, p.elasticity_ceiling)
        # Under linear utility all tiers share one margin in money, not one ratio.
        linear = (self.token_cost + offer.margin) / self.token_cost
        markup = jnp.where(offer.margin > 0, linear, tokens.markup_factor(elasticity))
        metered = self.token_cost * markup
        # A two-part tariff takes surplus through the fee and prices the token nearer cost (Oi 1971).
        subscription = self.token_cost * markup ** (1 - p.subscription_fee_share)
        # A complement sold alongside acts like a lower marginal cost.
        complement = jnp.maximum(self.token_cost * (1 - p.complement_benefit), 0.02 * self.token_cost) * markup
        return jnp.where(
            self.monetisation == SUBSCRIPTION,
            subscription,
            jnp.where(self.monetisation == COMPLEMENT, complement, metered),
        )
