"""`abm calibrate` from a file to its report, and the fits that are stored."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from abm import data
from abm.calibration import Calibration, Simulator, figures, pages
from abm.cli.app import app
from abm.parameters import Parameters

MOMENTS = ("open_discount", "open_token_share_2024", "closed_margin_before_r1")


def spec(priors=None, moments=MOMENTS, errors=(0.05, 0.05, 0.05), values=(0.6, 0.2, 0.65), **more):
    priors = priors or {"closed_trust": {"low": 1, "high": 5}, "quality_taste": {"low": 0.5, "high": 2}}
    observed = {
        n: {"value": v, "error": e, "known": "2025-06-30"} for n, v, e in zip(moments, values, errors, strict=True)
    }
    return Calibration(name="toy", data_to="2025-06-30", moments=moments, priors=priors, observed=observed, **more)


class Linear(Simulator):
    """Moments A u + b + noise of a seed, with u the positions: every answer is known in closed form."""

    slopes = np.array([[1.0, 0.0], [0.5, 0.8], [0.0, -0.6]])
    level = np.array([0.1, -0.3, 0.9])
    noise = 0.02

    def _simulate(self, theta, seeds):
        shocks = np.array([np.random.default_rng(int(s)).standard_normal(len(self.level)) for s in seeds])
        return self.spec.to_unit(theta) @ self.slopes.T + self.level + self.noise * shocks


def test_a_wrong_file_is_told_in_a_line(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(
        'data_to = 2025-06-30\nmoments = ["open_discont"]\n[priors]\nclosed_trust = { low = 1, high = 2 }\n'
    )
    for what, says in ((str(path), "did you mean 'open_discount'?"), ("june_2052", "built in: ")):
        result = CliRunner().invoke(app, ["calibrate", what, "--out", str(tmp_path / "out")])
        assert result.exit_code == 2
        assert says in result.stderr and "Traceback" not in result.stderr


def test_results_of_another_spec_are_not_mixed_with_new_ones(tmp_path):
    path, out = tmp_path / "small.toml", tmp_path / "out"
    path.write_text(SMALL_FIT)
    out.mkdir()
    (out / "fit.json").write_text(json.dumps({"spec_hash": Calibration.load(path).hash}))
    assert pages.of_another(Calibration.load(path), out) == ""
    assert pages.of_another(Calibration.load(path), tmp_path) == ""
    path.write_text(SMALL_FIT.replace("generations = 3", "generations = 4"))
    for more in ([], ["--recover", "3"]):
        result = CliRunner().invoke(app, ["calibrate", str(path), "--out", str(out), *more])
        assert (result.exit_code, result.stdout) == (2, "")
        said = f"abm: {out / 'fit.json'}: is of another spec than small is now; choose another folder, or delete this file\n"
        assert result.stderr == said
    (out / "fit.json").write_text("[")
    assert pages.of_another(Calibration.load(path), out)


def test_ctrl_c_says_how_many_runs_are_kept(tmp_path, monkeypatch):
    path, out = tmp_path / "small.toml", tmp_path / "out"
    path.write_text(SMALL_FIT)

    def stop(*_):
        one = spec()
        Linear(one, out / "simulated")(np.tile(one.start, (1000, 1)), np.arange(1000))
        (out / "simulated" / "jacobian-x.npy").write_bytes(b"")
        (out / "simulated" / f"{'x' * 24}.npy").write_bytes(b"not numpy")
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["abm.calibration.calibrate"], "calibrate", stop)
    result = CliRunner().invoke(app, ["calibrate", str(path), "--out", str(out)])
    assert result.exit_code == 130
    said = f"abm: stopped; 1,000 runs are kept in {out / 'simulated'}; run it again to go on"
    assert result.stderr.splitlines()[-1] == said


def test_a_file_where_runs_should_be_kept_is_told_in_a_line(tmp_path):
    (tmp_path / "simulated").touch()
    result = CliRunner().invoke(app, ["calibrate", "june_2025", "--out", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (2, "")
    where = tmp_path / "simulated"
    assert result.stderr == f"abm: --out {where}: cannot be written (a file is in the way); choose another folder\n"


@pytest.mark.parametrize(
    ("history", "says"),
    [
        ([9.0], "ended with its generations"),
        ([9.0, 7.5, 7.0], "ended with its generations, 2.00 better in the last 2"),
        ([30.0, *range(20, 9, -1)], "ended with its generations, 10.00 better in the last ten"),
    ],
)
def test_the_report_says_what_the_last_generations_brought(history, says):
    outcome = SimpleNamespace(search=SimpleNamespace(history=np.array(history, float), settled=False))
    assert pages._ended(outcome) == says


def test_dotted_and_dashed_lines_are_explained():
    one = spec(profile_points=3)
    found = SimpleNamespace(grid=np.tile([0.0, 0.5, 1.0], (2, 1)), profile=np.ones((2, 3)), rise=2.7)
    draws = one.from_unit(np.random.default_rng(0).random((50, 2)))
    outcome = SimpleNamespace(spec=one, identification=found, theta=one.start, draws=draws)
    for draw, dashed in ((figures.profiles, "rise of 2.7: end of a 90 % interval"), (figures.posterior, "prior")):
        (legend,) = draw(outcome).legends
        said = {
            text.get_text(): line.get_linestyle()
            for text, line in zip(legend.get_texts(), legend.get_lines(), strict=False)
        }
        assert (said["estimate"], said[dashed]) == (":", "--")


def test_stored_fits_are_what_the_model_and_its_sweeps_take():
    for name in data.fits():
        rows, table, asked = data.fit(name), data.draws(name), Calibration.load(name)
        assert tuple(rows) == tuple(table.columns) == asked.names
        for parameter, row in rows.items():
            prior = asked.priors[parameter]
            assert prior.low <= row["low"] <= row["median"] <= row["high"] <= prior.high
            assert prior.low <= row["estimate"] <= prior.high
            assert table[parameter].between(prior.low * 0.999, prior.high * 1.001).all()
            assert row["data_to"] == asked.data_to.isoformat()
    defaults = Parameters()
    for parameter, row in data.fit("june_2025").items():
        assert getattr(defaults, parameter) == row["estimate"]
    with pytest.raises(ValueError, match="did you mean 'june_2025'"):
        data.fit("june_2024")


SMALL_FIT = """
data_to = 2025-06-30
moments = ["open_discount", "closed_margin_before_r1", "vendor_return_day0", "power_return_day0"]
profile_seeds = 4
profile_points = 3

[priors]
enterprise_sensitivity = { low = 0.2, high = 0.8, scale = "log" }
power_leverage = { low = 0.8, high = 5, scale = "log" }

[search]
population = 4
generations = 3
seeds = 4

[posterior]
particles = 30
runs = 240
"""
