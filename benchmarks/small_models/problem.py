"""Common input of all frameworks: the graph, the starting values and the constants of the two models."""

import dataclasses

import numpy as np

NAMED = 5  # neighbours named by each agent; links are mutual, so the mean degree is about 10
TRANSMISSION, RECOVERY, FIRST = 0.05, 0.1, 0.01  # probabilities per step; share infected at the start
INNOVATION, IMITATION = 0.01, 0.3  # adoption probability per step: spontaneous, and added if all neighbours adopted
MODELS = {"sir": "SIR on a graph", "belief": "beliefs and adoption"}


@dataclasses.dataclass(frozen=True)
class Problem:
    """An undirected graph as a list of edges, each listed once, and starting values per agent."""

    one: np.ndarray  # (edges,) one end; 32-bit
    other: np.ndarray  # (edges,) the other end
    infected: np.ndarray  # (agents,) bool
    opinion: np.ndarray  # (agents,) in [0, 1]: the initial belief, to which agents are anchored
    susceptibility: np.ndarray  # (agents,) in [0, 1]: weight of the neighbours
    threshold: np.ndarray  # (agents,) in [0, 1]: belief above which an agent may adopt

    @property
    def agents(self) -> int:
        return self.infected.size

    def both_ways(self) -> tuple[np.ndarray, np.ndarray]:
        """Sources and targets of all links, (2 edges,) each: every edge in both directions."""
        return np.concatenate([self.one, self.other]), np.concatenate([self.other, self.one])


def make(agents: int, seed: int = 1) -> Problem:
    """Every agent names `NAMED` random others, so that none is isolated."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(agents), NAMED)
    named = (names + rng.integers(1, agents, names.size)) % agents  # never the agent itself
    edges = np.unique(np.minimum(names, named) * agents + np.maximum(names, named))
    infected = np.zeros(agents, dtype=bool)
    infected[rng.choice(agents, max(1, round(FIRST * agents)), replace=False)] = True
    opinion, susceptibility, threshold = rng.random((3, agents))
    one, other = (edges // agents).astype(np.int32), (edges % agents).astype(np.int32)
    return Problem(one, other, infected, opinion, susceptibility, threshold)
