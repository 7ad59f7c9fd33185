"""docs/performance.md is what its numbers say, and only a whole run writes it. (Nothing is timed here.)"""

import json

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.page import NUMBERS, PAGE, with_others


@pytest.fixture(scope="module")
def found():
    return json.loads(NUMBERS.read_text(encoding="utf-8"))


def test_the_page_is_written_from_the_numbers_beside_it(found):
    assert with_others(benchmarks.page(found), PAGE) == PAGE.read_text(encoding="utf-8")
    assert set(found["parts"]) == set(benchmarks.PARTS)
    assert not found["quick"]
    for name in found["parts"]:
        picture = NUMBERS.with_name(f"{name}.png")
        assert (f"performance/{name}.png" in PAGE.read_text(encoding="utf-8")) == picture.exists()


def test_sections_that_others_wrote_stay(tmp_path, found):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- sweeps:begin -->\n## Sweeps\n<!-- sweeps:end -->\nafter", encoding="utf-8")
    text = with_others(benchmarks.page(found), page)
    assert text.index("## Sweeps") < text.index("## Machine")
    assert text.count("## Sweeps") == 1


def test_a_part_of_a_run_is_printed_and_not_kept_as_the_page(tmp_path, found, monkeypatch, capsys):
    kept = tmp_path / "numbers.json"
    kept.write_text(json.dumps(found | {"parts": {"peer": found["parts"]["peer"]}}), encoding="utf-8")
    monkeypatch.setattr(benchmarks, "PAGE", tmp_path / "performance.md")
    benchmarks.main(["--from", str(kept)])
    assert "plain Mesa" in capsys.readouterr().out
    assert not (tmp_path / "performance.md").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"parts": 1}'])
def test_numbers_that_are_none_are_refused(tmp_path, text):
    kept = tmp_path / "numbers.json"
    kept.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        benchmarks.main(["--from", str(kept)])
    assert stop.value.code == 2
