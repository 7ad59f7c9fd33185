"""The two small models used to compare frameworks: all frameworks give the same numbers."""

import importlib
import json

import numpy as np
import pytest

from benchmarks.small_models.comparing import check
from benchmarks.small_models.measuring import FRAMEWORKS, numbers
from benchmarks.small_models.problem import MODELS, make
from benchmarks.small_models.reporting import figure, section

SIZE = {"agents": 200, "steps": 20, "runs": 12}


def framework(name):
    try:
        return importlib.import_module(f"benchmarks.small_models.with_{name}")
    except ImportError as error:
        pytest.skip(f"{FRAMEWORKS[name]} is not installed ({error})")


@pytest.fixture(scope="module")
def ours():
    return {model: numbers(framework("engine"), model, SIZE) for model in MODELS}


def test_the_graph_is_fixed_and_has_no_isolated_agents():
    problem, again = make(500), make(500)
    degrees = np.bincount(np.concatenate([problem.one, problem.other]), minlength=500)
    assert np.array_equal(problem.one, again.one) and np.array_equal(problem.opinion, again.opinion)
    assert degrees.min() >= 1 and 9 < degrees.mean() <= 10
    assert (problem.one < problem.other).all() and problem.infected.sum() == 5
    assert len(set(zip(problem.one.tolist(), problem.other.tolist(), strict=True))) == problem.one.size


def test_degrees_fit_the_encoding_of_a_single_pass_over_links():
    problem = make(100_000)
    assert np.bincount(np.concatenate(problem.both_ways()[1:])).max() < framework("engine").MANY / 2


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", [name for name in FRAMEWORKS if name != "engine"])
def test_other_frameworks_give_the_same_numbers(name, model, ours):
    other = framework(name)
    verdict = check(ours[model], numbers(other, model, SIZE), other.DIGITS)
    assert verdict["same"], verdict


def test_different_probabilities_are_detected(ours, monkeypatch):
    mesa = framework("mesa")
    monkeypatch.setattr(mesa, "RECOVERY", 0.2)
    monkeypatch.setattr(mesa, "IMITATION", 0.9)
    assert not any(check(ours[model], numbers(mesa, model, SIZE), mesa.DIGITS)["same"] for model in MODELS)


def test_an_ensemble_equals_separate_runs():
    engine, problem, seeds = framework("engine"), make(100), [3, 4, 5]
    for model, name in (("sir", "recovered"), ("belief", "adopted")):
        alone = [engine.run(engine.build(model, problem, seed, 10))[name][-1] for seed in seeds]
        assert np.allclose(engine.ensemble(model, problem, seeds, 10), alone)


def test_the_section_and_the_figure_show_missing_and_skipped_frameworks():
    spread = {"median": 2e-3, "least": 1e-3, "most": 3e-3}
    verdict = {"errors": 1.0, "beliefs": 0.0, "digits": 1e-9, "runs": 2, "same": True}
    record = {"agents": 100, "steps": 10, "repeats": 3, "compile": 0.1, "setup": spread, "step": spread}
    many = {"agents": 100, "steps": 10, "runs": 2, "way": "ensemble", **spread}
    there = {
        "version": "1",
        "checks": dict.fromkeys(MODELS, verdict),
        "times": dict.fromkeys(MODELS, [record, {"agents": 1000, "skipped": "would take too long"}]),
        "ensembles": dict.fromkeys(MODELS, many),
    }
    missing = {"checks": {}, "times": {}, "ensembles": {}, "missing": "not installed"}
    plan = {"sizes": [100, 1000], "check": SIZE, "ensemble": many}
    results = {"quick": True, "plan": plan, "frameworks": {"engine": there, "mesa": there, "starsim": missing}}
    text = section(json.loads(json.dumps(results)))
    assert text.startswith("## Shared small models\n") and "- Starsim: not installed" in text
    assert "from 1,000 agents: would take too long" in text and "| Mesa, SIR on a graph | 1.0 | – |" in text
    assert [len(ax.lines) for ax in figure(results).axes] == [2, 2, 2, 2]
