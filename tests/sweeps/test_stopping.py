"""Outcomes that are the same in every run, 0 or undefined: pilot, stopping rule and verdict say one and the same."""

import warnings

import numpy as np
import pytest

from abm.analysis.replications import needed
from abm.sweeps import Sweep
from abm.sweeps.stopping import Rule, half_widths, judge, run_until

TINY = {"closed_labs": 1, "open_labs": 1, "entrants": 0, "vendors": 1, "adopters": 2, "investors": 2}
RULE = Rule("x", 0.02, maximum=60)


def tiny(of):
    return Sweep(populations=TINY, observables=["welfare", of], months=2)


@pytest.mark.parametrize("level", [0.0, 0.1, -7.0])
@pytest.mark.parametrize("points", [1, 3])
def test_what_is_the_same_in_every_run_is_narrow_at_once(level, points):
    values = np.full((points, 13), level)
    verdict = judge(values, RULE)
    assert verdict.enough == RULE.minimum
    assert (verdict.enough, verdict.trouble) == (8, "")
    np.testing.assert_allclose(half_widths(values, RULE)[2:], 0.0, atol=1e-14)
    for row in needed(values[0], values[-1]):
        assert row["needed"] == row["needed_high"] == 2
        assert row["reached"] == pytest.approx(0.0, abs=1e-14)


def test_a_share_of_0_is_no_width_but_the_outcome_s_own_unit_is():
    values = np.stack([np.zeros(13), np.random.default_rng(5).normal(size=13)])
    verdict = judge(values, RULE)
    assert verdict.enough is None
    assert verdict.widest[-1] == np.inf
    assert verdict.trouble.startswith("x is 0 in every run of the first point, of which there is no share")
    assert judge(values, Rule("x", 5.0, absolute=True)).enough == 8
    rows = {row["kind"]: row for row in needed(values[0], values[1])}
    assert [row["needed"] for row in rows.values()] == [2, np.inf, np.inf]
    assert [row["reached"] for row in rows.values()] == [0, np.inf, np.inf]


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_a_point_without_numbers_is_told_and_infinity_is_no_number(missing):
    values = np.stack([np.ones(13), np.full(13, missing)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = judge(values, RULE)
    assert verdict.enough is None
    assert (verdict.widest[-1], verdict.left_out) == (np.inf, 13)
    assert verdict.trouble == "no run of point 1 has a number of x"
    values[1, 3:] = 1.0
    assert judge(values, RULE).trouble == ""


def test_a_sweep_of_an_outcome_that_is_0_is_enough_with_the_fewest(tmp_path):
    tally, verdict = run_until(tiny("entries"), tmp_path, Rule("entries", 0.02, maximum=60))
    assert verdict.enough == 8
    assert tally.total == 13  # with those that were to stay so


def test_a_sweep_that_more_runs_cannot_help_stops_and_says_so(tmp_path, capsys):
    from abm.cli.app import app

    spec = tmp_path / "tiny.toml"
    spec.write_text(tiny("price_at_k6").to_toml(), encoding="utf-8")
    words = ["sweep", str(spec), "--until-ci", "0.02", "--of", "price_at_k6", "--workers", "1", "--out"]
    with pytest.raises(SystemExit) as end:
        app([*words, str(tmp_path / "x")])
    assert end.value.code == 1
    said = capsys.readouterr().out
    assert "not reached with 13 replications: no run of point 0 has a number of price_at_k6" in said
    assert "nan" not in said
