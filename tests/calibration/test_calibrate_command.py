"""`abm calibrate` from file to report, and the stored fits."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.calibration import SMALL_FIT, Linear, spec
from typer.testing import CliRunner

from abm import data
from abm.calibration import Calibration, figures, pages
from abm.cli.app import app
from abm.parameters import Parameters


def test_an_invalid_file_is_reported_in_one_line(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(
        'data_to = 2025-06-30\nmoments = ["open_discont"]\n[priors]\nclosed_trust = { low = 1, high = 2 }\n'
    )
    for argument, message in ((str(path), "did you mean 'open_discount'?"), ("june_2052", "built in: ")):
        result = CliRunner().invoke(app, ["calibrate", argument, "--out", str(tmp_path / "out")])
        assert result.exit_code == 2
        assert message in result.stderr and "Traceback" not in result.stderr


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
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"abm: {out / 'fit.json'}: ") and "different specification than small" in line
    (out / "fit.json").write_text("[")
    assert pages.of_another(Calibration.load(path), out)


def test_ctrl_c_reports_how_many_runs_are_stored(tmp_path, monkeypatch):
    path, out = tmp_path / "small.toml", tmp_path / "out"
    path.write_text(SMALL_FIT)

    def stop(*_):
        calibration = spec()
        Linear(calibration, out / "simulated")(np.tile(calibration.start, (1000, 1)), np.arange(1000))
        (out / "simulated" / "jacobian-x.npy").write_bytes(b"")
        (out / "simulated" / f"{'x' * 24}.npy").write_bytes(b"not numpy")
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["abm.calibration.calibrate"], "calibrate", stop)
    result = CliRunner().invoke(app, ["calibrate", str(path), "--out", str(out)])
    assert result.exit_code == 130
    last = result.stderr.splitlines()[-1]
    assert last.startswith("abm: stopped") and "1,000 runs" in last and str(out / "simulated") in last


def test_a_file_in_place_of_the_folder_is_reported_in_one_line(tmp_path):
    (tmp_path / "simulated").touch()
    result = CliRunner().invoke(app, ["calibrate", "june_2025", "--out", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (2, "")
    where = tmp_path / "simulated"
    assert result.stderr == f"abm: --out {where}: cannot be written (a file is in the way); choose another folder\n"


@pytest.mark.parametrize(
    ("history", "says"),
    [
        ([9.0], "stopped at its last generation"),
        ([9.0, 7.5, 7.0], "stopped at its last generation, 2.00 better over the last 2"),
        ([30.0, *range(20, 9, -1)], "stopped at its last generation, 10.00 better over the last ten"),
    ],
)
def test_the_report_states_the_improvement_of_the_last_generations(history, says):
    outcome = SimpleNamespace(search=SimpleNamespace(history=np.array(history, float), settled=False))
    assert pages._ended(outcome) == says


def test_dotted_and_dashed_lines_are_explained():
    calibration = spec(profile_points=3)
    identified = SimpleNamespace(grid=np.tile([0.0, 0.5, 1.0], (2, 1)), profile=np.ones((2, 3)), rise=2.7)
    draws = calibration.from_unit(np.random.default_rng(0).random((50, 2)))
    outcome = SimpleNamespace(spec=calibration, identification=identified, theta=calibration.start, draws=draws)
    for draw, dashed in ((figures.profiles, "rise of 2.7: end of a 90 % interval"), (figures.posterior, "prior")):
        (legend,) = draw(outcome).legends
        styles = {
            text.get_text(): line.get_linestyle()
            for text, line in zip(legend.get_texts(), legend.get_lines(), strict=False)
        }
        assert (styles["estimate"], styles[dashed]) == (":", "--")


def test_stored_fits_match_their_calibrations_and_the_defaults():
    for name in data.fits():
        rows, table, calibration = data.fit(name), data.draws(name), Calibration.load(name)
        assert tuple(rows) == tuple(table.columns)
        assert set(rows) <= set(calibration.names)  # a fit of an earlier world lacks parameters that came later
        for parameter, row in rows.items():
            prior = calibration.priors[parameter]
            assert prior.low <= row["low"] <= row["median"] <= row["high"] <= prior.high
            assert prior.low <= row["estimate"] <= prior.high
            assert table[parameter].between(prior.low * 0.999, prior.high * 1.001).all()
            assert row["data_to"] == calibration.data_to.isoformat()
    defaults = Parameters()
    for parameter, row in data.fit("june_2025").items():
        assert getattr(defaults, parameter) == row["estimate"]
    with pytest.raises(ValueError, match="did you mean 'june_2025'"):
        data.fit("june_2024")
