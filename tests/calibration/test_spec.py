"""Specification of a calibration: built-in ones, and one line per problem."""

import datetime as dt

import numpy as np
import pytest
from helpers.calibration import MOMENTS, spec

from abm import data
from abm.calibration import Calibration, CalibrationError, Prior
from abm.calibration.spec import built_in


def test_built_in_calibrations_use_only_moments_known_at_their_date():
    for name in built_in():
        calibration = Calibration.load(name)
        known = data.targets().loc[list(calibration.moments), "known"]
        assert all(dt.date.fromisoformat(day) <= calibration.data_to for day in known)
        assert len(calibration.moments) >= 14 and len(calibration.moments) > len(calibration.names)
    assert Calibration.load("january_2025").data_to == dt.date(2025, 1, 31)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"moments": ["open_discont"]}, "did you mean 'open_discount'?"),
        ({"moments": ["sign_power"]}, "is a sign or a bound"),
        ({"data_to": "2024-01-01"}, "after data_to 2024-01-01"),
        ({"priors": {"task_valu": {"low": 1, "high": 2}}}, "did you mean 'task_value'?"),
        ({"priors": {"ip_strength": {"low": 0, "high": 1}}}, "policy lever"),
        ({"priors": {"task_value": {"low": 2, "high": 1}}}, "must be below"),
        ({"priors": {"task_value": {"low": -1, "high": 3, "scale": "log"}}}, "above 0 on a log scale"),
        ({"priors": {"task_value": {"low": -100, "high": 3}}}, "the parameter's bounds"),
        ({"priors": {"task_value": {"low": 1, "high": 3, "centre": 2}}}, "both centre and sd"),
        ({"priors": {"task_value": {"low": 1, "high": 3, "centre": 5, "sd": 0.1}}}, "must lie between 1 and 3"),
        ({"priors": {"task_value": {"low": 1, "high": float("nan")}}}, "finite"),
        ({"fixed": {"task_value": 2.0}}, "cannot be fixed and fitted"),
        ({"observed": {"open_discont": {"value": 1, "error": 1, "known": "2025-01-01"}}}, "not among moments"),
        ({"observed": {"open_discount": {"value": 1, "error": 1}}}, "observed.open_discount.known: is missing"),
        ({"observed": {"open_discount": {"value": 1, "error": 1, "known": "2025-07-01"}}}, "after data_to 2025-06-30"),
        (
            {
                "moments": ["return_sd", "open_discount"],
                "observed": {"return_sd": {"value": -1, "error": 1, "known": "2025-01-01"}},
            },
            "has no logarithm",
        ),
        ({"scenario": "basline"}, "did you mean 'baseline'"),
        ({"fixed": {"habit_rate": 99.0}}, "must lie between"),
        ({"priors": {"task_value": {"low": 1, "high": 3, "centre": 2, "sd": 1e-9}}}, "too small"),
        ({"posterior": {"particles": 100, "runs": 200}}, "four times the particles"),
        ({"self": 1}, "unknown key"),
        ({"serch": {}}, "did you mean 'search'?"),
        ({"search": {"popultion": 3}}, "did you mean 'population'?"),
        ({"months": 29}, "must be at least 30"),
    ],
)
def test_every_problem_is_reported(change, says):
    fields = {
        "name": "x",
        "data_to": "2025-06-30",
        "moments": ["open_discount", "open_lag_2023"],
        "priors": {"task_value": {"low": 1, "high": 5}},
    }
    with pytest.raises(CalibrationError) as caught:
        Calibration(**{**fields, **change})
    assert says in str(caught.value)


def test_a_fixed_value_out_of_range_is_reported_with_the_other_problems():
    fixed = {"habit_rate": 99.0, "ip_strength": 0.5, "task_valu": 1.0}
    with pytest.raises(CalibrationError) as caught:
        spec(moments=("open_discont", *MOMENTS[1:]), fixed=fixed)
    lines = str(caught.value).split("\n")
    assert (
        "fixed.ip_strength: a policy lever differs by jurisdiction and cannot be fixed here; set it in a scenario"
        in lines
    )
    for says in ("habit_rate", "did you mean 'open_discount'?", "did you mean 'task_value'?"):
        assert sum(says in line for line in lines) == 1


def test_more_parameters_than_moments_are_refused():
    with pytest.raises(CalibrationError, match="1 moments for 2 parameters"):
        spec(moments=MOMENTS[:1], errors=(0.1,), values=(0.5,))


def test_positions_and_values_are_inverse():
    for prior in (Prior(low=0.5, high=8, scale="log"), Prior(low=-3, high=2)):
        unit = np.linspace(0, 1, 11)
        assert prior.to_unit(prior.from_unit(unit)) == pytest.approx(unit)
    assert Prior(low=0.5, high=8, scale="log").from_unit(0.5) == pytest.approx(2.0)


def test_draws_follow_a_truncated_normal_prior():
    calibration = spec(
        {"copying_rate": {"low": 2, "high": 6, "scale": "log", "centre": 4, "sd": 0.2}}, search={"seeds": 2}
    )
    values = calibration.from_unit(calibration.draw_prior(np.random.default_rng(0), 20_000))[:, 0]
    assert values.min() >= 2 and values.max() <= 6
    assert np.median(np.log(values)) == pytest.approx(np.log(4), abs=0.01)
    density = calibration.log_prior(calibration.to_unit(np.array([[4.0], [4 * np.exp(0.2)], [7.0]])))
    assert density[0] - density[1] == pytest.approx(0.5)
    assert density[2] == -np.inf
