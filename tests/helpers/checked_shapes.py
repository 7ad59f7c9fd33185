"""Play months of a small market while jaxtyping and beartype check every annotation of three rooms.

A program of its own, since the rooms have to be imported under the check. Axes of the market have different lengths, but for
those of fixed length that are equal.
"""

import inspect
import sys
from typing import get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
from beartype.door import die_if_unbearable
from jaxtyping import install_import_hook, jaxtyped

ROOMS = ("abm.engine", "abm.market", "abm.mechanisms")
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"  # an integer is a float

with install_import_hook(ROOMS, CHECKER):
    from abm.engine import Draws, floats_of, interpreted, run_many, seed_words
    from abm.market.month import month
    from abm.market.start import first_market
    from abm.market.state import Equations, Values
    from abm.runs.setup import Setup

SIZES = dict(vendors=5, closed_labs=3, open_labs=5, entrants=1, adopters=10, investors=13)
EQUATIONS = (
    Equations(),
    Equations(pricing="flexible", price_form="linear", short_sales=False),
    Equations(pricing="nash"),
)


def check_fields(kind):
    """Check the fields of a NamedTuple whenever one is created, except where JAX rebuilds one from the leaves of a tree."""
    make, hints = kind.__new__, get_type_hints(kind)

    def checked(cls, *args, **kwargs):
        made = make(cls, *args, **kwargs)
        if not inspect.currentframe().f_back.f_globals["__name__"].startswith("jax."):
            with jaxtyped("context"):
                for name, hint in hints.items():
                    die_if_unbearable(getattr(made, name), hint, exception_prefix=f"{kind.__name__}.{name}: ")
        return made

    kind.__new__ = checked


for name, module in list(sys.modules.items()):
    for kind in vars(module).values() if name.startswith(ROOMS) else ():
        if inspect.isclass(kind) and hasattr(kind, "_fields") and kind.__module__ == name:
            check_fields(kind)


def play(setup, months):
    """Trace a month under every combination of equations, one run and several; then play `months` rule by rule."""
    values, draws = Values(jax.tree.map(jnp.asarray, setup.values)), Draws.from_seed(1)
    market = first_market(values, 1, setup.populations, setup.networks, setup.cast)

    def observables(seed, equations):
        return month(market, values, setup.events(24), Draws.from_seed(seed), equations)[1].observables

    for equations in EQUATIONS:
        jax.make_jaxpr(month, static_argnums=4)(market, values, setup.events(24), draws, equations)
    seeds = np.stack([seed_words(seed) for seed in range(7)])
    jax.make_jaxpr(jax.vmap(lambda seed: observables(seed, Equations()), axis_name="runs"))(seeds)
    with interpreted():
        for index in range(24, 24 + months):
            market, _ = month(market, values, setup.events(index), draws, setup.equations)
    assert run_many(lambda runs: runs * 2.0, np.arange(3.0), chunk=2)[2] == 4.0


with floats_of(64):
    play(Setup.of(scenario="article_bundle", months=30, **SIZES), months=2)
print("shapes checked")
