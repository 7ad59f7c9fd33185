"""Figures, tables, manifest and the HTML report of the R1 job."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from abm import figures
from abm.charts.labels import LAYERS, MECHANISMS
from abm.experiments import html
from abm.experiments.html import Section, bullets, paragraph, picture, table
from abm.experiments.manifest import manifest
from abm.experiments.r1 import tables
from abm.experiments.r1.findings import Narrative, tell
from abm.experiments.reproductions import Progress, Reproduced
from abm.figures import beliefs, chips, crash, list_prices, markups
from abm.support.files import write_text, write_whole
from abm.support.provenance import now, version_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.runs.results import Ensemble

TITLE = "The DeepSeek R1 shock of January 2025"
NAMES = (
    "pricing_power",
    "pricing_power_change",
    "constant_capability_price",
    "event_window",
    "crash_mechanisms",
    "jevons",
    "belief_dispersion",
)
"""Of the figures."""
SHARED = NAMES[:6:2]
"""Those that a worker draws, where there is one, while this process makes the tables and draws the others."""


@dataclass(frozen=True)
class Plate:
    """A figure of the report: what draws it, the numbers behind it, and what it is called."""

    name: str
    title: str
    draw: Callable[[], Figure]
    count: Callable[[], pd.DataFrame]
    caption: str

    @cached_property
    def numbers(self) -> pd.DataFrame:
        return self.count()


def write(
    folder: Path,
    runs: dict[str, Ensemble],
    *,
    quick: bool = False,
    began: float = 0.0,
    progress: Progress | None = None,
    drawing: Callable[[], list[Path]] | None = None,
) -> Reproduced:
    """Everything that is made of the runs; returns where it is and the result in sentences.

    `drawing` waits for the paths of the `SHARED` figures, which a worker draws meanwhile; without it they are drawn here.
    """
    progress = progress or (lambda doing, done, total: None)
    baseline = runs["baseline"]
    others = {"no_r1": runs["no_r1"], "no_stargate": runs["no_stargate"]}
    work = sum(len(each.seeds) * each.setup.months for each in runs.values())

    progress("tables", work, 1.03 * work)
    shown = plates(runs)
    numbers = {name: plate.numbers for name, plate in shown.items()}
    paired = tables.paired_differences(baseline, others)
    ranks = tables.rank_correlation(numbers["crash_mechanisms"])
    targets = tables.targets(baseline)
    story = tell(runs, paired, numbers["crash_mechanisms"], ranks, numbers["event_window"], targets)
    kept = numbers | {"paired_differences": paired, "paired_monthly": tables.monthly_differences(baseline, others)}
    kept |= {"crash_signs": ranks, "numbers_in_text": story.numbers}
    if targets is not None:
        kept["targets"] = targets
    files = [save_table(folder, name, frame) for name, frame in kept.items()]

    progress("figures", 1.01 * work, 1.03 * work)
    mine = [plate for name, plate in shown.items() if drawing is None or name not in SHARED]
    drawn = [path for plate in mine for path in save_figure(folder, plate)]
    files += sorted(drawn + (drawing() if drawing else []))
    page = folder / "report.html"
    write_text(page, page_of(shown, folder, story, paired, ranks, targets, runs, quick))
    seconds = time.perf_counter() - began if began else 0.0
    how = folder / "manifest.json"
    write_text(how, json.dumps(manifest("r1_shock", runs, quick, seconds), indent=1) + "\n")
    progress("done", work, work)
    headlines = [story.power[0], story.crash[0], story.chips[0], story.chips[1], *story.misses[:1]]
    return Reproduced(folder, page, [page, *files, how], headlines, seconds)


def plates(runs: dict[str, Ensemble]) -> dict[str, Plate]:
    """The report's figures by name, in their order."""
    baseline, without = runs["baseline"], runs["no_r1"]
    n = len(baseline.seeds)
    alone = {name: runs[f"only_{name}"] for name in MECHANISMS if f"only_{name}" in runs}
    together = {crash.TOGETHER: baseline} | alone
    shown = [
        Plate(
            "pricing_power",
            "Pricing power with R1 and without",
            lambda: figures.pricing_power(baseline, without),
            lambda: markups.pricing_power_numbers(baseline, without),
            markups.pricing_power_caption(n),
        ),
        Plate(
            "pricing_power_change",
            "What R1 changed",
            lambda: figures.pricing_power_change(baseline, without),
            lambda: markups.pricing_power_change_numbers(baseline, without),
            markups.pricing_power_change_caption(n),
        ),
        Plate(
            "constant_capability_price",
            "Price at constant capability",
            lambda: figures.constant_capability_price(baseline),
            lambda: list_prices.constant_capability_price_numbers(baseline),
            list_prices.constant_capability_price_caption(baseline),
        ),
        Plate(
            "event_window",
            "The event window by layer",
            lambda: figures.event_window(baseline),
            lambda: crash.event_window_numbers(baseline),
            crash.event_window_caption(n),
        ),
        Plate(
            "crash_mechanisms",
            "The day of the crash, mechanism by mechanism",
            lambda: figures.crash_mechanisms(together),
            lambda: crash.day0_numbers(together),
            crash.crash_mechanisms_caption(n),
        ),
        Plate(
            "jevons",
            "Chip demand",
            lambda: figures.jevons(baseline, without),
            lambda: chips.jevons_numbers(baseline, without),
            chips.jevons_caption(n),
        ),
        Plate(
            "belief_dispersion",
            "Beliefs",
            lambda: figures.belief_dispersion(baseline, without),
            lambda: beliefs.belief_dispersion_numbers(baseline, without),
            beliefs.belief_dispersion_caption(n),
        ),
    ]
    return {plate.name: plate for plate in shown}


def save_table(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    path = folder / "tables" / f"{name}.csv"
    write_whole(path, lambda file: frame.to_csv(file, index=False))
    return path


def save_figure(folder: Path, plate: Plate) -> list[Path]:
    from abm.charts.style import save

    figure = plate.draw()
    paths = [folder / "figures" / f"{plate.name}.{kind}" for kind in ("png", "pdf")]
    for path in paths:
        save(figure, path)
        figure.set_layout_engine("none")  # laid out once, by the first
    return paths


def page_of(
    shown: dict[str, Plate],
    folder: Path,
    story: Narrative,
    paired: pd.DataFrame,
    ranks: pd.DataFrame,
    targets: pd.DataFrame | None,
    runs: dict[str, Ensemble],
    quick: bool,
) -> str:
    """The report."""

    def figure(name: str) -> str:
        plate = shown[name]
        alt = f"{plate.title}. {plate.caption.split('. ')[0]}. The plotted numbers are in tables/{name}.csv."
        return picture(folder / "figures" / f"{name}.png", alt, plate.caption)

    seeds = len(runs["baseline"].seeds)
    sections = [
        Section(
            "Pricing power",
            [bullets(story.power), figure("pricing_power"), figure("pricing_power_change"), effects(paired)],
        ),
        Section("Prices", [figure("constant_capability_price")]),
        Section(
            "The crash",
            [bullets(story.crash), figure("event_window"), figure("crash_mechanisms"), day0(shown, ranks)],
        ),
        Section("Chip demand", [bullets(story.chips), figure("jevons")]),
        Section("Beliefs", [bullets(story.minds), figure("belief_dispersion")]),
        Section("What does not fit", [bullets(story.misses), *([fit(targets)] if targets is not None else [])]),
        Section("How it was made", [paragraph(line) for line in method(runs)]),
    ]
    first = (("Pricing power", story.power[0]), ("The crash", story.crash[0]), ("Chip demand", story.chips[0]))
    last = (("Chips ordered", story.chips[1]), ("What does not fit", story.misses[0]))
    result = "".join(paragraph(line, topic) for topic, line in (*first, *last))
    note = (
        f"Quick run: {seeds} seeds instead of the full number. Intervals are wide and small effects are not to be"
        " trusted."
        if quick
        else ""
    )
    lead = (
        "What an open reasoning model at a claimed cost of a few million dollars did to pricing power, share"
        f" prices and chip demand in an agent-based model of the AI industry; {seeds} paired runs."
    )
    footer = (
        f"AI market model, version {version_of('ai-market-abm')}. Made {now():%d %B %Y, %H:%M} UTC. Parameters,"
        " seeds and versions: manifest.json; plotted numbers: tables/; figures as PDF: figures/. Capability"
        " index: Epoch AI, CC-BY 4.0."
    )
    return html.page(TITLE, lead, result, sections, footer, note)


def effects(paired: pd.DataFrame) -> str:
    """What R1 changed, as a table of the first year after."""
    year = paired["year"].iloc[0]
    rows = paired[(paired["comparison"] == "no_r1") & (paired["year"] == year)].copy()
    rows["interval"] = [
        f"{html.number(low)}\u00a0to {html.number(high)}" for low, high in zip(rows["low"], rows["high"], strict=True)
    ]
    rows["difference_in"] = rows["difference_in"].where(rows["difference_in"] != rows["unit"], "same unit")
    columns = {
        "name": "observable",
        "unit": "unit",
        "with": "with R1",
        "without": "without",
        "difference": "difference",
    }
    columns |= {"interval": "95 % interval", "difference_in": "difference in"}
    columns |= {"variance_reduction": "variance reduction"}
    caption = f"Paired differences, means of {year} (geometric means where differences are in log points)"
    return table(rows, caption, columns)


def day0(by_name: dict[str, Plate], ranks: pd.DataFrame) -> str:
    """Layers by mechanism on the day, in percent."""
    numbers = by_name["crash_mechanisms"].numbers
    wide = 100 * numbers.pivot(index="mechanism", columns="layer", values="mean")[list(LAYERS)]
    order = [crash.TOGETHER, *MECHANISMS, "observed"]
    wide = wide.reindex([name for name in order if name in wide.index]).reset_index()
    wide = wide.merge(ranks, on="mechanism", how="left")
    wide["mechanism"] = wide["mechanism"].map(lambda name: MECHANISMS.get(name, name))
    columns = {"mechanism": "mechanism"} | {layer: LAYERS[layer] for layer in LAYERS}
    columns |= {"signs_right": "signs matched", "rank_correlation": "rank correlation"}
    caption = "Abnormal return of 27 January 2025, %, mean of runs (applications observed: raw return)"
    shown = table(wide, caption, columns, {"signs_right": lambda n: "–" if n != n else f"{n:.0f}"})
    return shown + paragraph(crash.matching_rule())


def fit(targets: pd.DataFrame) -> str:
    """The calibration targets on these runs."""
    columns = {"description": "target", "observed": "observed", "low": "low", "high": "high", "model": "model"}
    columns |= {"mcse": "MCSE", "unit": "unit", "within": "within"}
    return table(targets, "Calibration targets, mean of the baseline runs", columns)


def method(runs: dict[str, Ensemble]) -> list[str]:
    baseline = runs["baseline"]
    crash_months = min(each.setup.months for each in runs.values())
    return [
        f"Every world is run with the same {len(baseline.seeds)} seeds, and a seed gives the same draws in each"
        " of them, so that differences are taken run by run. In the column variance reduction stands how many"
        " times smaller the variance of a difference is than it would be for independent runs. A change in"
        " percent is that of the geometric mean.",
        "Baseline, no R1 (neither the release nor what followed from it) and no Stargate run over"
        f" {baseline.setup.months} months from January 2023. Each crash mechanism alone branches off the baseline in"
        f" June 2024, with the same industry valued by that mechanism only, and ends after month {crash_months}. The"
        " data used for fitting end in June 2025; everything later is the model's own.",
        "27 January 2025 is one day: its returns are one draw with correlated errors across firms. A model that"
        " reproduces it is not thereby confirmed, and sizes on that day were among the targets of the fit.",
        "Labs stand for kinds of firms and are no portraits. That R1 distilled a rival's outputs is an allegation by an"
        " interested party; the model carries it as such.",
    ]
