"""`abm profile`: the timed phases are those of the month."""

import pytest
from typer.testing import CliRunner

from abm.cli.app import app
from abm.market.month import PHASES


def test_invalid_options_are_rejected_at_once():
    for wrong in (["--runs", "0"], ["--month", "-1"], ["--json", "/dev/null/profile.json"]):
        assert CliRunner().invoke(app, ["profile", *wrong]).exit_code == 2


@pytest.mark.slow
def test_the_command_times_every_phase(tmp_path):
    sizes = ["--runs", "2", "--month", "1", "--adopters", "24", "--investors", "40", "--repeats", "2"]
    done = CliRunner().invoke(app, ["profile", *sizes, "--json", str(tmp_path / "profile.json")])
    assert done.exit_code == 0, done.output
    assert all(phase in done.output for phase in (*PHASES, "whole month", "compiling"))
    assert "whole month" in (tmp_path / "profile.json").read_text()
