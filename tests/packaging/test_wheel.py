"""The published package: built, and used in an empty environment."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.wheel, pytest.mark.timeout(1_800)]


@pytest.fixture(scope="module")
def dist():
    """The folder dist/ with one wheel and one sdist."""
    folder = ROOT / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--out-dir", folder], cwd=ROOT, check=True)
    return folder


def names_in(dist):
    """Names of the files in the wheel and in the sdist."""
    wheel, sdist = next(dist.glob("*.whl")), next(dist.glob("*.tar.gz"))
    with zipfile.ZipFile(wheel) as file, tarfile.open(sdist) as archive:
        return set(file.namelist()), {name.partition("/")[2] for name in archive.getnames()}


def test_the_wheel_contains_the_package_and_nothing_else(dist):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    wheel, sdist = names_in(dist)
    package = {name for name in tracked if name.startswith("abm/")}
    assert {name for name in wheel if ".dist-info/" not in name} == package
    assert "abm/py.typed" in wheel
    assert {name for name in tracked if name.startswith(("docs/", "tests/", "experiments/", "notebooks/"))} <= sdist
    assert not [name for name in wheel | sdist if "__pycache__" in name or name.startswith("output")]


def test_the_wheel_alone_reproduces_the_shock(dist, tmp_path):
    """In an environment with only pip, in an empty folder, with an empty cache."""
    venv.create(tmp_path / "venv", with_pip=True)
    bin_ = tmp_path / "venv" / "bin"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ABM_", "VIRTUAL_ENV"))
    }
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", "")}
    place = tmp_path / "empty"
    place.mkdir()

    def run(*words):
        done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    run(bin_ / "python", "-m", "pip", "install", "--quiet", next(dist.glob("*.whl")))
    where = run(bin_ / "python", "-c", "import abm; print(abm.__file__)")
    assert str(tmp_path) in where
    run(bin_ / "abm", "list")
    run(bin_ / "abm", "reproduce", "r1_shock", "--quick")
    results = place / "output" / "r1_shock_quick"
    assert (results / "report.html").is_file()
    assert list((results / "figures").glob("*.png"))
