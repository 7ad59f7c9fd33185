"""The core of the month a second time: plain loops over lists, written from docs/ODD.md alone.

Nothing here knows the model's code. The state of the world is a tree of namespaces and lists of plain numbers:
`world.labs`, `.adopters`, `.vendors`, `.layers` and `.regulators` are lists of agents, `.cloud`, `.accounts`, `.flows`
and `.exchange` single things, `.peers` the lists of neighbours, `.month` the clock. Names are those of the ODD's tables.
Every function named after a rule changes `world` in place; `now` holds the month's parameters `p`, timeline `events`,
`draws` and the conduct (`pricing`, `price_form`).
"""

from oracle.month import month, with_outside

__all__ = ["month", "with_outside"]
