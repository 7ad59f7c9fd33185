"""Adoption by innovation and imitation (Bass 1969): people adopt independently, or because others have adopted.

Of those who have not adopted yet, a fraction p + q F adopts per year, where F is the share of adopters (Bass 1969, the basic
assumption). In a large population F follows dF/dt = (p + q F)(1 - F), with F(0) = 0:

    F(t) = (1 - e^-(p+q)t) / (1 + (q/p) e^-(p+q)t),    t* = ln(q/p) / (p + q),    f(t*) = (p + q)^2 / (4 q)

Here every person is an agent who decides in each small time step; a large population must reproduce the closed form.
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Draws, Field, Population, loop, run_many
from abm.validation.models.seeds import run_seeds
from abm.validation.theory.diffusion import bass_adoption, bass_hazard


class Adopter(Agent):
    """Adopts once, permanently, with hazard p + q F."""

    stream = "adopter"
    adopted = Field(False, "", "has adopted", dtype=bool)

    def decide(self, innovation, imitation, share, step, luck):
        hazard = bass_hazard(share, innovation, imitation)
        self.adopted = luck < 1 - jnp.exp(-hazard * step)


def one_run(seed, innovation, imitation, adopters: int, steps: int, step: float):
    """Share of adopters (steps + 1,) from time 0 on; see `run`."""
    draws = Draws.from_seed(seed)
    people = Population.create(Adopter, adopters)

    def instant(people, t):
        share = people.adopted.mean(dtype=float)
        luck = draws.at(t).uniform("adoption", people)
        undecided = ~people.adopted
        people = people.do("decide", innovation, imitation, share, step, where=undecided, luck=luck)
        return people, share

    return loop(instant, people, jnp.arange(steps + 1))[1]


@cache
def _program(adopters: int, steps: int, step: float):
    def chunk(inputs):
        seed, innovation, imitation = inputs
        return {"share": one_run(seed, innovation, imitation, adopters, steps, step)}

    return jax.jit(jax.vmap(chunk))


def run(
    adopters: int = 10_000,
    *,
    innovation: float = 0.03,
    imitation: float = 0.38,
    years: float = 20.0,
    step: float = 0.02,
    runs: int = 16,
    seed: int = 0,
    chunk: int = 8,
) -> dict[str, Any]:
    """Simulate an ensemble of adoption curves.

    innovation, imitation : p and q, per year. step : years; decisions within a step are simultaneous, so it must be short.

    Returns share (runs, steps + 1), the share of adopters, and time (steps + 1,), years.
    """
    steps = round(years / step)
    inputs = (
        jnp.asarray(run_seeds(seed, runs)),
        jnp.full(runs, float(innovation)),
        jnp.full(runs, float(imitation)),
    )
    out = run_many(_program(adopters, steps, step), inputs, chunk=chunk)
    return out | {"time": step * np.arange(steps + 1)}


def closed_form(time, innovation: float = 0.03, imitation: float = 0.38) -> dict[str, Any]:
    """F(t) and f(t) = dF/dt, shape of `time`, and the peak of f: t* years, f(t*) per year. Source: Bass (1969)."""
    p, q = innovation, imitation
    share = np.asarray(bass_adoption(time, p, q))
    peak = {"peak_time": np.log(q / p) / (p + q), "peak_rate": (p + q) ** 2 / (4 * q)}
    return {"share": share, "rate": np.asarray(bass_hazard(share, p, q)) * (1 - share)} | peak


def adoption_rate(share: np.ndarray, time: np.ndarray, window: float = 1.0) -> np.ndarray:
    """Adoptions per year as a share of the population, (..., times): a difference over `window` years around each time.

    NaN within half a window of the ends. A window of one year lowers the peak of the closed form by 0.4 %.
    """
    half = round(window / 2 / (time[1] - time[0]))
    rate = np.full(share.shape, np.nan)
    rate[..., half:-half] = (share[..., 2 * half :] - share[..., : -2 * half]) / (time[2 * half] - time[0])
    return rate


def peak(rate: np.ndarray, time: np.ndarray, width: float = 2.0) -> tuple[float, float]:
    """Time and height of the peak of a noisy rate (times,), from a parabola fitted `width` years to each side."""
    top = time[np.nanargmax(rate)]
    near = np.isfinite(rate) & (np.abs(time - top) <= width)
    square, slope, level = np.polyfit(time[near] - top, rate[near], 2)
    return float(top - slope / (2 * square)), float(level - slope**2 / (4 * square))
