"""The two models in AgentPy: agents on the nodes of its network, steps as calls of an agent list."""

from typing import Any

import agentpy as ap
import networkx as nx
import numpy as np

from benchmarks.small_models.problem import IMITATION, INNOVATION, RECOVERY, TRANSMISSION, Problem

PACKAGE, DIGITS = "agentpy", 1e-9
SUSCEPTIBLE, INFECTED, RECOVERED = 0, 1, 2


def settle(model: ap.Model, agents: ap.AgentList, problem: Problem) -> None:
    """Put the agents on the network's nodes and store each agent's neighbours, which never change."""
    graph = nx.Graph()
    graph.add_nodes_from(range(problem.agents))
    graph.add_edges_from(zip(problem.one.tolist(), problem.other.tolist(), strict=True))
    network = ap.Network(model, graph)
    network.add_agents(agents, network.nodes)
    for agent in agents:
        agent.neighbours = list(network.neighbors(agent))


class Person(ap.Agent):
    def setup(self):
        self.state = SUSCEPTIBLE

    def compute(self):
        self.next = self.state
        if self.state == SUSCEPTIBLE:
            infected = sum(other.state == INFECTED for other in self.neighbours)
            if infected and self.model.random.random() < 1 - (1 - TRANSMISSION) ** infected:
                self.next = INFECTED
        elif self.state == INFECTED and self.model.random.random() < RECOVERY:
            self.next = RECOVERED

    def advance(self):
        self.state = self.next


class Epidemic(ap.Model):
    def setup(self, problem):
        self.agents = ap.AgentList(self, problem.agents, Person)
        self.agents.state = ap.AttrIter(np.where(problem.infected, INFECTED, SUSCEPTIBLE).tolist())
        settle(self, self.agents, problem)

    def step(self):
        self.agents.compute()
        self.agents.advance()

    def update(self):
        states = list(self.agents.state)
        self["infected"], self["recovered"] = (states.count(state) / len(states) for state in (INFECTED, RECOVERED))
        self.record(["infected", "recovered"])

    def end(self):
        self.report("final", self.recovered)


class Believer(ap.Agent):
    def setup(self):
        self.adopted = False

    def compute(self):
        others = self.neighbours
        mean = sum(other.belief for other in others) / len(others)
        self.next_belief = (1 - self.susceptibility) * self.opinion + self.susceptibility * mean
        self.next_adopted = self.adopted
        if not self.adopted and self.next_belief > self.threshold:
            share = sum(other.adopted for other in others) / len(others)
            self.next_adopted = self.model.random.random() < INNOVATION + IMITATION * share

    def advance(self):
        self.belief, self.adopted = self.next_belief, self.next_adopted


class Adoption(ap.Model):
    def setup(self, problem):
        self.agents = ap.AgentList(self, problem.agents, Believer)
        for name in ("opinion", "susceptibility", "threshold"):
            setattr(self.agents, name, ap.AttrIter(getattr(problem, name).tolist()))
        self.agents.belief = self.agents.opinion
        settle(self, self.agents, problem)

    def step(self):
        self.agents.compute()
        self.agents.advance()

    def update(self):
        self["adopted"] = sum(self.agents.adopted) / len(self.agents)
        self.record("adopted")

    def end(self):
        self.report("final", self.adopted)


KINDS = {"sir": Epidemic, "belief": Adoption}


def build(model: str, problem: Problem, seed: int, steps: int) -> Any:
    made = KINDS[model]({"steps": steps}, problem=problem)
    made.sim_setup(seed=seed)
    return made, steps


def run(built: Any) -> dict[str, np.ndarray]:
    model, steps = built
    for _ in range(steps):
        model.sim_step()
    found = {name: np.array(values[1:]) for name, values in model.log.items() if name != "t"}  # the first is the start
    if isinstance(model, Adoption):
        found["belief"] = np.array(list(model.agents.belief))
    return found


def ensemble(model: str, problem: Problem, seeds: list[int], steps: int, jobs: int = 1) -> np.ndarray:
    parameters = {"steps": steps, "seed": seeds[0]}
    experiment = ap.Experiment(KINDS[model], [parameters], iterations=len(seeds), problem=problem)
    return experiment.run(n_jobs=jobs, display=False).reporters["final"].to_numpy()


def ensemble_on_all_cores(model: str, problem: Problem, seeds: list[int], steps: int) -> np.ndarray:
    return ensemble(model, problem, seeds, steps, jobs=-1)
