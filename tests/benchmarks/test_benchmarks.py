"""docs/performance.md is what its numbers say, and only a whole run writes it. (Nothing is timed here.)"""

import json

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import accelerator
from benchmarks.accelerator_page import section
from benchmarks.page import NUMBERS, PAGE, put, with_others


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


def test_the_section_on_accelerators_is_written_from_the_numbers_beside_it(tmp_path):
    found = json.loads(accelerator.KEPT.read_text(encoding="utf-8"))
    text = section(found)
    assert text.strip() in PAGE.read_text(encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text("before\n\n## Machine\n", encoding="utf-8")
    for _ in range(2):  # the second replaces the first
        put("accelerator", text, page)
    assert page.read_text(encoding="utf-8") == f"before\n\n{block(text)}\n\n## Machine\n"


def test_the_section_needs_no_more_than_one_call_measures(tmp_path):
    found = json.loads(accelerator.KEPT.read_text(encoding="utf-8"))
    bare = {name: part for name, part in found.items() if not name.startswith(("later", "counted"))}
    text = section(bare)
    assert "100,000 runs take 89 s" in text
    assert "Two sessions" not in text
    assert "Nsight" not in text
    kept = tmp_path / "numbers.json"
    kept.write_text("{}", encoding="utf-8")
    before = accelerator.KEPT.read_text(encoding="utf-8")
    with pytest.raises(KeyError):
        accelerator.main(["--from", str(kept)])
    assert accelerator.KEPT.read_text(encoding="utf-8") == before


def block(text):
    return f"<!-- accelerator:begin -->\n{text.strip()}\n<!-- accelerator:end -->"


def test_measuring_an_accelerator_asks_where_to_keep_the_numbers(capsys):
    with pytest.raises(SystemExit) as stop:
        accelerator.main([])
    assert stop.value.code == 2
    assert "--json" in capsys.readouterr().err
