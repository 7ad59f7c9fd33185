"""Number of replications needed: closed forms, simulated data, and the command."""

import io

import numpy as np
import pandas as pd
import pytest
from helpers.sensitivity import NAN, complaints, runner
from rich.console import Console

from abm.analysis.replications import enough, markdown, needed, replications, spread
from abm.analysis.require_finite import IncompleteRuns, outcome_cube
from abm.analysis.sensitivity_design import pilot
from abm.cli.app import app
from abm.cli.sensitivity import seeds_needed
from abm.sweeps import open_sweep
from abm.sweeps.stopping import Rule, half_widths, judge


def test_enough_is_the_smallest_sufficient_number():
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
    """Ranges have nominal coverage of the true n, and pairing reduces n according to the covariance."""
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
    """The sequential rule stops at about the n estimated by a pilot of the same length, within the pilot's range."""
    rng = np.random.default_rng(8)
    values = rng.normal(1.0, 0.15, size=1000)
    enough_runs = judge(values[None], Rule("y", 0.02, minimum=30)).enough
    row = needed(values[:100])[0]
    assert row["needed_low"] <= enough_runs <= row["needed_high"]
    assert needed(values[:enough_runs])[0]["needed"] == pytest.approx(enough_runs, rel=0.03)
    assert row["reached"] == pytest.approx(half_widths(values[None, :100], Rule("y", 0.02))[-1])
    both = np.stack([values, values + rng.normal(0.1, 0.05, size=1000)])
    enough_runs = judge(both, Rule("y", 0.02 / 4, minimum=30)).enough
    row = needed(both[0, :100], both[1, :100], 0.02 / 4)[2]
    assert row["needed_low"] <= enough_runs <= row["needed_high"]


def test_degenerate_pilots():
    assert needed([1.0, 1.0, 1.0])[0]["needed"] == 2
    assert needed([-1.0, 1.0])[0]["needed"] == np.inf
    assert spread(np.array([[1.0, 1.0], [2.0, 2.0]]))[0] == 0
    with pytest.raises(IncompleteRuns, match="run 1"):
        needed([1.0, NAN])
    with pytest.raises(ValueError, match="at least two seeds"):
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


@pytest.mark.slow
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
    values = outcome_cube(open_sweep(tmp_path / "runs"), ["hhi_mean"])[0]
    assert table[table["outcome"] == "hhi_mean"]["value"].iloc[0] == pytest.approx(values[0].mean())
    assert "crash_compute" in pilot(["baseline"], (), 5, 60).columns


def test_ctrl_c_reports_whether_runs_are_saved(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("abm.sweeps.run.run_sweep", stop)
    words = ["replications", "--seeds", "4", "--months", "3"]
    result = runner.invoke(app, words)
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "abm: stopped; nothing was saved; give --out to save runs"
    result = runner.invoke(app, [*words, "--out", str(tmp_path)])
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"abm: stopped; 0 runs are saved in {tmp_path / 'runs'}; ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--of", "lerner"], "did you mean 'lerner"),
        (["--of", ""], "--of '': a name is blank"),
        (["--against", "ip_strickt"], "did you mean 'ip_strict'?"),
        (["--against", "baseline"], "is the same as --scenario"),
        (["--half-width", "0"], "above 0 and below 1"),
        (["--seeds", "1"], "--seeds"),
    ],
)
def test_bad_options_take_one_line(words, message):
    lines = complaints("replications", *words)
    assert len(lines) == 1
    assert message in lines[0]
