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
            "probability that a proven case of copying or distilling is won",
        ),
        Lever("ip_clarity", "IP clarity", 0, 1, 0.05, "0 to 1", "one less the spread of outcomes of equal cases"),
        Lever("enforcement_effort", "Enforcement effort", 0, 2, 0.05, "", "public effort at detecting distillation"),
    ),
    "Copying": (
        Lever("copying_rate", "Copying rate", 0, 10, 0.1, "per year", "rate of copying open weights"),
        Lever(
            "distillation_rate", "Distillation rate", 0, 10, 0.1, "per year", "rate at which distillation closes a gap"
        ),
    ),
    "Permits and burdens": (
        Lever("permitting_lag", "Permitting lag", 0.5, 24, 0.5, "months", "months before machines come on line"),
        Lever("power_growth", "Growth of power", -0.5, 2, 0.05, "per year", "of the power available to compute"),
        Lever("compliance_fixed", "Fixed compliance cost", 0, 50, 0.5, "$ M per month", "of a lab, whatever its size"),
        Lever("compliance_proportional", "Proportional burden", 0, 0.3, 0.005, "share of revenue", "of a lab"),
    ),
}


def every() -> list[Lever]:
    return [lever for group in LEVERS.values() for lever in group]
