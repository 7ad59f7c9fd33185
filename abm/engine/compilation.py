"""Configuration of JAX: 64-bit floats, a persistent compilation cache, compiler options."""

import contextlib
import functools
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import jax

ON_PROCESSORS: dict[str, str | bool] = {
    "xla_cpu_experimental_ynn_fusion_type": "",  # its kernels take tens of ns per number for sums of two or four terms
    "xla_cpu_copy_insertion_use_region_analysis": True,  # fewer copies around loops and branches
}
"""Compiler options for CPUs; together they speed up a month of the market by about a fifth (docs/decisions/0009)."""


class EnvironmentWarning(UserWarning):
    """The machine or JAX's settings affect runs."""


NEVER = 1e9
"""Threshold in seconds that no compilation reaches, so that nothing is added to the cache."""


def cache_folder() -> Path | None:
    """Folder of the compilation cache: $ABM_CACHE, otherwise the user's cache folder; None if there is neither.

    A process may have no home directory: in a container, say, with a user missing from the password file and HOME unset.
    A relative $XDG_CACHE_HOME is ignored, as its specification demands.
    """
    try:
        if given := os.environ.get("ABM_CACHE"):
            return Path(os.path.expanduser(given)).absolute()
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (base if base.is_absolute() else Path.home() / ".cache") / "abm" / "compiled"
    except (RuntimeError, OSError):  # no home directory, or a deleted working directory
        return None


def configure() -> None:
    """Use 64-bit floats and a persistent compilation cache (once per process, before the first array).

    A cache that cannot be written costs speed, not correctness: its contents are used, but nothing is added.
    """
    jax.config.update("jax_enable_x64", True)
    cache_from = 0.5  # seconds of compilation
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None and (folder := cache_folder()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            cache_from = NEVER
            if os.environ.get("ABM_CACHE"):
                message = f"ABM_CACHE: {folder}: compiled programs cannot be cached ({error.strerror})"
                warnings.warn(message, EnvironmentWarning, stacklevel=2)
        if os.path.isdir(folder) and os.access(folder, os.R_OK | os.X_OK):
            jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", cache_from)


_last_width: list[int] = []


@contextlib.contextmanager
def floats_of(bits: int) -> Iterator[None]:
    """Context manager: compute with floats of 64 or 32 bits and with `own_settings`, whatever the settings outside.

    JAX's cached traces hold NumPy constants in the width they were traced in, but JAX would reuse them for the other
    width. They are therefore dropped when the width changes, which costs a process that alternates a few seconds each time.
    """
    if _last_width and _last_width[0] != bits:
        jax.clear_caches()
    _last_width[:] = [bits]
    with own_settings(bits):
        yield


@contextlib.contextmanager
def own_settings(bits: int) -> Iterator[None]:
    """Context manager: in this thread, use the JAX settings that the package is written for, whatever the user's are.

    NaN and infinity have a meaning here (no price yet, no limit), so JAX's checks for them would stop every run; the other
    settings would reject correct programs, run them operation by operation, or round differently. Warns about a setting
    that a context manager cannot change.
    """
    if jax.config.values.get("jax_disable_most_optimizations"):
        message = "jax_disable_most_optimizations is set: numbers differ in their last digits from other sessions"
        warnings.warn(message, EnvironmentWarning, stacklevel=2)
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
def compiler_options() -> dict[str, str | bool]:
    """Options for `jax.jit` of a whole program, limited to those that the installed compiler supports."""
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in ON_PROCESSORS.items() if _is_supported(name, value)}


def _is_supported(name: str, value: str | bool) -> bool:
    try:
        jax.jit(lambda x: x + 1, compiler_options={name: value}).lower(1.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
