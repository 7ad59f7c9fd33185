"""docs/performance.md: its path, the description of the machine, and sections written separately."""

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
"""Numbers from which the page was written."""


def machine() -> dict[str, str]:
    """Description of this machine."""
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
    """Physical memory in GiB."""
    try:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        return "unknown"


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Insert a separately measured section into the page: replace its older version, or add it before the last section."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before = page.read_text(encoding="utf-8") if page.exists() else "## Machine\n"
    older, block = re.search(f"{begin}.*{end}", before, re.DOTALL), f"{begin}\n{text.strip()}\n{end}"
    after = before.replace(older[0], block) if older else before.replace("## Machine", f"{block}\n\n## Machine")
    page.write_text(after, encoding="utf-8")
    print(page)


def with_others(text: str, page: Path) -> str:
    """The page text with the separately written sections of the existing page."""
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    for name in ("accelerator", "sweeps", "page"):
        found = re.search(rf"<!-- {name}:begin -->.*<!-- {name}:end -->", before, re.DOTALL)
        text = text.replace("## Machine", f"{found[0]}\n\n## Machine") if found else text
    return text
