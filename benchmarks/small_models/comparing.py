"""Run all frameworks, each in its own process, and check that their numbers agree."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.small_models.measuring import FRAMEWORKS, plan, spread
from benchmarks.small_models.problem import MODELS

ROOT = Path(__file__).parents[2]
ERRORS = 4  # standard errors within which two means count as equal
FEWEST = 10  # minimum number of steps per measurement


def check(ours: dict[str, Any], theirs: dict[str, Any], digits: float) -> dict[str, Any]:
    """Compare the numbers of two frameworks for one model, as returned by `measuring.numbers`."""
    a, b = np.array(ours["shares"]), np.array(theirs["shares"])
    difference = np.abs(a.mean(axis=0) - b.mean(axis=0))
    error = np.sqrt(a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b))
    # if all runs are equal, only rounding of a share may differ
    errors = float((difference / np.maximum(error, 1e-6)).max())
    beliefs = 0.0
    if ours["belief"] is not None:
        beliefs = float(np.abs(np.array(ours["belief"]) - np.array(theirs["belief"])).max())
    same = errors < ERRORS and beliefs <= digits
    return {"errors": errors, "beliefs": beliefs, "digits": digits, "runs": len(b), "same": same}


class Framework:
    """The process of a framework, which answers one request at a time."""

    def __init__(self, name: str, interpreter: str, cache: str, limit: float) -> None:
        self.limit, self.errors = limit, tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `close`
        environment = os.environ | {"ABM_CACHE": str(Path(cache) / name), "PYTHONPATH": str(ROOT)}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        command = [interpreter, "-m", "benchmarks.small_models.worker", name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)
        self.failed: str | None = None

    def ask(self, **question: Any) -> dict[str, Any] | None:
        """Send a request and return the answer, or None if the process failed now or earlier."""
        if self.failed:
            return None
        limit = threading.Timer(self.limit, self.process.kill)
        limit.start()
        try:
            if question:
                self.process.stdin.write(json.dumps(question) + "\n")
                self.process.stdin.flush()
            for line in self.process.stdout:
                with contextlib.suppress(
                    json.JSONDecodeError, KeyError, TypeError
                ):  # skip output printed by the framework
                    return json.loads(line)["answer"]
        except BrokenPipeError:
            pass
        finally:
            limit.cancel()
        self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().strip().splitlines()
        killed = f"no answer after {self.limit:,.0f} s" if self.process.returncode == -9 else "ended"
        self.failed = said[-1] if said and self.process.returncode != -9 else killed
        return None

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()


def measure(quick: bool, only: str | None = None, interpreters: dict[str, str] | None = None) -> dict[str, Any]:
    """Check and time all frameworks, or this engine and `only` one other; returns the input of `section` and `figure`.

    interpreters : framework -> interpreter, for frameworks that need their own.

    Frameworks alternate, size by size and repeat by repeat, so that other load on the machine affects all alike.
    """
    given = plan(quick)
    names = [name for name in FRAMEWORKS if only in (None, name) or name == "engine"]
    found: dict[str, Any] = {name: {"checks": {}, "times": {}, "ensembles": {}} for name in names}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:  # an empty compilation cache
        asked = {}
        for name in names:
            asked[name] = Framework(name, (interpreters or {}).get(name, sys.executable), folder, 10 * given["cap"])
            stack.callback(asked[name].close)
            found[name] |= asked[name].ask() or {}
        there = {name: one for name, one in asked.items() if "version" in found[name]}
        for model in MODELS:
            _tell(f"{MODELS[model]}: the same numbers?")
            ours = None
            for name, one in there.items():
                numbers = one.ask(question="numbers", model=model, check=given["check"])
                ours = numbers if name == "engine" else ours
                if numbers:
                    found[name]["checks"][model] = check(ours, numbers, found[name]["digits"])
            same = {name: one for name, one in there.items() if found[name]["checks"].get(model, {}).get("same")}
            for agents in given["sizes"]:
                _tell(f"{MODELS[model]}: {agents:,} agents")
                _turns(same, found, model, agents, given)
            _tell(f"{MODELS[model]}: many runs")
            for name, one in same.items():
                many = one.ask(question="ensemble", model=model, given=given["ensemble"], cap=given["cap"])
                if many:
                    found[name]["ensembles"][model] = many
        for name, one in asked.items():
            if one.failed and "missing" not in found[name]:
                found[name]["failed"] = one.failed
    return {"quick": quick, "plan": given, "frameworks": found}


def _turns(frameworks: dict[str, Framework], found: Any, model: str, agents: int, given: dict[str, Any]) -> None:
    """Time one size of one model: the first call of each framework, then the repeats, alternating between frameworks."""
    asked, first = {}, {}
    for name, one in frameworks.items():
        records = found[name]["times"].setdefault(model, [])
        if records and "skipped" in records[-1]:
            continue
        steps, why = _affordable(records[-1] if records else None, given)
        if why:
            records.append({"agents": agents, "skipped": why})
            continue
        question = {"question": "times", "model": model, "agents": agents, "steps": steps}
        first[name] = one.ask(**question, seed=0, once=True)
        if first[name]:
            asked[name] = question, {"setup": [], "step": []}
    for repeat in range(given["repeats"]):
        for name, (question, seconds) in asked.items():
            answer = frameworks[name].ask(**question, seed=10 * (1 + repeat), once=False)
            for what, more in (answer or {}).items():
                seconds[what] += more
    for name, (question, seconds) in asked.items():
        if not seconds["step"]:
            continue
        record = {"agents": agents, "steps": question["steps"], "repeats": len(seconds["step"])}
        record |= {what: spread(values) for what, values in seconds.items()}
        late = {what: first[name][what][0] - record[what]["median"] for what in seconds}
        record["compile"] = max(late["setup"] + late["step"] * question["steps"], 0.0)
        found[name]["times"][model].append(record)


def _affordable(before: dict[str, Any] | None, given: dict[str, Any]) -> tuple[int, str]:
    """Number of steps that fit the time cap, or the reason why not; assumes that cost is proportional to agents."""
    if before is None:
        return given["steps"], ""
    calls = 1 + given["repeats"]
    setup, step = (10 * before[what]["median"] * calls for what in ("setup", "step"))
    steps = min(given["steps"], int((given["cap"] - setup) / step))
    if steps >= FEWEST:
        return steps, ""
    return 0, f"would take about {setup + FEWEST * step:,.0f} s, more than {given['cap']:.0f} s"


def _tell(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)
