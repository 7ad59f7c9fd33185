"""How JAX is set up: 64-bit floats, compiled programs kept between sessions, options of the compiler."""

import contextlib
import functools
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

ON_PROCESSORS = {
    "xla_cpu_experimental_ynn_fusion_type": "",  # its kernels take tens of ns a number where sums are two or four long
    "xla_cpu_copy_insertion_use_region_analysis": True,  # fewer copies around loops and branches
}
"""Together they take about a fifth off a month of the market (docs/decisions/0009)."""


class EnvironmentWarning(UserWarning):
    """The machine or JAX's settings affect runs."""


NEVER = 1e9
"""Seconds that no compilation takes."""


def cache_folder() -> Path | None:
    """Folder of compiled programs: $ABM_CACHE, else the user's cache folder; None where there is no such place.

    A process may have no home: a container's user without an entry in the password file, with HOME unset. A relative
    $XDG_CACHE_HOME counts as none, as its specification has it.
    """
    try:
        if given := os.environ.get("ABM_CACHE"):
            return Path(os.path.expanduser(given)).absolute()
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (base if base.is_absolute() else Path.home() / ".cache") / "abm" / "compiled"
    except (RuntimeError, OSError):  # no home; a working directory that was deleted
        return None


def configure() -> None:
    """Use 64-bit floats and a persistent compilation cache (once per process, before the first array).

    A cache that cannot be written costs speed, not correctness: what it holds is used, and nothing is added.
    """
    jax.config.update("jax_enable_x64", True)
    kept_from = 0.5  # seconds of compilation
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None and (folder := cache_folder()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            kept_from = NEVER
            if os.environ.get("ABM_CACHE"):
                what = f"ABM_CACHE: {folder}: compiled programs cannot be kept ({error.strerror})"
                warnings.warn(what, EnvironmentWarning, stacklevel=2)
        if os.path.isdir(folder) and os.access(folder, os.R_OK | os.X_OK):
            jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", kept_from)


_last_width: list[int] = []


@contextlib.contextmanager
def floats_of(bits: int) -> Iterator[None]:
    """Inside this block numbers have 64 or 32 bits, and JAX computes as in `own_settings`, whatever it is set to outside.

    Traces that JAX keeps hold constants of NumPy in the width they were traced in, and are found again in the other one.
    They are dropped when the width changes, which costs a process that alternates some seconds each time.
    """
    if _last_width and _last_width[0] != bits:
        jax.clear_caches()
    _last_width[:] = [bits]
    with own_settings(bits):
        yield


@contextlib.contextmanager
def own_settings(bits: int) -> Iterator[None]:
    """Inside this block, in this thread, JAX is set as the package is written for, whatever the user's settings are.

    NaN and infinity have a meaning here (no price yet, no limit), so that JAX's checks for them would stop every run; the
    other settings would refuse programs that are right, run them piece by piece, or round otherwise. One that a block
    cannot change is told.
    """
    if jax.config.values.get("jax_disable_most_optimizations"):
        what = "jax_disable_most_optimizations is set: numbers differ in their last digits from those of other sessions"
        warnings.warn(what, EnvironmentWarning, stacklevel=2)
    with contextlib.ExitStack() as settings:
        for setting in (
            jax.enable_x64(bits == 64),
            jax.debug_nans(False),
            jax.debug_infs(False),
            jax.disable_jit(False),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
            jax.default_matmul_precision(None),
        ):
            settings.enter_context(setting)
        yield


@functools.cache
def compiler_options() -> dict[str, Any]:
    """Options for `jax.jit` of a whole program, as far as the installed compiler knows them: they come and go."""
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in ON_PROCESSORS.items() if _is_known(name, value)}


def _is_known(name: str, value: Any) -> bool:
    try:
        jax.jit(lambda x: x + 1, compiler_options={name: value}).lower(1.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
