"""Constant, zero and undefined outcomes: pilot, stopping rule and verdict agree."""

import warnings

import numpy as np
import pytest
from helpers.sweeps import tiny

from abm.analysis.replications import needed
from abm.sweeps.stopping import Rule, half_widths, judge, run_until

RULE = Rule("x", 0.02, maximum=60)


def tiny_with(observable):
    """A tiny sweep of one point that stores an observable."""
    return tiny(factors={}, observables=["welfare", observable], replications=10)


@pytest.mark.parametrize("level", [0.0, 0.1, -7.0])
@pytest.mark.parametrize("points", [1, 3])
def test_a_constant_outcome_is_narrow_at_once(level, points):
    values = np.full((points, 13), level)
    verdict = judge(values, RULE)
    assert verdict.enough == RULE.minimum
    assert (verdict.enough, verdict.trouble) == (8, "")
    np.testing.assert_allclose(half_widths(values, RULE)[2:], 0.0, atol=1e-14)
    for row in needed(values[0], values[-1]):
        assert row["needed"] == row["needed_high"] == 2
        assert row["reached"] == pytest.approx(0.0, abs=1e-14)


def test_a_relative_width_is_undefined_at_a_mean_of_0_but_an_absolute_one_is_not():
    values = np.stack([np.zeros(13), np.random.default_rng(5).normal(size=13)])
    verdict = judge(values, RULE)
    assert verdict.enough is None
    assert verdict.widest[-1] == np.inf
    assert verdict.trouble.startswith("x is 0 in every run of the first point")
    assert judge(values, Rule("x", 5.0, absolute=True)).enough == 8
    rows = {row["kind"]: row for row in needed(values[0], values[1])}
    assert [row["needed"] for row in rows.values()] == [2, np.inf, np.inf]
    assert [row["reached"] for row in rows.values()] == [0, np.inf, np.inf]


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_a_point_without_finite_values_is_reported(missing):
    values = np.stack([np.ones(13), np.full(13, missing)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = judge(values, RULE)
    assert verdict.enough is None
    assert (verdict.widest[-1], verdict.left_out) == (np.inf, 13)
    assert verdict.trouble == "no run of point 1 has a finite x"
    values[1, 3:] = 1.0
    assert judge(values, RULE).trouble == ""


def test_an_outcome_that_is_always_0_needs_the_minimum_of_replications(tmp_path):
    tally, verdict = run_until(tiny_with("entries"), tmp_path, Rule("entries", 0.02, maximum=60))
    assert verdict.enough == 8
    assert tally.total == 13  # including the look-ahead


def test_a_sweep_stops_when_more_runs_cannot_help(tmp_path, capsys):
    from abm.cli.app import app

    spec = tmp_path / "tiny.toml"
    spec.write_text(tiny_with("price_at_k6").to_toml(), encoding="utf-8")
    words = ["sweep", str(spec), "--until-ci", "0.02", "--of", "price_at_k6", "--workers", "1", "--out"]
    with pytest.raises(SystemExit) as end:
        app([*words, str(tmp_path / "x")])
    assert end.value.code == 1
    output = capsys.readouterr().out
    assert "not reached with 13 replications: no run of point 0 has a finite price_at_k6" in output
    assert "nan" not in output
