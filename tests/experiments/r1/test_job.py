"""The R1 job end to end with few agents: files, report, agreement of text and tables, and reuse of finished work."""

import json
import multiprocessing
import re
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from matplotlib import pyplot

import abm.sweeps.run
from abm import data
from abm.charts.labels import MECHANISMS, PRICING_POWER, label_of
from abm.experiments import html
from abm.experiments.r1 import job as r1_shock
from abm.experiments.r1 import tables as r1_tables
from abm.experiments.r1.changes import COMPARISONS, WHEN, changes
from abm.experiments.replay import sweeps_of
from abm.runs.simulate import Setting, ensembles
from abm.support.messages import AbmWarning
from abm.support.workers import worker_pool
from abm.sweeps.chunk import carry_out
from abm.sweeps.incomplete import IncompleteRuns


def quiet(*step):
    """Progress that nobody sees."""


@pytest.fixture(scope="module")
def outcome(tiny_shock):
    """The results of the job on runs that are already stored."""
    steps = []
    results = r1_shock.run(
        tiny_shock.folder,
        tiny_shock.seeds,
        quick=True,
        progress=lambda *step: steps.append(step),
        **tiny_shock.options,
    )
    assert steps[0][0] == "24 of 56 runs"  # nothing was run again
    assert steps[-1][1] == steps[-1][2]
    return results


def test_leaves_figures_tables_report_and_manifest(outcome):
    assert all(path.is_file() and path.stat().st_size > 0 for path in outcome.files)
    kinds = [path.suffix for path in outcome.files]
    assert kinds.count(".png") == kinds.count(".pdf") == 7
    assert {"paired_differences", "crash_mechanisms", "event_window", "targets"} <= {
        path.stem for path in outcome.files
    }
    manifest = json.loads((outcome.folder / "manifest.json").read_text())
    assert manifest["seeds"] == list(range(8))
    assert manifest["quick"] is True
    assert manifest["ensembles"]["only_crash_rents"]["parameters_changed"]["crash_beliefs"] == 0
    assert manifest["packages"]["jax"]
    names = sorted(path.name for path in (outcome.folder / "runs").iterdir())
    assert names == sorted(path.name for path in sweeps_of(outcome.folder, manifest))
    assert manifest["parameters"]["ip_strength"] is not None


def test_report_stands_alone(outcome):
    page = outcome.report.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|<script|<link|@import|url\(", re.sub(r"base64,[^\"]*", "", page))
    pictures = re.findall(r'<img src="([^"]{0,30})[^"]*" alt="([^"]*)"', page)
    assert len(pictures) == 7
    assert all(source.startswith("data:image/png;base64,") and len(alt) > 40 for source, alt in pictures)
    assert "Quick run" in page
    anchors = re.findall(r'href="#([^"]+)"', page)
    assert anchors
    assert all(f'id="{anchor}"' in page for anchor in anchors)
    assert "nan" not in re.sub(r"data:image[^\"]*", "", page).lower().split()


def test_numbers_in_the_text_are_those_of_the_tables(outcome):
    page = re.sub(r"data:image[^\"]*", "", outcome.report.read_text(encoding="utf-8"))
    numbers = pd.read_csv(outcome.folder / "tables" / "numbers_in_text.csv", dtype={"shown": str})
    assert len(numbers) > 20
    for row in numbers.itertuples():
        assert row.shown in page, row.key
        size = abs(row.value)  # no sign is shown where a verb gives the direction
        assert row.shown.lstrip("+−") in (html.number(size, 2), html.number(size, 3), f"{size:.0f}")
    paired = pd.read_csv(outcome.folder / "tables" / "paired_differences.csv")
    rows = paired.set_index(["comparison", "observable", "year"])
    lerner = numbers.set_index("key").loc["lerner_closed points"]
    for name, column in (("value", "difference"), ("low", "low"), ("high", "high")):
        assert lerner[name] == pytest.approx(100 * rows.loc[("no_r1", "lerner_closed", 2025), column])
    day0 = pd.read_csv(outcome.folder / "tables" / "crash_mechanisms.csv").set_index(["mechanism", "layer"])
    chips = numbers.set_index("key").loc["day 0 compute, model", "value"]
    assert chips == pytest.approx(100 * day0.loc[("all together", "compute"), "mean"])


def test_what_changed_puts_the_world_before_beside_this_one(outcome):
    """The last world's headlines, with those of the world before it; what these runs do not reach is left out.

    Effects on logarithms are in percent.
    """
    stored, keys = data.load("r1_before"), ["comparison", "observable", "year"]
    earlier, was = (stored[stored["world"] == world].set_index(keys) for world in stored["world"].unique()[-2:])
    paired = pd.read_csv(outcome.folder / "tables" / "paired_differences.csv")
    now = paired.set_index(["comparison", "observable", "year"])
    table = pd.read_csv(outcome.folder / "tables" / "what_changed.csv", keep_default_na=False)
    reached = [key for key in was.index if key in now.index]
    assert [(row.effect, row.name, row.year) for row in table.itertuples(index=False)] == [
        (COMPARISONS[comparison], label_of(observable).name, year) for comparison, observable, year in reached
    ]
    assert {"R1", "Stargate"} == set(table["effect"])
    table = table.replace("", np.nan).astype({name: float for name in table if name.split("_")[0] in WHEN})
    for key, row in zip(reached, table.itertuples(index=False), strict=True):
        logs = key[1] in r1_tables.IN_LOGS
        assert (row.unit == "%") == logs
        for column, suffix in (("difference", ""), ("low", "_low"), ("high", "_high")):
            for when, source in zip(WHEN, (earlier, was, now), strict=True):
                value = source.loc[key, column] if key in source.index else np.nan
                shown = 100 * np.expm1(value) if logs else value
                assert getattr(row, when + suffix) == pytest.approx(shown, rel=1e-12, nan_ok=True), (key, when)
        assert row.cause == was.loc[key, "cause"]
    page = re.sub(r"data:image[^\"]*", "", outcome.report.read_text(encoding="utf-8"))
    section = page[page.index("Effects in the worlds before") :]
    section = section[: section.index("</table>")]
    for row in table.itertuples(index=False):
        for when in WHEN:
            mean, low, high = (getattr(row, when + suffix) for suffix in ("", "_low", "_high"))
            assert np.isnan(mean) or f"{html.number(mean)} [{html.number(low)}, {html.number(high)}]" in section
    assert section.count("provisional: ") == table["provisional"].notna().sum() > 0


def test_nothing_changed_where_nothing_can_be_compared(outcome):
    paired = pd.read_csv(outcome.folder / "tables" / "paired_differences.csv", dtype={"year": str})
    assert len(changes(paired)) > 0
    assert changes(paired[paired["year"] == "2024"]).empty


def test_the_report_says_what_stargate_adds(outcome, tiny_shock):
    """Of the places that programmes announced, those that others would not have built."""
    page = re.sub(r"data:image[^\"]*|&nbsp;|\u00a0", " ", outcome.report.read_text(encoding="utf-8"))
    assert re.search(r"Stargate, announced a day after R1, .*the rent of machines .*and .* revenue", page)
    assert "places that others would not have built" in page
    numbers = pd.read_csv(outcome.folder / "tables" / "numbers_in_text.csv").set_index("key")
    paired = pd.read_csv(outcome.folder / "tables" / "paired_differences.csv")
    rent = paired.set_index(["comparison", "observable", "year"]).loc[("no_stargate", "rental_price", 2025)]
    assert numbers.loc["Stargate on rent", "value"] == pytest.approx(100 * np.expm1(rent["difference"]))
    added = tiny_shock.runs["baseline"]["additionality"][:, 30]
    assert numbers.loc["additionality of programmes", "value"] == pytest.approx(100 * np.nanmean(added))


def test_the_report_gives_a_direction_once_and_names_raw_returns(outcome):
    page = re.sub(r"data:image[^\"]*|&nbsp;|\u00a0", " ", outcome.report.read_text(encoding="utf-8"))
    for text in (page, *outcome.headlines):
        assert not re.search(r"\b(by|lost|loses?|fell|falls?|rose|rises?|gained?)\s+[−+-]\s*\d", text)
    assert re.search(r"NVIDIA fell by 13 %: abnormal returns.* \(NVIDIA&#39;s raw return was −17 %\)", page)
    assert re.search(r"applications .{0,60}observed \+3.5 %, a raw return\)", page)


def test_a_quantity_has_one_unit_in_the_report(outcome):
    """Levels and differences of money of any size are in the unit of the tables."""
    page = re.sub(r"data:image[^\"]*", "", outcome.report.read_text(encoding="utf-8"))
    assert not re.search(r"\$ [BT]\b|\btrillion\b|\bthousand H100e\b", page.replace("\u00a0", " "))


def test_plotted_numbers_are_those_of_the_runs(outcome, tiny_shock):
    plotted = pd.read_csv(outcome.folder / "tables" / "pricing_power.csv")
    assert set(plotted["observable"]) == set(PRICING_POWER)
    row = plotted[(plotted["observable"] == "hhi") | (plotted["observable"] == "lerner_closed")]
    row = row[(row["scenario"] == "no_r1") & (row["month"] == 30)].iloc[0]
    assert row["q50"] == pytest.approx(np.median(tiny_shock.runs["no_r1"]["lerner_closed"][:, 30]))


def test_paired_difference_matches_a_direct_calculation(tiny_shock):
    a, b = tiny_shock.runs["baseline"], tiny_shock.runs["no_r1"]
    row = r1_tables.paired(a, b, "lerner_closed", 24, 31)
    gap = (a["lerner_closed"] - b["lerner_closed"])[:, 24:31].mean(1)
    assert row["difference"] == pytest.approx(gap.mean())
    half = 2.3646242515927849 * gap.std(ddof=1) / np.sqrt(8)  # t(7), 97.5 %
    assert row["high"] - row["difference"] == pytest.approx(half)
    before = r1_tables.paired(a, b, "token_volume", 12, 24)
    assert before["difference"] == 0
    assert before["variance_reduction"] == np.inf


def test_finished_runs_are_reused(outcome, tiny_shock, monkeypatch):
    def unexpected(*args, **kwargs):
        raise AssertionError("a run was run again")

    monkeypatch.setattr(abm.sweeps.run, "carry_out", unexpected)
    again, _ = r1_shock.run_worlds(tiny_shock.folder, range(8), quiet, **tiny_shock.options)
    for name, runs in tiny_shock.runs.items():
        np.testing.assert_array_equal(again[name]["lerner_closed"], runs["lerner_closed"])
        np.testing.assert_array_equal(again[name].out["daily"], runs.out["daily"])
    assert again["baseline"].out["products"].price.shape[0] == 8


def test_the_worlds_are_those_of_ensembles(tiny_shock):
    """The sweeps give, digit for digit, what `ensembles` gives for the same settings."""
    options = tiny_shock.options
    sizes = {name: options[name] for name in ("adopters", "investors")}
    alone = {name: float(name == "crash_rents") for name in MECHANISMS}
    settings = {
        "baseline": Setting(),
        "no_r1": Setting(scenario="no_r1"),
        "only_crash_rents": Setting(alone, branch_at=r1_shock.ALONE_FROM),
    }
    days = range(18, 27)
    direct = ensembles(settings.values(), tiny_shock.seeds, months=31, daily=days, products=True, **sizes)
    for name, expected in zip(settings, direct, strict=True):
        runs = tiny_shock.runs[name]
        for observable in expected.names:
            np.testing.assert_array_equal(runs[observable], expected[observable])
        for part in ("daily", "leader"):
            np.testing.assert_array_equal(runs.out[part], expected.out[part])
    for field, values in direct[0].out["products"]._asdict().items():
        np.testing.assert_array_equal(getattr(tiny_shock.runs["baseline"].out["products"], field), values)


def test_more_seeds_join_the_stored_ones(tiny_shock, tmp_path, monkeypatch):
    shutil.copytree(tiny_shock.folder / "runs", tmp_path / "runs")
    steps = []
    runs, _ = r1_shock.run_worlds(tmp_path, range(9), lambda *step: steps.append(step), **tiny_shock.options)
    assert steps[0][1] > 0  # it begins with what is stored
    assert runs["no_r1"].seeds == list(range(9))
    np.testing.assert_array_equal(runs["no_r1"]["welfare"][:8], tiny_shock.runs["no_r1"]["welfare"])
    monkeypatch.setattr(abm.sweeps.run, "carry_out", None)
    fewer, _ = r1_shock.run_worlds(tmp_path, range(4), quiet, **tiny_shock.options)
    np.testing.assert_array_equal(fewer["no_r1"]["welfare"], tiny_shock.runs["no_r1"]["welfare"][:4])


def test_ctrl_c_keeps_what_is_finished(tiny_shock, tmp_path, monkeypatch):
    """Finished parts are stored; the next call runs only the others."""
    carried_out = []

    def interrupted(task, *more):
        carried_out.append(task.plan.sweep.name)
        if len(carried_out) == 2:
            raise KeyboardInterrupt
        return carry_out(task, *more)

    monkeypatch.setattr(abm.sweeps.run, "carry_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        r1_shock.run_worlds(tmp_path, range(8), quiet, **tiny_shock.options)
    runs, _ = r1_shock.run_worlds(tmp_path, range(8), quiet, **tiny_shock.options)
    assert carried_out == ["scenarios", "mechanisms", "mechanisms"]
    for name, whole in tiny_shock.runs.items():
        np.testing.assert_array_equal(runs[name]["lerner_closed"], whole["lerner_closed"])


def test_a_failed_run_is_named(tiny_shock, tmp_path, monkeypatch):
    monkeypatch.setenv("ABM_FAIL_AT", "1/0:nan")
    with pytest.raises(IncompleteRuns, match="runs failed, the first with: not finite"):
        r1_shock.run_worlds(tmp_path, range(2), quiet, **tiny_shock.options)


def test_runs_of_an_earlier_version_are_named(tiny_shock, monkeypatch):
    old = tiny_shock.folder / "runs" / "baseline-0-7.npz"
    old.write_bytes(b"")
    with pytest.warns(AbmWarning, match="from an earlier version"):
        r1_shock.run_worlds(tiny_shock.folder, range(8), quiet, **tiny_shock.options)
    old.unlink()


@pytest.mark.slow
@pytest.mark.usefixtures("stored_traces")
def test_workers_give_the_results_of_one_process(tiny_shock, tmp_path):
    with worker_pool(1, ["abm.experiments.r1.job"]) as pool:
        outcome = r1_shock.run(tmp_path, tiny_shock.seeds, quick=True, pool=pool, **tiny_shock.options)
    assert sum(path.suffix in (".png", ".pdf") for path in outcome.files) == 14
    assert all(path.stat().st_size > 0 for path in outcome.files)
    again, _ = r1_shock.run_worlds(tmp_path, range(8), quiet, **tiny_shock.options)
    for name, runs in tiny_shock.runs.items():
        np.testing.assert_allclose(again[name]["lerner_closed"], runs["lerner_closed"], rtol=1e-9)


def test_workers_end_when_the_context_is_left_early():
    before = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt), worker_pool(2) as pool:  # noqa: PT012
        for _ in range(2):
            pool.submit(time.sleep, 600)
        raise KeyboardInterrupt
    for worker in set(multiprocessing.active_children()) - before:
        worker.join(timeout=60)
        assert not worker.is_alive()


def test_progress_never_decreases(tiny_shock):
    done = [step[1] for step in tiny_shock.steps]
    assert done == sorted(done)
    assert done[-1] < tiny_shock.steps[-1][2]


def test_numbers_are_formatted_for_readers():
    assert html.number(-0.01234, 2) == "−0.012"
    assert html.number(1234567.0) == "1,234,567"
    assert html.number(0.0) == "0"
    assert html.number(float("nan")) == "–"
    assert html.number(True) == "yes"
    assert html.number(3.6e-8) == "3.60\u00a0×\u00a010⁻⁸"
    assert html.number(-1.6147e10) == "−1.61\u00a0×\u00a010¹⁰"
    assert html.number(123456789.0) == "123,456,789"
    assert html.words("e - 1 <= -0.5") == "e\u00a0−\u00a01 ≤ −0.5"
    assert html.words("2025-01-27, open-closed, `abm score`") == "2025-01-27, open-closed, <code>abm score</code>"


def test_text_in_a_report_is_escaped():
    frame = pd.DataFrame({"a": ["<b>"], "b": [1.0]})
    page = html.page("T & T", "lead", "", [html.Section("One <two>", [html.table(frame, "c", {"a": "a"})])], "end")
    assert "<b>" not in page
    assert "T &amp; T" in page
    assert '<section id="one--two">' in page


def test_what_looks_like_code_in_a_report_is_text(tmp_path):
    hostile = '<script>alert("&")</script> {{ 7*7 }} {# x #}'
    pyplot.imsave(tmp_path / "a.png", np.zeros((1, 1)))
    blocks = [
        html.paragraph(hostile, hostile),
        html.bullets([hostile]),
        html.picture(tmp_path / "a.png", hostile, hostile),
        html.table(pd.DataFrame({"a": [hostile]}), hostile, {"a": hostile}),
    ]
    page = html.page(hostile, hostile, blocks, [html.Section(hostile, [hostile])], hostile, hostile)
    assert "<script" not in page
    assert page.count(str(escape(hostile))) == 16
