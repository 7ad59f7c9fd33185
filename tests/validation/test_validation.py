"""The validation ladder: every rung is met, can fail, and is reported."""

import re
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from typer.testing import CliRunner

from abm.cli.app import app
from abm.engine import interpreted
from abm.mechanisms import conduct, disclosure, enforcement, imitation, investment, machines
from abm.validation import compute_limits, imitation_limits, ladder, token_limits
from abm.validation.ladder import Rung, Skipped, above, below, between, check, climb, markdown, reported
from abm.validation.models import epidemic, firms, step_by_step
from abm.validation.theory import catch_up, influence, nash, opinions, race, vertical_chain

RUNGS = ladder.all_rungs()
runner = CliRunner()


LONG = {"V5", "V11", "V16", "V19", "V20", "V21", "V22", "V23", "V24", "V25"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if r.slow or n in LONG else ()) for n, r in RUNGS.items()]
)
def test_every_check_of_a_rung_is_met(name):
    result = RUNGS[name].run()
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.checks
    assert not [one for one in result.checks if not one.ok]


@pytest.mark.parametrize(
    ("name", "module", "function"),
    [
        ("V4", nash, "nash_prices"),
        ("V7", catch_up, "catch_up_lag"),
        ("V9", machines, "work_demand"),
        ("V10", vertical_chain, "successive_monopoly"),
        ("V12", opinions, "friedkin_johnsen"),
        ("V13", disclosure, "price_response"),
        ("V14", investment, "option_multiple"),
        ("V18", influence, "influence_vector"),
        pytest.param("V21", machines, "clearing_rent", marks=pytest.mark.slow),
        pytest.param("V22", conduct, "best_margins", marks=pytest.mark.slow),
        pytest.param("V24", imitation, "optimal_exchanges", marks=pytest.mark.slow),
        pytest.param("V24", enforcement, "royalty", marks=pytest.mark.slow),
        pytest.param("V25", enforcement, "ruling", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_mechanism_fails_its_rung(name, module, function, monkeypatch):
    """Rungs call the model's own functions: if one is changed, its rung fails."""
    right = getattr(module, function)

    def wrong(*given, **named):
        result = right(*given, **named)
        return tuple(x**1.05 for x in result) if isinstance(result, tuple) else result**1.05

    monkeypatch.setattr(module, function, wrong)
    programs = compute_limits.program, token_limits.program, imitation_limits.program
    for program in programs:
        program.cache_clear()
    assert not RUNGS[name].run().ok
    for program in programs:
        program.cache_clear()


def test_agents_that_deviate_from_the_formula_fail_their_rung(monkeypatch):
    """Duopolies with more effort than in the formula do not reproduce its innovation rate."""
    right = race.race_efforts
    monkeypatch.setattr(race, "race_efforts", lambda d, *rest: tuple(1.1 * x for x in right(d, *rest)))
    missed = [one.what for one in RUNGS["V8"].run().checks if not one.ok]
    assert any("innovation at competition" in what for what in missed)


@pytest.mark.parametrize(
    "run",
    [
        lambda: step_by_step.one_run(1, 0.7, 0.4, 5, 6),
        lambda: epidemic.one_run(1, nx.cycle_graph(8), 0.7, 1, 4),
        lambda: firms.one_run(0.3, 6, 1, 6, 3),
    ],
    ids=["step_by_step", "epidemic", "firms"],
)
def test_compiled_rules_agree_with_interpreted_ones(run):
    compiled = run()
    with interpreted():
        np.testing.assert_allclose(run(), compiled, rtol=1e-12)


def test_all_rungs_are_registered_and_documented():
    assert list(RUNGS) == [f"V{number}" for number in range(1, 26)]
    for rung in RUNGS.values():
        assert len(rung.setting) > 40
        assert rung.source


def test_checks_are_met_within_their_tolerance():
    assert check("", 1.0009, 1, absolute=1e-3).ok
    assert not check("", 1.0011, 1, absolute=1e-3).ok
    assert check("", -101.9, -100, relative=0.02).ok
    assert not check("", -102.1, -100, relative=0.02).ok
    assert check("", 1.29, 1, standard_error=0.1).ok
    assert not check("", 1.31, 1, standard_error=0.1).ok
    assert check("", 1.31, 1, standard_error=0.1, rounding=0.02).ok
    assert above("", 0.1, 0).ok and not above("", 0, 0).ok
    assert below("", -0.1, 0).ok and not below("", 0, 0).ok
    assert between("", 0.04, 0.035, 0.065).ok and not between("", 0.07, 0.035, 0.065).ok
    assert reported("", 0.9, 0.05).ok and not reported("", 0.9, 0.05).decides
    for one in (check("", np.nan, 1, absolute=1), above("", np.nan, 0), between("", np.nan, 0, 1)):
        assert not one.ok
    with pytest.raises(ValueError, match="tolerance"):
        check("", 1, 1)


def rung(name, value, skipped=""):
    def checks():
        """One number."""
        if skipped:
            raise Skipped(skipped)
        yield check("a | b", value, 1, absolute=0.1)

    return Rung(name, "Title", "Author (2000)", False, checks)


@pytest.fixture
def rungs(monkeypatch, tmp_path):
    """Three rungs (met, missed, skipped), in an empty folder."""
    three = {"V1": rung("V1", 1.01), "V2": rung("V2", 1.2), "V3": rung("V3", 1, "pip install oracle")}
    monkeypatch.setattr(ladder, "all_rungs", lambda: three)
    monkeypatch.chdir(tmp_path)
    return three


def test_the_command_reports_misses_and_exits_with_1(rungs):
    result = runner.invoke(app, ["validate"])
    assert result.exit_code == 1
    assert "1 of 2 checks met in 2 rungs; missed in V2; skipped: V3" in result.stdout
    for text in ("V2 Title", "Author (2000)", "1.2", "NO", "pip install oracle"):
        assert text in result.stdout
    assert not Path("docs").exists()
    assert runner.invoke(app, ["validate", "v1"]).exit_code == 0


def test_the_page_is_written_only_by_a_complete_run(rungs):
    Path("docs").mkdir()
    runner.invoke(app, ["validate", "V1"])
    assert not Path("docs/validation.md").exists()
    assert "was not updated because a rung was skipped" in runner.invoke(app, ["validate"]).stdout
    assert not Path("docs/validation.md").exists()
    runner.invoke(app, ["validate", "--out", "docs/here.md"])
    assert "Skipped: pip install oracle." in Path("docs/here.md").read_text()
    del rungs["V3"]
    assert "docs/validation.md" in runner.invoke(app, ["validate"]).stdout
    page = Path("docs/validation.md").read_text()
    assert r"| a \| b | 1 | 1.2 | 2.0e-01 | 0.1 | NO |" in page
    assert runner.invoke(app, ["validate", "V1", "--out", "elsewhere/one.md"]).exit_code == 0
    assert "## V2" not in Path("elsewhere/one.md").read_text()


@pytest.mark.parametrize(("words", "text"), [(["V31"], "did you mean 'V3'"), (["V1", "--out", "."], "is a folder")])
def test_bad_input_is_one_line(rungs, words, text):
    result = runner.invoke(app, ["validate", *words])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert text in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_progress_names_the_rung(rungs):
    steps = []
    climb(rungs.values(), lambda *step: steps.append(step))
    assert steps == [("V1 Title", 0, 3), ("V2 Title", 1, 3), ("V3 Title", 2, 3)]


def test_the_page_matches_the_registered_rungs():
    """docs/validation.md has the rungs' titles, settings and sources: run `abm validate` after a change."""
    page = (Path(__file__).parents[2] / "docs" / "validation.md").read_text()
    assert re.findall(r"^## (.*)$", page, re.M) == [f"{one.name} {one.title}" for one in RUNGS.values()]
    for one in RUNGS.values():
        assert one.setting in page
        assert f"Source: {one.source}." in page


def test_an_empty_ladder_gives_a_page():
    assert "0 of 0 checks" in markdown([])
