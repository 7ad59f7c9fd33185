"""The examples in README, tutorial and how-tos, run as a reader would run them: each page in an empty folder.

Files shown on a page are written, its commands are run, and its Python is run as one script. Commands that take minutes are
not run; only their names and options are checked.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from abm.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs/tutorial.md",
    ROOT / "docs/sweeps.md",
    *sorted((ROOT / "docs/how-to").glob("*.md")),
]
BLOCK = re.compile(r"^```(python|sh|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"# ([\w/]+\.toml)\b")
LONG = (
    "calibrate", "dashboard", "export", "facts", "profile", "replay", "replications", "reproduce", "score", "selftest",
    "sensitivity", "validate",
)  # fmt: skip
MANY_RUNS = ("README", "tutorial", "sweeps", "dashboard")
"""Pages with hundreds of runs: without the tests' options of the compiler, these take a quarter of the time."""
ELSEWHERE = ("--dask", "--shard", "/shared", "--until-ci")

pytestmark = [pytest.mark.docs, pytest.mark.timeout(1_800)]


def commands(text):
    """Calls of `abm` as lists of words, without comments."""
    for line in text.splitlines():
        if line.startswith("abm "):
            yield shlex.split(line, comments=True)[1:]


def blocks(page):
    """Blocks (kind, text) in the order of the page; those after a comment `<!-- not run -->` are left out."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if not text[: match.start()].rstrip().endswith("<!-- not run -->"):
            yield match[1], match[2]


def run(words, folder, environment):
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(words)[:300]}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page, tmp_path):
    environment = os.environ | {"MPLBACKEND": "agg"}
    if page.stem in MANY_RUNS:
        environment.pop("XLA_FLAGS", None)
    examples, script = list(blocks(page)), ""
    for kind, text in examples:
        if kind == "toml" and (name := NAME.match(text)):
            (tmp_path / name[1]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name[1]).write_text(text, encoding="utf-8")
    for kind, text in examples:
        if kind == "python":  # blocks of a page build on one another
            script += text + "\n"
        for words in commands(text) if kind == "sh" else ():
            if words[0] in LONG or any(part in word for word in words for part in ELSEWHERE):
                help_text = CliRunner().invoke(app, [words[0], "--help"], env={"COLUMNS": "200"})
                assert help_text.exit_code == 0, words
                for option in (word.split("=")[0] for word in words if word.startswith("--")):
                    assert option in help_text.output, f"abm {words[0]} has no {option}"
            else:
                run([str(Path(sys.executable).with_name("abm")), *words], tmp_path, environment)
    if script:
        (tmp_path / "page.py").write_text(script, encoding="utf-8")
        run([sys.executable, "page.py"], tmp_path, environment)
