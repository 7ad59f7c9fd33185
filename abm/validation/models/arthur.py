"""Two technologies with increasing returns, chosen by adopters who arrive one at a time (Arthur 1989).

Two types of adopter arrive in random order. One prefers technology A, the other B, and for both the payoff of a technology
increases with the number of its adopters:

    payoff of A = a + r n_A,    payoff of B = b + r n_B        (Arthur 1989; a > b for type R, a < b for type S)

While neither technology leads by much, everyone follows their own taste and the lead d = n_A - n_B is a fair random walk.
Once d <= -(a_R - b_R) / r, type R takes B as well, and once d >= (b_S - a_S) / r, type S takes A: both barriers absorb. With
barriers at -m and +n, the walk ends at +n with probability m / (m + n), and after m n adopters on average (the gambler's
ruin; Feller 1968, chapter XIV).

`Follower` is the other limit studied by Arthur, Ermoliev and Kaniovski (1987), Polya's urn: people without tastes take A
with a probability equal to its share. The share converges to a random limit, which is Uniform(0, 1).
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Draws, Field, Population, loop, run_many
from abm.validation.models.seeds import run_seeds


class Adopter(Agent):
    """Takes the technology with the higher payoff, which depends on own taste and on how many have adopted each."""

    stream = "adopter"
    taste = Field(0.0, "payoff", "payoff of A minus that of B when nobody has either", symbol="a - b")
    returns = Field(1.0, "payoff per adopter", "increase of the payoff per adopter of a technology", symbol="r")
    took_a = Field(False, "", "took technology A", dtype=bool)

    def choose(self, adopted_a, adopted_b, luck):
        gain = self.taste + self.returns * (adopted_a - adopted_b)
        # At the barrier both technologies pay the same, and the adopter follows the crowd.
        self.took_a = jnp.where(self.taste > 0, gain > 0, gain >= 0)


class Follower(Adopter):
    """Has no taste: takes A with a probability equal to its share among earlier adopters, starting from one of each."""

    def choose(self, adopted_a, adopted_b, luck):
        self.took_a = luck < (adopted_a + 1) / (adopted_a + adopted_b + 2)


def one_run(seed, taste_r, taste_s, share_r, adopters: int, kind: type[Adopter] = Adopter):
    """Lead of A (adopters,) after each arrival; see `run`."""
    draws = Draws.from_seed(seed)
    people = Population.create(kind, adopters)
    is_r = draws.uniform("type", people) < share_r
    people = people.replace(taste=jnp.where(is_r, taste_r, -taste_s))
    luck = draws.uniform("choice", people)

    def arrival(adopted, arriving):
        person, luck = arriving
        person = person.do("choose", *adopted, luck=luck)
        took_a = person.took_a[0]
        adopted = (adopted[0] + took_a, adopted[1] + ~took_a)
        return adopted, adopted[0] - adopted[1]

    # The loop runs over the queue of adopters: each iteration sees a population of one, the next in line.
    queue = jax.tree.map(lambda column: column[:, None], (people, luck))
    return loop(arrival, (jnp.asarray(0), jnp.asarray(0)), queue)[1]


def first_passage(lead, below, above):
    """Number of steps until a walk (steps,) leaves ]-below, above[ (0 if it stays), and the side: -1, 0 (stays) or 1."""
    outside = (lead <= -below) | (lead >= above)
    index = jnp.argmax(outside)
    side = jnp.where(outside[index], jnp.where(lead[index] > 0, 1, -1), 0)
    return jnp.where(outside[index], index + 1, 0), side


@cache
def _program(adopters: int, kind: type[Adopter]):
    def chunk(inputs):
        seed, taste_r, taste_s, share_r = inputs
        lead = one_run(seed, taste_r, taste_s, share_r, adopters, kind)
        steps, side = first_passage(lead, taste_r, taste_s)
        return {"lead": lead.astype(jnp.int16), "steps": steps, "side": side}

    return jax.jit(jax.vmap(chunk))


def run(
    taste_r: float = 10,
    taste_s: float = 10,
    *,
    share_r: float = 0.5,
    adopters: int = 2_000,
    runs: int = 4_000,
    seed: int = 0,
    kind: type[Adopter] = Adopter,
    chunk: int = 500,
) -> dict[str, Any]:
    """Simulate an ensemble of markets.

    taste_r, taste_s : > 0, preference of type R for A and of type S for B, in units of the lead (payoff / r): the barriers
    are at -taste_r and +taste_s. share_r : probability that the next adopter is of type R.
    adopters : arrivals per run, at most 32,767. kind : `Adopter`, `Follower`, or a subclass with its own `choose`.

    Returns lead (runs, adopters), n_A - n_B after each arrival; steps (runs,), adopters until a barrier (0: never);
    side (runs,), 1 locked into A, -1 into B, 0 neither.
    """
    if not 0 < adopters < 2**15:
        raise ValueError(f"adopters = {adopters}: choose from 1 to 32,767")
    if taste_r <= 0 or taste_s <= 0:
        raise ValueError("each type must prefer its own technology: taste_r and taste_s must be positive")
    inputs = (
        jnp.asarray(run_seeds(seed, runs)),
        *(jnp.full(runs, float(value)) for value in (taste_r, taste_s, share_r)),
    )
    program = _program(adopters, kind)  # type: ignore[arg-type]  # Mesa's agents are hashable, which mypy does not see
    return run_many(program, inputs, chunk=chunk)


def share_of_a(lead: np.ndarray) -> np.ndarray:
    """Share of A among all adopters, same shape as `lead` (runs, adopters)."""
    adopters = np.arange(1, lead.shape[-1] + 1)
    return (adopters + lead) / (2 * adopters)


def ruin(below: float, above: float) -> dict[str, float]:
    """Fair random walk between -below and +above: probability of ending above, mean and standard deviation of the steps.

    P = m / (m + n), E[T] = m n, Var[T] = m n (m^2 + n^2 - 2) / 3 with m = below, n = above. Source: Feller (1968),
    chapter XIV; the variance from the fourth moment of the stopped walk.
    """
    variance = below * above * (below**2 + above**2 - 2) / 3
    return {"above": below / (below + above), "steps": below * above, "steps_sd": variance**0.5}
