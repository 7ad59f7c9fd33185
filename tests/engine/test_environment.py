"""Unusual machines: no home directory, no writable cache folder, no entry in the password file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from abm.engine.compilation import cache_folder
from abm.engine.traced import cached_bytes

ROOT = Path(__file__).parents[2]
UNKNOWN_USER = 54321
"""A user id without an entry in the password file, as in containers."""
SCRIPT = f"""
import os
os.setresuid({UNKNOWN_USER}, -1, -1)  # changes whose home is looked up; root's permissions remain
import jax.numpy as jnp, matplotlib, sys
import abm, abm.runs.simulate, abm.sweeps
from abm.engine import loop
from abm.dashboard.serve import _home
print(float(loop(lambda x, i: (x + i, x), jnp.zeros(()), jnp.arange(4.0))[0]))
with _home():
    import pathlib
    print(pathlib.Path.home().is_dir())
from abm.cli.app import main
sys.argv = ["abm", "list"]
main()
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_a_home(tmp_path):
    completed = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.startswith("6.0\nTrue\n")
    assert "baseline" in completed.stdout


def test_location_of_the_compilation_cache(monkeypatch, tmp_path):
    for name in ("ABM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    default = tmp_path / ".cache" / "abm" / "compiled"
    assert cache_folder() == default
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the XDG specification says to ignore
    assert cache_folder() == default
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "abm" / "compiled"
    monkeypatch.chdir(tmp_path)
    for given in ("here", "~/here", str(tmp_path / "here")):
        monkeypatch.setenv("ABM_CACHE", given)
        assert cache_folder() == tmp_path / "here"


def test_traces_are_computed_where_nothing_can_be_stored(monkeypatch, tmp_path):
    for name in ("ABM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() is None
    assert cached_bytes("a trace", lambda: b"made") == b"made"
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("ABM_CACHE", str(folder))
        assert cached_bytes("a trace", lambda: b"made") == b"made"


def test_a_cache_that_cannot_be_written_causes_a_warning(tmp_path):
    (tmp_path / "file").write_text("in the way")
    completed = subprocess.run(
        [sys.executable, "-c", "import abm.engine, jax; print(jax.config.jax_compilation_cache_dir, jax.jit(abs)(-2))"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "ABM_CACHE": str(tmp_path / "file")},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.split() == ["None", "2"]
    assert f"ABM_CACHE: {tmp_path / 'file'}: " in completed.stderr
    assert "(File exists)" in completed.stderr
