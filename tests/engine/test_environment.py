"""Machines that lack what most have: a home, a cache folder that can be written, an entry in the password file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from abm.engine.compilation import cache_folder
from abm.engine.traced import kept

ROOT = Path(__file__).parents[2]
STRANGER = 54321
"""A number of a user that no password file names, as containers give it to a process."""
WORK = f"""
import os
os.setresuid({STRANGER}, -1, -1)  # whose home is looked for; what root may read can still be read
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
    done = subprocess.run(
        [sys.executable, "-c", WORK],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("6.0\nTrue\n")
    assert "baseline" in done.stdout


def test_where_compiled_programs_are_kept(monkeypatch, tmp_path):
    for name in ("ABM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    usual = tmp_path / ".cache" / "abm" / "compiled"
    assert cache_folder() == usual
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the XDG specification says to ignore
    assert cache_folder() == usual
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "abm" / "compiled"
    monkeypatch.chdir(tmp_path)
    for given in ("here", "~/here", str(tmp_path / "here")):
        monkeypatch.setenv("ABM_CACHE", given)
        assert cache_folder() == tmp_path / "here"


def test_no_place_to_keep_compiled_programs(monkeypatch, tmp_path):
    for name in ("ABM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() is None
    assert kept("a trace", lambda: b"made") == b"made"
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("ABM_CACHE", str(place))
        assert kept("a trace", lambda: b"made") == b"made"


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = subprocess.run(
        [sys.executable, "-c", "import abm.engine, jax; print(jax.config.jax_compilation_cache_dir, jax.jit(abs)(-2))"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "ABM_CACHE": str(tmp_path / "file")},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["None", "2"]
    assert f"ABM_CACHE: {tmp_path / 'file'}: compiled programs cannot be kept (File exists)" in done.stderr
