"""The stored notebooks: nine questions, with outputs, small, and without percentages typed by hand."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST = 2_000_000
PERCENT = re.compile(r"\d(?:\s|\\)*(?:%|per\s?cent)")
PATHS = re.compile(r"/(?:tmp|home|root|Users|private|var|work)/|[A-Z]:\\\\")

every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_nine():
    assert [path.stem[:3] for path in NOTEBOOKS] == [f"{number:02d}_" for number in range(1, 10)]


@every
def test_a_notebook_asks_a_question(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    title, _, why = first.source.partition("\n")
    assert re.fullmatch(r"# \S.*\?", title)
    assert 80 < len(why) < 700
    for page in ("README.md", "notebooks/README.md"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert title.removeprefix("# ") in text, f"{page} lists the questions"


@every
def test_outputs_are_stored(path):
    assert path.stat().st_size < LARGEST
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "executed once, from top to bottom"
    outputs = [output for cell in code for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert any({"image/png", "image/gif"} & set(o.get("data", {})) for o in outputs), "a figure"
    assert "text/markdown" in code[-1].outputs[-1]["data"], "ends with an answer"


@every
def test_metadata_do_not_change_from_run_to_run(path):
    notebook = nbformat.read(path, as_version=4)
    assert [cell.id for cell in notebook.cells] == [f"cell-{n:02d}" for n in range(1, len(notebook.cells) + 1)]
    assert not any(cell.metadata for cell in notebook.cells)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert notebook.metadata["language_info"] == {"name": "python"}


@every
def test_percentages_are_computed(path):
    """The prose has no percentages: they come from the runs, in the outputs of cells."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            assert not PERCENT.search(cell.source), cell.source


@every
def test_there_are_no_paths_of_a_machine(path):
    for cell in nbformat.read(path, as_version=4).cells:
        texts = [cell.source]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            texts += [str(output.get("text", "")), *(str(text) for kind, text in data.items() if "image" not in kind)]
        assert not [text for text in texts if PATHS.search(text)]
