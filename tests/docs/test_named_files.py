"""Files and modules that a page names are there; so are the names that the glossary and the path of a run say a file defines."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *(
        page
        for folder in ("decisions", "explanation", "how-to", "reference")
        for page in sorted((ROOT / "docs" / folder).glob("*.md"))
    ),
]
MADE = {"abm/market/phases/staff.py", "abm.market.phases.staff", "experiments/NN_rights_and_margins/"}
"""What a how-to has its readers make."""
EARLIER = re.compile(r"`[^`\n]+`(?=,?\s+\(?now\s+`)")
"""A name that a decision gives for history, followed by what it is now."""
NAMED = re.compile(r"`([A-Za-z]\w+)(?:\.\w+)?` in `(abm/[\w/]+\.py)`")


@cache
def names_of(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    defined = {node.name for node in ast.walk(tree) if hasattr(node, "name")}
    return defined | {target.id for node in tree.body for target in targets(node) if isinstance(target, ast.Name)}


def targets(node):
    return node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_are_there(page):
    text = EARLIER.sub("", page.read_text(encoding="utf-8"))
    named = set(re.findall(r"`(?:b/)?((?:abm|docs|tests|experiments|notebooks|benchmarks)/[\w/.]+?)`", text)) - MADE
    missing = {name for name in named if not (ROOT / name).exists()}
    assert not missing
    modules = set(re.findall(r"\babm(?:\.[a-z_0-9]+){2,}\b", text))
    gone = {name for name in modules - MADE if not found(name)}
    assert not gone


def found(name):
    """Whether a dotted name is a module, or something that a module or package of the name before it has."""
    inner, last = name.rsplit(".", 1)
    here = ROOT / name.replace(".", "/")
    if here.is_dir() or here.with_suffix(".py").exists():
        return True
    module = ROOT / inner.replace(".", "/")
    file = module.with_suffix(".py") if module.with_suffix(".py").exists() else module / "__init__.py"
    if not file.exists():
        return found(inner)
    return re.search(rf"\b{last}\b", file.read_text(encoding="utf-8")) is not None


@pytest.mark.parametrize("page", ["glossary", "path_of_a_run"])
def test_names_are_defined_where_a_page_says(page):
    text = (ROOT / f"docs/explanation/{page}.md").read_text(encoding="utf-8")
    named = NAMED.findall(text)
    assert len(named) >= 9
    assert not [(name, file) for name, file in named if name not in names_of(file)]


def test_every_mechanism_and_theory_is_in_the_reference():
    text = (ROOT / "docs/reference/mechanisms.md").read_text(encoding="utf-8")
    for folder in ("mechanisms", "validation/theory"):
        modules = {path.stem for path in (ROOT / "abm" / folder).glob("*.py")} - {"__init__"}
        assert set(re.findall(rf"automodule:: abm\.{folder.replace('/', '.')}\.(\w+)", text)) == modules
