"""Operators: firms that own machines and rent them out."""

from abm.agents.owner import Owner
from abm.engine import Field


class Operator(Owner):
    """A cloud: owns places and machines, enters where they cover their cost, and rents them out at the market's rent."""

    stream = "operator"
    order_share = Field(0.0, "share", "its share of what operators of its jurisdiction order")
