"""Levers of the page: the parameters with sliders, their ranges and labels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lever:
    """A parameter and the range of its slider; the text field beside it accepts every value that `Parameters` accepts."""

    name: str
    label: str
    low: float
    high: float
    step: float
    unit: str
    help: str


LEVERS = {
    "Property rights": (
        Lever(
            "ip_strength",
            "IP strength",
            0,
            1,
            0.05,
            "0 to 1",
            "probability that a proven case of copying or distillation is won",
        ),
        Lever("ip_clarity", "IP clarity", 0, 1, 0.05, "0 to 1", "one minus the spread of outcomes of equal cases"),
        Lever("enforcement_effort", "Enforcement effort", 0, 2, 0.05, "", "public effort to detect distillation"),
    ),
    "Copying": (
        Lever("copying_rate", "Copying rate", 0, 20, 0.1, "per year", "rate of copying open weights"),
        Lever(
            "distillation_rate", "Distillation rate", 0, 20, 0.1, "per year", "rate at which distillation closes a gap"
        ),
        Lever(
            "fit_inheritance",
            "Resemblance of copies",
            0,
            1,
            0.05,
            "0 to 1",
            "how much a copy suits the users whom its source suits",
        ),
    ),
    "Demand and trust": (
        Lever(
            "substitution",
            "Substitution",
            5,
            60,
            1,
            "",
            "how easily users replace one model by another that does as much for them",
        ),
        Lever(
            "trust_in_open",
            "Trust in new open labs",
            0,
            1,
            0.05,
            "0 to 1",
            "with which an entrant starts; use by oneself and peers adds to it",
        ),
        Lever(
            "certified_margin",
            "Margin of certified hosts",
            0,
            3,
            0.1,
            "log points",
            "price of open weights at certified hosts over that at their lab",
        ),
        Lever("menu_cost", "Menu cost", 0, 5, 0.1, "share of gross profit", "gain that is worth a change of price"),
    ),
    "Permits and burdens": (
        Lever("permitting_lag", "Permitting lag", 0.5, 24, 0.5, "months", "months of permits before a place is built"),
        Lever(
            "power_growth", "Growth of power", -0.5, 2, 0.05, "per year", "growth of the power that the grid can spare"
        ),
        Lever("compliance_fixed", "Fixed compliance cost", 0, 50, 0.5, "$ M per month", "per lab, whatever its size"),
        Lever(
            "compliance_proportional", "Proportional burden", 0, 0.3, 0.005, "share of revenue", "levied on every lab"
        ),
    ),
}


def every() -> list[Lever]:
    """All levers, in the order of the page."""
    return [lever for group in LEVERS.values() for lever in group]
