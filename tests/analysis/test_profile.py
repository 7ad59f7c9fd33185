"""`abm profile`: the phases that are timed are the month that is played."""

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

from abm.analysis import profile
from abm.cli.app import app
from abm.engine import Draws
from abm.market.month import month
from abm.market.state import Now, Values
from abm.runs.months import play
from abm.runs.setup import Setup

SIZES = {"adopters": 24, "investors": 40}


def test_the_phases_in_turn_are_the_month():
    setup = Setup.of(months=25, **SIZES)
    markets = play(setup, 3)
    market = [market for market, _ in markets][24]
    values, draws, events = Values(setup.values), Draws.from_seed(3), setup.events(24)
    whole, _ = jax.jit(lambda m: month(m, values, events, draws, setup.conduct))(market)
    parts = jax.jit(lambda m: profile.in_turn(m, Now(values, events, draws.at(m.month), setup.conduct)))(market)
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=1e-9, atol=1e-12)


def test_what_cannot_be_profiled_is_said_at_once():
    for wrong in (["--runs", "0"], ["--month", "-1"], ["--json", "/dev/null/profile.json"]):
        assert CliRunner().invoke(app, ["profile", *wrong]).exit_code == 2


@pytest.mark.slow
def test_the_command_says_where_the_time_goes(tmp_path):
    sizes = ["--runs", "2", "--month", "1", "--adopters", "24", "--investors", "40", "--repeats", "2"]
    done = CliRunner().invoke(app, ["profile", *sizes, "--json", str(tmp_path / "profile.json")])
    assert done.exit_code == 0, done.output
    assert all(phase in done.output for phase in (*profile.PHASES, "whole month", "compiling"))
    assert "whole month" in (tmp_path / "profile.json").read_text()
