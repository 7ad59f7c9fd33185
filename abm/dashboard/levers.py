"""What can be moved on the page: a few parameters, their ranges there, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lever:
    """A parameter with the range of its slider; the field beside it takes all that `Parameters` takes."""

    name: str
    label: str
    low: float
    high: float
    step: float
    help: str


LEVERS = {
    "Property rights": (
        Lever(
            "ip_strength", "IP strength", 0, 1, 0.05, "probability that a proven case of copying or distilling is won"
        ),
        Lever("ip_clarity", "IP clarity", 0, 1, 0.05, "one less the spread of outcomes of equal cases"),
        Lever("enforcement_effort", "Enforcement effort", 0, 2, 0.05, "public effort at detecting distillation"),
    ),
    "Copying": (
        Lever("copying_rate", "Copying rate", 0, 10, 0.1, "rate of copying open weights, per year"),
        Lever(
            "distillation_rate", "Distillation rate", 0, 10, 0.1, "rate at which distillation closes a gap, per year"
        ),
    ),
    "Permits and burdens": (
        Lever("permitting_lag", "Permitting lag", 0.5, 24, 0.5, "months before machines come on line"),
        Lever("power_growth", "Growth of power", -0.5, 2, 0.05, "of power available to compute, per year"),
        Lever("compliance_fixed", "Fixed compliance cost", 0, 50, 0.5, "$ M per month of a lab"),
        Lever("compliance_proportional", "Proportional burden", 0, 0.3, 0.005, "share of revenue"),
    ),
}


def every() -> list[Lever]:
    return [lever for group in LEVERS.values() for lever in group]
