"""Messages escape control characters in the input that they quote."""

import datetime as dt

import pytest
from typer.testing import CliRunner

from abm.cli.app import app
from abm.support.messages import printable, shortened

EVIL = "\x1b]0;owned\x07\x9b31m\u202eabc\r\x08"


def control_characters(text):
    return [char for char in text if not char.isprintable() and char != "\n"]


@pytest.mark.parametrize(
    "words",
    [
        ["run", f"{EVIL}.toml"],
        ["run", EVIL],
        ["run", "--set", EVIL],
        ["run", "--set", f"{EVIL}=1"],
        ["run", "--set", f"ip_strength={EVIL}"],
        ["run", "--set", f"ip_strength.{EVIL}=1"],
        ["compare", "--since", EVIL],
        ["compare", "--of", EVIL],
        ["compare", "--exports", EVIL],
        ["compare", f"{EVIL}.toml"],
        ["sweep", f"{EVIL}.toml"],
        ["sweep", "--shard", EVIL, "x.toml"],
        ["validate", EVIL],
        ["reproduce", EVIL],
        ["dashboard", "--no-open", "--url", EVIL],
        [EVIL],
        ["run", f"--{EVIL}"],
    ],
)
def test_messages_of_the_command_line_contain_no_control_characters(words):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "owned" in result.stderr
    assert control_characters(result.stderr) == []
    assert "Traceback" not in result.output


def test_messages_about_a_file_contain_no_control_characters(tmp_path):
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(r"""extends = "\u001b]0;owned\u0007\u202eabc" """ + '\nname = "x"\n')
    result = CliRunner().invoke(app, ["run", str(scenario)])
    assert result.exit_code == 2
    assert control_characters(result.stderr) == []


def test_control_characters_are_escaped_and_words_in_any_language_are_not():
    assert printable(EVIL) == r"\x1b]0;owned\x07\x9b31m\u202eabc\r\x08"
    assert printable("größe\nΔ ± 数") == "größe\nΔ ± 数"
    assert shortened(dt.date(2025, 1, 27)) == "2025-01-27"
    assert shortened("a\nb") == r"'a\nb'"

    class Odd:
        def __repr__(self):
            return "a\x1b[31m\nb"

    assert shortened(Odd()) == r"a\x1b[31m\nb"


def test_the_page_shows_no_control_characters():
    from abm.dashboard.address import from_address, read

    request, problems = read(from_address("?ip_strength=%1B%5D0;owned%07&scenario=%1B&of=%1B&%1B=1"))
    assert request is None
    assert len(problems) == 4
    assert [char for problem in problems.values() for char in problem if not char.isprintable()] == []


def test_lists_are_shown_with_the_brackets_of_a_file():
    assert shortened(("a", ("b",), {"x": (1,)})) == "['a', ['b'], {'x': [1]}]"
    assert shortened({"rows": ({"x": ()},)}) == "{'rows': [{'x': []}]}"
    endless = []
    endless.append(endless)
    assert len(shortened(endless)) <= 60
