"""Running sweeps: results, resuming, damaged files, and changes of the sweep or the code."""

import datetime as dt
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers.sizes import SMALL, TINY
from helpers.sweeps import MONTHS, assert_equal, small

import abm
from abm.sweeps import Sweep, open_sweep, run_sweep, store
from abm.sweeps.plan import Plan
from abm.sweeps.store import Changed

# --- results ---


def test_a_run_of_a_sweep_equals_the_run_of_simulate(folder):
    results = open_sweep(folder)
    row = results.runs().iloc[-1]
    alone = abm.simulate({"ip_strength": row["ip_strength"]}, seed=int(row["seed"]), months=MONTHS, **SMALL)
    panel = results.panel()
    mine = panel[panel["run_id"] == row["run_id"]]
    for name in ("lerner_closed", "welfare"):
        np.testing.assert_allclose(mine[name], alone[name], rtol=1e-9)
        assert row[f"{name}_last"] == mine[name].iloc[-1]
        assert row[f"{name}_mean"] == pytest.approx(mine[name].mean(), rel=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_results_do_not_depend_on_the_chunk_size(folder, tmp_path, chunk):
    run_sweep(small(), tmp_path / "x", chunk=chunk)
    assert_equal(tmp_path / "x", folder)


def test_shards_complete_the_sweep_in_any_order(folder, tmp_path):
    for k in (3, 1, 2):
        run_sweep(small(), tmp_path / "x", shard=(k, 3))
    assert_equal(tmp_path / "x", folder)


def test_dates_of_events_can_be_swept(tmp_path):
    dates = [dt.date(2023, 1, 10), dt.date(2023, 3, 10)]
    sweep = small(factors={"gpt4.date": dates}, replications=2, populations=TINY)
    run_sweep(sweep, tmp_path / "dates")
    panel = open_sweep(tmp_path / "dates").panel(["lerner_closed"])
    early, late = (panel[panel["gpt4.date"] == date]["lerner_closed"].to_numpy() for date in dates)
    assert not np.allclose(early, late)
    scenario = abm.Scenario.load("baseline")
    event = next(e for e in scenario.all_events if e.id == "gpt4")
    changed = scenario.without("gpt4").with_event(
        {"kind": event.kind} | event.model_dump(exclude_defaults=True) | {"date": dates[0]}
    )
    seed = int(open_sweep(tmp_path / "dates").runs()["seed"][0])
    alone = abm.simulate(scenario=changed, seed=seed, months=MONTHS, **TINY)
    np.testing.assert_allclose(early[:MONTHS], alone["lerner_closed"], rtol=1e-9)


def test_a_sweep_in_one_call_runs_the_given_seeds(tmp_path):
    results = abm.sweep(
        {"ip_strength": np.array([0.0, 0.5])}, seeds=[7, 3], months=MONTHS, populations=SMALL, observables="welfare"
    )
    runs, place = results.runs(), results.folder
    assert list(runs["seed"]) == [7, 3, 7, 3]
    assert list(runs["replication"]) == [0, 1, 0, 1]
    alone = abm.simulate({"ip_strength": 0.5}, "baseline", 3, months=MONTHS, **SMALL)
    assert runs["welfare_last"].iloc[-1] == pytest.approx(alone["welfare"][-1], rel=1e-9)
    assert "2 points x 2 replications" in repr(results)
    assert len(repr(results)) < 200
    del results
    assert not place.exists()  # the temporary folder is deleted with the results
    usual = dict(months=MONTHS, populations=SMALL, observables=["welfare"])
    abm.sweep({"ip_strength": [0.5]}, seeds=[3, 7], out=tmp_path / "x", **usual)
    spec = Sweep(factors={"ip_strength": [0.5]}, seeds=[7, 5, 3], **usual)
    tally = run_sweep(spec, tmp_path / "x", accept_changes=True)
    assert tally.before == 2
    again = open_sweep(tmp_path / "x").runs()
    assert list(again["seed"]) == [7, 5, 3]
    assert list(again["replication"]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"workers": 0}, "workers = 0"),
        ({"workers": 1.5}, "workers = 1.5"),
        ({"chunk": 0}, "chunk = 0"),
        ({"replications": 0}, "replications = 0"),
        ({"shard": (3, 2)}, r"shard = \[3, 2\]"),
        ({"shard": "1/2"}, "shard = '1/2'"),
    ],
)
def test_arguments_are_checked_like_options_of_the_command(tmp_path, words, message):
    with pytest.raises(ValueError, match=message):
        run_sweep(small(), tmp_path / "x", **words)
    assert not (tmp_path / "x").exists()


# --- keeping finished runs, in one process (several processes: test_sweep_failures) ---


def test_finished_runs_are_not_repeated(folder):
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    tally = run_sweep(small(), folder)
    assert (tally.before, sum(tally.counts.values())) == (12, 0)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == stamps


def test_a_run_that_fails_is_a_row_with_its_reason(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ABM_FAIL_AT", "0/2:raise,1/0:nan,2/3:memory")
    tally = run_sweep(small(), tmp_path / "x")
    assert tally.counts == {"ok": 9, "failed": 2, "nonfinite": 1}
    results = open_sweep(tmp_path / "x")
    bad = results.failures().set_index(["point", "replication"])
    assert list(bad["status"]) == ["failed", "nonfinite", "failed"]
    assert "Injected: injected at point 0, replication 2" in bad.loc[(0, 2), "error"]
    assert "not finite: welfare from month 2" in bad.loc[(1, 0), "error"]
    assert "MemoryError" in bad.loc[(2, 3), "error"]
    mine, theirs = results.runs(), open_sweep(folder).runs()
    fine = mine["status"] == "ok"
    pd.testing.assert_frame_equal(
        mine[fine].drop(columns="seconds"), theirs[fine].drop(columns="seconds"), check_exact=True
    )
    assert mine.loc[0 * 4 + 2, ["lerner_closed_mean", "welfare_last"]].isna().all()
    pairs = results.compare("ip_strength", 1.0, 0.0)
    assert list(pairs["replications"]) == [2] * 4
    assert list(pairs["left_out"]) == [2] * 4

    monkeypatch.delenv("ABM_FAIL_AT")
    run_sweep(small(), tmp_path / "x", retry_failed=True)
    done = open_sweep(tmp_path / "x").runs()
    assert (done["status"] == "ok").sum() == 11  # a non-finite result is final and is not retried


def test_damaged_and_foreign_files_are_ignored(folder, tmp_path):
    place = tmp_path / "x"
    run_sweep(small(), place, chunk=4)
    runs = sorted((place / "parts").glob("*.runs.parquet"))
    runs[0].write_bytes(runs[0].read_bytes()[:-9])
    runs[1].with_name(runs[1].name.replace(".runs.", ".panel.")).unlink()
    (place / "parts" / "foreign.runs.parquet").write_bytes(b"not parquet")
    pd.DataFrame({"x": [1]}).to_parquet(place / "parts" / "other.runs.parquet")
    counts = open_sweep(place).counts()
    assert counts["missing"] == 8  # before the repair they count as missing
    tally = run_sweep(small(), place)
    assert tally.total - tally.before == 8
    assert_equal(place, folder)


def test_damaged_spec_design_and_manifest_are_repaired(folder, tmp_path):
    place = tmp_path / "x"
    shutil.copytree(folder, place)
    for name in ("spec.toml", "design.parquet", "scenarios/baseline.toml"):
        for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:40])):
            damage(place / name)
            with pytest.raises(store.Damaged, match="run the sweep again"):
                open_sweep(place)
            tally = run_sweep(small(), place)
            assert tally.before == tally.total
            assert_equal(place, folder)
    (place / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(store.Damaged, match=r"manifest\.json"):
        open_sweep(place)
    with pytest.raises(Changed, match=r"manifest\.json"):
        run_sweep(small(), place)
    run_sweep(small(), place, accept_changes=True)
    assert_equal(place, folder)


def test_a_changed_byte_is_detected(folder, tmp_path):
    place = tmp_path / "x"
    run_sweep(small(), place, chunk=4)

    def flip(path, column):
        group = pq.read_metadata(path).row_group(0)
        chunk = next(group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == column)
        content = bytearray(path.read_bytes())
        content[chunk.data_page_offset - 2] ^= 1  # in the last number, which remains a valid number
        path.write_bytes(content)

    first, second, _ = sorted((place / "parts").glob("*.runs.parquet"))
    flip(first, "welfare_mean")
    assert open_sweep(place).counts()["missing"] == 4
    tally = run_sweep(small(), place)
    assert tally.total - tally.before == 4
    assert_equal(place, folder)
    panel = second.with_name(second.name.replace(".runs.", ".panel."))
    flip(panel, "welfare")
    with pytest.raises(store.Damaged, match=f"{panel.name}: is damaged.*; delete it and run the sweep again"):
        open_sweep(place).panel()
    panel.unlink()
    run_sweep(small(), place)
    assert_equal(place, folder)


def test_adding_an_observable_excludes_older_parts_from_the_tables(tmp_path):
    place = tmp_path / "x"
    run_sweep(small(replications=2), place)
    run_sweep(small(replications=2, observables=["lerner_closed", "welfare", "hhi"]), place, accept_changes=True)
    results = open_sweep(place)
    assert len(results.panel()) == 6 * MONTHS
    assert results.panel("hhi")["hhi"].notna().all()
    assert results.to_xarray()["hhi"].notnull().all()
    assert results.sql("select count(hhi) as n from panel")["n"][0] == 6 * MONTHS
    run_sweep(small(replications=2, observables=["hhi"]), place, accept_changes=True)
    results = open_sweep(place)
    assert list(results.panel().columns[-2:]) == ["month", "hhi"]
    assert list(results.sql("select * from panel limit 1").columns[:3]) == ["run_id", "month", "hhi"]


def test_changing_the_seed_excludes_older_runs_from_the_tables(tmp_path):
    for draws in (True, False):
        place = tmp_path / str(draws)
        run_sweep(small(replications=2, common_draws=draws), place)
        run_sweep(small(replications=2, common_draws=draws, seed=1), place, accept_changes=True)
        runs = open_sweep(place).runs()
        assert len(runs) == 6
        assert set(runs["seed"]) == {
            run.seed for run in Plan.of(small(replications=2, common_draws=draws, seed=1)).runs()
        }


def test_a_changed_sweep_model_or_package_is_refused_and_recorded_when_accepted(tmp_path, monkeypatch):
    place = tmp_path / "x"
    run_sweep(small(replications=2), place)
    with pytest.raises(Changed) as caught:
        run_sweep(small(replications=3), place)
    assert caught.value.differences == ["spec, replications: 2 -> 3"]
    with monkeypatch.context() as patch:
        patch.setattr(store, "source_hash", lambda: "other")
        with pytest.raises(Changed, match="the model's code"):
            run_sweep(small(replications=2), place)
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["versions"]["jax"] = "0.0.1"
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Changed, match=r"jax: 0.0.1 ->"):
        run_sweep(small(replications=2), place)
    tally = run_sweep(small(replications=3), place, accept_changes=True)
    assert tally.before == 6
    assert tally.total == 9
    accepted = open_sweep(place).manifest["accepted"]
    assert len(accepted) == 1
    assert "spec, replications: 2 -> 3" in accepted[0]["changes"]
    assert len(open_sweep(place).runs()) == 9


def test_a_manifest_records_spec_code_packages_and_machine(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["spec_hash"] == small().hash
    assert {"jax", "numpy", "mesa", "ai-market-abm"} <= manifest["versions"].keys()
    assert len(manifest["model"]) == 64
    assert manifest["machine"]["cores"] >= 1
    session = json.loads(next((folder / "sessions").iterdir()).read_text())
    assert session["done"] == 12
    assert "finished" in session
    assert Sweep.load(folder / "spec.toml").hash == manifest["spec_hash"]
