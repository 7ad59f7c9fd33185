"""How JAX is set up: 64-bit floats, and compiled programs kept between sessions."""

import os
from pathlib import Path

import jax


def cache_folder() -> Path:
    """Folder of compiled programs: $ABM_CACHE, else the user's cache folder."""
    given = os.environ.get("ABM_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "abm" / "compiled"


def configure() -> None:
    """Use 64-bit floats and a persistent compilation cache (once per process, before the first array)."""
    jax.config.update("jax_enable_x64", True)
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        folder = cache_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return  # a read-only home costs speed, not correctness
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
