"""The two models in Starsim: an infection on a network of given edges, and a module of beliefs on the same."""

from typing import Any

import numpy as np
import starsim as ss

from benchmarks.small_models.problem import IMITATION, INNOVATION, RECOVERY, TRANSMISSION, Problem

PACKAGE, DIGITS = "starsim", 1e-6


class Graph(ss.Network):
    """Network of constant edges."""

    def step(self):
        pass


class Epidemic(ss.Infection):
    """Infection by agents infected before the step, and recovery with a probability per step."""

    def __init__(self, first=(), **kwargs):
        super().__init__()
        self.define_pars(beta=TRANSMISSION, recovery=ss.bernoulli(p=RECOVERY))
        self.update_pars(**kwargs)
        self.define_states(ss.BoolState("recovered"))
        self.first = ss.uids(first)

    def init_post(self):
        super().init_post()
        self.set_prognoses(self.first)

    def set_prognoses(self, uids, sources=None):
        super().set_prognoses(uids, sources)
        self.infected[uids] = True

    def step(self):
        caught, _, _ = self.infect()
        recovers = self.pars.recovery.filter(self.infected.uids)
        self.infected[recovers] = False
        self.recovered[recovers] = True
        self.set_prognoses(caught)


class Adoption(ss.Module):
    def __init__(self, problem=None, **kwargs):
        super().__init__()
        self.define_pars(adopts=ss.bernoulli(p=lambda module, sim, uids: module.chance[uids]))
        self.update_pars(**kwargs)
        self.define_states(ss.FloatArr("belief"), ss.BoolState("adopted"))
        self.problem = problem

    def init_post(self):
        super().init_post()
        self.belief[:] = self.problem.opinion
        edges = self.sim.networks.graph.edges
        self.seen, self.sees = np.concatenate([edges.p1, edges.p2]), np.concatenate([edges.p2, edges.p1])
        self.degrees = np.bincount(self.sees, minlength=self.problem.agents)

    def mean_of_seen(self, values):
        return np.bincount(self.sees, weights=values[self.seen], minlength=self.degrees.size) / self.degrees

    def step(self):
        given = self.problem
        self.chance = INNOVATION + IMITATION * self.mean_of_seen(self.adopted.values)
        weight = given.susceptibility
        self.belief[:] = (1 - weight) * given.opinion + weight * self.mean_of_seen(self.belief.values)
        may = ~self.adopted.values & (self.belief.values > given.threshold)
        self.adopted[self.pars.adopts.filter(ss.uids(np.flatnonzero(may)))] = True


def sim(model: str, problem: Problem, seed: int, steps: int) -> ss.Sim:
    graph = Graph(name="graph", p1=problem.one, p2=problem.other, beta=np.ones(problem.one.size))
    if model == "sir":
        modules = {"diseases": Epidemic(name="model", first=np.flatnonzero(problem.infected))}
    else:
        modules = {"custom": Adoption(name="model", problem=problem)}
    times = {"start": 0, "dur": steps - 1}  # both ends are steps
    return ss.Sim(
        n_agents=problem.agents, networks=graph, rand_seed=seed, verbose=0, copy_inputs=False, **times, **modules
    )


def build(model: str, problem: Problem, seed: int, steps: int) -> Any:
    made = sim(model, problem, seed, steps)
    made.init()
    return model, made


def run(built: Any) -> dict[str, np.ndarray]:
    model, made = built
    made.run()
    found = made.results.model
    size = made.pars.n_agents
    if model == "sir":
        return {name: np.asarray(found[f"n_{name}"]) / size for name in ("infected", "recovered")}
    return {"adopted": np.asarray(found.n_adopted) / size, "belief": made.custom.model.belief.values}


def ensemble(model: str, problem: Problem, seeds: list[int], steps: int) -> np.ndarray:
    many = ss.parallel([sim(model, problem, seed, steps) for seed in seeds])
    name = "n_recovered" if model == "sir" else "n_adopted"
    return np.array([made.results.model[name][-1] / problem.agents for made in many.sims])
