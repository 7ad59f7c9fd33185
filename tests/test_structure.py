"""The structure of the package: dependencies point one way, files are short, nobody needs another's privates."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "abm").rglob("*.py"))
LONGEST = 400
"""Lines: a file is one idea."""


def lint(config):
    """What import-linter says of the contracts in a file."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run(
        [*command, "--no-cache", "--config", config], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_dependencies_point_one_way_and_there_are_no_cycles():
    done = lint("pyproject.toml")
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('    "agents | reading",\n', ""),  # a part without a place
        ('    "market",\n    "observables', '    "observables'),
        ('"programs",\n    "own_code"', '"own_code",\n    "programs"'),  # an arrow upwards
        ('ignore_imports = ["abm.runs.results -> abm.charts.fans"]\n', ""),  # a cycle of two parts
    ],
)
def test_an_arrow_that_points_the_other_way_is_found(tmp_path, was, now):
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert was in text
    (tmp_path / "pyproject.toml").write_text(text.replace(was, now), encoding="utf-8")
    assert lint(str(tmp_path / "pyproject.toml")).returncode != 0


def test_no_file_is_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_nobody_imports_what_another_file_keeps_to_itself():
    taken = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("abm"):
                taken += [f"{path.relative_to(ROOT)}: {alias.name}" for alias in node.names if alias.name[0] == "_"]
    assert not taken


def test_every_promise_names_tests_that_exist():
    text = (ROOT / "docs/explanation/guarantees.md").read_text(encoding="utf-8")
    named = set(re.findall(r"test_\w+\.py", text))
    assert len(named) > 15
    assert {name for name in named if not (ROOT / "tests" / name).exists()} == set()
