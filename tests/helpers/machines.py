"""The phases of machines and rent of a small market, for several tests: runs and programs that they share."""

import functools

import jax

from abm.engine import Draws
from abm.market.phases.machines import trade_machines
from abm.market.phases.rent import clear_rent
from abm.market.state import Now
from abm.runs.months import months_of, values_on_device
from abm.runs.setup import Setup

from .sizes import FEW

SEED, MONTHS = 5, 60
EXITS = {
    "insolvency_months": 1,
    "funding_rate": 0,
    "runway": 1,
    "compliance_fixed": 150,
    "entry_cost_weight": 0,
    "seed_funding": 30,
    "entry_rate": 12,
}
"""Parameters under which labs leave and enter."""


@functools.cache
def setup_of(scenario="baseline", **parameters):
    return Setup.of(parameters, scenario=scenario, months=MONTHS, **FEW)


@functools.cache
def _played(scenario, parameters):
    return list(months_of(setup_of(scenario, **dict(parameters)), SEED))


def played(scenario="baseline", **parameters):
    """Markets and reports of a run of five years: the first market, without a report, and one pair per month."""
    return _played(scenario, tuple(parameters.items()))


@functools.cache
def values_of(scenario="baseline", **parameters):
    return values_on_device(setup_of(scenario, **parameters))


def inputs_of(market, scenario="baseline", **parameters):
    """Parameters, events and draws of the month after a market of such a run."""
    month = int(market.month)
    events = setup_of(scenario, **parameters).events(month)
    return values_of(scenario, **parameters), events, Draws.from_seed(SEED).at(month)


@jax.jit
def play(market, p, events, draws):
    """The market after the phase of machines, and after the phase of rent as if nothing else happened between them."""
    now = Now(p, events, draws)
    traded = trade_machines(market, now)
    return traded, clear_rent(traded, now)
