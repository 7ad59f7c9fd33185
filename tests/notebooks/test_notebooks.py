"""Re-execute every notebook: it runs without errors or warnings, and its text output matches the stored one."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

HOME = Path(__file__).parents[2] / "notebooks"
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?")
CLOSE, LEAST = 0.02, 1e-6
"""Tolerance, since processors round differently and the path of a run may depend on rounding: 2 %, or the last digit shown."""

pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(1_800)]


@pytest.fixture(scope="module")
def run():
    """The module notebooks/run.py."""
    spec = importlib.util.spec_from_file_location("run_notebooks", HOME / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(cell):
    """Text outputs of a cell: standard output, plain text, Markdown. HTML tables only repeat the plain text.

    The plain text of an image is left out: it names the image's size, which may differ by a pixel with other fonts.
    """
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        data = output.get("data", {})
        if any(kind.startswith("image/") for kind in data):
            continue
        yield from (data[kind] for kind in ("text/plain", "text/markdown") if kind in data)


def words_and_numbers(text):
    """The text without numbers, white space and rules of tables; the numbers; and the value of each one's last digit."""
    numbers = [match[0].replace(",", "").replace("−", "-") for match in NUMBER.finditer(text)]
    words = re.sub(r"[\s-]+", "", NUMBER.sub("#", text))
    last = [10.0 ** -len(re.split("[eE]", number)[0].partition(".")[2]) for number in numbers]
    return words, [float(number) for number in numbers], last


def difference(old, new):
    """The difference between a stored text and a new one; empty if they agree."""
    before, after = words_and_numbers(old), words_and_numbers(new)
    if before[0] != after[0]:
        return f"stored: {old}\nnow: {new}"
    for was, now, digit in zip(*before[1:2], *after[1:], strict=True):
        if abs(was - now) > max(CLOSE * abs(now), 1.001 * digit, LEAST):
            return f"stored {was:g}, now {now:g}, in:\n{new}"
    return ""


@pytest.mark.parametrize("path", sorted(HOME.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_and_reproduces_its_stored_text(path, run):
    stored, new = nbformat.read(path, as_version=4), run.execute(path)
    for old, cell in zip(stored.cells, new.cells, strict=True):
        if cell.cell_type != "code":
            continue
        assert old.execution_count is not None, f"not executed:\n{old.source}"
        for output in (*old.outputs, *cell.outputs):
            assert output.output_type != "error", output
            assert output.get("name") != "stderr", output.text
        differences = [difference(*pair) for pair in zip(texts(old), texts(cell), strict=True)]
        assert not any(differences), differences


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("up by 1.00 %", "up by 1.01 %", True),
        ("up by 1.00 %", "up by 1.10 %", False),
        ("up by 1.00 %", "down by 1.00 %", False),
        ("0.1 of closed_1", "0.2 of closed_1", True),  # the last digit
        ("closed_1 leads", "closed_2 leads", False),
        ("-2.5  [ -3.0, 1,250]", "-2.5 [-3.0, 1,260]", True),
        ("0.000 nats", "-0.000 nats", True),
    ],
)
def test_tolerance_of_the_comparison(old, new, is_same):
    assert (difference(old, new) == "") is is_same
