"""`python -m benchmarks.small_models`: check, measure, print the section."""

import argparse
import json
from pathlib import Path

from benchmarks.small_models.comparing import measure
from benchmarks.small_models.measuring import FRAMEWORKS
from benchmarks.small_models.reporting import section


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare two small models in several frameworks: agreement and speed.")
    parser.add_argument("--quick", action="store_true", help="small sizes and few steps, to try the script")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the measurements to this file")
    parser.add_argument(
        "--only", choices=FRAMEWORKS, metavar="FRAMEWORK", help="compare this engine with one framework only"
    )
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="FRAMEWORK=INTERPRETER",
        help="measure a framework with another interpreter, in which it is installed",
    )
    given = parser.parse_args(arguments)
    interpreters = dict(pair.partition("=")[::2] for pair in given.python)
    unknown = [name for name in interpreters if name not in FRAMEWORKS]
    if unknown:
        parser.error(f"--python {unknown[0]}=...: choose {', '.join(FRAMEWORKS)}")
    results = measure(given.quick, given.only, interpreters)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(section(results))


if __name__ == "__main__":
    main()
