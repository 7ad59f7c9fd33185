"""docs/performance.md: where it is, what machine it was measured on, and the sections that are written one by one."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from abm.support import provenance

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
NUMBERS = ROOT / "docs" / "performance" / "numbers.json"
"""What the page was written from."""


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": provenance.machine()["processor"] or "unknown",
        "cores": f"{cores}",
        "memory": memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "jax": version("jax"),
        "mesa": version("mesa"),
    }


def memory() -> str:
    try:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        return "unknown"


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Write a section that has its own benchmark into the page, in the place of its older self or before the last one."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before = page.read_text(encoding="utf-8") if page.exists() else "## Machine\n"
    older, block = re.search(f"{begin}.*{end}", before, re.DOTALL), f"{begin}\n{text.strip()}\n{end}"
    after = before.replace(older[0], block) if older else before.replace("## Machine", f"{block}\n\n## Machine")
    page.write_text(after, encoding="utf-8")
    print(page)


def with_others(text: str, page: Path) -> str:
    """The page with the sections that other benchmarks wrote into the one that is there."""
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    for name in ("accelerator", "sweeps", "page"):
        found = re.search(rf"<!-- {name}:begin -->.*<!-- {name}:end -->", before, re.DOTALL)
        text = text.replace("## Machine", f"{found[0]}\n\n## Machine") if found else text
    return text
