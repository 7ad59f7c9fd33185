"""Open labs, whose weights anyone may host and fork."""

import jax.numpy as jnp

from abm.agents.lab import COMPLEMENT, Lab
from abm.mechanisms import tokens


class OpenLab(Lab):
    """Releases its weights: hosts compete the price towards cost, and it earns from hosting itself and from a complement."""

    stream = "open lab"

    def wanted_price(self, p, offer):
        """Cost plus the margin that n competing hosts leave; a lab with a complement may give it up."""
        hosted = self.token_cost * (1 + tokens.host_margin(offer.hosts, p))
        # Third parties host the same weights, so a complement can give up the margin but not sell below cost.
        return jnp.where(
            self.monetisation == COMPLEMENT,
            jnp.maximum(hosted - jnp.minimum(p.complement_benefit, 0.98) * self.token_cost, self.token_cost),
            hosted,
        )

    def set_prices(self, p, pricing, reply):
        """Follow the hosts, whom no posted price binds."""
        super().set_prices(p, "nash", reply)

    def choose_licence(self, p, frontier):
        """Open the licence the more, the further the lab is behind the closed frontier (openness as catch-up)."""
        behind = jnp.maximum(frontier - self.capability[0], 0.0)
        target = 1 - jnp.exp(-p.openness_response * (behind + 0.5))
        self.licence = self.licence + 0.1 * (target - self.licence)
