"""V16, V18: what spreads over networks, and which sector moves the whole."""

from collections.abc import Iterator

import jax
import networkx as nx
import numpy as np
from jax.experimental import sparse
from scipy.sparse.linalg import eigsh

from abm.market.networks import layer_graph
from abm.validation.ladder import Check, above, below, check, rung
from abm.validation.models import epidemic
from abm.validation.theory import epidemics, influence

SIZE, NEIGHBOURS, SEED = 5000, 6, 1


@rung("V16", "Epidemic thresholds", "Newman (2002); Pastor-Satorras & Vespignani (2001)")
def epidemic_thresholds() -> Iterator[Check]:
    """Layers of 5,000 agents with 6 neighbours on average, seed 1: random (Erdos-Renyi) and scale-free (Barabasi-Albert).
    Once-infected agents: the threshold of transmission from the degrees, below which five cases reach under 5 % of the
    agents and above which more. Agents infected again and again: where a small infection stays as it is."""
    targets = {"random": (0.166, 0.139), "scale_free": (0.066, 0.058)}
    for kind, (once, again) in targets.items():
        graph = layer_graph(kind, SIZE, SEED, NEIGHBOURS)
        threshold = epidemics.sir_threshold([degree for _, degree in graph.degree])
        yield check(f"{kind}: threshold, infected once", threshold, once, relative=0.1)
        degrees = np.bincount([degree for _, degree in graph.degree])
        k, share = np.arange(degrees.size), degrees / degrees.sum()
        excess = (k * (k - 1) * share).sum() / (k * share).sum()  # mean excess degree: Newman's G1'(1)
        yield check(f"{kind}: the same against 1 / mean excess degree", threshold, 1 / excess, relative=1e-9)
        adjacency = nx.to_scipy_sparse_array(graph, dtype=float, format="csr")
        found = 1 / growth_per_transmission(adjacency)
        yield check(f"{kind}: threshold, infected again and again", found, again, relative=0.1)
        largest = eigsh(adjacency, k=1, return_eigenvectors=False)[0]
        yield check(f"{kind}: the same against 1 / largest eigenvalue", found, 1 / largest, relative=1e-3)
        small, large = (epidemic.attack_rate(graph, factor * threshold, seeds=20) for factor in (0.5, 2.0))
        yield below(f"{kind}: share ever infected at half the threshold", small, 0.05)
        yield above(f"{kind}: share ever infected at twice the threshold", large, 0.05)


def growth_per_transmission(adjacency: object) -> float:
    """By how much a tiny infection grows in a round, per unit of transmission, where all recover in one round."""
    neighbours = sparse.BCOO.from_scipy_sparse(adjacency)

    @jax.jit
    def grown() -> jax.Array:
        def step(infected: jax.Array, _: object) -> tuple[jax.Array, jax.Array]:
            spread = epidemics.sis_step(infected, neighbours @ infected, 1.0, 1.0)
            return spread * 1e-9 / spread.max(), spread.max() / infected.max()

        return jax.lax.scan(step, jax.numpy.full(SIZE, 1e-9), None, length=500)[1][-1]

    return float(grown())


@rung("V18", "Production network", "Acemoglu, Carvalho, Ozdaglar & Tahbaz-Salehi (2012)")
def production_network() -> Iterator[Check]:
    """100 sectors, labour share 0.5: all buy from one (a star), or all from all (balanced). The norm of the influence
    vector is aggregate volatility over that of a sector."""
    sectors = 100
    star = np.zeros((sectors, sectors))
    star[:, 0] = 1
    for name, inputs, target in (("star", star, 0.507445), ("balanced", np.full((sectors, sectors), 0.01), 0.1)):
        vector = influence.influence_vector(inputs, 0.5)
        yield check(f"volatility, {name}", np.linalg.norm(vector), target, absolute=1e-5)
        yield check(f"sum of influences, {name}", vector.sum(), 1, absolute=1e-5)
        labour = 0.3  # the geometric series of orders, order by order
        order, series = np.full(sectors, labour / sectors), np.zeros(sectors)
        for _ in range(200):
            series, order = series + order, (1 - labour) * inputs.T @ order
        norm = np.linalg.norm(influence.influence_vector(inputs, labour))
        yield check(f"volatility, {name}, labour share 0.3", norm, np.linalg.norm(series), absolute=1e-9)
