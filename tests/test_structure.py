"""The structure of the package: dependencies point one way, files are short, nobody needs another's privates."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "abm").rglob("*.py"))
LONGEST, LONGEST_TEST = 400, 500
"""Lines: a file is one idea."""


def lint(config, folder=ROOT):
    """What import-linter says of the contracts in a file."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run(
        [*command, "--no-cache", "--config", config], cwd=folder, capture_output=True, text=True, check=False
    )


def test_dependencies_point_one_way_and_there_are_no_cycles():
    done = lint("pyproject.toml")
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('    "agents | scenarios",\n', ""),  # a room without a floor
        ('    "runs",\n    "charts",\n', '    "charts",\n    "runs",\n'),  # an arrow upwards
        ('    "market",\n    "agents | scenarios"', '    "agents | market | scenarios"'),  # an arrow to a neighbour
    ],
)
def test_an_arrow_that_points_the_other_way_is_found(tmp_path, was, now):
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert was in text
    (tmp_path / "pyproject.toml").write_text(text.replace(was, now), encoding="utf-8")
    assert lint(str(tmp_path / "pyproject.toml")).returncode != 0


@pytest.mark.parametrize(
    "edge",
    [
        "from abm.runs.results import Ensemble",  # two files that know each other
        "def late():\n    from abm.runs.results import Ensemble",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from abm.runs.results import Ensemble",
    ],
    ids=["plain", "in a function", "for types only"],
)
def test_an_import_that_runs_up_is_found_wherever_it_stands(tmp_path, edge):
    shutil.copytree(ROOT / "abm", tmp_path / "abm", ignore=shutil.ignore_patterns("__pycache__", "fits"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert lint("pyproject.toml", tmp_path).returncode == 0
    with (tmp_path / "abm" / "charts" / "fans.py").open("a", encoding="utf-8") as file:
        file.write(f"\n{edge}\n")
    done = lint("pyproject.toml", tmp_path)
    assert done.returncode == 1
    assert "abm.charts.fans -> abm.runs.results" in done.stdout


def test_no_file_is_long():
    def long(files, most):
        lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
        return {name: lines for name, lines in lengths.items() if lines > most}

    assert long(FILES, LONGEST) == {}
    assert long((ROOT / "tests").rglob("*.py"), LONGEST_TEST) == {}


def test_every_file_of_the_package_stands_in_a_room_and_tests_have_the_same_rooms():
    loose = {path.name for path in (ROOT / "abm").glob("*.py")}
    assert loose == {"__init__.py", "__main__.py"}  # Python looks for these two here, and nowhere else
    rooms = {path.parent.name for path in (ROOT / "abm").glob("*/__init__.py")}
    tested = {path.name for path in (ROOT / "tests").iterdir() if list(path.glob("**/test_*.py"))}
    assert rooms - tested == set()
    assert tested - rooms == {"benchmarks", "browser", "docs", "notebooks", "packaging"}


def test_nobody_imports_what_another_file_keeps_to_itself():
    taken = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("abm"):
                taken += [f"{path.relative_to(ROOT)}: {alias.name}" for alias in node.names if alias.name[0] == "_"]
    assert not taken


def mechanisms_named(code, by_name):
    """Functions of abm/mechanisms that a piece of code names, as (file, function); `by_name` has those without a file."""
    for node in ast.walk(code):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr
        elif isinstance(node, ast.Name) and node.id in by_name:
            yield by_name[node.id]


def test_a_month_may_run_every_mechanism():
    """What only validation needs stands in abm/validation/theory."""
    parts, todo = {}, set()  # the code of each mechanism with the names it knows; mechanisms named by what is reached
    for path in FILES:
        room, tree = path.relative_to(ROOT / "abm").parts[0], ast.parse(path.read_text(encoding="utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        by_name = {
            alias.asname or alias.name: (node.module.removeprefix("abm.mechanisms."), alias.name)
            for node in imports
            if node.module.startswith("abm.mechanisms.")
            for alias in node.names
        }
        if room in ("agents", "market"):
            todo.update(mechanisms_named(tree, by_name))
        elif room == "mechanisms":
            own = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
            by_name |= {name: (path.stem, name) for name in own}
            parts |= {(path.stem, name): (node, by_name) for name, node in own.items()}
    reached = set()
    while todo := todo & set(parts) - reached:
        reached |= todo
        todo = {one for name in todo for one in mechanisms_named(*parts[name])}
    assert len(reached) > 50
    assert {(file, name) for file, name in parts if name[0] != "_"} - reached == set()


def test_every_promise_names_tests_that_exist():
    text = (ROOT / "docs/explanation/guarantees.md").read_text(encoding="utf-8")
    named = set(re.findall(r"tests/[\w/]+\.py", text))
    assert len(named) > 15
    assert {name for name in named if not (ROOT / name).exists()} == set()
