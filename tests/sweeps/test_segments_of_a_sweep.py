"""Own segments in a sweep: from a file beside it or a table, part of what identifies it, and stored with its runs."""

import numpy as np
import pandas as pd
import pytest
from helpers.sizes import TINY
from helpers.sweeps import tiny
from typer.testing import CliRunner

import abm
from abm.cli.app import app
from abm.sweeps import SpecError, Sweep, open_sweep, run_sweep
from abm.sweeps.plan import Plan
from abm.sweeps.store import Changed

SIZES = {name: size for name, size in TINY.items() if name != "adopters"}
OWN = pd.DataFrame(
    {
        "segment": [0, 1, 1, 2],
        "value": [8.0, 20.0, 60.0, 0.1 + 0.2],
        "tasks": [4e9, 3e9, 1e9, 9e9],
        "fit_closed_1": [1 / 3, 0.0, -1.5, 1e-300],
    }
)
TEXT = 'months = 2\nreplications = 2\nobservables = ["welfare"]\n[factors]\nip_strength = [0.0, 1.0]\n[populations]\n'


def spec(folder, segments='"own.csv"', more="", text=TEXT):
    sizes = "\n".join(f"{name} = {size}" for name, size in SIZES.items())
    path = folder / "sweep.toml"
    path.write_text(f"{text}{sizes}\nsegments = {segments}\n{more}", encoding="utf-8")
    return path


def own(table=OWN):
    return tiny(name="sweep", populations=SIZES | {"segments": table})


def test_a_file_beside_the_specification_and_a_table_are_the_same_sweep(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    OWN.to_csv(tmp_path / "there" / "own.csv")
    monkeypatch.chdir(tmp_path)  # the path is relative to the specification
    loaded = Sweep.load(spec(tmp_path / "there"))
    assert loaded.populations["adopters"] == 4
    assert loaded.hash == own().hash == own(OWN.to_dict("list")).hash
    columns = ", ".join(f"{name} = {column}" for name, column in OWN.to_dict("list").items())
    assert Sweep.load(spec(tmp_path / "there", f"{{ {columns} }}")).hash == loaded.hash
    path = tmp_path / "whole.toml"
    path.write_text(loaded.to_toml(), encoding="utf-8")
    assert Sweep.load(path).hash == loaded.hash


def test_other_segments_are_other_runs():
    other = own(OWN.assign(value=OWN["value"] * 2))
    assert other.hash != own().hash != tiny(name="sweep", populations={**SIZES, "adopters": 4}).hash
    assert {point.id for point in Plan.of(other).points}.isdisjoint(point.id for point in Plan.of(own()).points)
    many = own({"value": np.linspace(1, 9, 500)})
    assert many.hash != own({"value": np.linspace(1, 8, 500)}).hash
    assert many.plain()["populations"]["segments"].startswith("500 rows ")  # the manifest stays small


@pytest.mark.filterwarnings("ignore:observables outside:abm.support.messages.AbmWarning")
def test_a_sweep_runs_with_its_segments_and_notices_others(tmp_path):
    OWN.to_csv(tmp_path / "own.csv", index=False)
    path, out = spec(tmp_path), tmp_path / "out"

    def command(*words):
        return CliRunner().invoke(app, ["sweep", str(path), "--out", str(out), *words])

    run_sweep(path, out)
    results = open_sweep(out)
    runs = results.runs()
    assert list(runs["status"]) == ["ok"] * 4
    first = runs.iloc[0]
    kept = results.sweep.populations["segments"]
    assert (out / "segments.csv").is_file()
    pd.testing.assert_frame_equal(pd.DataFrame(kept), OWN, check_dtype=False, check_exact=True)
    again = abm.simulate(
        {"ip_strength": first["ip_strength"]}, seed=int(first["seed"]), months=2, segments=kept, **SIZES
    )
    assert again["welfare"][-1] == pytest.approx(first["welfare_last"], rel=1e-9)

    (tmp_path / "moved.csv").write_text(OWN.to_csv(index=False))
    spec(tmp_path, '"moved.csv"')  # the same numbers under another name
    result = command("--dry-run")
    assert result.exit_code == 0, result.output
    assert "4 runs exist, 0 to do" in result.output
    OWN.assign(tasks=OWN["tasks"] * 2).to_csv(tmp_path / "moved.csv", index=False)
    result = command()
    assert result.exit_code == 2
    assert "spec, populations.segments.tasks: [4000000000.0, " in result.stderr
    with pytest.raises(Changed):
        abm.sweep({"ip_strength": [0.0, 1.0]}, seeds=[1], months=2, populations=SIZES, out=out)
    (out / "segments.csv").unlink()
    with pytest.raises(ValueError, match=r"spec.toml: is damaged .*populations.segments: "):
        open_sweep(out)
    run_sweep(own(), out)  # as for the other files of a folder
    assert open_sweep(out).runs().equals(runs)


@pytest.mark.parametrize(
    ("segments", "more", "message"),
    [
        ('"../own.csv"', "", "populations.segments: '../own.csv' is outside the folder of the sweep"),
        ('"none.csv"', "", "none.csv: cannot be read: file not found"),
        ('"bad.csv"', "", "populations.segments.value, {folder}/bad.csv, line 3: 'x' is not a number ($ per M tokens)"),
        ("{ valeu = [1.0] }", "", "populations.segments: unknown column 'valeu'; did you mean 'value'?"),
        ("3", "", "populations.segments = 3: give a table of columns, the path of a file"),
        ('"own.csv"', "adopters = 5\n", "populations.segments.segment: has 4 rows, but adopters = 5; give one value"),
        (
            '"own.csv"',
            "[factors.adopters]\nvalues = [4, 5]",
            "populations.segments: adopters is a factor, but the table",
        ),
    ],
)
def test_a_fault_is_told_with_file_and_line(tmp_path, segments, more, message):
    OWN.to_csv(tmp_path / "own.csv", index=False)
    (tmp_path / "bad.csv").write_text("value\n1\nx\n")
    path = spec(tmp_path, segments, more)
    line = path.read_text().splitlines().index(f"segments = {segments}") + 1
    result = CliRunner().invoke(app, ["sweep", str(path), "--dry-run"])
    assert (result.exit_code, result.stdout) == (2, "")
    (told,) = result.stderr.splitlines()
    assert told.startswith(f"abm: {path}:{line}: ")
    assert message.format(folder=tmp_path) in told


def test_a_function_and_other_labs_are_refused():
    with pytest.raises(SpecError) as caught:
        own(lambda adopters: {"value": np.ones(adopters)})
    assert str(caught.value).startswith(
        "populations.segments: a sweep takes a table or the path of a file, not a function"
    )
    sizes = {name: size for name, size in SIZES.items() if name != "closed_labs"} | {"segments": OWN}
    with pytest.raises(SpecError) as caught:
        tiny(populations=sizes, factors={"closed_labs": [1, 2]})
    assert str(caught.value) == (
        "populations.segments: closed_labs is a factor, but the table is that of one number of closed_labs; remove one of"
        " the two"
    )
