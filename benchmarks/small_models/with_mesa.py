"""The two models in Mesa: agents in the cells of a network, which compute their next state and then advance to it."""

from typing import Any

import mesa
import networkx as nx
import numpy as np
from mesa.discrete_space import FixedAgent, Network

from benchmarks.small_models.problem import IMITATION, INNOVATION, RECOVERY, TRANSMISSION, Problem

PACKAGE, DIGITS = "mesa", 1e-9
SUSCEPTIBLE, INFECTED, RECOVERED = 0, 1, 2


def network(problem: Problem, model: mesa.Model) -> Network:
    graph = nx.Graph()
    graph.add_nodes_from(range(problem.agents))
    graph.add_edges_from(zip(problem.one.tolist(), problem.other.tolist(), strict=True))
    return Network(graph, random=model.random)


class Person(FixedAgent):
    def __init__(self, model, cell, infected):
        super().__init__(model)
        self.cell = cell
        self.state = INFECTED if infected else SUSCEPTIBLE

    def meet(self):
        self.neighbours = list(self.cell.neighborhood.agents)

    def compute(self):
        self.next = self.state
        if self.state == SUSCEPTIBLE:
            infected = sum(other.state == INFECTED for other in self.neighbours)
            if infected and self.random.random() < 1 - (1 - TRANSMISSION) ** infected:
                self.next = INFECTED
        elif self.state == INFECTED and self.random.random() < RECOVERY:
            self.next = RECOVERED

    def advance(self):
        self.state = self.next


class Epidemic(mesa.Model):
    def __init__(self, problem, seed=None):
        super().__init__(rng=seed)
        space = network(problem, self)
        Person.create_agents(self, problem.agents, list(space.all_cells), problem.infected.tolist())
        self.agents.do("meet")
        self.datacollector = mesa.DataCollector(
            {"infected": lambda model: model.share(INFECTED), "recovered": lambda model: model.share(RECOVERED)}
        )

    def share(self, state):
        return sum(agent.state == state for agent in self.agents) / len(self.agents)

    def step(self):
        self.agents.do("compute")
        self.agents.do("advance")
        self.datacollector.collect(self)


class Believer(FixedAgent):
    def __init__(self, model, cell, opinion, susceptibility, threshold):
        super().__init__(model)
        self.cell = cell
        self.opinion = self.belief = opinion
        self.susceptibility, self.threshold = susceptibility, threshold
        self.adopted = False

    def meet(self):
        self.neighbours = list(self.cell.neighborhood.agents)

    def compute(self):
        others = self.neighbours
        mean = sum(other.belief for other in others) / len(others)
        self.next_belief = (1 - self.susceptibility) * self.opinion + self.susceptibility * mean
        self.next_adopted = self.adopted
        if not self.adopted and self.next_belief > self.threshold:
            share = sum(other.adopted for other in others) / len(others)
            self.next_adopted = self.random.random() < INNOVATION + IMITATION * share

    def advance(self):
        self.belief, self.adopted = self.next_belief, self.next_adopted


class Adoption(mesa.Model):
    def __init__(self, problem, seed=None):
        super().__init__(rng=seed)
        space = network(problem, self)
        own = (values.tolist() for values in (problem.opinion, problem.susceptibility, problem.threshold))
        Believer.create_agents(self, problem.agents, list(space.all_cells), *own)
        self.agents.do("meet")
        self.datacollector = mesa.DataCollector(
            {"adopted": lambda model: model.agents.agg("adopted", sum) / len(model.agents)}
        )

    def step(self):
        self.agents.do("compute")
        self.agents.do("advance")
        self.datacollector.collect(self)


KINDS = {"sir": Epidemic, "belief": Adoption}


def build(model: str, problem: Problem, seed: int, steps: int) -> Any:
    return KINDS[model](problem, seed=seed), steps


def run(built: Any) -> dict[str, np.ndarray]:
    model, steps = built
    for _ in range(steps):
        model.step()
    found = {name: np.array(values) for name, values in model.datacollector.model_vars.items()}
    if isinstance(model, Adoption):
        found["belief"] = np.array(model.agents.get("belief"))
    return found


def ensemble(model: str, problem: Problem, seeds: list[int], steps: int, processes: int | None = 1) -> np.ndarray:
    rows = mesa.batch_run(  # noqa: TID251 - Mesa's runner is compared
        KINDS[model],
        {"problem": problem, "seed": seeds},
        number_processes=processes,
        max_steps=steps - 1,  # the runner continues while model.steps <= max_steps
        display_progress=False,
    )
    return np.array([row["recovered" if model == "sir" else "adopted"] for row in rows])


def ensemble_on_all_cores(model: str, problem: Problem, seeds: list[int], steps: int) -> np.ndarray:
    return ensemble(model, problem, seeds, steps, processes=None)
