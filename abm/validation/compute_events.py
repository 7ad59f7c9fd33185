"""Export rules, permits, power and Stargate in the whole model, each against its absence on the same draws: part of V20."""

import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from abm.runs.results import Ensemble
from abm.runs.simulate import Setting, ensembles
from abm.scenarios.calendar import FIRST_YEAR
from abm.scenarios.scenario import Scenario
from abm.support.messages import AbmWarning
from abm.validation.ladder import Check, above, below, between

SEEDS = range(12)
RULES = {
    "2022": ("export_2022",),
    "2023": ("export_2023", "export_2023_news"),
    "2024": ("export_2024", "export_2024_news"),
    "diffusion": ("diffusion_rule", "diffusion_rule_news", "diffusion_rule_rescinded"),
    "h20": ("h20_licence", "h20_licence_news"),
}
"""Events of each export rule of the baseline, with its news."""


class Effect(NamedTuple):
    """What something does to an observable's mean over a year, and between which log points its mean must lie."""

    of: str
    observable: str
    year: int
    low: float
    high: float
    why: str


EFFECTS = (
    Effect("rule of 2022", "compute_china", 2023, -20, -2, "China's chips do four fifths of their work"),
    Effect("rule of 2023", "compute_china", 2024, -80, -20, "the best that may be sold is an H20, and what was on order is lost"),
    Effect("rule of 2023", "compute_installed", 2024, -20, -2, "nobody else gets within the year what China lost on order"),
    Effect("rule of 2024", "compute_china", 2027, -30, -5, "the domestic vendor makes a fifth less, which adds up"),
    Effect("diffusion rule", "compute_installed", 2026, -0.5, 0.5, "inert: never in force, its news was taken back"),
    Effect("H20 licence", "compute_china", 2026, -150, -50, "domestic and leaked chips are all that is left"),
    Effect("H20 licence", "leader_revenue", 2026, -25, -2, "it loses China, though not what others buy in its place"),
    Effect("export rules together", "chip_revenue", 2026, -50, -5, "what cannot be had is not bought"),
    Effect("ban from February 2025", "compute_china", 2025, -20, -2, "ten weeks of H20 and the way round less"),
    Effect("Stargate", "compute_installed", 2026, 0.5, 10, "own power where the grid binds; else it replaces others"),
    Effect("Stargate", "rental_price", 2026, -10, -1, "more machines for the same work"),
    Effect("permits in half the time", "compute_installed", 2026, 1, 15, "places open sooner than owners planned"),
    Effect("permits", "compute_installed", 2025, -40, -5, "owners do not order early for a wait that they know"),
    Effect("permits", "rental_price", 2025, 5, 40, "the work wants machines that have no place yet"),
    Effect("limit of the grid", "compute_installed", 2025, -20, -2, "it connects so many places a month"),
    Effect("half more growth of power", "power_price", 2027, -30, -5, "what is added to supply, over its elasticity"),
    Effect("half more growth of power", "compute_installed", 2027, 0.1, 3, "little: power is a small part of the rent"),
    Effect("power that gets dearer", "compute_installed", 2027, -15, -2, "little: as above, though its price doubles"),
)  # fmt: skip


def without(*events: str, scenario: str = "baseline") -> Scenario:
    """A scenario without some events."""
    left = Scenario.load(scenario)
    for event in events:
        left = left.without(event)
    return left


def worlds() -> dict[str, tuple[Setting, int]]:
    """The other world of each comparison, and the sign of what is asked: 1 where it is the one with it, -1 without."""
    rules = {f"rule of {year}": RULES[year] for year in ("2022", "2023", "2024")}
    rules |= {"diffusion rule": RULES["diffusion"], "H20 licence": RULES["h20"]}
    rules["export rules together"] = tuple(event for events in RULES.values() for event in events)
    return {
        **{name: (Setting(scenario=without(*events)), -1) for name, events in rules.items()},
        "Stargate": (Setting(scenario="no_stargate"), -1),
        "permits": (Setting({"permitting_lag": 0.5}), -1),
        "limit of the grid": (Setting({"connection_rate": 10.0}), -1),
        "power that gets dearer": (Setting({"power_elasticity": 50.0}), -1),
        "ban from February 2025": (Setting(scenario="export_ban"), 1),
        "permits in half the time": (Setting(scenario=without("fast_permits_power", scenario="fast_permits")), 1),
        "half more growth of power": (Setting(scenario=without("fast_permits_lag", scenario="fast_permits")), 1),
    }


def against_their_absence() -> Iterator[Check]:
    """Sign and size of each effect: its mean lies in its range, and zero outside the interval of the paired differences."""
    for effect, mean, half in measured(SEEDS):
        words = f"{effect.of}: {effect.observable} of {effect.year}, log points ({effect.why})"
        yield between(words, mean, effect.low, effect.high)
        if effect.low > 0:
            yield above("and the lower end of its interval", mean - half, 0)
        elif effect.high < 0:
            yield below("and the upper end of its interval", mean + half, 0)


def measured(seeds: Iterable[int]) -> Iterator[tuple[Effect, float, float]]:
    """Each effect with its mean over pairs of runs and the half-width of its 95 % interval, log points."""
    others = worlds()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AbmWarning)  # alarms of the default world
        base, *runs = ensembles([Setting(), *(setting for setting, _ in others.values())], seeds, daily=())
    ran = {name: (run, sign) for (name, (_, sign)), run in zip(others.items(), runs, strict=True)}
    for effect in EFFECTS:
        other, sign = ran[effect.of]
        by_run = sign * (yearly(other, effect) - yearly(base, effect))
        half = stdtrit(len(by_run) - 1, 0.975) * by_run.std(ddof=1) / len(by_run) ** 0.5
        yield effect, float(by_run.mean()), float(half)


def yearly(runs: Ensemble, effect: Effect) -> np.ndarray:
    """Log of the year's mean by run, times 100."""
    first = 12 * (effect.year - FIRST_YEAR)
    return 100 * np.log(runs[effect.observable][:, first : first + 12].mean(1))
