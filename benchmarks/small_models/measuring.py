"""One framework in a process of its own: first its numbers, for the comparison, then its times if they are allowed."""

import functools
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from benchmarks.small_models.problem import MODELS, make

FRAMEWORKS = {
    "engine": "this engine",
    "mesa": "Mesa",
    "mesa_frames": "mesa-frames",
    "agentpy": "AgentPy",
    "abmax": "abmax",
    "starsim": "Starsim",
}
FIRST_SEED, ENOUGH, MOST = 1000, 0.5, 15  # seconds of repeats that are enough, and how many at most


def plan(quick: bool) -> dict[str, Any]:
    """Sizes, steps, repeats and the seconds that one measurement may be expected to take."""
    if quick:
        check = {"agents": 1000, "steps": 20, "runs": 16}
        many = {"agents": 100, "steps": 20, "runs": 8, "ways": 1}
        return {"sizes": [100, 1000], "steps": 10, "repeats": 3, "cap": 5.0, "check": check, "ensemble": many}
    check = {"agents": 1000, "steps": 100, "runs": 32}
    many = {"agents": 1000, "steps": 100, "runs": 32, "ways": 2}
    sizes = [10**power for power in range(2, 7)]
    return {"sizes": sizes, "steps": 100, "repeats": 3, "cap": 60.0, "check": check, "ensemble": many}


def say(**record: Any) -> None:
    """One record for the process that waits for it."""
    print(json.dumps(record), flush=True)


def work(name: str, given: dict[str, Any]) -> None:
    """Say the framework's numbers, wait for the verdict on each model, and say its times."""
    try:
        framework = importlib.import_module(f"benchmarks.small_models.with_{name}")
        number = version(framework.PACKAGE)
    except (ImportError, PackageNotFoundError) as error:
        say(kind="missing", why=f"not installed ({error})")
        return
    say(kind="version", package=framework.PACKAGE, version=number, digits=framework.DIGITS)
    for model in MODELS:
        say(kind="numbers", model=model, **numbers(framework, model, given["check"]))
    for model in json.loads(sys.stdin.readline()):
        for record in times(framework, model, given):
            say(kind="time", model=model, **record)
        say(kind="ensemble", model=model, **ensemble(framework, model, given["ensemble"], given["cap"]))


def numbers(framework: Any, model: str, check: dict[str, int]) -> dict[str, Any]:
    """Shares at four times in every run, (runs, shares), and the last beliefs."""
    problem, rows, belief = make(check["agents"]), [], None
    at = np.array([0.1, 0.2, 0.4, 1.0]) * check["steps"] - 1
    for run in range(check["runs"]):
        found = framework.run(framework.build(model, problem, FIRST_SEED + run, check["steps"]))
        rows.append([float(found[name][int(i)]) for name in sorted(found) if name != "belief" for i in at])
        belief = found.get("belief")
    return {"shares": rows, "belief": None if belief is None else np.asarray(belief, dtype=float).tolist()}


def clocked(action: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    done = action()
    return done, time.perf_counter() - began


def times(framework: Any, model: str, given: dict[str, Any]) -> Any:
    """For every size: seconds to set up, per step, and to compile; or why there are none."""
    before = None
    for agents in given["sizes"]:
        steps, calls = given["steps"], given["repeats"] + 1
        if before:  # ten times as many agents take ten times as long, or so
            setting_up, step = (10 * before[name]["median"] * calls for name in ("setup", "step"))
            steps = min(steps, int((given["cap"] - setting_up) / step)) if setting_up < given["cap"] else 0
            if steps < 5:
                why = f"would take about {setting_up + 5 * step:,.0f} s, more than {given['cap']:.0f} s"
                yield {"agents": agents, "skipped": why}
                return
        problem = make(agents)
        setups, runs = [], []
        while len(setups) <= given["repeats"] or (sum(setups[1:]) + sum(runs[1:]) < ENOUGH and len(setups) <= MOST):
            built, seconds = clocked(functools.partial(framework.build, model, problem, len(setups), steps))
            setups.append(seconds)
            runs.append(clocked(functools.partial(framework.run, built))[1])
        first = setups[0] + runs[0] - statistics.median(setups[1:]) - statistics.median(runs[1:])
        per_step = [seconds / steps for seconds in runs[1:]]
        before = {"setup": spread(setups[1:]), "step": spread(per_step)}
        yield {"agents": agents, "steps": steps, "repeats": len(per_step), "compile": max(first, 0.0), **before}


def spread(seconds: list[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}


def ensemble(framework: Any, model: str, given: dict[str, int], cap: float) -> dict[str, Any]:
    """Seconds per run of many, models set up included: the framework's faster way, where it has two."""
    problem, seeds, best = make(given["agents"]), list(range(given["runs"])), None
    for way in ("ensemble", "ensemble_on_all_cores")[: given["ways"]]:
        if not hasattr(framework, way):
            continue
        seconds: list[float] = []
        while len(seconds) < 4 and sum(seconds) * (1 + 1 / max(len(seconds), 1)) < cap:  # the first compiles
            seconds.append(
                clocked(functools.partial(getattr(framework, way), model, problem, seeds, given["steps"]))[1]
            )
        found = {"way": way, **spread([one / len(seeds) for one in seconds[1:] or seconds])}
        best = found if best is None or found["median"] < best["median"] else best
    return {"agents": given["agents"], "steps": given["steps"], "runs": len(seeds), **best}
