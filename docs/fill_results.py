"""Write the results into README.md: `python docs/fill_results.py [output/r1_shock]`.

All numbers between the markers of the README come from the tables of `abm reproduce r1_shock`. If the folder does not
exist, or holds a quick run and --quick is not given, the README is left unchanged.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from abm.experiments.r1.sentences import change_in_words, in_percent
from abm.figures.crash import only_raw

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "README.md"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
TOGETHER, OBSERVED = "all together", "observed"
LAYERS = {"compute": "chips", "power": "power", "platforms": "platforms", "applications": "applications"}
NEEDED = ("paired_differences", "crash_mechanisms", "crash_signs", "targets")


def sentences(tables: dict[str, pd.DataFrame], seeds: int, quick: bool) -> str:
    """The block of results, in Markdown."""
    lines = [
        f"From `abm reproduce r1_shock` with {seeds} paired seeds; brackets are 95 % intervals of the mean."
        + (" **A quick run: small effects are not to be trusted.**" if quick else ""),
        "",
        f"- **Pricing power.** {power(tables['paired_differences'])}",
        f"- **The crash.** {crash(tables['crash_mechanisms'], tables['crash_signs'])}",
        f"- **Chips.** {chips(tables['paired_differences'])}",
        f"- **Fit.** {fit(tables['targets'])}",
    ]
    return "\n".join(lines)


def power(paired: pd.DataFrame) -> str:
    """Sentences on the measures of pricing power in the first year after R1."""
    row = rows_of(paired, "no_r1", "2025")
    lerner, premium, profit = row("lerner_closed"), row("closed_premium"), row("closed_profit")
    cheapest = "the cheapest price of about R1's capability"
    contestable = "the share of spending where only open models keep closed labs from raising prices by a tenth"
    of = {"lerner_leader": "the leader's index", "lerner_rest": "that of the other closed labs"}
    ranks = [
        moved(row(name), 100, "points", what) for name, what in of.items() if math.isfinite(row(name)["difference"])
    ]
    by_rank = f" It {' and '.join(ranks)}." if ranks else ""
    return (
        f"In 2025 R1 moved the closed labs' Lerner index from {lerner['without']:.3f} to {lerner['with']:.3f}"
        f" ({change(lerner, 100, 'points')}).{by_rank}"
        f" It {percent(premium, 'the ratio of their prices to those of open models at equal capability')},"
        f" {percent(row('rent_half_life'), 'the time in which the rent of a flagship halves')},"
        f" {moved(row('contestable_share'), 100, 'points', contestable)}, and"
        f" {moved(profit, 1, '$ M a month', 'their profit after research')}. It"
        f" {percent(row('price_at_k3'), cheapest)},"
        f" {percent(row('frontier_price'), 'the list price of the frontier model')}, and"
        f" {moved(row('open_token_share'), 100, 'points', 'the open share of tokens')}."
    )


def crash(day0: pd.DataFrame, signs: pd.DataFrame) -> str:
    """Sentences on 27 January 2025: returns by layer, and each mechanism alone."""
    mean = day0.set_index(["mechanism", "layer"])["mean"]
    parts = [
        f"{name} {signed(100 * mean[TOGETHER, layer])} % ({signed(100 * mean[OBSERVED, layer])} %"
        f"{', a raw return' if layer in only_raw() else ''})"
        for layer, name in LAYERS.items()
    ]
    right = signs.set_index("mechanism")
    alone = [name for name in right.index if name not in (TOGETHER, OBSERVED)]
    complete = sum(int(right.loc[name, "signs_right"] == right.loc[name, "layers"]) for name in alone)
    together = right.loc[TOGETHER]
    return (
        f"Mean abnormal return on 27 January 2025 in the model (observed): {', '.join(parts)}."
        f" {together['signs_right']:.0f} of {together['layers']:.0f} signs are right with all four mechanisms;"
        f" {complete} of {len(alone)} mechanisms alone give the whole pattern (platforms count as right within five points"
        " of zero)."
    )


def chips(paired: pd.DataFrame) -> str:
    """Sentences on chip orders and compute."""
    years = [str(y) for y in sorted(paired.loc[paired["comparison"] == "no_r1", "year"].astype(str).unique())]
    orders = [
        f"{percent(rows_of(paired, 'no_r1', year)('chip_orders'), 'them' if index else 'chip orders')} in {year}"
        for index, year in enumerate(years)
    ]
    last = rows_of(paired, "no_r1", years[-1])
    stargate = rows_of(paired, "no_stargate", years[-1])
    return (
        f"R1 {', '.join(orders)}. In {years[-1]} it {percent(last('compute_installed'), 'compute installed')};"
        f" Stargate {percent(stargate('compute_installed'), 'it')}."
    )


def fit(targets: pd.DataFrame) -> str:
    """Sentence on the calibration targets within their bounds, and those outside."""
    within = targets["within"].astype(str).str.lower() == "true"
    missed = [
        f"{r.target} ({outside(r.model, r.low, r.high)}, bounds {r.low:g} to {r.high:g})"
        for r in targets[~within].itertuples()
    ]
    text = f"{within.sum()} of {len(targets)} calibration targets are within their bounds on these runs."
    return text + (f" Missed: {'; '.join(missed)}." if missed else "")


def rows_of(paired: pd.DataFrame, comparison: str, year: str) -> Any:
    """A function that returns the row of an observable."""
    chosen = paired[(paired["comparison"] == comparison) & (paired["year"].astype(str) == year)].set_index("observable")
    return lambda name: chosen.loc[name]


def change(row: Any, scale: float, unit: str) -> str:
    """A difference with its interval."""
    low, high = digits(scale * row["low"]), digits(scale * row["high"])
    return f"{signed(scale * row['difference'])} {unit} [{low}, {high}]"


def moved(row: Any, scale: float, unit: str, what: str) -> str:
    """The change of `what`, as a phrase."""
    return change_in_words(*(scale * row[k] for k in ("difference", "low", "high")), unit, what, digits)


def percent(row: Any, what: str) -> str:
    """A difference of logarithms as a percentage change of `what`, as a phrase."""
    return moved(in_percent(row), 1, "%", what)


def signed(value: float) -> str:
    """As `digits`, with a plus sign for positive values."""
    text = digits(value)
    return f"+{text}" if value > 0 and text != "0" else text


def digits(value: float) -> str:
    """Two significant digits, whole numbers above 100, with a real minus sign."""
    if not math.isfinite(value):
        return "unknown"
    places = 0 if abs(value) >= 10 or value == 0 else 1 - math.floor(math.log10(abs(value)))
    text = f"{value:,.{min(places, 3)}f}"
    return "0" if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def outside(value: float, low: float, high: float) -> str:
    """As `digits`, with more digits if a value outside its bounds would otherwise round to one inside."""
    text = digits(value)
    for significant in range(2, 12):
        if not math.isfinite(value) or not low <= float(text.replace(",", "").replace("−", "-")) <= high:
            break
        text = f"{value:,.{max(0, significant - 1 - math.floor(math.log10(abs(value))))}f}".replace("-", "−")
    return text


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write the results of r1_shock into README.md.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "output" / "r1_shock")
    parser.add_argument("--quick", action="store_true", help="accept the numbers of a quick run")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    files = {name: given.folder / "tables" / f"{name}.csv" for name in NEEDED}
    manifest_file = given.folder / "manifest.json"
    if missing := [str(path) for path in (*files.values(), manifest_file) if not path.exists()]:
        print(f"nothing written: {missing[0]} does not exist; run `abm reproduce r1_shock` first")
        return
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    if manifest["quick"] and not given.quick:
        print(f"nothing written: {given.folder} is a quick run; use --quick to accept it")
        return
    text = given.page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{given.page}: must contain the markers {BEGIN} and {END} exactly once")
    block = sentences(
        {name: pd.read_csv(path) for name, path in files.items()}, len(manifest["seeds"]), manifest["quick"]
    )
    new = re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{block}\n{END}", text, flags=re.DOTALL)
    given.page.write_text(new, encoding="utf-8")
    print(given.page)


if __name__ == "__main__":
    main()
