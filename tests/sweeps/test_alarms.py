"""The column of alarms in a sweep: observables of a run that leave their sane range."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers.sizes import TINY
from helpers.sweeps import tiny

from abm import simulate
from abm.market.measures import MEASURES
from abm.runs import alarms
from abm.sweeps import open_sweep, parts, run_sweep
from abm.sweeps.selftest import failing


@pytest.fixture
def narrow(monkeypatch):
    """Ranges that every run leaves for hhi, runs of a smaller ip_strength for ip_strength, and none for the others."""
    sane = {"hhi": (2, 3), "ip_strength": (0.5, 1)}
    table = {name: measure._replace(sane=sane.get(name)) for name, measure in MEASURES.items()}
    monkeypatch.setattr(alarms, "MEASURES", table)


@pytest.fixture
def wide(monkeypatch):
    """Ranges that no run leaves."""
    monkeypatch.setattr(alarms, "MEASURES", {name: measure._replace(sane=None) for name, measure in MEASURES.items()})


def of_an_earlier_version(folder):
    """Convert a folder to the format of versions that had no column of alarms; its records match."""
    for path in (folder / "parts").glob("*.runs.parquet"):
        file = pq.ParquetFile(path)
        record = json.loads(file.schema_arrow.metadata[parts.RECORD])
        table = parts.plain(file.read()).drop_columns([parts.ALARMS])
        record["digest"] = parts.sealed(table, {key: value for key, value in record.items() if key != "digest"})
        path.write_bytes(parts.packed(table, record))
    return folder


def test_a_run_names_what_leaves_its_range_whether_it_is_kept_or_not(narrow, tmp_path):
    run_sweep(tiny(panel="none"), tmp_path / "x")
    runs = open_sweep(tmp_path / "x").runs()
    assert runs["ip_strength"].tolist() == [0, 0, 1, 1]
    assert runs["alarms"].tolist() == ["hhi, ip_strength"] * 2 + ["hhi"] * 2
    assert runs["alarms"].str.get_dummies(", ").sum().to_dict() == {"hhi": 4, "ip_strength": 2}
    for _, row in runs.iterrows():
        with pytest.warns(UserWarning, match="hhi"):
            alone = simulate({"ip_strength": row["ip_strength"]}, seed=row["seed"], months=2, **TINY)
        assert set(alone.alarms().index) == set(row["alarms"].split(", "))


def test_a_run_inside_has_an_empty_text_and_a_failed_one_has_none(wide, tmp_path):
    with failing("raise"):
        run_sweep(tiny(), tmp_path / "x")
    results = open_sweep(tmp_path / "x")
    assert [None if pd.isna(names) else names for names in results.runs()["alarms"]] == ["", "", "", None]


def test_an_ensemble_of_a_sweep_checks_what_was_kept(narrow, tmp_path):
    run_sweep(tiny(factors={"entry_rate": [0.0]}, observables=["welfare", "ip_strength"]), tmp_path / "x")
    (runs,) = open_sweep(tmp_path / "x").ensembles()
    assert runs.alarms()["runs"].to_dict() == {"ip_strength": 2}
    assert set(open_sweep(tmp_path / "x").runs()["alarms"]) == {"hhi, ip_strength"}


def test_a_folder_of_an_earlier_version_opens_and_is_completed(tmp_path):
    place = tmp_path / "x"
    run_sweep(tiny(), place, chunk=1)
    before = open_sweep(place).runs()
    of_an_earlier_version(place)
    runs = open_sweep(place).runs()
    pd.testing.assert_frame_equal(runs, before.drop(columns="alarms"))
    assert "alarms" not in runs  # a column without any text cannot be written to Stata
    min((place / "parts").glob("*.runs.parquet")).unlink()
    assert run_sweep(tiny(), place).before == 3
    results = open_sweep(place)
    known = results.runs()["alarms"].notna()
    assert (known.sum(), len(known)) == (1, 4)
    assert results.sql("select count(alarms) as n from runs")["n"].tolist() == [1]
    assert np.array_equal(results.runs()["welfare_mean"], before["welfare_mean"])
