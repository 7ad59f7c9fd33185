"""Output of the command line: encodings, widths, pipes, full devices, a deleted working directory."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from abm.cli.app import app
from abm.cli.output import plain
from abm.market.measures import MEASURES
from abm.parameters import Parameters

ROOT = Path(__file__).parents[2]
COMMAND = f"'{sys.executable}' -c 'from abm.cli.app import main; main()'"
NOT_UTF = ("ascii", "cp437", "cp850", "latin-1", "cp1252", "shift_jis")


def shell(line, cwd=ROOT, **environment):
    """Exit code, stdout and stderr of a shell command line, in which `abm` is replaced by the command."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        ["bash", "-c", line.replace("abm ", f"{COMMAND} ")],
        env=variables,
        cwd=cwd,
        capture_output=True,
        check=False,
        timeout=300,
    )
    errors = done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in errors and "Exception ignored" not in errors, errors
    return done.returncode, done.stdout, errors


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        (["list"], "ascii"),
        (["list"], "shift_jis"),
        *itertools.product([["list", "--observables"], ["sweep", "--help"], ["run", "no\udce9such"]], NOT_UTF),
    ],
)
def test_output_in_encodings_other_than_utf8(words, encoding):
    """Missing characters are replaced; names and values are complete."""
    done = CliRunner(charset=encoding, env={"COLUMNS": "60"}).invoke(app, words)
    assert done.exit_code == (2 if words[0] == "run" else 0), done.exception
    assert done.stdout_bytes.decode(encoding).strip() or done.stderr_bytes.decode(encoding).strip()
    if words == ["list"]:
        assert "04_chip_demand_at_unit_elasticity" in done.stdout_bytes.decode(encoding)


def test_an_interpreter_without_utf8_mode():
    c = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "60"}
    code, output, _ = shell("abm list", **c)
    assert code == 0
    assert b"04_chip_demand_at_unit_elasticity" in output


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("± 0.05", b"+/- 0.05"),
        ("a … b − c", b"a ... b - c"),
        ("Größe", b"Grosse"),
        ("\udce9", b"\\udce9"),
        ("日", b"\\u65e5"),
    ],
)
def test_replacements_for_missing_characters(text, written):
    assert text.encode("ascii", "abm.plain") == written


@pytest.mark.parametrize("columns", ["0", "1", "20", "60", "79", "²", "many"])
def test_no_value_is_cut_off_on_a_narrow_terminal(columns):
    before, runner = os.environ.get("COLUMNS"), CliRunner(env={"COLUMNS": columns})
    output = runner.invoke(app, ["list", "--parameters"]).output
    rows = [line.split() for line in output.splitlines()]
    for row in Parameters.table():
        line = next(line for line in rows if line and line[0] == row["name"])
        assert line[1] == f"{row['default']:g}"
        assert f"{row['low']:g} to" in " ".join(line)
    observables = runner.invoke(app, ["list", "--observables"]).output
    assert set(MEASURES) <= set(observables.split())
    assert os.environ.get("COLUMNS") == before


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")


@needs_full
@pytest.mark.parametrize("words", ["list --parameters", "--help", "version"])
def test_a_full_device_is_reported(words):
    code, _, errors = shell(f"abm {words} > /dev/full")
    assert (code, errors) == (2, "abm: the output cannot be written (No space left on device)\n")


@needs_full
def test_a_full_stderr_keeps_the_exit_code():
    assert shell("abm export no_such_folder 2> /dev/full")[0] == 2


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("abm list --parameters | head -1", 0),
        ("abm list --parameters | true; exit ${PIPESTATUS[0]}", 1),
        ("abm list --parameters >&-", 0),
        ("abm list --parameters >&- 2>&-", 0),
        ("abm list --parameters <&-", 0),
    ],
)
def test_closed_pipes_and_streams(line, code):
    assert shell(line)[::2] == (code, "")


def test_errors_do_not_go_to_stdout_when_stderr_is_closed():
    assert shell("abm export no_such_folder 2>&-")[:2] == (2, b"")


def test_files_do_not_take_the_number_of_a_closed_stream(tmp_path):
    """Otherwise output and compiler logs would be written into the file."""
    (tmp_path / "one.py").write_text(
        "from abm.cli.output import hold_standard_streams\n"
        "hold_standard_streams()\n"
        "with open('kept', 'w') as kept, open('number', 'w') as number:\n"
        "    number.write(str(kept.fileno()))\n"
    )
    assert shell(f"'{sys.executable}' one.py <&- >&- 2>&-", cwd=tmp_path)[0] == 0
    assert int((tmp_path / "number").read_text()) > 2


def test_a_deleted_working_directory(tmp_path):
    gone = "abm: the working directory no longer exists (deleted or moved); change to another one"
    for words, code, first in (
        ("list", 0, ""),
        ("export stored", 2, gone),
        ("run own.toml", 2, "abm: own.toml: cannot be read"),
    ):
        (tmp_path / "gone").mkdir()
        done = shell(f"cd gone; rmdir ../gone; abm {words}", cwd=tmp_path)
        assert done[0] == code
        assert done[2].startswith(first)
        assert done[2].strip().endswith(gone if code else "")


def test_the_error_handler_is_for_encoding_only():
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", "abm.plain")
    assert plain(UnicodeEncodeError("ascii", "é", 0, 1, ""))[0] == "e"
