"""Schumpeterian competition between innovators and imitators (Nelson and Winter 1982, chapter 12).

Firms make one good from capital, Q = A K, at a productivity A of their own, and sell all of it at P = 67 / sum(Q). A
quarter's profit per unit of capital is

    pi = P A - c - r_m - r_n

with production cost c, imitative R&D r_m and innovative R&D r_n per unit of capital. R&D buys two chances per quarter:

    Pr(copies the best practice) = a_m r_m K,    Pr(finds something new) = a_n r_n K

A discovery is lognormal around a latent productivity that grows by 1 % per quarter whatever the firms do (the book's
science-based technology), and the next A is the best of own, discovered and copied productivity. Gross investment per unit
of capital is the smaller of desired and affordable investment, and not negative:

    I = max(0, min(1 + delta - mu(s) / (P A' / c), f(pi))),    mu(s) = (2 - s) / (2 - 2 s),    K' = (1 - delta + I) K

mu(s) is the markup of a firm with market share s that assumes demand of elasticity 1 and rivals' supply of elasticity 1;
f = delta + pi if pi <= 0 and delta + 2 pi if pi > 0: banks lend an amount equal to profit.

Sources of the equations. The book itself was not available for this file. Output, price, profit, the two
chances, the maximum, the form of I with its mu(s), the parameters for 8 firms, and credit in proportion to profit
(`Bank = 1`) follow a public reconstruction, E. Taymaz, NW_BaseModel.R (2011). All but the parameters and mu(s), which is
1 / (1 - s) there, also agree with a second one, nw2004 for LSD (E. S. Andersen 2004, on programs of M. Valente and M.
Yildizoglu), where science-based draws and firms that only imitate are options. Three choices follow neither:

- f contains delta (both codes omit it; Taymaz's mentions it in a comment). Without it an industry of innovators shrinks;
  experiments/replications/nelson_winter shows by how much.
- A discovery is adopted in full and demand is constant. In Taymaz's code demand grows and a draw closes a random part of
  the gap.
- 0.16 and the latent 0.16 e^(0.01 t) are productivities, not logarithms as in Taymaz's code: only then is K_i of `FIRMS`
  the stock at which no firm wants to grow at first, 67 (2 - 2 s) / (c N (2 - s)) with s = 1 / N.
"""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Draws, Field, Group, Population, loop, run_many
from abm.validation.models.seeds import run_seeds

FIRMS = {
    2: (139.58, 0.0287, 0.00143),
    4: (89.70, 0.0223, 0.00112),
    8: (48.85, 0.0205, 0.00102),
    16: (25.34, 0.0197, 0.00099),
    32: (12.89, 0.0194, 0.00097),
}
"""Number of firms: initial capital K_i; innovative R&D r_n and imitative R&D r_m, per unit of capital and quarter.

Whatever the number of firms, innovative R&D would be 8 a quarter at the start if all of them innovated."""


class Industry(NamedTuple):
    """Parameters common to all firms; rates are per quarter."""

    imitation_ease: Any = 1.25  # a_m, chance of copying per unit spent
    innovation_ease: Any = 0.125  # a_n, chance of an innovation per unit spent
    unit_cost: Any = 0.16  # c, per unit of capital
    depreciation: Any = 0.03  # delta
    demand: Any = 67.0  # P sum(Q), spent on the good
    credit: Any = 1.0  # bank loans per unit of profit
    latent: Any = 0.16  # latent productivity before the first quarter
    latent_growth: Any = 0.01
    spread: Any = 0.05  # sigma of the logarithm of a discovery


class Firm(Agent):
    """Copies best practice by chance, and grows out of profits until its market share makes it restrain investment."""

    stream = "firm"
    productivity = Field(0.16, "output per capital and quarter", symbol="A")
    capital = Field(0.0, "units", symbol="K")
    imitative_spending = Field(0.0, "per capital and quarter", symbol="r_m")
    innovative_spending = Field(0.0, "per capital and quarter", symbol="r_n")
    share = Field(0.0, "", "of the industry's output", symbol="s")
    profit = Field(0.0, "per capital and quarter", symbol="pi")

    def sell(self, industry, price):
        self.share = self.productivity * self.capital * price / industry.demand
        spending = self.imitative_spending + self.innovative_spending
        self.profit = price * self.productivity - industry.unit_cost - spending

    def search(self, industry, latent, best_practice, luck):
        copies = luck["copy"] < industry.imitation_ease * self.imitative_spending * self.capital
        self.productivity = jnp.where(copies, best_practice, self.productivity)

    def invest(self, industry, price):
        markup = price * self.productivity / industry.unit_cost
        wanted_markup = (2 - self.share) / (2 - 2 * self.share)
        wanted = 1 + industry.depreciation - wanted_markup / markup
        credit = jnp.where(self.profit > 0, industry.credit * self.profit, 0.0)
        affordable = industry.depreciation + self.profit + credit
        investment = jnp.maximum(0.0, jnp.minimum(wanted, affordable))
        self.capital = self.capital * (1 - industry.depreciation + investment)


class Innovator(Firm):
    """A firm that also searches for new techniques, at the frontier set by science."""

    def search(self, industry, latent, best_practice, luck):
        discovers = luck["find"] < industry.innovation_ease * self.innovative_spending * self.capital
        super().search(industry, latent, best_practice, luck)
        discovery = latent * jnp.exp(industry.spread * luck["draw"])
        self.productivity = jnp.where(discovers, jnp.maximum(discovery, self.productivity), self.productivity)


def one_run(
    seed, industry: Industry, firms: int, quarters: int = 101, kinds: tuple[type[Firm], ...] = (Innovator, Firm)
):
    """One industry: arrays (quarters,) as in `run`."""
    draws = Draws.from_seed(seed)
    capital, innovative, imitative = FIRMS[firms]
    half = firms // 2
    start: dict[str, Any] = dict(capital=capital, imitative_spending=imitative)
    players = Group(
        Population.create(kinds[0], half, innovative_spending=innovative, **start),
        Population.create(kinds[1], firms - half, offset=half, **start),
    )
    innovates = np.arange(firms) < half

    def quarter(players, t):
        price = industry.demand / (players.productivity * players.capital).sum()
        players = players.do("sell", industry, price)
        best_practice = players.productivity.max()
        report = {
            "equivalents": 1 / (players.share**2).sum(),
            "innovator_share": jnp.where(innovates, players.share, 0.0).sum(),
            "price": price,
            "best_practice": best_practice,
            "average_productivity": industry.demand / price / players.capital.sum(),
        }
        now = draws.at(t)
        luck = {"copy": now.uniform("copy", players), "find": now.uniform("find", players)}
        luck["draw"] = now.normal("draw", players)
        latent = industry.latent * jnp.exp(industry.latent_growth * t)
        players = players.do("search", industry, latent, best_practice, luck=luck)
        return players.do("invest", industry, price), report

    return loop(quarter, players, jnp.arange(1, quarters + 1))[1]


@cache
def _program(firms: int, quarters: int, kinds: tuple[type[Firm], ...]):
    return jax.jit(jax.vmap(lambda inputs: one_run(inputs[0], inputs[1], firms, quarters, kinds)))


def run(
    firms: int = 8,
    imitation_ease: float = 1.25,
    runs: int = 400,
    seed: int = 0,
    *,
    quarters: int = 101,
    kinds: tuple[type[Firm], ...] = (Innovator, Firm),
    chunk: int = 100,
    **industry: float,
) -> dict[str, Any]:
    """Simulate an ensemble of industries in which half of the firms innovate.

    firms : 2, 4, 8, 16 or 32. imitation_ease : a_m. kinds : classes of the innovating half and of the other half.
    **industry : other fields of `Industry`.

    Returns arrays (runs, quarters): equivalents, the number of equal firms with the same Herfindahl index of output;
    innovator_share of output; price; best_practice and average_productivity, output per unit of capital and quarter
    (the average weighted by capital). The same seed gives the same draws whatever the parameters.
    """
    if firms not in FIRMS:
        raise ValueError(f"firms = {firms}: choose from {', '.join(map(str, FIRMS))}")
    setting = Industry(imitation_ease=imitation_ease, **industry)
    inputs = (
        jnp.asarray(run_seeds(seed, runs)),
        Industry(*(jnp.full(runs, float(value)) for value in setting)),
    )
    return run_many(_program(firms, quarters, kinds), inputs, chunk=chunk)
