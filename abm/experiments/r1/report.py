"""Figures, tables, manifest and the HTML report of the R1 job."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abm import figures
from abm.charts.labels import LAYERS, MECHANISMS
from abm.experiments import html
from abm.experiments.html import Section, bullets, paragraph, picture, table
from abm.experiments.manifest import manifest
from abm.experiments.r1 import tables
from abm.experiments.r1.changes import changes, what_changed
from abm.experiments.r1.findings import Narrative, tell
from abm.experiments.reproductions import Progress, Reproduced
from abm.figures import beliefs, chips, crash, list_prices, markups
from abm.support.files import write_text, write_whole
from abm.support.provenance import now, version_of

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup
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
"""Names of the figures."""
SHARED = NAMES[:6:2]
"""Figures that a worker draws, if there is one, while this process makes the tables and draws the others."""


@dataclass(frozen=True)
class Plate:
    """A figure of the report: its name, title and caption, and functions that draw it and tabulate its numbers."""

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
    specs: dict[str, Any],
    *,
    quick: bool = False,
    began: float = 0.0,
    progress: Progress | None = None,
    drawing: Callable[[], list[Path]] | None = None,
) -> Reproduced:
    """Write tables, figures, report and manifest of the runs; returns their paths and the headlines.

    `specs` has the sweeps that store the runs, by name. `drawing` waits for a worker that draws the `SHARED` figures and
    returns their paths; without it they are drawn here.
    """
    progress = progress or (lambda doing, done, total: None)
    baseline = runs["baseline"]
    others = {"no_r1": runs["no_r1"], "no_stargate": runs["no_stargate"]}
    work = sum(len(ensemble.seeds) * ensemble.setup.months for ensemble in runs.values())

    progress("tables", work, 1.03 * work)
    shown = plates(runs)
    numbers = {name: plate.numbers for name, plate in shown.items()}
    paired = tables.paired_differences(baseline, others)
    ranks = tables.rank_correlation(numbers["crash_mechanisms"])
    targets = tables.targets(baseline)
    narrative = tell(runs, paired, numbers["crash_mechanisms"], ranks, numbers["event_window"], targets)
    frames = numbers | {"paired_differences": paired, "paired_monthly": tables.monthly_differences(baseline, others)}
    frames |= {"crash_signs": ranks, "numbers_in_text": narrative.numbers, "what_changed": changes(paired)}
    if targets is not None:
        frames["targets"] = targets
    files = [save_table(folder, name, frame) for name, frame in frames.items()]

    progress("figures", 1.01 * work, 1.03 * work)
    mine = [plate for name, plate in shown.items() if drawing is None or name not in SHARED]
    drawn = [path for plate in mine for path in save_figure(folder, plate)]
    files += sorted(drawn + (drawing() if drawing else []))
    page = folder / "report.html"
    write_text(page, page_of(shown, folder, narrative, paired, ranks, targets, runs, quick))
    seconds = time.perf_counter() - began if began else 0.0
    manifest_path = folder / "manifest.json"
    write_text(manifest_path, json.dumps(manifest("r1_shock", runs, specs, quick, seconds), indent=1) + "\n")
    progress("done", work, work)
    headlines = [narrative.power[0], narrative.crash[0], narrative.chips[0], narrative.chips[1], *narrative.misses[:1]]
    return Reproduced(folder, page, [page, *files, manifest_path], headlines, seconds)


def plates(runs: dict[str, Ensemble]) -> dict[str, Plate]:
    """The figures of the report by name, in order."""
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
            "Effect of R1",
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
        figure.set_layout_engine("none")  # the first save has done the layout
    return paths


def page_of(
    shown: dict[str, Plate],
    folder: Path,
    narrative: Narrative,
    paired: pd.DataFrame,
    ranks: pd.DataFrame,
    targets: pd.DataFrame | None,
    runs: dict[str, Ensemble],
    quick: bool,
) -> str:
    """The HTML report."""

    def figure(name: str) -> Markup:
        plate = shown[name]
        alt = f"{plate.title}. {plate.caption.split('. ')[0]}. The plotted numbers are in tables/{name}.csv."
        return picture(folder / "figures" / f"{name}.png", alt, plate.caption)

    seeds = len(runs["baseline"].seeds)
    sections = [
        Section(
            "Pricing power",
            [bullets(narrative.power), figure("pricing_power"), figure("pricing_power_change"), effects(paired)],
        ),
        Section("Prices", [figure("constant_capability_price")]),
        Section(
            "The crash",
            [bullets(narrative.crash), figure("event_window"), figure("crash_mechanisms"), day0(shown, ranks)],
        ),
        Section("Chip demand", [bullets(narrative.chips), figure("jevons")]),
        Section("Beliefs", [bullets(narrative.beliefs), figure("belief_dispersion")]),
        *([Section("What changed", [what_changed(before)])] if len(before := changes(paired)) else []),
        Section("What does not fit", [bullets(narrative.misses), *([fit(targets)] if targets is not None else [])]),
        Section("Methods", [paragraph(line) for line in method(runs)]),
    ]
    first = (
        ("Pricing power", narrative.power[0]),
        ("The crash", narrative.crash[0]),
        ("Chip demand", narrative.chips[0]),
    )
    last = (("Chip orders", narrative.chips[1]), ("What does not fit", narrative.misses[0]))
    result = [paragraph(line, topic) for topic, line in (*first, *last)]
    note = (
        f"Quick run: {seeds} seeds instead of the full number. Intervals are wide and small effects are unreliable."
        if quick
        else ""
    )
    lead = (
        "The effect of an open reasoning model, with a claimed cost of a few million dollars, on pricing power, share"
        f" prices and chip demand in an agent-based model of the AI industry; {seeds} paired runs."
    )
    footer = (
        f"AI market model, version {version_of('ai-market-abm')}. Created {now():%d %B %Y, %H:%M} UTC. Parameters,"
        " seeds and versions: manifest.json; plotted numbers: tables/; figures as PDF: figures/. Capability"
        " index: Epoch AI, CC-BY 4.0."
    )
    return html.page(TITLE, lead, result, sections, footer, note)


def effects(paired: pd.DataFrame) -> Markup:
    """Table of the effects of R1 in the first year after its release."""
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
    caption = f"Paired differences, means over {year} (geometric means where differences are in log points)"
    return table(rows, caption, columns)


def day0(by_name: dict[str, Plate], ranks: pd.DataFrame) -> Markup:
    """Table of returns by mechanism and layer on 27 January 2025, in percent."""
    numbers = by_name["crash_mechanisms"].numbers
    wide = 100 * numbers.pivot(index="mechanism", columns="layer", values="mean")[list(LAYERS)]
    order = [crash.TOGETHER, *MECHANISMS, "observed"]
    wide = wide.reindex([name for name in order if name in wide.index]).reset_index()
    wide = wide.merge(ranks, on="mechanism", how="left")
    wide["mechanism"] = wide["mechanism"].map(lambda name: MECHANISMS.get(name, name))
    columns = {"mechanism": "mechanism"} | {layer: LAYERS[layer] for layer in LAYERS}
    columns |= {"signs_right": "signs matched", "rank_correlation": "rank correlation"}
    caption = "Abnormal return on 27 January 2025, %, mean over runs (observed, applications: raw return)"
    shown = table(wide, caption, columns, {"signs_right": lambda n: "–" if n != n else f"{n:.0f}"})
    return shown + paragraph(crash.matching_rule())


def fit(targets: pd.DataFrame) -> Markup:
    """Table of the calibration targets in these runs."""
    columns = {"description": "target", "observed": "observed", "low": "low", "high": "high", "model": "model"}
    columns |= {"mcse": "MCSE", "unit": "unit", "within": "within"}
    return table(targets, "Calibration targets, mean over the baseline runs", columns)


def method(runs: dict[str, Ensemble]) -> list[str]:
    """Paragraphs on how the runs were made and how to read them."""
    baseline = runs["baseline"]
    crash_months = min(ensemble.setup.months for ensemble in runs.values())
    return [
        f"All scenarios are run with the same {len(baseline.seeds)} seeds. A seed gives the same draws in each of them, so"
        " differences are taken run by run. The column variance reduction shows how many times smaller the variance of a"
        " difference is than it would be with independent runs. Changes in percent are changes of the geometric mean.",
        "Baseline, no R1 (without the release and its consequences) and no Stargate run over"
        f" {baseline.setup.months} months from January 2023. Each crash mechanism alone branches off the baseline in"
        f" June 2024, with the same industry valued by that mechanism only, and ends after month {crash_months}. The"
        " data used for fitting end in June 2025; everything later is the model's own prediction.",
        "27 January 2025 is one day: its returns are one draw with correlated errors across firms. Reproducing it does not"
        " confirm the model, and the sizes of returns on that day were among the targets of the fit.",
        "Labs represent kinds of firms, not individual ones. That R1 distilled a rival's outputs is an allegation by an"
        " interested party; the model treats it as one.",
    ]
