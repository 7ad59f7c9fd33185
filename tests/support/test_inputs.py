"""User input is converted or rejected with a message: arrays, dates, texts that look like numbers, names."""

import datetime as dt
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import pytest
from helpers.sizes import TINY

import abm
from abm import Parameters, Populations, Setting, Sweep, ensemble, ensembles, simulate
from abm.analysis.counterfactual import Counterfactual, CounterfactualError
from abm.analysis.predictions import READ
from abm.analysis.sensitivity_design import Wanted, load, noise_sweep
from abm.calibration.spec import Calibration
from abm.cli.mistakes import Mistake, parse_settings
from abm.experiments.load import find
from abm.experiments.spec import CONDITION
from abm.support.files import safe_name
from abm.support.inputs import parse_float, parse_int, plain, whole
from abm.sweeps import SpecError
from abm.sweeps.plan import points_of

DAY = dt.date(2025, 1, 20)


# --- plain values ---


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.arange(3), (0, 1, 2)),
        ((np.int64(1), np.float64(0.5), np.bool_(True)), (1, 0.5, True)),
        ((i for i in range(2)), (0, 1)),
        (pd.Series([0.5, 1.0]), (0.5, 1.0)),
        (pd.date_range(DAY, periods=2), (DAY, dt.date(2025, 1, 21))),
        (np.array(["2025-01-20"], "datetime64[ns]"), (DAY,)),
        (np.datetime64("2025-01-20"), DAY),
        (pd.Timestamp("2025-01-20"), DAY),
        (dt.datetime(2025, 1, 20, 9, 30), dt.datetime(2025, 1, 20, 9, 30)),  # not a day: rejected by the caller
        (pd.DataFrame({"a": [1, 2]}), ({"a": 1}, {"a": 2})),
        ({"low": np.float32(0.5)}, {"low": 0.5}),
        ("2025-01-20", "2025-01-20"),
    ],
)
def test_numpy_and_pandas_values_become_plain_python(given, expected):
    converted = plain(given)
    assert converted == expected
    assert type(converted) is type(expected)
    if isinstance(converted, tuple):
        assert list(map(type, converted)) == list(map(type, expected))


def test_nat_is_unchanged():
    assert plain(pd.NaT) is pd.NaT


@pytest.mark.parametrize("value", [True, 2.0, "2", None, 0, np.bool_(True), np.array([2]), 10**30])
def test_whole_rejects_other_types_and_numbers_out_of_range(value):
    with pytest.raises(ValueError, match=r"^chunk = .*: must be a whole number from 1 to 9$"):
        whole("chunk", value, 1, 9)
    assert whole("chunk", np.array(2), 1) == 2


@pytest.mark.parametrize("text", ["1_000", "١٢", "1२", "1_0.5"])
def test_numbers_with_underscores_or_non_ascii_digits_are_rejected_everywhere(text, tmp_path):
    for parse in (parse_float, parse_int):
        with pytest.raises(ValueError):
            parse(text)
    with pytest.raises(Mistake, match="is not a number"):
        parse_settings([f"ip_strength={text}"])
    with pytest.raises(CounterfactualError, match="must be a number"):
        Counterfactual.from_query(f"?ip_strength={text}")
    with pytest.raises(ValueError, match="is not a number"):
        READ["value"](text)
    assert not CONDITION.fullmatch(f"value > {text}")
    (tmp_path / "points.csv").write_text(f"adopters\n{text}\n", encoding="utf-8")
    with pytest.raises(SpecError, match="is not a number"):
        Sweep(design={"kind": "table", "file": "points.csv"}, folder=tmp_path)
    assert find(text) is None


def test_ordinary_numbers_are_parsed():
    assert [parse_float(text) for text in ("0.5", " 1e3 ", "-2")] == [0.5, 1000.0, -2.0]
    assert parse_int("12") == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--seed", "1_0"], "--seed: must be a whole number"),
        (["facts", "--seeds", "٣"], "--seeds: must be a whole number"),
        (["sweep", "x.toml", "--until-ci=0_1", "--of", "welfare"], "--until-ci: must be a number"),
        (["sweep", "x.toml", "--workers", "1_0"], "--workers: must be a whole number"),
        (["compare", "--set", "ip_strength=0_1"], "'0_1' is not a number"),
    ],
)
def test_the_command_line_accepts_plain_digits_only(words, message, capsys):
    from abm.cli.app import app

    with pytest.raises(SystemExit) as end:
        app(words)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_shard_is_given_in_plain_digits(tmp_path, capsys):
    from abm.cli.app import app

    spec = tmp_path / "x.toml"
    spec.write_text("replications = 2\n", encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        app(["sweep", str(spec), "--shard", "١/٢", "--dry-run"])
    assert end.value.code == 2
    assert "K/N" in capsys.readouterr().err


# --- ranges ---


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (
            {"adopters": {"low": 1, "high": 3, "levels": 5}},
            "levels = 5, .* only 3 distinct.*levels = 3",
        ),
        (
            {"r1.date": {"low": DAY, "high": dt.date(2025, 1, 22), "levels": 4}},
            "levels = 4, .* only 3 distinct values from 2025-01-20 to 2025-01-22.*levels = 3",
        ),
        (
            {"adopters": {"low": 1, "high": 10, "levels": 8, "scale": "log"}},
            "levels = 8, .* only 7 distinct.*fewer levels",
        ),
        ({"ip_strength": {"low": 0.5, "high": 0.5 + 1e-15, "levels": 3}}, "levels = 3, .* only 1 distinct"),
    ],
)
def test_a_grid_rejects_a_range_with_duplicate_levels(factors, message):
    with pytest.raises(SpecError, match=f"^factors.{next(iter(factors))}: {message}"):
        Sweep(factors=factors)


def test_a_range_with_as_many_levels_as_values_has_each_value_once():
    sweep = Sweep(factors={"adopters": {"low": 1, "high": 3, "levels": 3}})
    assert points_of(sweep) == [{"adopters": 1}, {"adopters": 2}, {"adopters": 3}]
    wide = Sweep(factors={"adopters": {"low": 1, "high": 10, "levels": 4}})
    assert [point["adopters"] for point in points_of(wide)] == [1, 4, 7, 10]


@pytest.mark.parametrize("levels", [[1, 1.0], [np.int64(1), 1], [DAY, "2025-01-20"], [pd.Timestamp("2025-01-20"), DAY]])
def test_duplicate_levels_are_rejected_whatever_their_type(levels):
    with pytest.raises(SpecError, match="duplicate value"):
        Sweep(factors={"adopters" if levels[0] == 1 else "r1.date": levels})


@pytest.mark.parametrize("kind", ["latin_hypercube", "sobol"])
def test_a_sampled_design_has_at_most_as_many_points_as_combinations(kind):
    design = {"kind": kind, "points": 8}
    for factors in ({"adopters": {"low": 1, "high": 3}}, {"adopters": [10, 20, 30], "investors": [10, 20]}):
        with pytest.raises(SpecError, match=r"^design.points: 8 points, but the factors have only [36] combinations"):
            Sweep(factors=factors, design=design)
    two = Sweep(factors={"adopters": {"low": 1, "high": 3}, "ip_strength": {"low": 0, "high": 1}}, design=design)
    assert len({tuple(point.values()) for point in points_of(two)}) == 8


def test_a_saltelli_design_may_repeat_points_and_its_noise_is_measured_at_fewer():
    factors = {"adopters": [10, 20, 30], "investors": [10, 20]}
    sweep = Sweep(factors=factors, design={"kind": "saltelli", "points": 8})
    assert sweep.number_of_points == 8 * (2 + 2)
    assert noise_sweep(sweep, 3).design.points == (4,)
    assert noise_sweep(load(None, Wanted()), 3).design.points == (32,)


# --- sweeps ---


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("seeds", np.arange(3), (0, 1, 2)),
        ("seeds", (np.int64(4), np.uint8(5)), (4, 5)),
        ("seeds", (seed for seed in (7, 8)), (7, 8)),
        ("months", np.int32(3), 3),
        ("months", np.array(3), 3),
        ("panel", (np.int64(1), 2), (1, 2)),
        ("observables", (name for name in ("welfare",)), ("welfare",)),
        ("scenarios", np.array(["baseline", "no_r1"]), ("baseline", "no_r1")),
        ("populations", {"adopters": np.int64(5)}, {"adopters": 5}),
        ("parameters", {"ip_strength": np.float32(0.5)}, {"ip_strength": 0.5}),
    ],
)
def test_a_sweep_accepts_numpy_values(key, given, expected):
    assert getattr(Sweep(**{key: given}), key) == expected


@pytest.mark.parametrize(
    "levels",
    [
        pd.date_range(DAY, periods=2),
        [pd.Timestamp("2025-01-20"), np.datetime64("2025-01-21")],
        np.array(["2025-01-20", "2025-01-21"], "datetime64[ns]"),
        (dt.datetime(2025, 1, day) for day in (20, 21)),
    ],
)
def test_pandas_and_numpy_dates_are_levels(levels):
    assert Sweep(factors={"r1.date": levels}).factors["r1.date"].values == (DAY, dt.date(2025, 1, 21))
    outcome = {"x": {"of": "abnormal_compute", "date": pd.Timestamp("2025-01-27")}}
    assert Sweep(outcomes=outcome).outcomes["x"].date == dt.date(2025, 1, 27)


def test_a_data_frame_is_a_table_of_points():
    sweep = Sweep(design={"kind": "table", "rows": pd.DataFrame({"adopters": [3, 4], "ip_strength": [0.1, 0.2]})})
    assert points_of(sweep) == [{"adopters": 3, "ip_strength": 0.1}, {"adopters": 4, "ip_strength": 0.2}]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"factors": {"ip_strength": np.array([True, False])}}, "True is not a number"),
        ({"factors": {"r1.date": [pd.Timestamp("2025-01-20 09:30")]}}, "is not a date"),
        ({"factors": {"r1.date": [pd.NaT]}}, "is not a date"),
        ({"parameters": {"ip_strength": np.bool_(True)}}, "must be a number"),
        ({"populations": {"network_seed": -1}}, "populations.network_seed = -1: must be a whole number"),
        ({"populations": {"network_seed": "a"}}, "populations.network_seed = 'a': must be a whole number"),
    ],
)
def test_a_sweep_rejects_values_of_the_wrong_type(given, message):
    with pytest.raises(SpecError, match=message):
        Sweep(**given)


def test_sweep_accepts_an_array_of_seeds():
    results = abm.sweep(
        {"ip_strength": np.array([0.0, 1.0])}, seeds=np.arange(3), months=np.int64(2), populations=TINY,
        observables=["welfare"],
    )  # fmt: skip
    assert results.runs()["seed"].tolist() == [0, 1, 2] * 2
    for seeds in ("12", {1: 2}, 5):
        with pytest.raises(ValueError, match="such as range"):
            abm.sweep({}, seeds=seeds)


# --- runs ---


def hhi(**options):
    return ensemble(**{"seeds": [1, 2], "months": 2, **TINY, **options})["hhi"][:, -1].tolist()


@pytest.fixture(scope="module")
def by_seed():
    """HHI of two seeds, each with its own parameters."""
    return hhi(parameters=[Parameters(ip_strength=0.1), Parameters(ip_strength=0.9)])


@pytest.mark.parametrize(
    "collect",
    [
        iter,
        tuple,
        lambda sets: (parameters for parameters in sets),
        np.array,
        pd.Series,
        lambda sets: pd.DataFrame([{"ip_strength": parameters.ip_strength} for parameters in sets]),
        lambda sets: map(types.MappingProxyType, ({"ip_strength": 0.1}, {"ip_strength": 0.9})),
    ],
)
def test_parameters_by_seed_may_be_any_collection(collect, by_seed):
    assert hhi(parameters=collect([Parameters(ip_strength=0.1), Parameters(ip_strength=0.9)])) == by_seed


def test_arguments_of_an_ensemble_may_be_numpy_values():
    usual = hhi()
    assert hhi(months=np.array(2), adopters=np.int64(2), seeds=np.array([1, 2]), precision=np.int64(64)) == usual
    assert hhi(parameters=types.MappingProxyType({}), products=np.bool_(False), chunk=np.int64(10)) == usual
    assert type(Populations(adopters=np.int64(2)).adopters) is int


@pytest.mark.parametrize("daily", [[1, 0], np.array([1, 0]), (month for month in (1, 0))])
def test_daily_returns_are_stored_for_the_requested_months(daily):
    assert ensemble(seeds=[1], months=2, daily=daily, **TINY).daily_months == (1, 0)
    assert ensemble(seeds=[1], months=2, **TINY).daily_months == ()  # none of the three default months is reached


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"daily": [99]}, "daily month = 99: must be a whole number from 0 to 1"),
        ({"daily": [-1]}, "daily month = -1: must be"),
        ({"daily": ["x"]}, "daily month = 'x': must be"),
        ({"daily": [True]}, "daily month = True: must be"),
        ({"daily": [1.0]}, "daily month = 1.0: must be"),
        ({"daily": [0, 0]}, "duplicate month"),
        ({"daily": 1}, "daily = 1: give months"),
        ({"daily": "all"}, "daily = 'all': give months"),
        ({"chunk": 0}, "chunk = 0: must be a whole number, 1 or more"),
        ({"chunk": 2.5}, "chunk = 2.5: must be"),
        ({"chunk": True}, "chunk = True: must be"),
        ({"precision": "64"}, "precision = '64': choose 64 or 32"),
        ({"precision": 64.0}, "precision = 64.0: choose 64 or 32"),
        ({"products": "no"}, "products = 'no': must be True or False"),
        ({"progress": 3}, "progress = 3: give a function"),
        ({"months": 0}, "months = 0: must be a whole number from 1"),
        ({"months": None}, "months = None: must be"),
        ({"seeds": {1: 2}}, "give several"),
        ({"network_seed": 1.5}, "network_seed = 1.5: must be a whole number"),
        ({"network_seed": -1}, "network_seed = -1: must be a whole number"),
        ({"pricing": 3}, "pricing = 3: choose posted, flexible, nash"),
        ({"parameters": 3}, "parameters = 3: give Parameters, or a table"),
        ({"parameters": {"ip_strength": np.True_}}, "must be a number"),
        ({"parameters": iter([None])}, "1 parameter sets for 2 seeds"),
    ],
)
def test_an_ensemble_rejects_invalid_arguments(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        hhi(**options)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([Setting(months=0)], "months = 0: must be a whole number from 1"),
        ([Setting(months="2")], "months = '2': must be"),
        ([Setting(), Setting(branch_at=True)], "branch_at = True: must be a whole number"),
        ([Setting(), Setting(branch_at=1.5)], "branch_at = 1.5: must be"),
        ([Setting(), Setting(branch_at=None)], "branch_at = None: must be"),
        ([Setting(), Setting(branch_at=2)], "must lie between 0 and 1"),
        ([Setting(branch_at=1), Setting()], "give a first one without branch_at"),
        ([], "give a first one"),
        (Setting(), "give a list"),
        (["baseline"], "'baseline' is neither a Setting nor a tuple"),
        ([{"ip_strength": 0.5}], "is neither a Setting nor a tuple"),
    ],
)
def test_ensembles_reject_invalid_settings(members, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ensembles(members, [1], months=2, **TINY)


def test_a_run_accepts_numpy_integers_and_rejects_other_types():
    assert simulate(seed=np.int64(1), months=np.int64(2), **TINY).setup.months == 2
    for options in ({"seed": True}, {"seed": 1.0}, {"months": 2.0}, {"compiled": 1}):
        with pytest.raises(ValueError, match=f"^{next(iter(options))} = "):
            simulate(**{"months": 2, **TINY, **options})


def test_a_counterfactual_accepts_numpy_and_pandas_values():
    given = Counterfactual(
        levers={"ip_strength": np.float64(0.9)}, since=pd.Timestamp("2025-01-01"), seeds=np.int64(10)
    )
    assert given == Counterfactual(levers={"ip_strength": 0.9}, since=dt.date(2025, 1, 1), seeds=10)


# --- default names ---


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("my sweep", "my_sweep"),
        ("größe", "grosse"),
        ("_x", "x"),
        ("研究", "sweep"),
        ("a" * 100, "a" * 64),
        ("-", "sweep"),
        ("plain-name.2", "plain-name.2"),
    ],
)
def test_a_sweep_without_a_name_is_named_after_its_file(tmp_path, stem, name):
    path = tmp_path / f"{stem}.toml"
    path.write_text("replications = 2\n", encoding="utf-8")
    assert Sweep.load(path).name == name == safe_name(stem, "sweep")
    path.write_text('name = "my sweep"\nreplications = 2\n', encoding="utf-8")
    with pytest.raises(SpecError, match=r":1: name: 'my sweep': must be a short name"):
        Sweep.load(path)


def test_a_calibration_without_a_name_is_named_after_its_file(tmp_path):
    text = (
        'data_to = 2025-06-30\nmoments = ["open_discount", "open_token_share_2024"]\n'
        "[priors]\ntask_value = { low = 1.0, high = 5.0 }\n"
    )
    for stem, name in (("my fit", "my_fit"), ("v1.2", "v1_2"), ("größe", "grosse")):
        path = tmp_path / f"{stem}.toml"
        path.write_text(text, encoding="utf-8")
        assert Calibration.load(path).name == name


def test_an_experiment_may_stand_in_a_folder_of_any_name(tmp_path):
    from abm.experiments import scaffold
    from abm.experiments.load import load as load_experiment

    path = scaffold.scaffold("mine", tmp_path)
    folder = path.parent.rename(tmp_path / "my study ß")
    experiment = load_experiment(folder)
    assert {sweep.name for sweep in experiment.sweeps().values()} == {"my_study_ss"}


def test_folders_without_a_valid_number_are_ignored(tmp_path):
    from abm.experiments.scaffold import scaffold

    (tmp_path / "²_x").mkdir()
    assert scaffold("mine", tmp_path).parent.name == "01_mine"
    assert find("²", tmp_path) is None


def test_a_dry_run_of_a_file_with_a_space_in_its_name(tmp_path):
    (tmp_path / "my sweep.toml").write_text("replications = 2\n", encoding="utf-8")
    command = [sys.executable, "-m", "abm.cli.app", "sweep", "my sweep.toml", "--dry-run"]
    completed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert "my_sweep: grid; 1 point x 2 replications" in completed.stdout


def test_daily_months_lie_within_a_run_of_one_month():
    with pytest.raises(ValueError, match="daily month = 99: must be a whole number from 0 to 0"):
        ensemble(seeds=[1], months=1, daily=[99])
