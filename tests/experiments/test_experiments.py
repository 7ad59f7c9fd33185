"""Experiments: daily returns as outcomes, and one experiment from its file to its report and back."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers.experiments import ALL
from helpers.sizes import SMALL

import abm
from abm.cli.app import app
from abm.experiments.judge import FALSIFIED, SUPPORTED, UNSUPPORTED
from abm.experiments.load import load
from abm.experiments.reference import drift, keep
from abm.runs import event_study
from abm.sweeps import SpecError, Sweep

# --- daily returns in sweeps ---


def test_outcomes_of_daily_returns_equal_those_of_the_event_study():
    outcomes = {
        "day": {"of": "abnormal_compute", "date": "2025-01-27"},
        "week": {"of": "raw_power", "date": "2025-01-27", "first": 0, "last": 4, "take": "sum"},
        "trough": {"of": "abnormal_compute", "date": "2025-01-20", "first": 0, "last": 9, "take": "trough"},
    }
    import datetime as dt

    outcomes = {name: one | {"date": dt.date.fromisoformat(one["date"])} for name, one in outcomes.items()}
    runs = abm.sweep(
        {"copying_rate": [2.0]},
        seeds=[3, 4],
        months=26,
        observables=["attention"],
        outcomes=outcomes,
        populations=SMALL,
    ).runs()
    same = abm.ensemble({"copying_rate": 2.0}, seeds=[3, 4], months=26, daily=range(18, 26), **SMALL)
    around = event_study.around(same, (24, 16), (0, 4))
    assert runs["day"].to_numpy() == pytest.approx(around.abnormal["compute"][:, 0], rel=1e-9)
    assert runs["week"].to_numpy() == pytest.approx(around.raw["power"].sum(1), rel=1e-9)
    early = event_study.around(same, (24, 12), (0, 9)).abnormal["compute"].cumsum(1)
    assert runs["trough"].to_numpy() == pytest.approx(early.argmin(1))


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ({"of": "abnormal_chips", "date": "2025-01-27"}, "did you mean"),
        ({"of": "abnormal_compute"}, "need a date"),
        ({"of": "abnormal_compute", "date": "2023-01-20"}, "must lie within the run"),
        ({"of": "abnormal_compute", "date": "2027-12-20", "first": 0, "last": 30}, "must lie within the run"),
        ({"of": "abnormal_compute", "date": "2025-01-27", "first": 3, "last": 1}, "first day 3 is after"),
        ({"of": "lerner_closed", "take": "trough"}, "trough"),
    ],
)
def test_invalid_outcomes_of_daily_returns_are_rejected(outcome, word):
    import datetime as dt

    if "date" in outcome:
        outcome = outcome | {"date": dt.date.fromisoformat(outcome["date"])}
    with pytest.raises(SpecError, match=word):
        Sweep(factors={"copying_rate": [1.0]}, outcomes={"o": outcome})


def command(*words, cwd):
    """Run the command `abm` in this process, so that tests share compiled programs."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A new experiment, made small, run and accepted: its base folder and the result of the command."""
    base = tmp_path_factory.mktemp("work")
    made = command("new-experiment", "my_question", cwd=base)
    assert made.returncode == 0, made.stderr
    path = base / "experiments" / "01_my_question" / "experiment.toml"
    text = (
        path.read_text()
        .replace("replications = 100", "replications = 4")
        .replace("replications = 8", "replications = 3")
    )
    text = text.replace("[sweep.factors]", "[sweep.populations]\nadopters = 24\ninvestors = 40\n\n[sweep.factors]")
    path.write_text(text.replace("[0.0, 0.25, 0.5, 0.75, 1.0]", "[0.0, 0.5, 1.0]"))
    (base / "experiments" / "README.md").write_text("# Mine\n")
    ran = command("reproduce", "my_question", "--quick", "--accept", cwd=base)
    assert ran.returncode == 0, ran.stderr
    return base, ran


# --- the command line, from file to page and back ---


def test_a_new_experiment_runs_and_leaves_its_results(done):
    base, ran = done
    out = base / "output" / "01_my_question_quick"
    for name in ("report.html", "result.json", "manifest.json", "figures/response.png", "figures/response.pdf"):
        assert (out / name).stat().st_size > 500
    numbers = pd.read_csv(out / "tables" / "figure_response.csv")
    assert set(numbers["y"]) == {"lerner", "open_share"}
    assert len(numbers) == 6
    result = json.loads((out / "result.json").read_text())
    assert result["verdict"] in (SUPPORTED, UNSUPPORTED, FALSIFIED)
    assert result["verdict"] in ran.stdout
    html = (out / "report.html").read_text()
    assert result["verdict"] in html
    assert "http" not in html.replace("http://www.w3.org", "")
    means = pd.read_csv(out / "tables" / "means.csv").set_index("ip_strength")["lerner"]
    slope = [one["value"] for t in result["tests"] if t["name"] == "slope" for one in t["findings"]][0]
    assert slope == pytest.approx(np.polyfit(means.index, means, 1)[0])


def test_accepted_results_are_in_the_readmes(done):
    base, _ = done
    result = json.loads((base / "output" / "01_my_question_quick" / "result.json").read_text())
    for path in (base / "experiments" / "README.md", base / "experiments" / "01_my_question" / "README.md"):
        assert f"**{result['verdict']}**" in path.read_text()


def test_check_passes_and_detects_drift(done):
    base, _ = done
    assert command("reproduce", "1", "--quick", "--check", cwd=base).returncode == 0
    path = base / "experiments" / "01_my_question" / "reference_quick.json"
    original = path.read_text()
    reference = json.loads(original)
    reference["tests"][0]["findings"][0]["value"] += 1.0
    path.write_text(json.dumps(reference))
    drifted = command("reproduce", "1", "--quick", "--check", cwd=base)
    path.write_text(original)
    assert drifted.returncode == 1
    assert "slope, lerner: value" in drifted.stdout


def test_the_tolerance_of_a_check_is_a_tenth_of_the_half_width(tmp_path):
    experiment = load(ALL[0]).model_copy(update={"folder": tmp_path})

    def result(value):
        finding = {"of": "y", "value": value, "low": 0.0, "high": 2.0, "p": None, "number": 5, "more": {"peak": 3.0}}
        test = {"name": "t", "says": SUPPORTED, "trouble": "", "findings": [finding]}
        counts = {"runs": 8, "failed": 0, "replications": 4, "quick": True}
        return {"key": "k", "verdict": SUPPORTED, "tests": [test], **counts}

    keep(experiment, result(1.0), quick=True)
    assert drift(experiment, result(1.0999), quick=True) == []
    assert len(drift(experiment, result(1.1001), quick=True)) == 1
    assert "no reference" in drift(experiment, result(1.0), quick=False)[0]
    for change in (
        lambda result: result["tests"][0].update(says=FALSIFIED),
        lambda result: result.update(failed=1),
        lambda result: result["tests"][0]["findings"][0].update(p=0.3),
        lambda result: result["tests"][0]["findings"][0]["more"].update(peak=4.0),
        lambda result: result["tests"][0]["findings"].clear(),
        lambda result: result["tests"].clear(),
    ):
        other = result(1.0)
        change(other)
        assert len(drift(experiment, other, quick=True)) == 1
    for broken in ("[5]", '{"tests": 5}', '{"tests": [{"findings": [{}]}]}', "{"):
        (tmp_path / "reference_quick.json").write_text(broken)
        with pytest.raises(ValueError, match="is not a reference"):
            drift(experiment, result(1.0), quick=True)


def test_replay_reports_equality_or_the_first_different_number(done, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    base, _ = done
    stored = base / "output" / "01_my_question_quick"
    same = command("replay", stored, cwd=base)
    assert same.returncode == 0, same.stdout + same.stderr
    assert "equal" in same.stdout
    other = tmp_path / "other"
    shutil.copytree(stored, other)
    part = next(other.rglob("*.runs.parquet"))
    stored_runs = pq.read_table(part)
    frame = stored_runs.to_pandas()
    frame.loc[frame.index[-1], "lerner"] += 1e-3
    pq.write_table(pa.Table.from_pandas(frame, schema=stored_runs.schema), part)
    differs = command("replay", other, "--sample", "3", cwd=base)
    assert differs.returncode == 1
    assert "lerner of point" in differs.stdout


def test_a_result_becomes_a_crate(done, tmp_path):
    pytest.importorskip("rocrate")
    base, _ = done
    packed = command("export", base / "output" / "01_my_question_quick", "--out", tmp_path / "c.zip", cwd=base)
    assert packed.returncode == 0, packed.stderr
    with zipfile.ZipFile(tmp_path / "c.zip") as crate:
        names = set(crate.namelist())
        graph = json.loads(crate.read("ro-crate-metadata.json"))["@graph"]
    files = {one["@id"] for one in graph if one["@type"] == "File"}
    assert files <= names
    assert {"report.html", "result.json", "figures/response.png"} <= files
    assert any(one["@type"] == "CreateAction" for one in graph)


@pytest.mark.parametrize(
    "words",
    [
        ("reproduce", "pricing_powr"),
        ("reproduce", "r1_shock", "--check"),
        ("reproduce", "all", "--check", "--accept"),
        ("replay", "nowhere"),
        ("export", "nowhere"),
        ("new-experiment", "../up"),
        ("reproduce", "all", "--seeds", "3"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(tmp_path, words):
    failed = command(*words, cwd=tmp_path)
    assert failed.returncode == 2
    assert failed.stderr.startswith("abm: ")
    assert "Traceback" not in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
