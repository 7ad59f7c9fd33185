"""Sensitivity and replications: published indices and closed forms, and nothing that passes for a number without being one."""

import io
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from SALib.sample import morris, sobol
from scipy.stats import qmc
from typer.testing import CliRunner

from abm.analysis.complete import IncompleteRuns, numbers
from abm.analysis.replications import enough, markdown, needed, replications, spread
from abm.analysis.seed_noise import components, seed_noise, shares
from abm.analysis.sensitivity import morris_effects, of_sweep, positive, sobol_indices, subsets
from abm.analysis.sensitivity_design import BUILT_IN, Wanted, load, noise_sweep, pilot, years_of
from abm.cli.app import app
from abm.cli.sensitivity import seeds_needed
from abm.figures import sensitivity as figures
from abm.parameters import Parameters
from abm.sweeps import Sweep, open_sweep, run_sweep
from abm.sweeps.designs import unit_cube
from abm.sweeps.plan import Plan, points_of
from abm.sweeps.stopping import Rule, half_widths, judge

runner = CliRunner()
RANGE = {"low": 0.0, "high": 1.0}
PARAMETERS = ("ip_strength", "ip_clarity", "copying_rate", "closed_trust", "switching_cost", "network_effect", "runway")
PARAMETERS += ("lead_decay",)
NAN = float("nan")


class Answers:
    """A sweep's results without its runs: the outcome y is a function of the unit cube, the same for all replications."""

    folder = "nowhere"

    def __init__(self, function, k, kind, size, replications=1, **design):
        names = [name for name in PARAMETERS if Parameters.model_fields[name].json_schema_extra["low"] <= 1][:k]
        number = {"saltelli": "points", "morris": "trajectories"}[kind]
        low = {"runway": 1.0}
        factors = {n: {"low": low.get(n, 0.0), "high": low.get(n, 0.0) + 1.0} for n in names}
        self.sweep = Sweep(
            factors=factors,
            design={"kind": kind, number: size, **design},
            replications=replications,
            outcomes={"y": {"of": "welfare"}},
        )
        self.design = pd.DataFrame(points_of(self.sweep))
        plan = Plan.of(self.sweep)
        self.design.insert(0, "point_id", [point.id for point in plan.points])
        self.manifest = {"replications": replications}
        self.factors, self.outcomes = names, ["y"]
        y = function(unit_cube(self.sweep))
        self.table = pd.DataFrame(
            [(run.id, run.point, run.replication, "ok", y[run.point]) for run in plan.runs()],
            columns=["run_id", "point", "replication", "status", "y"],
        )

    def runs(self):
        return self.table.copy()


def value(table, order, factor, other=""):
    rows = table[(table["order"] == order) & (table["factor"] == factor) & (table["other"] == other)]
    assert len(rows) == 1
    return rows["value"].iloc[0]


def ishigami(cube, a=7.0, b=0.1):
    """Ishigami and Homma (1990)."""
    x = np.pi * (2 * cube - 1)
    return np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])


G = np.array([0, 1, 4.5, 9, 99, 99, 99, 99])


def sobol_g(cube):
    """Saltelli and Sobol (1995)."""
    return np.prod((np.abs(4 * cube - 2) + G) / (1 + G), axis=1)


# --- published indices, to an absolute 0.02 ---


def test_ishigami():
    found = of_sweep(Answers(ishigami, 3, "saltelli", 4096, second_order=True))
    table, names = found.indices, found.factors
    for order, known in (("first", (0.3139, 0.4424, 0.0)), ("total", (0.5576, 0.4424, 0.2437))):
        assert [value(table, order, name) for name in names] == pytest.approx(known, abs=0.02)
    for (i, j), known in {(0, 1): 0.0, (0, 2): 0.2437, (1, 2): 0.0}.items():
        assert value(table, "second", names[i], names[j]) == pytest.approx(known, abs=0.02)
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()
    assert set(table["n"]) == {4096}
    assert sorted(found.convergence["n"].unique()) == [256, 512, 1024, 2048, 4096]
    assert found.constant == []


def test_sobol_g():
    found = of_sweep(Answers(sobol_g, 8, "saltelli", 4096, replications=2))
    single = 1 / (3 * (1 + G) ** 2)
    whole = np.prod(1 + single) - 1
    totals = [single[i] * np.prod(1 + np.delete(single, i)) / whole for i in range(8)]
    assert [value(found.indices, "first", name) for name in found.factors] == pytest.approx(single / whole, abs=0.02)
    assert [value(found.indices, "total", name) for name in found.factors] == pytest.approx(totals, abs=0.02)


def test_a_linear_model_is_exact_in_its_total_indices_and_effects():
    weights = np.array([1.0, 2.0, 0.0])
    found = of_sweep(Answers(lambda cube: 5 + cube @ weights, 3, "saltelli", 4096))
    for order in ("first", "total"):
        got = [value(found.indices, order, name) for name in found.factors]
        assert got == pytest.approx([0.2, 0.8, 0.0], abs=0.01)
    assert value(found.indices, "total", found.factors[2]) == 0
    effects = of_sweep(Answers(lambda cube: 5 - cube @ weights, 3, "morris", 6))
    for order, known in (("mu_star", weights), ("mu", -weights), ("sigma", 0 * weights)):
        got = [value(effects.indices, order, name) for name in effects.factors]
        assert got == pytest.approx(known, abs=1e-9)


def test_morris_of_a_known_function():
    """y = x1 + x2 x3: effects of x2 are x3's levels, 0, 1/3, 2/3, 1, each as likely (mean 1/2, variance 5/36)."""
    found = of_sweep(Answers(lambda x: x[:, 0] + x[:, 1] * x[:, 2], 3, "morris", 2000))
    names = found.factors
    assert value(found.indices, "mu_star", names[0]) == pytest.approx(1, abs=1e-9)
    assert value(found.indices, "sigma", names[0]) == pytest.approx(0, abs=1e-9)
    for name in names[1:]:
        for order, known in (("mu_star", 0.5), ("mu", 0.5), ("sigma", np.sqrt(5 / 36))):
            rows = found.indices[(found.indices["order"] == order) & (found.indices["factor"] == name)].iloc[0]
            assert rows["value"] == pytest.approx(known, abs=0.02)
            assert rows["low"] < known < rows["high"]
    assert sorted(found.convergence["n"].unique()) == [125, 250, 500, 1000, 2000]


@pytest.mark.parametrize("levels", [4, 6, 10])
def test_effects_are_those_of_the_steps_that_were_made(levels):
    problem = {"num_vars": 2, "names": ["a", "b"], "bounds": [[0, 1]] * 2}
    x = morris.sample(problem, 12, num_levels=levels, seed=3)
    table = morris_effects(x, x[:, 0] - 2 * x[:, 1], ["a", "b"])
    for order, known in (("mu_star", (1, 2)), ("mu", (1, -2)), ("sigma", (0, 0))):
        assert [value(table, order, name) for name in ("a", "b")] == pytest.approx(known, abs=1e-9)


def test_intervals_hold_what_they_promise():
    """Of 60 designs the 95 % interval of a total index holds the true one in nearly all."""
    held = 0
    for seed in range(60):
        cube = unit_cube(
            Sweep(factors=dict.fromkeys(PARAMETERS[:3], RANGE), design=dict(kind="saltelli", points=256), seed=seed)
        )
        table = sobol_indices(ishigami(cube), ["a", "b", "c"])
        row = table[(table["order"] == "total") & (table["factor"] == "a")].iloc[0]
        held += row["low"] < 0.5576 < row["high"]
    assert held >= 51


# --- the design ---


@pytest.mark.parametrize("second", [False, True])
def test_a_prefix_of_a_saltelli_design_is_one(second):
    """The first 2^m blocks are those of the smaller design, and their base points are a net in every coordinate."""
    factors = dict.fromkeys(PARAMETERS[:4], RANGE)

    def cube(n):
        return unit_cube(Sweep(factors=factors, design={"kind": "saltelli", "points": n, "second_order": second}))

    step, large = (10, cube(256)) if second else (6, cube(256))
    for n in (8, 64, 128):
        small = cube(n)
        np.testing.assert_array_equal(small, large[: n * step])
        base = np.hstack([small[::step], small[step - 1 :: step]])
        for column in base.T:
            assert sorted(np.floor(column * n).astype(int)) == list(range(n))
        assert qmc.discrepancy(base) < qmc.discrepancy(np.random.default_rng(1).random(base.shape))
    assert subsets(1024, "sobol") == [64, 128, 256, 512, 1024]
    assert subsets(16, "sobol") == [8, 16]
    assert subsets(4, "sobol") == [4]
    assert subsets(20, "morris") == [5, 10, 20]


def test_the_built_in_analysis():
    asked = load(None, Wanted())
    assert len(asked.factors) >= 20
    assert len(asked.columns) - len(years_of(asked)) == 6
    assert asked.number_of_runs == 256 * (len(asked.factors) + 2) * asked.replications
    for name, factor in asked.factors.items():
        assert factor.low <= Parameters.model_fields[name].default <= factor.high, name
    assert years_of(asked)["lerner_closed_in_2027"] == ("lerner_closed", 2027)
    assert load(None, Wanted("morris", trajectories=8)).number_of_points == 8 * (len(asked.factors) + 1)
    assert noise_sweep(asked, 7).replications == 7
    short = load(BUILT_IN, Wanted(months=18))
    assert "crash_compute" not in short.columns
    assert years_of(short)["frontier_in_2024"] == ("frontier", 2024)
    assert short.columns["frontier_in_2024"].last == 17


def test_bars_beyond_the_axis_say_so():
    rows = [("y", order, "a", "", 2.13, 0.9, 3.4, 8) for order in ("total", "first")]
    rows += [("y", "total", "b", "", 0.5, 0.4, 0.6, 8), ("y", "first", "b", "", -0.7, -1.0, 0.1, 8)]
    columns = ["outcome", "order", "factor", "other", "value", "low", "high", "n"]
    drawn = figures.indices(pd.DataFrame(rows, columns=columns))
    assert [text.get_text() for text in drawn.axes[0].texts] == ["2.1 →", "2.1 →", "← -0.7"]


# --- nothing passes for a number ---


def saltelli_output(n=64, k=3):
    cube = unit_cube(Sweep(factors=dict.fromkeys(PARAMETERS[:k], RANGE), design={"kind": "saltelli", "points": n}))
    return ishigami(cube)


def test_seed_zero_is_a_seed():
    y = saltelli_output()
    one, two = (sobol_indices(y, ["a", "b", "c"], seed=0) for _ in range(2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    other = sobol_indices(y, ["a", "b", "c"], seed=1)
    assert (other["low"] != one["low"]).any()
    assert (other["value"] == one["value"]).all()
    assert positive(0) > 0
    cube = unit_cube(Sweep(factors=dict.fromkeys(PARAMETERS[:3], RANGE), design={"kind": "morris", "trajectories": 9}))
    one, two = (morris_effects(cube, ishigami(cube), ["a", "b", "c"], seed=0) for _ in range(2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf])
def test_a_number_that_is_none_raises_and_names_the_run(bad):
    y = saltelli_output()
    y[17] = bad
    with pytest.raises(
        IncompleteRuns, match=r"1 of 320 runs has no finite number in output: run 17; nothing is dropped"
    ):
        sobol_indices(y, ["a", "b", "c"])
    with pytest.raises(IncompleteRuns, match="the_run"):
        sobol_indices(y, ["a", "b", "c"], runs=["other"] * 17 + ["the_run"] + ["other"] * (y.size - 18))
    answers = Answers(ishigami, 3, "saltelli", 64)
    answers.table.loc[17, "y"] = bad
    with pytest.raises(IncompleteRuns, match=r"no number in y") as caught:
        of_sweep(answers)
    assert caught.value.run_ids == (answers.table["run_id"][17],)
    assert caught.value.run_ids[0] in str(caught.value)
    cube = unit_cube(Sweep(factors=dict.fromkeys(PARAMETERS[:3], RANGE), design={"kind": "morris", "trajectories": 9}))
    effects = ishigami(cube)
    effects[3] = bad
    with pytest.raises(IncompleteRuns, match="run 3"):
        morris_effects(cube, effects, ["a", "b", "c"])


def test_a_missing_run_and_failed_ones_raise():
    answers = Answers(ishigami, 3, "saltelli", 64, replications=2)
    absent = answers.table["run_id"][40]
    answers.table = answers.table.drop(index=40)
    with pytest.raises(IncompleteRuns, match=r"1 of 640 runs has no number: .* \(missing\).*goes on") as caught:
        of_sweep(answers)
    assert caught.value.run_ids == (absent,)
    answers.table.loc[[1, 2, 3, 4], "status"] = "failed"
    with pytest.raises(IncompleteRuns, match=r"5 of 640 runs have .* and 2 more; .*--retry-failed") as caught:
        of_sweep(answers)
    assert len(caught.value.run_ids) == 5


def test_an_output_that_does_not_vary_has_no_indices():
    table = sobol_indices(np.full(320, 3.3), ["a", "b", "c"], of="flat")
    assert table[["value", "low", "high"]].isna().all(axis=None)
    rounding = 3.3 + 1e-15 * np.random.default_rng(0).normal(size=320)
    assert sobol_indices(rounding, ["a", "b", "c"])["value"].isna().all()
    assert sobol_indices(np.zeros(320), ["a", "b", "c"])["value"].isna().all()
    found = of_sweep(Answers(lambda cube: np.full(len(cube), 3.3), 3, "saltelli", 16))
    assert found.constant == ["y"]
    assert found.indices["value"].isna().all()
    still = of_sweep(Answers(lambda cube: np.full(len(cube), 3.3), 3, "morris", 5))
    assert still.constant == ["y"]
    assert (still.indices["value"] == 0).all()


def test_a_skewed_output_is_told_and_its_logarithm_analysed():
    def skewed(cube):
        return np.exp(12 * cube[:, 0] + 8 * cube[:, 1])

    answers = Answers(skewed, 3, "saltelli", 512)
    assert of_sweep(answers).skewed == ["y"]
    found = of_sweep(answers, logarithms=["y"])
    assert found.skewed == []
    assert [value(found.indices, "total", name) for name in found.factors] == pytest.approx(
        [9 / 13, 4 / 13, 0], abs=0.02
    )
    with pytest.raises(ValueError, match=r"y: \d+ of 2,560 values are not above 0"):
        of_sweep(Answers(ishigami, 3, "saltelli", 512), logarithms=["y"])
    assert of_sweep(Answers(ishigami, 3, "saltelli", 512)).skewed == []
    few = Answers(skewed, 3, "saltelli", 16)
    assert of_sweep(few).skewed == [], "80 points have no hundredth"


def test_what_is_no_design_is_refused():
    with pytest.raises(ValueError, match="5 outputs per block"):
        sobol_indices(np.arange(321.0), ["a", "b", "c"])
    with pytest.raises(ValueError, match="two factors or more"):
        sobol_indices(np.arange(9.0), ["a"])
    x = np.random.default_rng(0).random((8, 3))
    with pytest.raises(ValueError, match="no Morris design"):
        morris_effects(x, x[:, 0], ["a", "b", "c"])
    answers = Answers(ishigami, 3, "saltelli", 16)
    answers.design.loc[3, answers.factors[0]] += 0.1
    with pytest.raises(ValueError, match="design is not the one"):
        of_sweep(answers)
    with pytest.raises(KeyError, match="did you mean"):
        of_sweep(Answers(ishigami, 3, "saltelli", 16), ["yy"])
    for of in ([], "y"):
        with pytest.raises(ValueError, match="must be a list of outcomes"):
            of_sweep(Answers(ishigami, 3, "saltelli", 16), of)
    with pytest.raises(ValueError, match="logarithm of 'yy': is not analysed; did you mean 'y'?"):
        of_sweep(Answers(ishigami, 3, "saltelli", 16), logarithms=["yy"])


# --- the seed's own noise ---


def test_components_of_variance():
    rng = np.random.default_rng(3)
    values = 2 * rng.normal(size=(800, 1)) + rng.normal(size=(1, 600)) + 0.5 * rng.normal(size=(800, 600))
    found = components(values)
    assert found == pytest.approx((4, 1, 0.25), rel=0.15)
    share = shares(values, replications=5)
    assert share["parameters"] + share["seed"] + share["interaction"] == pytest.approx(1)
    assert share["left_in_indices"] == pytest.approx(0.05 / 4.05, rel=0.15)
    assert np.isnan(shares(np.ones((4, 4)))["seed"])
    with pytest.raises(ValueError, match="two points"):
        components(values[:, :1])


def test_noise_of_the_chosen_outcomes_asks_nothing_of_the_others():
    answers = Answers(ishigami, 3, "saltelli", 16, replications=2)
    answers.table["z"] = NAN
    answers.outcomes = ["y", "z"]
    assert set(seed_noise(answers, of=["y"])["outcome"]) == {"y"}
    with pytest.raises(IncompleteRuns, match="no number in z"):
        seed_noise(answers)


# --- a sweep of the model ---

SPEC = """
replications = 2
months = 6

[populations]
adopters = 24
investors = 40

[factors]
developer_sensitivity = { low = 0.5, high = 2.0, scale = "log" }
closed_trust = { low = 1.0, high = 4.0 }

[outcomes]
lerner_closed_mean = { of = "lerner_closed" }
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SPEC)
    return path


def complaints(*words):
    result = runner.invoke(app, [str(word) for word in words])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return [line.removeprefix("abm: ") for line in result.stderr.splitlines()]


def test_resumed_is_uninterrupted(spec, tmp_path):
    asked = load(spec, Wanted(points=8))
    run_sweep(asked, tmp_path / "whole")
    run_sweep(asked, tmp_path / "parts", shard=(1, 3))
    with pytest.raises(IncompleteRuns, match=r"42 of 64 runs have .*goes on with what is missing"):
        of_sweep(open_sweep(tmp_path / "parts"))
    run_sweep(asked, tmp_path / "parts")
    whole, parts = (of_sweep(open_sweep(tmp_path / name)) for name in ("whole", "parts"))
    pd.testing.assert_frame_equal(whole.indices, parts.indices, check_exact=True)
    pd.testing.assert_frame_equal(whole.years, parts.years, check_exact=True)
    larger = load(spec, Wanted(points=16))
    tally = run_sweep(larger, tmp_path / "whole", accept_changes=True)
    assert tally.before == 64, "the runs of the smaller design are kept"
    grown = of_sweep(open_sweep(tmp_path / "whole")).convergence
    half = grown[grown["n"] == 8].reset_index(drop=True)
    pd.testing.assert_frame_equal(half, whole.indices, check_exact=True)


def test_the_command_sensitivity(spec, tmp_path):
    words = ["sensitivity", spec, "--points", "8", "--seeds", "3", "--workers", "1", "--of", "lerner_closed,frontier"]
    words = [*map(str, words), "--second-order", "--out", str(tmp_path / "out")]
    result = runner.invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "left in the indices" in result.stdout
    table = pd.read_csv(tmp_path / "out" / "indices.csv", keep_default_na=False)
    assert list(table.columns) == ["outcome", "order", "factor", "other", "value", "low", "high", "n"]
    assert set(table["outcome"]) == {"lerner_closed_mean", "frontier_mean"}
    assert set(table["order"]) == {"first", "total", "second"}
    assert value(table[table["outcome"] == "lerner_closed_mean"], "total", "developer_sensitivity") > 0.3
    years = pd.read_csv(tmp_path / "out" / "years.csv")
    assert set(years["year"]) == {2023}
    assert set(pd.read_csv(tmp_path / "out" / "noise.csv")["seeds"]) == {3}
    for name in ("indices", "convergence", "years"):
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 10_000
    again = runner.invoke(app, [*words, "--no-time-resolved"])
    assert "0 runs in" in again.stdout
    log = runner.invoke(app, [*words, "--log", "frontier", "--no-time-resolved"])
    assert log.exit_code == 0, log.output
    told = pd.read_csv(tmp_path / "out" / "indices.csv")
    changed = (told["value"] != table["value"]).groupby(told["outcome"]).all()
    assert changed.to_dict() == {"ln frontier_mean": True, "lerner_closed_mean": False}
    assert set(pd.read_csv(tmp_path / "out" / "noise.csv")["outcome"]) == {"ln frontier_mean", "lerner_closed_mean"}
    assert seed_noise(open_sweep(tmp_path / "out" / "seeds")).shape == (8, 7)
    assert not list((tmp_path / "out").glob("years.*")), "of the analysis before"
    assert runner.invoke(app, [*words, "--seeds", "0", "--no-time-resolved"]).exit_code == 0
    left = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert left == {f"{name}.{kind}" for name in ("indices", "convergence") for kind in ("csv", "png")}


def test_the_command_with_morris(spec, tmp_path):
    words = [
        "sensitivity",
        spec,
        "--method",
        "morris",
        "--trajectories",
        "4",
        "--seeds",
        "0",
        "--out",
        tmp_path / "out",
    ]
    result = runner.invoke(app, [*map(str, words), "--workers", "1"])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "out" / "indices.csv")
    assert set(table["order"]) == {"mu_star", "mu", "sigma"}
    assert not (tmp_path / "out" / "noise.csv").exists()


def test_failed_runs_are_told_and_nothing_is_analysed(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("ABM_FAIL_AT", "5/1:raise")
    words = ["sensitivity", spec, "--points", "8", "--seeds", "0", "--out", tmp_path / "out", "--workers", "1"]
    result = runner.invoke(app, list(map(str, words)))
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("abm: 1 of 64 runs has no number: ")
    assert "--retry-failed" in last
    assert not (tmp_path / "out" / "indices.csv").exists()
    monkeypatch.delenv("ABM_FAIL_AT")
    assert runner.invoke(app, [*map(str, words), "--retry-failed"]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--of", "lerner_close"], "no outcome or observable 'lerner_close'; did you mean 'lerner_closed"),
        (["--of", "lerner_closed,welfar"], "did you mean 'welfare'?"),
        (["--method", "sobel"], "--method sobel: must be sobol or morris; did you mean 'sobol'?"),
        (["--points", "100"], "saltelli is balanced for powers of two only, such as 128, not 100"),
        (["--points", "1"], "design.points: 1 is too few for Sobol indices; give 4 or more, a power of two"),
        (["--points", "2"], "design.points: 2 is too few"),
        (["--method", "morris", "--points", "64"], "--points and --second-order: go with --method sobol"),
        (["--trajectories", "4"], "--trajectories: the design is one of sobol"),
        (["--method", "morris", "--trajectories", "1"], "morris needs a whole number, 2 to"),
        (["--log", "lerner_close"], "--log lerner_close: is not analysed; did you mean 'lerner_closed_mean'?"),
        (["--of", "hhi", "--log", "lerner_closed"], "--log lerner_closed: is not analysed"),
        (["--of", ""], "--of '': a name is blank"),
        (["--of", ","], "--of ',': a name is blank"),
        (["--log", "lerner_closed,"], "--log 'lerner_closed,': a name is blank"),
        (["--seeds", "1"], "--seeds 1: noise takes two seeds or more"),
        (["--points", "0"], "--points"),
    ],
)
def test_bad_words_of_sensitivity(spec, words, said):
    lines = complaints("sensitivity", spec, *words)
    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[outcomes]", '[design]\nkind = "grid"\n\n[outcomes]', "design.kind: must be saltelli or morris, not 'grid'"),
        ("closed_trust =", "# closed_trust =", "factors: a sensitivity analysis needs two or more, not 1"),
        ("months = 6", 'months = 6\nscenarios = ["baseline", "no_r1"]', "takes one, not 2"),
        ("months = 6", "months = 6\ncommon_draws = false", "points must share their draws"),
        ("closed_trust", "closed_turst", "did you mean 'closed_trust'?"),
        ('"lerner_closed" }', '"lerner_close" }', "did you mean 'lerner_closed'?"),
        ("months = 6", "months = 6\nmonth = 7", "unknown key 'month'"),
        ("[factors]", "[factors", "TOML syntax"),
    ],
)
def test_a_file_that_will_not_do(spec, old, new, said):
    spec.write_text(SPEC.replace(old, new))
    lines = complaints("sensitivity", spec)
    assert len(lines) == 1
    assert said in lines[0]


def test_a_file_that_is_not_there(tmp_path):
    assert "there is no such file" in complaints("sensitivity", tmp_path / "none.toml")[0]
    (tmp_path / "file").touch()
    result = runner.invoke(app, ["sensitivity", "--dry-run", "--out", str(tmp_path / "file" / "x")])
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_dry_run_says_how_much(tmp_path):
    result = runner.invoke(app, ["sensitivity", "--points", "1024", "--dry-run", "--out", str(tmp_path / "new")])
    assert result.exit_code == 0
    assert "23,552 points" in result.stdout
    assert not (tmp_path / "new").exists()


def test_the_commands_load_nothing_heavy():
    code = (
        "import sys, abm.cli.app; print([m for m in ('SALib', 'scipy', 'numpy', 'pandas', 'jax') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert found.stdout.strip() == "[]"


# --- how many replications ---


def test_the_closed_form():
    """n for t s / sqrt(n) = h: by hand, n = 97.4 for s = 0.1, h = 0.02 with the normal quantile, 99 with t."""
    from scipy.stats import t

    assert enough(0.1, 0.02) == 99
    for sd in (0.001, 0.05, 0.3, 2.0):
        n = enough(sd, 0.02)
        assert t.ppf(0.975, n - 1) * sd / np.sqrt(n) <= 0.02
        assert n == 2 or t.ppf(0.975, n - 2) * sd / np.sqrt(n - 1) > 0.02
    assert enough(0.0, 0.02) == 2
    assert enough(1.0, 0.0) == np.inf


def test_replications_of_simulated_data():
    """Ranges hold the n of the true standard deviation as often as they should, and pairing pays by the covariance."""
    rng = np.random.default_rng(5)
    held = np.zeros(3)
    truth = enough(0.15, 0.02), enough(np.hypot(0.15, 0.15), 0.02, groups=2), enough(np.sqrt(2 * 0.15**2 * 0.1), 0.02)
    for _ in range(200):
        common = rng.normal(size=(1, 100)) * np.sqrt(0.9)
        first, second = 1 + 0.15 * (common + rng.normal(size=(2, 100)) * np.sqrt(0.1))
        rows = needed(first, second)
        assert [row["kind"] for row in rows] == ["mean", "difference, own draws", "difference, common draws"]
        held += [row["needed_low"] <= n <= row["needed_high"] for row, n in zip(rows, truth, strict=True)]
    assert (held >= 182).all(), held


def test_replications_agree_with_the_sequential_rule():
    """The rule stops where its own interval is narrow: at the n that a pilot just as long says, within the pilot's range."""
    rng = np.random.default_rng(8)
    values = rng.normal(1.0, 0.15, size=1000)
    found = judge(values[None], Rule("y", 0.02, minimum=30)).enough
    row = needed(values[:100])[0]
    assert row["needed_low"] <= found <= row["needed_high"]
    assert needed(values[:found])[0]["needed"] == pytest.approx(found, rel=0.03)
    assert row["reached"] == pytest.approx(half_widths(values[None, :100], Rule("y", 0.02))[-1])
    both = np.stack([values, values + rng.normal(0.1, 0.05, size=1000)])
    found = judge(both, Rule("y", 0.02 / 4, minimum=30)).enough
    row = needed(both[0, :100], both[1, :100], 0.02 / 4)[2]
    assert row["needed_low"] <= found <= row["needed_high"]


def test_odd_pilots():
    assert needed([1.0, 1.0, 1.0])[0]["needed"] == 2
    assert needed([-1.0, 1.0])[0]["needed"] == np.inf
    assert spread(np.array([[1.0, 1.0], [2.0, 2.0]]))[0] == 0
    with pytest.raises(IncompleteRuns, match="run 1"):
        needed([1.0, NAN])
    with pytest.raises(ValueError, match="two seeds"):
        needed([1.0])
    with pytest.raises(ValueError, match="above 0"):
        needed([1.0, 2.0], half_width=0)
    text = markdown(replications({"y": np.array([[1.0, 1.1, 0.9]])}), 0.02)
    assert "| `y` | 1 | 0.1 |" in text


def test_the_table_of_seeds_fits_80_columns():
    rng = np.random.default_rng(6)
    values = np.cumsum(rng.normal(0.001, 1, size=(2, 5)), axis=1)
    name = "profit_per_training_spending_of_closed_labs_mean"
    table = seeds_needed(replications({name: values}, 0.001))
    console = Console(width=80, file=io.StringIO())
    console.print(table)
    shown = console.file.getvalue().splitlines()
    assert "…" not in "".join(shown)
    assert max(map(len, shown)) <= 80


def test_the_command_replications(tmp_path):
    words = ["replications", "--seeds", "4", "--months", "3", "--against", "ip_strict", "--of", "lerner_closed,hhi"]
    result = runner.invoke(app, [*words, "--workers", "1", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "replications.csv")
    assert list(table["outcome"].unique()) == ["lerner_closed_mean", "hhi_mean"]
    assert set(table["scenario"]) == {"baseline", "ip_strict - baseline"}
    assert len(table) == 6
    start = next(n for n, line in enumerate(result.stdout.splitlines()) if line.startswith("outcome"))
    shown = result.stdout.splitlines()[start + 1 : start + 7]
    assert [line.split()[2] for line in (shown[0], shown[3])] == ["mean", "mean"]
    for line, row in zip(shown, table.itertuples(), strict=True):
        assert len(line) <= 80
        for number in (row.needed, row.needed_low, row.needed_high):
            assert f"{number:,.0f}" in line
    assert "| `hhi_mean` |" in (tmp_path / "replications.md").read_text()
    values = numbers(open_sweep(tmp_path / "runs"), ["hhi_mean"])[0]
    assert table[table["outcome"] == "hhi_mean"]["value"].iloc[0] == pytest.approx(values[0].mean())
    assert "crash_compute" in pilot(["baseline"], (), 5, 60).columns


def test_ctrl_c_says_whether_runs_are_kept(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("abm.sweeps.run.run_sweep", stop)
    words = ["replications", "--seeds", "4", "--months", "3"]
    result = runner.invoke(app, words)
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "abm: stopped; nothing was kept; give --out to keep runs"
    result = runner.invoke(app, [*words, "--out", str(tmp_path)])
    last = result.stderr.splitlines()[-1]
    assert last == f"abm: stopped; 0 runs are kept in {tmp_path / 'runs'}; run it again to go on"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--of", "lerner"], "did you mean 'lerner"),
        (["--of", ""], "--of '': a name is blank"),
        (["--against", "ip_strickt"], "did you mean 'ip_strict'?"),
        (["--against", "baseline"], "is the scenario itself"),
        (["--half-width", "0"], "above 0 and below 1"),
        (["--seeds", "1"], "--seeds"),
    ],
)
def test_bad_words_of_replications(words, said):
    lines = complaints("replications", *words)
    assert len(lines) == 1
    assert said in lines[0]


# --- a sample in another layout, unit or order than the analysis takes ---


def saltelli_design(k, second, n=64):
    problem = {"num_vars": k, "names": [f"x{at}" for at in range(k)], "bounds": [[0, 1]] * k}
    return sobol.sample(problem, n, calc_second_order=second, seed=5)


@pytest.mark.parametrize("k", [2, 3, 6, 7, 14, 15])
def test_the_other_layout_is_refused(k):
    """Its lengths fit these numbers of factors: the indices came out tight and wrong."""
    names = [f"x{at}" for at in range(k)]
    for second in (False, True):
        cube = saltelli_design(k, second, 512)
        y = (cube - 0.5) @ np.arange(1.0, k + 1)
        right = sobol_indices(y, names, second_order=second)
        share = k**2 / (np.arange(1, k + 1) ** 2).sum()
        assert value(right, "total", names[-1]) == pytest.approx(share, rel=0.15)
        with pytest.raises(ValueError, match=rf"second_order={second}"):
            sobol_indices(y, names, second_order=not second)
        pd.testing.assert_frame_equal(sobol_indices(y, names, x=cube, second_order=second), right)
        with pytest.raises(ValueError, match=rf"Saltelli design of .* order, .*second_order={second}"):
            sobol_indices(y, names, x=cube, second_order=not second)


def test_points_say_whether_rows_are_where_the_design_has_them():
    names = ["a", "b", "c"]
    cube = saltelli_design(3, False)
    y = pd.Series(ishigami(cube))
    right = sobol_indices(y, names)
    with pytest.raises(ValueError, match=r"y: its rows are numbered.*sort_index"):
        sobol_indices(y.sort_values(), names)
    with pytest.raises(ValueError, match="315 outputs of 3 factors: .* a power of two of blocks"):
        sobol_indices(y[:-5], names)
    natural = pd.DataFrame(10 + 5 * cube, columns=names).assign(point=range(len(cube)))
    pd.testing.assert_frame_equal(sobol_indices(y, names, x=natural), right)
    pd.testing.assert_frame_equal(sobol_indices(y.sample(frac=1, random_state=1), names, x=natural), right)
    hundred = natural[: 5 * 40]  # no power of two, but whole blocks
    assert set(sobol_indices(y[: 5 * 40], names, x=hundred)["n"]) == {40}
    for wrong in (natural.sample(frac=1, random_state=1), natural[["c", "b", "a"]].set_axis(names, axis=1)):
        with pytest.raises(ValueError, match="x is no Saltelli design of first order"):
            sobol_indices(y, names, x=wrong)
    with pytest.raises(ValueError, match=r"x and y have different row labels: 319 is in one only"):
        sobol_indices(y[:-1], names, x=natural)
    with pytest.raises(ValueError, match="x has no column 'c'"):
        sobol_indices(y, names, x=natural[["a", "b"]])


def test_effects_in_natural_units_take_bounds():
    names, ends = ["a", "b"], np.array([[2.0, 6.0], [0.2, 0.4]])
    unit = morris.sample({"num_vars": 2, "names": names, "bounds": [[0, 1]] * 2}, 12, seed=3)
    x = ends[:, 0] + unit * np.ptp(ends, axis=1)
    y = x[:, 0] - 10 * x[:, 1]
    with pytest.raises(ValueError, match=r"points from 0\.2 to 6 do not all lie in the unit cube: give `bounds`"):
        morris_effects(x, y, names)
    with pytest.raises(ValueError, match=r"steps from .* give `bounds`"):
        morris_effects(0.2 + 0.2 * unit, y, names)  # within the unit cube, and yet no share of a range
    table = morris_effects(x, y, names, bounds=ends)
    assert [value(table, "mu", name) for name in names] == pytest.approx([4, -2])
    frame = pd.DataFrame(x, columns=names)[["b", "a"]]
    shuffled = pd.Series(y).sample(frac=1, random_state=2)
    pd.testing.assert_frame_equal(morris_effects(frame, shuffled, names, bounds=ends), table)
    with pytest.raises(ValueError, match="do not all lie in bounds"):
        morris_effects(x, y, names, bounds=ends[::-1])
    with pytest.raises(ValueError, match="must be 2 pairs"):
        morris_effects(x, y, names, bounds=ends[:, ::-1])


def test_names_and_outcomes_that_repeat_are_refused():
    cube = saltelli_design(3, False)
    for work in (
        lambda names: sobol_indices(ishigami(cube), names),
        lambda names: morris_effects(cube, cube[:, 0], names),
    ):
        with pytest.raises(ValueError, match="names: 'a' stands for two factors"):
            work(["a", "b", "a"])
        with pytest.raises(ValueError, match="must be a list of the factors' names"):
            work("abc")
    answers = Answers(ishigami, 3, "saltelli", 16)
    with pytest.raises(ValueError, match="an outcome is named twice"):
        of_sweep(answers, ["y", "y"])
    with pytest.raises(ValueError, match=r"years = \[2099\]"):
        of_sweep(answers, years=[2099])
    with pytest.raises(ValueError, match="logarithm of 'yy': is not analysed"):
        seed_noise(answers, logarithms=["yy"])


def test_a_pilot_pairs_its_runs_by_seed():
    rng = np.random.default_rng(1)
    first = pd.Series(10 + rng.normal(size=50), index=range(50, 100))
    second = first + 1 + 0.01 * rng.normal(size=50)
    right = needed(first.to_numpy(), second.to_numpy())
    assert needed(first, second.sample(frac=1, random_state=3)) == right
    with pytest.raises(ValueError, match="first and second have different row labels: 50 is in one only"):
        needed(first, second[1:])
    with pytest.raises(ValueError, match="both must have the same runs"):
        needed(first.to_numpy(), second.to_numpy()[1:])
    with pytest.raises(ValueError, match="values of 3 scenarios"):
        replications({"y": np.ones((3, 5))})
