"""What all frameworks are given: the graph, the starting values and the constants of the two models."""

import dataclasses

import numpy as np

NAMED = 5  # whom each agent names as a neighbour; being named counts too, so the mean degree is about 10
TRANSMISSION, RECOVERY, FIRST = 0.05, 0.1, 0.01  # chances per step; share infected at the start
INNOVATION, IMITATION = 0.01, 0.3  # chance to adopt per step, of one's own accord and with all neighbours
MODELS = {"sir": "SIR on a graph", "belief": "beliefs and adoption"}


@dataclasses.dataclass(frozen=True)
class Problem:
    """An undirected graph as its edges, every edge once, and one value per agent of what the models start from."""

    one: np.ndarray  # (edges,) one end; 32-bit
    other: np.ndarray  # (edges,) the other end
    infected: np.ndarray  # (agents,) bool
    opinion: np.ndarray  # (agents,) in [0, 1]: the first belief, which agents hold on to
    susceptibility: np.ndarray  # (agents,) in [0, 1]: weight of the neighbours
    threshold: np.ndarray  # (agents,) in [0, 1]: belief above which an agent may adopt

    @property
    def agents(self) -> int:
        return self.infected.size

    def both_ways(self) -> tuple[np.ndarray, np.ndarray]:
        """Who is seen and who sees, (2 edges,) each: every edge in both directions."""
        return np.concatenate([self.one, self.other]), np.concatenate([self.other, self.one])


def make(agents: int, seed: int = 1) -> Problem:
    """Everybody names `NAMED` others by lot; nobody is without a neighbour."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(agents), NAMED)
    named = (names + rng.integers(1, agents, names.size)) % agents  # never oneself
    edges = np.unique(np.minimum(names, named) * agents + np.maximum(names, named))
    infected = np.zeros(agents, dtype=bool)
    infected[rng.choice(agents, max(1, round(FIRST * agents)), replace=False)] = True
    opinion, susceptibility, threshold = rng.random((3, agents))
    one, other = (edges // agents).astype(np.int32), (edges % agents).astype(np.int32)
    return Problem(one, other, infected, opinion, susceptibility, threshold)
