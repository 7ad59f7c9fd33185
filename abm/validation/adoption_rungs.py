"""V5: tipping through network effects, and the timing of adoption."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from abm.mechanisms import demand
from abm.validation.ladder import Check, check, rung
from abm.validation.models import bass
from abm.validation.theory import diffusion


@rung("V5", "Network tipping and Bass adoption", "Brock & Durlauf (2001); Bass (1969)")
def tipping_and_adoption() -> Iterator[Check]:
    """Symmetric logit duopoly without outside option whose adopters imitate others with weight n / mu: an even
    split loses stability at n = 2 mu. Bass adoption with p = 0.03, q = 0.38 per year: the closed form, and 10,000
    agents who adopt with the same hazard (mean of 16 runs)."""

    def reply(share: jax.Array, effect: jax.Array) -> jax.Array:
        """Market share implied by the share that adopters observe."""
        peer = jnp.stack([share, 1 - share])
        sold = demand.shares(
            jnp.zeros(2), jnp.ones(2), price_sensitivity=1.0, peer=peer, network_effect=effect, outside=False
        )
        return sold[0]

    slope = jax.jit(jax.grad(reply))
    pitchfork = brentq(lambda n: float(slope(0.5, n)) - 1, 0.5, 5.0, xtol=1e-12)
    yield check("n / mu where the even split loses stability", pitchfork, 2, absolute=1e-3)
    settle = jax.jit(lambda effect: jax.lax.fori_loop(0, 2000, lambda _, s: reply(s, effect), 0.6))
    for effect, target in {2.1: 0.685353, 3.0: 0.929280}.items():
        yield check(f"leader's share at n / mu = {effect:g}", settle(effect), target, absolute=1e-3)
    yield check("share below the tipping point, n / mu = 1.9", settle(1.9), 0.5, absolute=1e-3)

    innovation, imitation = 0.03, 0.38

    def adoption(time: Any) -> jax.Array:
        return diffusion.bass_adoption(time, innovation, imitation)

    rate = jax.jit(jax.grad(adoption))
    peak = brentq(jax.jit(jax.grad(rate)), 1.0, 20.0, xtol=1e-12)
    yield check("year of peak adoption", peak, 6.192619, absolute=1e-3)
    yield check("share adopting per year at the peak", rate(peak), 0.110592, absolute=1e-3)
    hazard = diffusion.bass_hazard(adoption(peak), innovation, imitation)
    yield check("the same, from the hazard", hazard * (1 - adoption(peak)), 0.110592, absolute=1e-3)
    for year, target in {5.0: 0.331199, 10.0: 0.812803}.items():
        yield check(f"share adopted after {year:g} years", adoption(year), target, absolute=1e-3)

    agents = bass.run(10_000, innovation=innovation, imitation=imitation, runs=16)
    share, time = agents["share"].mean(0), agents["time"]
    for year in (5.0, 10.0):
        adopted = share[np.argmin(np.abs(time - year))]
        yield check(f"agents: share adopted after {year:g} years", adopted, adoption(year), relative=0.02)
    peak_time, peak_rate = bass.peak(bass.adoption_rate(share, time), time)
    yield check("agents: year of peak adoption", peak_time, peak, relative=0.02)
    yield check("agents: share adopting per year at the peak", peak_rate, rate(peak), relative=0.02)
