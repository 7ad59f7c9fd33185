"""Calibrations for tests: one whose answers are known in closed form, and a small one of the model."""

import numpy as np

from abm.calibration import Calibration, Simulator

MOMENTS = ("open_discount", "open_token_share_2024", "closed_margin_before_r1")
SMALL_FIT = """
data_to = 2025-06-30
moments = ["open_discount", "closed_margin_before_r1", "vendor_return_day0", "power_return_day0"]
profile_seeds = 2
profile_points = 3

[priors]
substitution = { low = 8, high = 40, scale = "log" }
power_leverage = { low = 0.8, high = 5, scale = "log" }

[search]
population = 4
generations = 3
seeds = 2

[posterior]
particles = 20
runs = 120
"""
"""The file of a small calibration of the model."""


def spec(priors=None, moments=MOMENTS, errors=(0.05, 0.05, 0.05), values=(0.6, 0.2, 0.65), **fields):
    """A calibration of two parameters to three moments, with observed values and errors of its own."""
    priors = priors or {"task_value": {"low": 1, "high": 5}, "consumer_value": {"low": 0.5, "high": 2}}
    observed = {
        name: {"value": value, "error": error, "known": "2025-06-30"}
        for name, value, error in zip(moments, values, errors, strict=True)
    }
    return Calibration(name="toy", data_to="2025-06-30", moments=moments, priors=priors, observed=observed, **fields)


class Linear(Simulator):
    """Moments A u + b + noise of a seed, with u the positions: every answer is known in closed form."""

    slopes = np.array([[1.0, 0.0], [0.5, 0.8], [0.0, -0.6]])
    level = np.array([0.1, -0.3, 0.9])
    noise = 0.02

    def _simulate(self, theta, seeds):
        shocks = np.array([np.random.default_rng(int(seed)).standard_normal(len(self.level)) for seed in seeds])
        return self.spec.to_unit(theta) @ self.slopes.T + self.level + self.noise * shocks
