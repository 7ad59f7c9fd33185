"""docs/performance.md matches its numbers and is written only by a complete run. (Nothing is timed here.)"""

import json

import jax
import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import accelerator
from benchmarks.accelerator_page import section
from benchmarks.page import NUMBERS, PAGE, put, with_others


@pytest.fixture(scope="module")
def measured():
    return json.loads(NUMBERS.read_text(encoding="utf-8"))


def test_the_page_is_written_from_the_numbers_beside_it(measured):
    assert with_others(benchmarks.page(measured), PAGE) == PAGE.read_text(encoding="utf-8")
    assert set(measured["parts"]) == set(benchmarks.PARTS)
    assert not measured["quick"]
    for name in measured["parts"]:
        picture = NUMBERS.with_name(f"{name}.png")
        assert (f"performance/{name}.png" in PAGE.read_text(encoding="utf-8")) == picture.exists()


def test_sections_of_other_benchmarks_are_preserved(tmp_path, measured):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- sweeps:begin -->\n## Sweeps\n<!-- sweeps:end -->\nafter", encoding="utf-8")
    text = with_others(benchmarks.page(measured), page)
    assert text.index("## Sweeps") < text.index("## Machine")
    assert text.count("## Sweeps") == 1


def test_a_partial_run_is_printed_but_not_written(tmp_path, measured, monkeypatch, capsys):
    stored = tmp_path / "numbers.json"
    stored.write_text(json.dumps(measured | {"parts": {"peer": measured["parts"]["peer"]}}), encoding="utf-8")
    monkeypatch.setattr(benchmarks, "PAGE", tmp_path / "performance.md")
    benchmarks.main(["--from", str(stored)])
    assert "plain Mesa" in capsys.readouterr().out
    assert not (tmp_path / "performance.md").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"parts": 1}'])
def test_invalid_numbers_are_rejected(tmp_path, text):
    stored = tmp_path / "numbers.json"
    stored.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        benchmarks.main(["--from", str(stored)])
    assert stop.value.code == 2


def test_the_section_on_accelerators_is_written_from_the_numbers_beside_it(tmp_path):
    measured = json.loads(accelerator.KEPT.read_text(encoding="utf-8"))
    text = section(measured)
    assert text.strip() in PAGE.read_text(encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text("before\n\n## Machine\n", encoding="utf-8")
    for _ in range(2):  # the second replaces the first
        put("accelerator", text, page)
    assert page.read_text(encoding="utf-8") == f"before\n\n{block(text)}\n\n## Machine\n"


def test_the_section_needs_only_what_one_call_measures(tmp_path):
    measured = json.loads(accelerator.KEPT.read_text(encoding="utf-8"))
    bare = {name: part for name, part in measured.items() if not name.startswith(("later", "counted"))}
    text = section(bare)
    assert "100,000 runs take 89 s" in text
    assert "Two sessions" not in text
    assert "Nsight" not in text
    stored = tmp_path / "numbers.json"
    stored.write_text("{}", encoding="utf-8")
    before = accelerator.KEPT.read_text(encoding="utf-8")
    with pytest.raises(KeyError):
        accelerator.main(["--from", str(stored)])
    assert accelerator.KEPT.read_text(encoding="utf-8") == before


def block(text):
    return f"<!-- accelerator:begin -->\n{text.strip()}\n<!-- accelerator:end -->"


def test_measuring_an_accelerator_requires_an_output_file(capsys):
    with pytest.raises(SystemExit) as stop:
        accelerator.main([])
    assert stop.value.code == 2
    assert "--json" in capsys.readouterr().err


@pytest.mark.parametrize("block", ["adopters", "investors"])
def test_hand_written_loops_do_the_same(block):
    """They agree before they are timed; `compare` raises if they do not."""
    pytest.importorskip("numba")
    from benchmarks.limit import blocks

    with jax.enable_x64(True):
        assert blocks.compare(block, 3, 1, adopters=20, investors=20)["apart"] < blocks.PRECISION
