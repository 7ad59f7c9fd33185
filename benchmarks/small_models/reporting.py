"""The measurements as Markdown and as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.small_models.comparing import ERRORS
from benchmarks.small_models.measuring import FRAMEWORKS
from benchmarks.small_models.problem import MODELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def seconds(value: float) -> str:
    """Format a time with two digits and a suitable unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size or unit == "µs":
            return f"{value / size:.{0 if value / size >= 10 else 1}f} {unit}"
    raise AssertionError


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def head(*cells: str) -> list[str]:
    return [row(*cells), row("---", *["---:"] * (len(cells) - 1))]


def by_size(framework: dict[str, Any], model: str) -> dict[int, dict[str, Any]]:
    return {record["agents"]: record for record in framework["times"].get(model, [])}


def section(results: dict[str, Any]) -> str:
    """Markdown section: agreement, times relative to this engine, and absolute times."""
    found, sizes = results["frameworks"], results["plan"]["sizes"]
    timed = [name for name in found if found[name]["times"]]
    check, many = results["plan"]["check"], results["plan"]["ensemble"]
    lines = ["## Shared small models", ""]
    if results["quick"]:
        lines += ["**Quick measurement with small sizes: the numbers below mean little.**", ""]
    for what, title in (("step", "A step"), ("setup", "Setting up")):
        lines += [f"### {title}: time relative to this engine", ""]
        lines += head("", *(f"{size:,}" for size in sizes))
        compared = [(model, name, "engine") for model in MODELS for name in timed if name != "engine"]
        if {"engine_32", "abmax"} <= set(timed):  # abmax computes in 32 bits
            compared += [(model, "abmax", "engine_32") for model in MODELS]
        for model, name, base in compared:
            ours, theirs = by_size(found[base], model), by_size(found[name], model)
            both = [what in theirs.get(size, {}) and what in ours.get(size, {}) for size in sizes]
            cells = [
                f"{theirs[size][what]['median'] / ours[size][what]['median']:,.1f}" if is_there else "–"
                for size, is_there in zip(sizes, both, strict=True)
            ]
            both_in = "" if base == "engine" else ", both in 32 bits"
            lines.append(row(f"{FRAMEWORKS[name]}, {MODELS[model]}{both_in}", *cells))
        lines.append("")
    lines += ["### Seconds", ""]
    lines += head(
        "", "agents", "setting up", "shortest to longest", "a step", "shortest to longest", "compiling", "steps"
    )
    for model in MODELS:
        for name in timed:
            for size, record in by_size(found[name], model).items():
                if "skipped" in record:
                    continue
                cells = [f"{FRAMEWORKS[name]}, {MODELS[model]}", f"{size:,}"]
                for what in ("setup", "step"):
                    one = record[what]
                    cells += [seconds(one["median"]), f"{seconds(one['least'])} – {seconds(one['most'])}"]
                lines.append(row(*cells, seconds(record["compile"]), str(record["steps"])))
    lines += ["", f"### A run in an ensemble of {many['runs']}, {many['agents']:,} agents, {many['steps']} steps", ""]
    lines += head("", "a run", "shortest to longest", "relative to this engine", "how it uses all cores")
    for model in MODELS:
        ours = found["engine"]["ensembles"].get(model)
        for name in timed:
            one = found[name]["ensembles"].get(model)
            if one:
                ratio = f"{one['median'] / ours['median']:,.1f}" if ours else "–"
                cores = "with processes" if one["way"] == "ensemble_on_all_cores" else "by itself"
                spread = f"{seconds(one['least'])} – {seconds(one['most'])}"
                lines.append(row(f"{FRAMEWORKS[name]}, {MODELS[model]}", seconds(one["median"]), spread, ratio, cores))
    lines += ["", "### The same numbers?", ""]
    lines += head("", "version", "model", f"means, in standard errors (less than {ERRORS})", "beliefs", "the same")
    for name, framework in found.items():
        for model, one in framework["checks"].items():
            beliefs = f"{one['beliefs']:.0e} (at most {one['digits']:.0e})" if model == "belief" else "–"
            what = [FRAMEWORKS[name], framework["version"], MODELS[model], f"{one['errors']:.1f}", beliefs]
            lines.append(row(*what, "yes" if one["same"] else "**no**: not timed"))
    lines += ["", f"{check['runs']} runs of {check['steps']} steps of {check['agents']:,} agents each.", ""]
    for name, framework in found.items():
        for key in ("missing", "failed"):
            if key in framework:
                lines.append(
                    f"- {FRAMEWORKS[name]}: {key if key == 'failed' else ''} {framework[key]}".replace(":  ", ": ")
                )
        for model in MODELS:
            for size, record in by_size(framework, model).items():
                if "skipped" in record:
                    lines.append(f"- {FRAMEWORKS[name]}, {MODELS[model]}, from {size:,} agents: {record['skipped']}")
    return "\n".join(lines).rstrip() + "\n"


def figure(results: dict[str, Any]) -> Figure:
    """Seconds per step and to set up against the number of agents, one line per framework, one column per model."""
    from abm.charts import style

    colours = [style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.PURPLE, style.BLACK]
    drawn = [
        name for name in FRAMEWORKS if name != "engine_32"
    ]  # its line would be indistinguishable from that in 64 bits
    looks = dict(zip(drawn, zip(colours, style.LINES, style.MARKERS, strict=True), strict=True))

    @style.styled
    def draw() -> Figure:
        size = style.TWO_COLUMNS, 0.72 * style.TWO_COLUMNS
        drawing, axes = style.canvas(None, 2, 2, size, sharex=True, sharey="row")
        panels = [(what, model) for what in ("step", "setup") for model in MODELS]
        for ax, (what, model) in zip(axes, panels, strict=True):
            for name in (name for name in drawn if name in results["frameworks"]):
                framework = results["frameworks"][name]
                points = [(n, record[what]) for n, record in by_size(framework, model).items() if what in record]
                if not points:
                    continue
                agents, values = zip(*points, strict=True)
                colour, line, marker = looks[name]
                middle = [value["median"] for value in values]
                ax.plot(agents, middle, color=colour, linestyle=line, marker=marker, label=FRAMEWORKS[name])
                least, most = ([value[end] for value in values] for end in ("least", "most"))
                ax.fill_between(agents, least, most, color=colour, alpha=0.15, linewidth=0)
            ax.set(xscale="log", yscale="log", title=f"{MODELS[model]}: {'a step' if what == 'step' else 'setting up'}")
        for ax in axes[2:]:
            ax.set_xlabel("agents")
        for ax in axes[::2]:
            ax.set_ylabel("seconds")
        style.shared_legend(drawing, axes[0], own=True, columns=len(drawn))
        return drawing

    return draw()
