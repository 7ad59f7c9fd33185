"""The edits that how-tos show as diffs fit the present files; and with them the model does what the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```diff\n--- (\S+)\n\+\+\+ b/(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FEW = "months=8, adopters=20, investors=20"

CHECKS = {
    "add_a_phase": f"""
import abm
from abm.market.month import PHASES

assert list(PHASES).index("staff") == list(PHASES).index("research") + 1
usual, moving = abm.simulate(seed=1, {FEW}), abm.simulate({{"staff_mobility": 0.2}}, seed=1, {FEW})
home, active = (moving.market(7).labs.home, moving.market(7).labs.active)
spread = [run.market(7).labs.efficiency[(home == 0) & active].std() for run in (usual, moving)]
assert spread[1] < 0.5 * spread[0]
assert moving["money_residual"].max() < 1e-9
""",
    "add_a_field": f"""
import abm
import numpy as np

usual, careful = abm.simulate(seed=1, {FEW}), abm.simulate({{"drawdown_caution": 3}}, seed=1, {FEW})
months = [careful.market(month).investors for month in range(8)]
assert 2 < months[7].caution.mean() < 4
largest_share = np.max([months[0].peak, *(investors.wealth for investors in months)], axis=0)
np.testing.assert_allclose(months[7].peak, largest_share, rtol=1e-12)
assert np.abs(careful["equity_chips"] - usual["equity_chips"]).max() > 0
assert careful["money_residual"].max() < 1e-9
""",
    "change_a_rule": f"""
import abm
import pytest
from benchmarks.plain_mesa import check

on = {{"host_cooperation": 0.5}}
usual, warm = abm.simulate(on | {{"host_cooperation": 0.0}}, seed=1, {FEW}), abm.simulate(on, seed=1, {FEW})
assert warm["lerner_open"][-1] > usual["lerner_open"][-1]
assert max(check.differences((0, 4), parameters=on, adopters=20, investors=20).values()) < 1e-9
assert pytest.main(["-q", "--import-mode=importlib", "tests/mechanisms/test_tokens.py"]) == 0
""",
    "add_an_observable": f"""
import abm
import numpy as np
from abm.market.measures import MEASURES

run = abm.simulate(seed=1, {FEW})
products = run.products()
sales = products.groupby(["month", "lab"])["revenue"].sum().unstack()
np.testing.assert_allclose(run["top_lab_share"], sales.max(axis=1) / sales.sum(axis=1), rtol=1e-9)
assert MEASURES["top_lab_share"].unit == "share"
""",
}


def edits(page):
    """(file, hunks) of a page: hunks are lists of marked lines."""
    text = (ROOT / "docs/how-to" / f"{page}.md").read_text(encoding="utf-8")
    for before, file, body in BLOCK.findall(text):
        yield before, file, [hunk.splitlines() for hunk in re.split(r"^@@\n", body, flags=re.MULTILINE)[1:]]


def side(hunk, marks):
    return "".join(f"{line[1:]}\n" for line in hunk if (line[:1] or " ") in marks)


def edited(page, folder):
    """Make a page's edits in a copy."""
    for before, file, hunks in edits(page):
        path = folder / file
        if before == "/dev/null":
            assert not path.exists()
            text = side(hunks[0], "+")
        else:
            text = path.read_text(encoding="utf-8")
            for hunk in hunks:
                old = side(hunk, " -")
                assert text.count(old) == 1, f"{page}: these lines of {file} are not there once:\n{old}"
                text = text.replace(old, side(hunk, " +"))
        path.write_text(text, encoding="utf-8")


def copied(folder):
    """A copy of what how-tos edit."""
    for part in ("abm", "benchmarks", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs/ODD.md", folder / "docs")
    return folder


@pytest.mark.parametrize("page", CHECKS)
def test_diffs_of_a_page_fit_the_files(page, tmp_path):
    assert len(list(edits(page))) >= 2
    edited(page, copied(tmp_path))


@pytest.mark.docs
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("page", CHECKS)
def test_with_its_edits_the_package_does_what_the_page_says(page, tmp_path):
    edited(page, copied(tmp_path))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    here = f"import abm\nassert abm.__file__.startswith({str(tmp_path)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", here + CHECKS[page]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
