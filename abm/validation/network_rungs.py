"""V16, V18: epidemics on networks, and the influence of sectors in a production network."""

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
    """Layers of 5,000 agents with 6 neighbours on average, seed 1: random (Erdos-Renyi) and scale-free
    (Barabasi-Albert). Single infection: the transmission threshold computed from the degrees; below it, five cases reach
    fewer than 5 % of the agents, above it more. Repeated infection: the transmission at which a small infection
    neither grows nor shrinks."""
    targets = {"random": (0.166, 0.139), "scale_free": (0.066, 0.058)}
    for kind, (single_target, repeated_target) in targets.items():
        graph = layer_graph(kind, SIZE, SEED, NEIGHBOURS)
        threshold = epidemics.sir_threshold([degree for _, degree in graph.degree])
        yield check(f"{kind}: threshold, single infection", threshold, single_target, relative=0.1)
        degrees = np.bincount([degree for _, degree in graph.degree])
        k, share = np.arange(degrees.size), degrees / degrees.sum()
        excess = (k * (k - 1) * share).sum() / (k * share).sum()  # mean excess degree: Newman's G1'(1)
        yield check(f"{kind}: the same, compared with 1 / mean excess degree", threshold, 1 / excess, relative=1e-9)
        adjacency = nx.to_scipy_sparse_array(graph, dtype=float, format="csr")
        repeated = 1 / growth_per_transmission(adjacency)
        yield check(f"{kind}: threshold, repeated infection", repeated, repeated_target, relative=0.1)
        largest = eigsh(adjacency, k=1, return_eigenvectors=False)[0]
        yield check(f"{kind}: the same, compared with 1 / largest eigenvalue", repeated, 1 / largest, relative=1e-3)
        small, large = (epidemic.attack_rate(graph, factor * threshold, seeds=20) for factor in (0.5, 2.0))
        yield below(f"{kind}: share ever infected at half the threshold", small, 0.05)
        yield above(f"{kind}: share ever infected at twice the threshold", large, 0.05)


def growth_per_transmission(adjacency: object) -> float:
    """Growth factor of a tiny infection per round and unit of transmission, if all recover within one round."""
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
    """100 sectors with labour share 0.5: all buy from one sector (star), or each from all (balanced). The norm of
    the influence vector is the ratio of aggregate to sectoral volatility."""
    sectors = 100
    star = np.zeros((sectors, sectors))
    star[:, 0] = 1
    for name, inputs, target in (("star", star, 0.507445), ("balanced", np.full((sectors, sectors), 0.01), 0.1)):
        vector = influence.influence_vector(inputs, 0.5)
        yield check(f"volatility, {name}", np.linalg.norm(vector), target, absolute=1e-5)
        yield check(f"sum of influences, {name}", vector.sum(), 1, absolute=1e-5)
        labour = 0.3  # compared with the geometric series of input orders, summed term by term
        order, series = np.full(sectors, labour / sectors), np.zeros(sectors)
        for _ in range(200):
            series, order = series + order, (1 - labour) * inputs.T @ order
        norm = np.linalg.norm(influence.influence_vector(inputs, labour))
        yield check(f"volatility, {name}, labour share 0.3", norm, np.linalg.norm(series), absolute=1e-9)
