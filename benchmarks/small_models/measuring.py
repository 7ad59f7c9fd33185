"""One framework in its own process: first its numbers, for comparison, then its times if they agree."""

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

from benchmarks.small_models.problem import make

FRAMEWORKS = {
    "engine": "this engine",
    "engine_32": "this engine in 32 bits",
    "mesa": "Mesa",
    "mesa_frames": "mesa-frames",
    "agentpy": "AgentPy",
    "abmax": "abmax",
    "starsim": "Starsim",
}
FIRST_SEED, ENOUGH, MOST = 1000, 0.1, 5  # minimum total seconds and maximum number of repeats per round


def plan(quick: bool) -> dict[str, Any]:
    """Sizes, steps, repeats and the time cap of one measurement, in seconds."""
    if quick:
        check = {"agents": 1000, "steps": 20, "runs": 16}
        many = {"agents": 100, "steps": 20, "runs": 8, "ways": 1}
        return {"sizes": [100, 1000], "steps": 10, "repeats": 3, "cap": 5.0, "check": check, "ensemble": many}
    check = {"agents": 1000, "steps": 100, "runs": 32}
    many = {"agents": 1000, "steps": 100, "runs": 32, "ways": 2}
    sizes = [10**power for power in range(2, 7)]
    return {"sizes": sizes, "steps": 100, "repeats": 3, "cap": 60.0, "check": check, "ensemble": many}


def work(name: str) -> None:
    """Answer requests, one line each, until standard input ends."""
    try:
        framework = importlib.import_module(f"benchmarks.small_models.with_{name}")
        _say(package=framework.PACKAGE, version=version(framework.PACKAGE), digits=framework.DIGITS)
    except (ImportError, PackageNotFoundError) as error:
        _say(missing=f"not installed ({error})")
        return
    questions = {"numbers": numbers, "times": times, "ensemble": ensemble}
    for line in sys.stdin:
        asked = json.loads(line)
        _say(**questions[asked.pop("question")](framework, **asked))


def _say(**answer: Any) -> None:
    print(json.dumps({"answer": answer}), flush=True)


made = functools.lru_cache(maxsize=1)(make)


def numbers(framework: Any, model: str, check: dict[str, int]) -> dict[str, Any]:
    """Shares at four points in time in every run, (runs, shares), and the final beliefs."""
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


def times(framework: Any, model: str, agents: int, steps: int, seed: int, once: bool) -> dict[str, list[float]]:
    """Seconds to set up and per step, measured once or, if they are short, several times."""
    setups, runs = [], []
    while not setups or (not once and sum(setups) + sum(runs) < ENOUGH and len(setups) < MOST):
        built, seconds = clocked(functools.partial(framework.build, model, made(agents), seed + len(setups), steps))
        setups.append(seconds)
        runs.append(clocked(functools.partial(framework.run, built))[1])
    return {"setup": setups, "step": [seconds / steps for seconds in runs]}


def spread(seconds: list[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}


def ensemble(framework: Any, model: str, given: dict[str, int], cap: float) -> dict[str, Any]:
    """Seconds per run in an ensemble, including set-up, for the faster of the framework's methods."""
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
