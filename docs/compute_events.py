"""Writes docs/compute_events.md: `python docs/compute_events.py [PAIRS]`."""

import sys
from pathlib import Path

from abm.validation.compute_events import measured


def main(pairs: int) -> None:
    lines = [
        "# Rules, permits, power and Stargate against their absence",
        "",
        f"Written by `python docs/compute_events.py {pairs}`; do not edit by hand. {pairs} pairs of runs of the default world,"
        " the two of a pair on the same draws: effect on the logarithm of a year's mean, in log points, with its 95 % interval.",
        "",
        "| of | on | year | effect | why |",
        "|---|---|---:|---:|---|",
    ]
    for effect, mean, half in measured(range(pairs)):
        lines.append(f"| {effect.of} | {effect.observable} | {effect.year} | {mean:.1f} ± {half:.1f} | {effect.why} |")
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
