"""`python -m benchmarks`: run all benchmarks and write docs/performance.md.

Parts are measured one after another, each in its own process. This takes about an hour on an idle machine; `--only` prints
one part, `--json` stores the numbers, `--from` writes the page from stored numbers.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.page import NUMBERS, PAGE, ROOT, machine, with_others

PARTS = {
    "peer": "benchmarks.peer",
    "small_models": "benchmarks.small_models",
    "limit": "benchmarks.limit",
    "phases": "benchmarks.phases",
    "growth": "benchmarks.growth",
    "times": "benchmarks.times",
    "shards": "benchmarks.shards",
}
ONE_THREAD = ("limit", "phases", "shards")
"""Parts measured with one thread per process."""
NOTE = "**Quick measurement with small sizes: the numbers below mean nothing.**"


def in_a_process(name: str, quick: bool, interpreters: list[str]) -> dict[str, Any]:
    """Measure a part in a fresh Python process and return its numbers."""
    environment = os.environ | ({"NPROC": "1"} if name in ONE_THREAD else {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "numbers.json"
        command = [sys.executable, "-m", "benchmarks", "--measure", name, "--json", str(path)]
        command += [*(["--quick"] if quick else []), *(f"--python={one}" for one in interpreters)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        return json.loads(path.read_text(encoding="utf-8"))


def page(found: dict[str, Any]) -> str:
    """The page as Markdown."""
    parts = []
    for name, module in PARTS.items():
        if name in found["parts"]:
            part = importlib.import_module(module)
            text = part.section(found["parts"][name])
            if hasattr(part, "figure"):
                text += f"\n![{name.replace('_', ' ')}](performance/{name}.png)\n"
            parts.append(text.strip())
    facts = "\n".join(f"| {name} | {value} |" for name, value in found["machine"].items())
    return f"""# Performance

Written by `make bench` (or `python -m benchmarks`) on {found["date"]}; do not edit by hand.
{NOTE if found["quick"] else ""}
All parts were measured in one go on the machine described at the end of the page, one after another, each in its own processes.
Ratios compare times measured alternately; they carry over to other machines better than seconds do. What was tried for speed, and
what did not help, is in [decision 9](decisions/0009-what-was-tried-for-speed.md).

{(chr(10) * 2).join(parts)}

## Machine

| | |
|---|---|
{facts}

Other work on the same machine makes times longer: the shortest of several times is the better measure of the program, the
median of what to expect. Sections with a date of their own come from separate benchmarks.
"""


def draw(found: dict[str, Any], folder: Path) -> None:
    """Draw the figures of the page."""
    from abm.charts.style import save

    folder.mkdir(parents=True, exist_ok=True)
    for name, module in PARTS.items():
        part = importlib.import_module(module)
        if name in found["parts"] and hasattr(part, "figure"):
            save(part.figure(found["parts"][name]), folder / f"{name}.png")


def kept(path: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Read numbers stored by `--json`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        parser.error(f"--from {path}: cannot be read ({getattr(error, 'strerror', None) or error})")
    if not (isinstance(found, dict) and {"date", "quick", "machine", "parts"} <= set(found)):
        parser.error(f"--from {path}: contains no numbers written by `python -m benchmarks --json`")
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure speed; write docs/performance.md."
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, to try the script; prints the page instead of writing it"
    )
    parser.add_argument(
        "--only", choices=PARTS, action="append", metavar="PART", help=f"measure and print one part: {', '.join(PARTS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="store the numbers in this file")
    parser.add_argument("--from", dest="kept", type=Path, metavar="FILE", help="write the page from stored numbers")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="FRAMEWORK=PYTHON",
        help="interpreter of a framework that needs its own environment",
    )
    parser.add_argument("--measure", choices=PARTS, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    parts = [given.measure] if given.measure else given.only or list(PARTS)
    if "limit" in parts and not given.kept and find_spec("numba") is None:
        parser.error("numba is not installed; use `make bench`, or pip install 'ai-market-abm[benchmarks]'")
    if given.measure:
        others = {"interpreters": dict(one.split("=", 1) for one in given.python)} if given.python else {}
        more = others if given.measure == "small_models" else {}
        found = importlib.import_module(PARTS[given.measure]).measure(given.quick, **more)
        given.json.write_text(json.dumps(found), encoding="utf-8")
        return
    if given.kept:
        found = kept(given.kept, parser)
    else:
        found = {"date": f"{dt.date.today():%d %B %Y}", "quick": given.quick, "machine": machine(), "parts": {}}
        for name in given.only or PARTS:
            began = time.perf_counter()
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                found["parts"][name] = in_a_process(name, given.quick, given.python)
            except subprocess.CalledProcessError as error:  # its own message was printed above
                raise SystemExit(
                    f"{name} ended with exit code {error.returncode}; --only {name} runs it separately"
                ) from None
            print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
            if given.json:  # after every part, so that a failure does not lose the earlier ones
                given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if given.only or found["quick"] or set(found["parts"]) != set(PARTS):  # only a complete run writes the page
        print(page(found))
        return
    draw(found, NUMBERS.parent)
    NUMBERS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_others(page(found), PAGE), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
