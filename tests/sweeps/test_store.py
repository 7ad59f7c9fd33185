"""Folders of results: reads return what was written, whatever the path, file format or version."""

import datetime as dt
import functools
import json
import shutil
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import sweeps
from helpers.sizes import TINY
from helpers.sweeps import MONTHS, assert_equal, tables
from typer.testing import CliRunner

import abm
from abm.cli.app import app
from abm.runs.results import months_index
from abm.sweeps import chunk, open_sweep, parts, run_sweep, store
from abm.sweeps.comparison import Comparison
from abm.sweeps.plan import Plan
from abm.sweeps.run import Broken
from abm.sweeps.selftest import failing
from abm.sweeps.store import Changed, Damaged

MADE = parts.made_with()


tiny = functools.partial(
    sweeps.tiny, name="tiny", observables=["lerner_closed", "welfare"], replications=4, months=MONTHS
)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """An undisturbed sweep of four parts."""
    place = tmp_path_factory.mktemp("store") / "reference"
    run_sweep(tiny(), place, chunk=2)
    return place


@pytest.fixture
def kept(reference, tmp_path):
    return copied(reference, tmp_path / "kept")


def copied(folder, place):
    place.parent.mkdir(parents=True, exist_ok=True)
    return shutil.copytree(folder, place)


def parts_of(folder, kind):
    return sorted((folder / "parts").glob(f"*.{kind}.parquet"))


def rewritten(path, change=lambda frame: frame, keep_metadata=False):
    """Rewrite a Parquet file with changed numbers, by default without the package's metadata."""
    table = pq.ParquetFile(path).read()
    metadata = table.schema.metadata if keep_metadata else None
    new = pa.Table.from_pandas(change(table.to_pandas()), preserve_index=False)
    pq.write_table(new.replace_schema_metadata(metadata), path, compression="zstd", write_page_checksum=True)


def of_an_earlier_version(folder):
    """Convert a folder to the format of versions whose parts had no records."""
    for path in (*parts_of(folder, "runs"), *parts_of(folder, "panel"), folder / "design.parquet"):
        table = pq.ParquetFile(path).read()
        pq.write_table(table.replace_schema_metadata(None), path, compression="zstd", write_page_checksum=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest = {key: value for key, value in manifest.items() if key not in ("made_with", "design")} | {"format": 1}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


# --- paths ---


@pytest.mark.parametrize("above", ["adopters=50", "seed=1", "month=7/welfare=0", "run_id=x/point=3/ip_strength=9"])
def test_directories_in_a_path_do_not_become_columns(reference, tmp_path, above):
    place = copied(reference, tmp_path / above / "run")
    assert_equal(place, reference)
    mine, theirs = (open_sweep(path).sql("select * from panel order by run_id, month") for path in (place, reference))
    pd.testing.assert_frame_equal(mine, theirs)
    assert run_sweep(tiny(), place).before == 8


@pytest.mark.parametrize(
    ("name", "other"), [("run[1]", "run1"), ("r*n", "ruin"), ("r?n", "run"), ("[a-c]x", "bx"), ("o'x{a,b}%20", "oxa")]
)
def test_special_characters_in_a_path_are_taken_literally(reference, tmp_path, name, other):
    place = copied(reference, tmp_path / name)
    for panel in parts_of(copied(reference, tmp_path / other), "panel"):
        rewritten(panel, lambda frame: frame.assign(welfare=frame["welfare"] + 1e6))
    results = open_sweep(place)
    result = results.sql("select count(*) as rows, sum(welfare) as welfare from panel").iloc[0]
    assert result["rows"] == 8 * MONTHS
    assert result["welfare"] == pytest.approx(open_sweep(reference).panel()["welfare"].sum(), rel=1e-12)


def test_results_outlive_a_change_of_the_working_directory(kept, reference, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = open_sweep("kept")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert results.counts() == {"ok": 8, "missing": 0}
    pd.testing.assert_frame_equal(results.panel(), open_sweep(reference).panel())
    assert len(results.sessions()) == 1


@pytest.mark.parametrize("ask", ["runs", "panel", "failures", "counts", "sessions", "to_xarray"])
def test_a_deleted_folder_is_reported_and_its_runs_do_not_count_as_missing(kept, tmp_path, ask):
    results = open_sweep(kept)
    kept.rename(tmp_path / "renamed")
    with pytest.raises(FileNotFoundError, match="kept: the sweep is no longer there"):
        getattr(results, ask)()
    late = open_sweep(tmp_path / "renamed")
    late.runs()
    shutil.rmtree(tmp_path / "renamed")
    with pytest.raises(FileNotFoundError, match="renamed: the sweep is no longer there"):
        late.panel()


def test_a_folder_that_now_has_another_sweep_is_reported(kept):
    results = open_sweep(kept)
    shutil.rmtree(kept)
    run_sweep(tiny(replications=2, seed=1), kept)
    with pytest.raises(ValueError, match="contains a different sweep than when it was opened"):
        results.runs()


# --- seeds ---


def test_seeds_of_missing_and_failed_runs_are_those_of_the_plan(tmp_path):
    planned = [(run.point, run.replication, run.seed, run.id) for run in Plan.of(tiny()).runs()]
    assert max(seed for _, _, seed, _ in planned) > 2**53
    with failing("raise"):  # point 1, replication 1
        run_sweep(tiny(), tmp_path / "x", shard=(2, 2))
    bad = open_sweep(tmp_path / "x").failures()
    assert bad["seed"].dtype == np.int64
    assert set(bad["status"]) == {"failed", "missing"}
    result = list(bad[["point", "replication", "seed", "run_id"]].itertuples(index=False, name=None))
    assert set(result) == {run for run in planned if run[:2] == (1, 1) or (run[0] * 4 + run[1]) % 2 == 0}
    bad.to_csv(tmp_path / "bad.csv", index=False)
    assert pd.read_csv(tmp_path / "bad.csv")["seed"].tolist() == bad["seed"].tolist()


@pytest.mark.parametrize("common", [True, False])
def test_missing_runs_have_their_seeds_and_every_column(tmp_path, common):
    sweep = tiny(common_draws=common)
    store.open_folder(tmp_path / "x", Plan.of(sweep), False)
    results = open_sweep(tmp_path / "x")
    bad = results.failures()
    assert [*bad.columns] == [*results.runs().columns[: len(bad.columns)]]
    assert bad["seed"].tolist() == results.missing()["seed"].tolist() == [run.seed for run in Plan.of(sweep).runs()]
    assert bad["run_id"].tolist() == [run.id for run in Plan.of(sweep).runs()]
    assert results.panel().empty
    assert results.sql("select count(*) as n from panel")["n"][0] == 0


def test_every_valid_seed_is_exact_in_every_table(tmp_path):
    seeds = [2**64 - 1, 2**63, 2**53 + 1, 7]
    sweep = tiny(seeds=seeds, replications=4, factors={"ip_strength": [1.0]})
    run_sweep(sweep, tmp_path / "x", shard=(1, 2))
    results = open_sweep(tmp_path / "x")
    assert results.failures()["seed"].tolist() == seeds[1::2]
    run_sweep(sweep, tmp_path / "x")
    results = open_sweep(tmp_path / "x")
    runs = results.runs()
    assert runs["seed"].tolist() == seeds
    assert results.sql("select seed from runs order by replication")["seed"].tolist() == seeds
    assert json.loads((tmp_path / "x" / "manifest.json").read_text())["spec"]["seeds"] == seeds
    together = abm.ensemble({"ip_strength": 1.0}, seeds=seeds, months=MONTHS, **TINY)
    assert together.frame()["seed"].drop_duplicates().tolist() == seeds
    np.testing.assert_allclose(runs["welfare_last"], together["welfare"][:, -1], rtol=1e-9)


# --- dates, and files of other programs ---


@pytest.fixture(scope="module")
def dated(tmp_path_factory):
    place = tmp_path_factory.mktemp("dated") / "x"
    dates = [dt.date(2023, 1, 10), dt.date(2023, 3, 10)]
    run_sweep(tiny(factors={"gpt4.date": dates}, replications=2), place)
    return open_sweep(place)


def test_a_date_factor_can_be_exported_to_every_format(dated, tmp_path):
    import xarray as xr

    early = dt.date(2023, 1, 10)
    for table in (dated.runs(), dated.panel(), dated.design):
        assert (table["gpt4.date"] == early).sum() == len(table) / 2
        with pytest.warns(Warning, match=r"gpt4\.date|int64"):
            table.to_stata(tmp_path / "x.dta", write_index=False)
        assert pd.read_stata(tmp_path / "x.dta")["gpt4_date"].iloc[0] == pd.Timestamp(early)
        table.to_parquet(tmp_path / "x.parquet")
        assert pd.read_parquet(tmp_path / "x.parquet")["gpt4.date"].iloc[0] == early
        assert "2023-01-10" in table.to_csv()
    cube = dated.to_xarray()
    cube.to_netcdf(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as back:
        np.testing.assert_array_equal(back["gpt4.date"], cube["gpt4.date"])
        np.testing.assert_array_equal(back["welfare"], cube["welfare"])
    one = cube.swap_dims(point="gpt4.date").sel({"gpt4.date": "2023-01-10"})
    np.testing.assert_array_equal(np.ravel(one["welfare"]), np.ravel(cube["welfare"][0]))
    month = cube.swap_dims(month="date").sel(date="2023-02")
    np.testing.assert_array_equal(np.ravel(month["welfare"]), np.ravel(cube["welfare"][:, :, 1]))
    assert dated.compare("gpt4.date", early, "2023-03-10")["points"].iloc[0] == 1


def test_tables_of_a_run_can_be_exported_to_every_format(tmp_path):
    import xarray as xr

    a, b = (abm.ensemble(values, seeds=[1, 2], months=MONTHS, **TINY) for values in ({}, {"ip_strength": 1.0}))
    both = abm.compare(a, b)
    one = abm.simulate(seed=1, months=MONTHS, **TINY).frame()
    for table in (one, a.bands("welfare"), both.frame("welfare")):
        assert table.index.name == "date"
        assert list(table.index) == list(pd.to_datetime(["2023-01-01", "2023-02-01", "2023-03-01"]))
        assert len(table.loc["2023-02"]) == 1
        table.to_stata(tmp_path / "x.dta")
        assert pd.read_stata(tmp_path / "x.dta")["date"].tolist() == list(table.index)
        table.to_parquet(tmp_path / "x.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), table, check_freq=False)
        table.to_xarray().to_netcdf(tmp_path / "x.nc")
        with xr.open_dataset(tmp_path / "x.nc") as back:
            assert back.sel(date="2023-02-01").sizes == {}
        assert table.to_csv().splitlines()[1].startswith("2023-01-01,")
    both.table(["welfare", "hhi"], month=[0, 1]).reset_index().to_stata(tmp_path / "x.dta")
    assert str(months_index(a.setup.months)[-1].date()) == "2023-03-01"


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop(columns="left_out", inplace=True),
        lambda table: table.drop(columns=["low", "high"], inplace=True),
        lambda table: table.rename(columns={"difference": "mine"}, inplace=True),
        lambda table: table.rename(columns={"low": "left_out"}, inplace=True),
        lambda table: table.reset_index(inplace=True),
        lambda table: setattr(table, "columns", range(7)),
        lambda table: setattr(table, "columns", pd.MultiIndex.from_product([["a"], table.columns])),
        lambda table: [table.pop(name) for name in list(table.columns)],
        lambda table: table.__setitem__("left_out", "none"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*inplace")
def test_a_modified_comparison_still_prints(change):
    row = dict(difference=1.0, low=0.0, high=2.0, points=1, replications=3, left_out=0, variance_reduction=3.0)
    table = Comparison([row], index=["x"])
    assert str(table).split()[:5] == ["difference", "low", "high", "points", "replications"]
    change(table)
    shown = str(table)
    assert all(str(name) in shown for name in table.columns if name in ("mine", "low", 3, "points"))


def test_sql_reports_a_panel_that_was_not_stored(tmp_path):
    run_sweep(tiny(panel="none", replications=1), tmp_path / "x")
    results = open_sweep(tmp_path / "x")
    for query in ("select * from panel", "select avg(welfare) from PANEL p join runs using (run_id)"):
        with pytest.raises(ValueError, match="not stored by this sweep"):
            results.sql(query)
    with pytest.raises(ValueError, match="not stored by this sweep"):
        results.panel()
    assert results.sql("select count(*) as n from runs")["n"][0] == 2
    assert results.to_xarray()["welfare_last"].notnull().all()
    with pytest.raises(Exception, match="panels"):
        results.sql("select * from panels")  # variables of the package are not visible as tables


# --- parts ---


def test_a_swapped_panel_is_detected_and_recomputed(kept, reference):
    first, second = parts_of(kept, "panel")[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    with pytest.warns(UserWarning, match=first.name):
        counts = open_sweep(kept).counts()
    assert counts == {"ok": 6, "missing": 2}
    tally = run_sweep(tiny(), kept)
    assert (tally.before, [first.name in line for line in tally.damaged]) == (6, [True])
    assert_equal(kept, reference)
    assert first.with_name(f"{first.name}.damaged").read_bytes() != content


def test_rows_missing_from_a_panel_are_detected(kept, reference):
    first, second = parts_of(kept, "panel")[:2]
    rewritten(first, lambda frame: frame[frame["month"] > 0], keep_metadata=True)
    rewritten(second, lambda frame: frame.assign(welfare=frame["welfare"] + 1), keep_metadata=True)
    with pytest.warns(UserWarning, match=first.name), pytest.raises(Damaged, match=second.name):
        open_sweep(kept).sql("select * from panel")
    tally = run_sweep(tiny(), kept)
    assert tally.before == 4
    assert_equal(kept, reference)


@pytest.mark.parametrize("kind", ["runs", "panel"])
def test_a_changed_byte_anywhere_is_detected_named_and_repaired(reference, tmp_path, kind):
    whole = parts_of(reference, kind)[0].read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    reference_tables = tables(reference)
    rng = np.random.default_rng(1)
    for trial, position in enumerate([*rng.integers(footer, len(whole), 30), *rng.integers(0, footer, 10)]):
        place = copied(reference, tmp_path / str(trial))
        path = parts_of(place, kind)[0]
        content = bytearray(whole)
        content[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                actual, messages = tables(place), ""
            except Damaged as fault:
                actual, messages = None, str(fault)
        messages += "".join(str(warning.message) for warning in caught)
        if messages:
            assert path.name in messages
            assert actual is None or len(actual[0]) == 6
        else:  # an unused byte: the numbers are intact
            for table, expected in zip(actual, reference_tables, strict=True):
                pd.testing.assert_frame_equal(table, expected, check_exact=True)


def test_a_file_that_makes_the_reader_raise_is_named(kept, reference):
    """A column name is no longer valid UTF-8."""
    for path in (parts_of(kept, "runs")[0], parts_of(kept, "panel")[1]):
        content = path.read_bytes()
        position = content.index(b"welfare", len(content) - 8 - int.from_bytes(content[-8:-4], "little"))
        path.write_bytes(content[:position] + b"\xff\xfe" + content[position + 2 :])
    with pytest.warns(UserWarning, match="runs count as missing") as caught:
        assert open_sweep(kept).counts()["missing"] == 4
    messages = "".join(str(warning.message) for warning in caught)
    assert all(path.name in messages for path in (parts_of(kept, "runs")[0], parts_of(kept, "panel")[1]))
    assert run_sweep(tiny(), kept).before == 4
    assert_equal(kept, reference)


def test_parts_made_with_other_code_are_detected(kept, reference, tmp_path, monkeypatch):
    other = tmp_path / "other"
    with monkeypatch.context() as patch:
        patch.setattr(store, "source_hash", lambda: "other")
        for module in (store, parts, chunk):
            patch.setattr(module, "made_with", lambda: {**MADE, "model": "other"})
        run_sweep(tiny(replications=8), other, chunk=2)
    for path in (other / "parts").iterdir():
        if not (kept / "parts" / path.name).exists():
            shutil.copy(path, kept / "parts")
    with pytest.raises(Changed, match="made with other code of the model"):
        open_sweep(kept).runs()
    with pytest.raises(Changed, match="made with other code of the model"):
        run_sweep(tiny(), kept)
    result = CliRunner().invoke(app, ["sweep", "--show", str(kept)])
    assert result.exit_code == 2
    assert "other code of the model" in result.output
    run_sweep(tiny(), kept, accept_changes=True)
    assert "other code of the model" in open_sweep(kept).manifest["accepted"][0]["changes"][0]
    assert open_sweep(kept).counts()["ok"] == 8
    assert run_sweep(tiny(), kept).before == 8


def test_if_two_versions_start_a_folder_at_once_one_is_refused(tmp_path, monkeypatch):
    """Both found the folder empty; the second then finds the manifest of the first."""
    place, once = tmp_path / "x", threading.Event()
    clear = store.remove_half_written

    def meanwhile(folder):
        if not once.is_set():
            once.set()
            with monkeypatch.context() as patch:
                patch.setattr(store, "source_hash", lambda: "other")
                store.open_folder(place, Plan.of(tiny()), False)
        clear(folder)

    monkeypatch.setattr(store, "remove_half_written", meanwhile)
    with pytest.raises(Changed, match="the model's code"):
        store.open_folder(place, Plan.of(tiny()), False)
    assert json.loads((place / "manifest.json").read_text())["model"] == "other"


def test_a_worker_with_other_code_computes_nothing(tmp_path, monkeypatch):
    def here():
        leading = threading.current_thread() is threading.main_thread()
        return MADE if leading else {**MADE, "jax": "0.0.1"}

    monkeypatch.setattr(chunk, "made_with", here)
    with ThreadPoolExecutor(1) as pool, pytest.raises(Broken, match="other code"):
        run_sweep(tiny(), tmp_path / "x", executor=pool, chunk=1)
    assert not parts_of(tmp_path / "x", "runs")


def test_a_folder_of_an_earlier_version_can_be_opened_and_continued(kept, reference):
    of_an_earlier_version(kept)
    assert_equal(kept, reference)
    assert open_sweep(kept).sql("select count(*) as n from panel")["n"][0] == 8 * MONTHS
    parts_of(kept, "runs")[0].unlink()
    tally = run_sweep(tiny(), kept)
    assert tally.before == 6
    assert_equal(kept, reference)


def test_a_panel_of_an_earlier_version_must_match_its_runs(kept, reference):
    of_an_earlier_version(kept)
    first, second = parts_of(kept, "panel")[:2]
    first.write_bytes(second.read_bytes())
    for ask in (lambda results: results.panel(), lambda results: results.sql("select * from panel")):
        with pytest.raises(Damaged, match=first.name):
            ask(open_sweep(kept))
    assert run_sweep(tiny(), kept).before == 6
    assert_equal(kept, reference)


def test_a_design_of_another_sweep_is_detected(kept, tmp_path):
    run_sweep(tiny(factors={"ip_strength": [0.0, 0.5]}, replications=1), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "design.parquet", kept)
    with pytest.raises(Damaged, match=r"design\.parquet"):
        open_sweep(kept)
    assert run_sweep(tiny(), kept).before == 8
    open_sweep(kept)
