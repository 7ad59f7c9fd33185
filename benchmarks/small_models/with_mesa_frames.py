"""The two models in mesa-frames: agents as rows of a Polars frame, the graph as a frame of links."""

from typing import Any

import numpy as np
import polars as pl
from mesa_frames import AgentSetPolars, ModelDF

from benchmarks.small_models.problem import IMITATION, INNOVATION, RECOVERY, TRANSMISSION, Problem

PACKAGE, DIGITS = "mesa-frames", 1e-9
SUSCEPTIBLE, INFECTED, RECOVERED = 0, 1, 2


def links(problem: Problem) -> pl.DataFrame:
    """Links ordered by target, so that each group of links belongs to one agent."""
    seen, sees = problem.both_ways()
    return pl.DataFrame({"seen": seen, "sees": sees}).sort("sees")


class People(AgentSetPolars):
    def __init__(self, model, problem):
        super().__init__(model)
        state = np.where(problem.infected, INFECTED, SUSCEPTIBLE).astype(np.int8)
        self.add(pl.DataFrame({"unique_id": np.arange(problem.agents), "state": state}))
        self.links = links(problem)

    def step(self):
        ill = self.agents["state"] == INFECTED
        seen = self.links.select("sees", ill=ill.gather(self.links["seen"]))
        infected = seen.group_by("sees", maintain_order=True).agg(pl.col("ill").sum())["ill"]
        luck = pl.Series(self.model.random.random(len(self)))
        state = pl.col("state")
        caught = (state == SUSCEPTIBLE) & (luck < 1 - (1 - TRANSMISSION) ** infected)
        recovers = (state == INFECTED) & (luck < RECOVERY)
        new = pl.when(caught).then(INFECTED).when(recovers).then(RECOVERED).otherwise(state).cast(pl.Int8)
        self.agents = self.agents.with_columns(state=new)


class Believers(AgentSetPolars):
    def __init__(self, model, problem):
        super().__init__(model)
        own = {"opinion": problem.opinion, "susceptibility": problem.susceptibility, "threshold": problem.threshold}
        frame = pl.DataFrame({"unique_id": np.arange(problem.agents), **own})
        self.add(frame.with_columns(belief=pl.col("opinion"), adopted=pl.lit(False)))
        self.links = links(problem)

    def step(self):
        who = self.links["seen"]
        seen = self.links.select(
            "sees", belief=self.agents["belief"].gather(who), adopted=self.agents["adopted"].gather(who)
        )
        means = seen.group_by("sees", maintain_order=True).agg(pl.col("belief", "adopted").mean())
        luck = pl.Series(self.model.random.random(len(self)))
        weight = pl.col("susceptibility")
        self.agents = self.agents.with_columns(
            belief=(1 - weight) * pl.col("opinion") + weight * means["belief"]
        ).with_columns(
            adopted=pl.col("adopted")
            | ((pl.col("belief") > pl.col("threshold")) & (luck < INNOVATION + IMITATION * means["adopted"]))
        )


class Model(ModelDF):
    def __init__(self, model, problem, seed):
        super().__init__(seed)
        self.people = (People if model == "sir" else Believers)(self, problem)
        self.agents.add(self.people)
        self.found = {name: [] for name in (("infected", "recovered") if model == "sir" else ("adopted",))}

    def step(self):
        self.people.step()
        frame = self.people.agents
        if "state" in frame.columns:
            self.found["infected"].append((frame["state"] == INFECTED).mean())
            self.found["recovered"].append((frame["state"] == RECOVERED).mean())
        else:
            self.found["adopted"].append(frame["adopted"].mean())


def build(model: str, problem: Problem, seed: int, steps: int) -> Any:
    return Model(model, problem, seed), steps


def run(built: Any) -> dict[str, np.ndarray]:
    model, steps = built
    for _ in range(steps):
        model.step()
    found = {name: np.array(values) for name, values in model.found.items()}
    if "adopted" in found:
        found["belief"] = model.people.agents["belief"].to_numpy()
    return found


def ensemble(model: str, problem: Problem, seeds: list[int], steps: int) -> np.ndarray:
    """Runs in sequence: mesa-frames has no tool for ensembles."""
    name = "recovered" if model == "sir" else "adopted"
    return np.array([run(build(model, problem, seed, steps))[name][-1] for seed in seeds])
