"""All frameworks, one process after the other, and whether their numbers agree."""

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

from benchmarks.small_models.measuring import FRAMEWORKS, plan
from benchmarks.small_models.problem import MODELS

ROOT = Path(__file__).parents[2]
ERRORS = 4  # standard errors between two means that are taken for equal


def check(ours: dict[str, Any], theirs: dict[str, Any], digits: float) -> dict[str, Any]:
    """Whether two frameworks' numbers of one model agree: see `measuring.numbers`."""
    a, b = np.array(ours["shares"]), np.array(theirs["shares"])
    difference = np.abs(a.mean(axis=0) - b.mean(axis=0))
    error = np.sqrt(a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b))
    # where no run differs from another, only the rounding of a share may
    errors = float((difference / np.maximum(error, 1e-6)).max())
    beliefs = 0.0
    if ours["belief"] is not None:
        beliefs = float(np.abs(np.array(ours["belief"]) - np.array(theirs["belief"])).max())
    same = errors < ERRORS and beliefs <= digits
    return {"errors": errors, "beliefs": beliefs, "digits": digits, "runs": len(b), "same": same}


def measure(quick: bool, only: str | None = None, interpreters: dict[str, str] | None = None) -> dict[str, Any]:
    """Check and time all frameworks, or this engine and `only` one; what `section` and `figure` take.

    interpreters : of frameworks that need one of their own.
    """
    given, found, ours = plan(quick), {}, {}
    for name in FRAMEWORKS:
        if only in (None, name) or name == "engine":
            print(f"{FRAMEWORKS[name]} ...", file=sys.stderr, flush=True)
            found[name] = _in_a_process(name, given, (interpreters or {}).get(name, sys.executable), ours)
    return {"quick": quick, "plan": given, "frameworks": found}


def _in_a_process(name: str, given: dict[str, Any], interpreter: str, ours: dict[str, Any]) -> dict[str, Any]:
    """The records of one framework; `ours` is filled by this engine's and compared with the others'."""
    out: dict[str, Any] = {"checks": {}, "times": {}, "ensembles": {}}
    command = [interpreter, "-m", "benchmarks.small_models.worker", name, json.dumps(given)]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        environment = os.environ | {"ABM_CACHE": folder, "PYTHONPATH": str(ROOT)}  # nothing was compiled before
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        limit = threading.Timer(60 * given["cap"], process.kill)
        limit.start()
        try:
            for line in process.stdout:
                with contextlib.suppress(json.JSONDecodeError):  # what a framework prints
                    _note(json.loads(line), name, out, ours, process.stdin)
            process.wait()
        finally:
            limit.cancel()
            process.kill()
        if process.returncode:
            errors.seek(0)
            said = errors.read().strip().splitlines()
            out["failed"] = said[-1] if said else f"ended with {process.returncode}"
    return out


def _note(record: Any, name: str, out: dict[str, Any], ours: dict[str, Any], answer: Any) -> None:
    kind = record.pop("kind", None) if isinstance(record, dict) else None
    if kind == "missing":
        out["missing"] = record["why"]
    elif kind == "version":
        out.update(record)
    elif kind == "numbers":
        model = record["model"]
        if name == "engine":
            ours[model] = record
        out["checks"][model] = check(ours[model], record, out["digits"])
        if len(out["checks"]) == len(MODELS):
            answer.write(json.dumps([model for model, verdict in out["checks"].items() if verdict["same"]]) + "\n")
            answer.flush()
    elif kind == "time":
        out["times"].setdefault(record.pop("model"), []).append(record)
    elif kind == "ensemble":
        out["ensembles"][record.pop("model")] = record
