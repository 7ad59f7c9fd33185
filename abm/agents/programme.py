"""Programmes: announced investments in machines and places, with an owner, phases and financing that can fail."""

import jax.numpy as jnp

from abm.agents.owner import Owner
from abm.engine import Field


class Programme(Owner):
    """Raises money phase by phase from lenders who look at rents, and spends it on places and the machines that fill them.

    Its lenders receive the rents, and replace machines as any owner would.
    """

    stream = "programme"
    amount = Field(0.0, "$ M", "total announced (0: the slot is free)")
    months = Field(1.0, "months", "length announced")
    phases = Field(1.0, "", "phases that are financed one after the other")
    own_power = Field(0.0, "share", "places on its own sites with its own power, which need no connection to the grid")
    offtake = Field(
        0.0, "share", "rent that customers have promised at cost, so that lenders bear no risk of the market"
    )
    luck = Field(0.0, "", "how much rent its lenders ask for, standard normal")
    since = Field(0.0, "months", "months since the announcement")
    financed = Field(0.0, "", "phases financed so far")
    refused = Field(0.0, "months", "consecutive months in which lenders refused the next phase")
    cancelled = Field(False, "", "given up", dtype=bool)
    purse = Field(0.0, "$ M", "money granted that is not yet committed to places and their machines")
    raised = Field(0.0, "$ M per month", "money granted by lenders")

    def announce(self, p, news):
        """Take up a programme that is announced this month."""
        new = news.amount > 0
        for name in ("amount", "months", "phases", "own_power", "offtake", "luck"):
            setattr(self, name, jnp.where(new, getattr(news, name), getattr(self, name)))
        self.since = jnp.where(new, 0.0, self.since + 1)

    def raise_money(self, p, cover):
        """Seek the next phase when it is due; lenders grant it if rent covers cost, or offtake does; give up in the end.

        `cover` is the rent of a contract over user cost.
        """
        due = (self.amount > 0) & ~self.cancelled & (self.financed < self.phases)
        due = due & (self.since * self.phases >= self.financed * self.months)
        safe = self.offtake + (1 - self.offtake) * cover
        risk = (1 - self.offtake) * p.lenders_spread
        granted = due & (safe >= p.lenders_cover * jnp.exp(risk * self.luck))
        self.refused = jnp.where(due & ~granted, self.refused + 1, 0.0)
        self.cancelled = self.cancelled | (self.refused >= p.programme_patience)
        self.raised = jnp.where(granted, self.amount / self.phases, 0.0)
        self.financed = self.financed + granted
        self.purse = self.purse + self.raised

    def wanted_places(self, p, cost):
        """Places to begin this month, MW: its purse is spent over half a phase; `cost` is $ M per MW, with machines."""
        return self.purse / jnp.maximum(self.months / self.phases / 2, 1.0) / cost

    def commit(self, p, begun, cost):
        """Commit money to the places begun and the machines that will fill them."""
        self.purse = jnp.maximum(self.purse - begun * cost, 0.0)
