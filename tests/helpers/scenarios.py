"""Scenario files for tests, and an event of every kind."""

from pathlib import Path

import pytest

from abm.scenarios.scenario import Scenario, ScenarioError
from abm.scenarios.timeline import Cast

CAST = Cast()
SOME_EVENTS = {
    "policy": {"instrument": "permitting_lag", "mode": "scale", "value": 2.0},
    "export_control": {"destination": "row", "availability": 0.5},
    "release": {"lab": "closed_2", "gap": 0.1, "claimed_cost": 3.0},
    "cost_claim": {"lab": "open_3", "claimed_cost": 3.0},
    "audit": {"lab": "open_3", "estimated_cost": 3.0},
    "capex_programme": {"amount": 10.0, "months": 7},
    "news": {"question": "appropriability", "signal": -1.0, "precision": 2.0},
    "attention": {"salience": 1.0},
    "allegation": {"teacher": "closed_2", "student": "open_4", "vigilance": 0.5, "months": 3},
    "price_war": {"labs": ["open_3", "us"], "factor": 0.5},
}
"""What an event of each kind needs besides its date."""


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / name


def problems_of(folder: Path, text: str, **given) -> list[str]:
    """Problems of a file, without the folder's name."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(write(folder, text), **given)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def lab(name: str) -> int:
    """Position of a lab of the default cast."""
    return CAST.labs.index(name)
