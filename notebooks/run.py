"""Execute the notebooks in place: python notebooks/run.py [name ...].

What a notebook writes goes to a temporary folder. What would change from run to run (times, version of Python) is taken out
of the file, so that one whose results are the same stays the same.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
TIMEOUT = 600
"""Seconds a cell may take: the first run on a machine compiles the model."""
ALARMS = "ignore:observables outside their sane range"
"""The default world raises some alarms (tests/runs/test_alarms.py lists them); in every notebook they would be noise."""


def execute(path: Path) -> Any:
    """The notebook with new outputs. Raises `nbclient.exceptions.CellExecutionError` with the cell and its error."""
    notebook = nbformat.read(path, as_version=4)
    os.environ.setdefault("PYTHONWARNINGS", ALARMS)
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", record_timing=False, resources=where)
        client.execute()
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return notebook


def main(names: list[str]) -> None:
    for path in sorted(HERE.glob("*.ipynb")):
        if not names or any(path.name.startswith(name) for name in names):
            print(path.name, flush=True)
            nbformat.write(execute(path), path)


if __name__ == "__main__":
    main(sys.argv[1:])
