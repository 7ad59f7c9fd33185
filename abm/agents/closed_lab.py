"""Closed labs, which sell access and keep their weights."""

from abm.agents.lab import Lab
from abm.mechanisms import conduct


class ClosedLab(Lab):
    """Sells access and keeps its weights; its prices satisfy its own first-order conditions, given those of its rivals."""

    stream = "closed lab"

    def wanted_price(self, p, offer):
        """A step to the prices at which its first-order conditions hold."""
        return conduct.step_towards(offer.price, self.net_cost(p), conduct.best_margins(offer.spent, offer.cross, p))
