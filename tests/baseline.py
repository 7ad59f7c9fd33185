"""Headline observables of every scenario, stored so that a change of the model shows: `make baseline` writes them.

Two sizes: the default population on fifty seeds, which is what people see, and a small one on eight, which the quick tests
can afford to run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

HEADLINES = (
    "lerner_closed",
    "lerner_basket",
    "closed_premium",
    "contestable_share",
    "closed_profit",
    "open_token_share",
    "frontier_price",
    "mean_price_paid",
    "hhi",
    "frontier",
    "open_closed_gap",
    "research_spending",
    "chip_revenue",
    "leader_margin",
    "compute_installed",
    "equity_leader",
    "belief_dispersion",
    "welfare",
)
MONTHS = {"before": 23, "end": 59}
"""December 2024, the eve of the shock, and December 2027."""
SIZES: dict[str, dict[str, Any]] = {
    "default": {"seeds": 50, "options": {}},
    "small": {"seeds": 8, "options": {"adopters": 24, "investors": 40}},
}
FILE = Path(__file__).with_suffix(".json")


def headlines(size: str) -> dict[str, Any]:
    """By scenario, observable and month: mean over seeds and its standard error."""
    from abm.runs.simulate import Setting, ensembles
    from abm.scenarios.scenario import Scenario

    names = Scenario.names()
    chosen = SIZES[size]
    runs_of = ensembles(
        [Setting(scenario=name) for name in names], range(chosen["seeds"]), daily=(), **chosen["options"]
    )
    return {name: {o: summary(runs[o]) for o in HEADLINES} for name, runs in zip(names, runs_of, strict=True)}


def summary(values: np.ndarray) -> dict[str, list[float]]:
    """(runs, months) -> for each month of interest [mean, standard error] over runs that define it, six significant digits."""
    out = {}
    for name, month in MONTHS.items():
        column = values[np.isfinite(values[:, month]), month]
        if column.size < 2:
            continue
        error = column.std(ddof=1) / np.sqrt(column.size)
        out[name] = [float(f"{column.mean():.6g}"), float(f"{error:.3g}")]
    return out


def differences(stored: dict[str, Any], computed: dict[str, Any], tolerance: float = 1e-4) -> list[str]:
    """One line for every number that is not what is stored: scenario, observable, month, old, new.

    The end may differ by three standard errors as well: over five years another compiler's rounding can move a release.
    """
    lines = []
    for scenario in sorted(stored.keys() | computed.keys()):
        old, new = stored.get(scenario, {}), computed.get(scenario, {})
        for observable in sorted(old.keys() | new.keys()):
            for month in MONTHS:
                (a, error), (b, _) = (side.get(observable, {}).get(month, [np.nan, np.nan]) for side in (old, new))
                slack = tolerance * max(abs(a), abs(b), 1e-6) + (3 * error if month == "end" else 0.0)
                if (a == a or b == b) and not abs(a - b) <= slack:
                    lines.append(f"{scenario:18s} {observable:20s} {month:7s} {a:12.6g} -> {b:12.6g}")
    return lines


def write(sizes: list[str], path: Path = FILE) -> list[str]:
    """Compute runs of these sizes again, write them, and return what changed."""
    computed = {size: headlines(size) for size in sizes}
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(text_of(stored | computed), encoding="utf-8")
    return [f"{size}: {line}" for size in sizes for line in differences(stored.get(size, {}), computed[size])]


def text_of(computed: dict[str, Any]) -> str:
    """JSON with one line an observable, so that a diff shows what changed and nothing else."""

    def block(table: dict[str, Any], deep: int) -> str:
        if deep == 3:
            return json.dumps(table)
        inside = ",\n".join(f"{' ' * (deep + 1)}{json.dumps(key)}: {block(x, deep + 1)}" for key, x in table.items())
        return f"{{\n{inside}\n{' ' * deep}}}"

    return block(computed, 0) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--size", action="append", choices=SIZES, help="only runs of this size")
    given = parser.parse_args()
    changed = write(given.size or list(SIZES), given.out)
    print("\n".join(changed) if changed else "nothing changed")
    print(given.out)


if __name__ == "__main__":
    main()
