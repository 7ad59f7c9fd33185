"""The dashboard in a real browser: time from the command to the first chart, and from a lever to a new chart.

`python -m benchmarks.dashboard` writes the section on the dashboard in docs/performance.md. It takes some minutes on an idle
machine and needs Chromium.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from abm.dashboard.page import SETTLED
from benchmarks.page import PAGE, put

SEEDS = 100
PORT = 8797
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
NEW = """before => { const row = document.querySelector('tr[data-observable]');
return row && document.querySelector('.abm-done') && row.dataset.difference !== before; }"""


def served(browser: Any, cache: Path, levers: int) -> dict[str, Any]:
    """Start a server and return seconds to the first chart, to the complete one, and to a new one for each lever."""
    command = [sys.executable, "-m", "abm.cli.app", "dashboard", "--no-open", "--port", str(PORT)]
    environment = os.environ | {"ABM_CACHE": str(cache)}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}", timeout=5)
                break
            except OSError:
                time.sleep(0.05)
        answers = time.perf_counter() - began
        page = browser.new_page()
        page.set_default_timeout(300_000)
        page.goto(f"http://127.0.0.1:{PORT}/?seeds={SEEDS}&ip_strength=0.5")
        page.wait_for_selector(".abm-picture")
        first = time.perf_counter() - began
        page.wait_for_selector("tr[data-observable]")
        whole = time.perf_counter() - began
        moved = []
        for number in range(levers):
            before = page.locator("tr[data-observable]").first.get_attribute("data-difference")
            field = page.locator(".abm-field-ip_strength input")
            field.fill(f"{0.9 - 0.05 * number:.2f}")
            now = time.perf_counter()
            field.press("Enter")
            page.wait_for_function(NEW, arg=before)
            moved.append(time.perf_counter() - now)
        page.close()
        return {"answers": answers, "first": first, "whole": whole, "moved": moved}
    finally:
        process.terminate()
        process.wait(60)


def section(cold: dict[str, Any], warm: dict[str, Any]) -> str:
    """The section of docs/performance.md."""
    rows = [
        ("the server answers", cold["answers"], warm["answers"]),
        ("the first chart, of the runs finished by then", cold["first"], warm["first"]),
        (f"all {SEEDS} paired runs, charts and table", cold["whole"], warm["whole"]),
    ]
    lines = [f"| {what} | {a:.1f} | {b:.1f} |" for what, a, b in rows]
    moved = warm["moved"]
    return f"""## The dashboard in the browser

Written by `python -m benchmarks.dashboard` on {dt.date.today():%-d %B %Y}, in headless Chromium on the same machine.

| seconds from the command `abm dashboard` to | nothing compiled before | compiled before |
|---|---:|---:|
{chr(10).join(lines)}

From a lever to new fan charts of {SEEDS} paired runs of five years: {statistics.median(moved):.1f} s in the median of
{len(moved)} ({min(moved):.1f} to {max(moved):.1f}), of which {SETTLED} s are a wait for the lever to come to rest. Only the
changed months are computed.
"""


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(
        description="Time the page in a browser; write its section of docs/performance.md."
    )
    parser.add_argument("--levers", type=int, default=7, help="number of lever changes to time")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page (default docs/performance.md)")
    given = parser.parse_args(arguments)
    chromium = os.environ.get("ABM_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        parser.error("no browser found: apt-get install chromium, or set ABM_BROWSER to its path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        cold = served(browser, Path(folder), 0)
        warm = served(browser, Path(folder), given.levers)
        browser.close()
    text = section(cold, warm)
    print(text)
    put("page", text, given.out)


if __name__ == "__main__":
    main()
