"""The page: a settings panel, a comparison with the baseline, and one run month by month."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import reacton.ipyvuetify as v
import solara
from solara.lab import use_task

from abm.analysis.counterfactual import Counterfactual, kept, numbers
from abm.analysis.policy_notes import answers, notes
from abm.charts import fans, style
from abm.charts.labels import LABELS, PRICING_POWER, in_digits, label_of
from abm.dashboard.address import changed, from_address, read, to_address
from abm.dashboard.look import CSS
from abm.dashboard.month_by_month import MonthByMonth
from abm.dashboard.parts import Picture
from abm.dashboard.runs import RUNS, Superseded
from abm.dashboard.settings import Settings
from abm.runs.policy import EVERYWHERE
from abm.runs.results import Comparison, Ensemble
from abm.scenarios.calendar import date_of

SETTLED = 0.2
"""Seconds without another change before runs start."""
BETWEEN = 2.5
"""Seconds between charts of unfinished runs: drawing slows down the runs."""
KEPT = ("of", "since", "seeds", "months")
"""Settings that stay when the levers are reset."""
TABLE = (
    "lerner_closed", "lerner_leader", "closed_premium", "contestable_share", "open_token_share", "frontier_price",
    "chip_revenue", "compute_installed", "welfare",
)  # fmt: skip
WIDE = 8.2
DIFFERENCE = "changed minus baseline"


@solara.component
def Page() -> None:
    """The whole page. The settings are in the address, so that a link restores them."""
    router = solara.use_router()
    typed = solara.use_reactive(solara.use_memo(lambda: from_address(router.search or ""), []))
    counterfactual, problems = solara.use_memo(lambda: read(typed.value), [typed.value])
    last_valid: Any = solara.use_ref(None)
    if counterfactual is not None:
        last_valid.current = counterfactual
    resets: solara.Reactive[dict[str, str]] = solara.use_reactive(
        {}
    )  # settings reset by the last change: messages by name
    policy_notes = solara.use_memo(lambda: notes(counterfactual) if counterfactual else [], [typed.value])
    messages = [*resets.value.values(), *policy_notes]

    def set_(name: str, text: Any) -> None:
        after, back = changed(typed.value, name, "" if text is None else str(text))
        resets.set(back)
        typed.set(after)

    def reset() -> None:
        resets.set({})
        typed.set({name: text for name, text in typed.value.items() if name in KEPT})

    in_address = solara.use_ref(from_address(router.search or ""))

    def update_address() -> None:
        fields = {name: text for name, text in typed.value.items() if text}
        if counterfactual is not None and fields != in_address.current:
            in_address.current = fields
            router.push(f"?{to_address(fields)}")  # with a leading / Solara would leave its root path

    def follow_address() -> None:
        fields = from_address(router.search or "")
        if fields != in_address.current:  # the browser went back or forward
            in_address.current = fields
            resets.set({})
            typed.set(fields)

    solara.use_effect(update_address, [typed.value])
    solara.use_effect(follow_address, [router.search])
    tab = solara.use_reactive(0)
    unfolded = solara.use_reactive(False)
    solara.Title("AI market")
    solara.Style(CSS)
    with solara.Div(classes=["abm-layout"]):
        with solara.Div(classes=["abm-side"]):
            solara.Button(
                "Settings", icon_name="mdi-tune", text=True, classes=["abm-unfold"],
                on_click=lambda: unfolded.set(not unfolded.value), attributes={"aria-expanded": str(unfolded.value).lower()},
            )  # fmt: skip
            with solara.Div(classes=[] if unfolded.value else ["abm-folded"]):
                Settings(typed.value, problems, set_, reset)
        with solara.Column(classes=["abm-page"], gap="8px"):
            with solara.Div():  # also present without a message, so that the components below keep their state
                if problems:
                    lines = "; ".join(line.rstrip("?") for line in dict.fromkeys(problems.values()))
                    shown = "The results shown are those of the last valid settings." if last_valid.current else ""
                    solara.Error(f"Not run: {lines}. {shown}", dense=True)
                elif messages:
                    solara.Info(f"Note: {'; '.join(messages)}.", dense=True, classes=["abm-notes"])
            with solara.lab.Tabs(value=tab):
                solara.lab.Tab("Compared with the baseline")
                solara.lab.Tab("Month by month")
            observable = typed.value.get("of")
            if last_valid.current is None:
                solara.Text("Nothing has been run yet: correct the marked settings.")
            elif tab.value == 0:
                chosen = observable if observable in LABELS else PRICING_POWER[0]
                AgainstBaseline(last_valid.current, str(chosen), lambda name: set_("of", name))
            else:
                MonthByMonth(last_valid.current)
            if last_valid.current is not None:
                PolicyChanges(last_valid.current)


# --- compared with the baseline ---------------------------------------------------------------------------------


@solara.component
def AgainstBaseline(counterfactual: Counterfactual, observable: str, choose: Any) -> None:
    """Fan charts and paired difference of one observable, a table of several, and downloads."""
    seeds = counterfactual.seeds
    done = solara.use_reactive(("", 0, seeds))
    unfinished: solara.Reactive[SoFar | None] = solara.use_reactive(None)
    key = counterfactual.to_toml()
    latest = solara.use_ref(key)
    latest.current = key

    def on_unmount() -> Callable[[], None]:
        def cancel() -> None:
            latest.current = ""

        return cancel

    solara.use_effect(on_unmount, [])

    def stop_if_superseded() -> None:
        if latest.current != key:
            raise Superseded

    def work() -> Comparison | None:
        known = RUNS.known(counterfactual)
        if known is not None:
            return known
        time.sleep(SETTLED)
        began = shown = time.perf_counter()
        current_world = ""

        def watch(world: str, number: int, total: int, so_far: Callable[[], Ensemble]) -> None:
            nonlocal began, shown, current_world
            stop_if_superseded()
            done.set((world, number, total))
            now = time.perf_counter()
            began, current_world = (began, current_world) if world == current_world else (now, world)
            first = world == "baseline" and unfinished.value is None
            remaining = (now - began) * (total - number) / number
            if number < total and (first or (now - shown > BETWEEN and remaining > BETWEEN)):
                unfinished.set(SoFar(key, world, total, so_far()))
                shown = time.perf_counter()

        def waiting() -> None:
            stop_if_superseded()
            done.set(("Waiting for the runs of another session", 0, seeds))

        try:
            stop_if_superseded()
            done.set(("Starting; a new model is compiled first", 0, seeds))
            return RUNS.run(counterfactual, watch, waiting)
        except Superseded:
            return None

    task = use_task(work, dependencies=[key], raise_error=False)
    if task.error:
        solara.Error(f"The runs failed: {task.exception}")
    with solara.Row(classes=["abm-line"], style={"align-items": "center"}):
        v.Autocomplete(
            label="Observable", items=[{"text": str(label_of(name)), "value": name} for name in LABELS],
            v_model=observable, on_v_model=choose, dense=True, class_="abm-observable", hide_details=True,
        )  # fmt: skip
        Progress(task.pending, seeds, *done.value)
    partial = unfinished.value
    if task.finished and task.value is not None:
        Finished(counterfactual, task.value, observable)
    elif partial is not None and partial.key == key and observable in partial.ensemble.names:
        Unfinished(partial, observable)


@dataclass(frozen=True, eq=False)
class SoFar:
    """The finished runs of an unfinished ensemble, with the key of its settings and its world."""

    key: str
    world: str
    total: int
    ensemble: Ensemble


@solara.component
def Unfinished(so_far: SoFar, observable: str) -> None:
    """A fan chart of the finished runs, while the others are running."""
    label = f"{so_far.world}: {len(so_far.ensemble.seeds)} of {so_far.total} runs so far"
    dependencies = [id(so_far.ensemble), observable]
    picture = solara.use_memo(lambda: drawing(fans.fan_chart, {label: so_far.ensemble}, observable), dependencies)
    Picture(picture, f"{label_of(observable).name}, {label}")


@solara.component
def Progress(pending: bool, seeds: int, doing: str, number: int, total: int) -> None:
    """Progress of the runs, as a bar and as text; the baseline, if it must be run, comes first."""
    with solara.Div(classes=["abm-progress"], attributes={"role": "status", "aria-live": "polite"}):
        if pending:
            solara.ProgressLinear(100 * number / total if number else True)
            solara.Text(f"{doing.capitalize()}: {number} of {total} runs" if number else doing)
        else:
            solara.Text(f"{seeds} paired runs", classes=["abm-done"])


@solara.component
def Finished(counterfactual: Counterfactual, comparison: Comparison, observable: str) -> None:
    """Two charts of one observable, a table, and downloads."""
    both = {"baseline": comparison.b, "changed": comparison.a}
    dependencies = [id(comparison), observable]
    name = label_of(observable).name
    fan = solara.use_memo(lambda: drawing(fans.fan_chart, both, observable), dependencies)
    change = solara.use_memo(
        lambda: drawing(fans.paired_difference, comparison, observable, label=DIFFERENCE), dependencies
    )
    with solara.Div(classes=["abm-charts"]):
        Picture(fan, f"{name}: fan charts of the baseline and the changed world")
        Picture(change, f"{name}: paired difference, {DIFFERENCE}")
    Numbers(comparison, observable)
    with solara.Row(classes=["abm-line", "abm-downloads"]):
        solara.FileDownload(
            lambda: figure_file(comparison, observable), f"{observable}.pdf", "Figure", mime_type="application/pdf"
        )
        solara.FileDownload(lambda: table_file(counterfactual, comparison), "compare.csv", "CSV", mime_type="text/csv")
        solara.FileDownload(counterfactual.annotated, "compare.toml", "Spec", mime_type="application/toml")
    solara.HTML(
        tag="p",
        unsafe_innerHTML="The spec gives the same numbers on the command line: <code>abm compare compare.toml --out"
        " results</code>. The address of this page contains the settings: copy it to share them.",
    )


@solara.component
def Numbers(comparison: Comparison, observable: str) -> None:
    """Means of the last month, and paired differences with their intervals."""

    def html() -> str:
        names = list(dict.fromkeys((observable, *TABLE)))
        table = numbers(comparison, names)
        last = table[table["month"] == table["month"].max()]
        heading = f"{last['month'].iloc[0]:%B %Y}, means"
        rows = [
            f"<tr><th>{heading}</th><th>baseline</th><th>changed</th><th>difference</th><th>95 % interval</th></tr>"
        ]
        for row in last.itertuples():
            cells = [in_digits(row.baseline, 4), in_digits(row.changed, 4), in_digits(row.difference, 4)]
            cells.append(f"{in_digits(row.low, 4)} to {in_digits(row.high, 4)}")
            tds = "".join(f"<td>{cell}</td>" for cell in cells)
            mark = f' data-observable="{row.observable}" data-difference="{row.difference!r}"'
            rows.append(f"<tr{mark}><td>{escape(str(label_of(row.observable)))}</td>{tds}</tr>")
        return "".join(rows)

    rows = solara.use_memo(html, [id(comparison), observable])
    solara.HTML(tag="div", unsafe_innerHTML=f"<table>{rows}</table>", classes=["abm-table"])


@solara.component
def PolicyChanges(counterfactual: Counterfactual) -> None:
    """Table of the instruments that differ between the worlds: both values, from when on, and who sets them."""

    def html() -> str:
        changes = counterfactual.policy()
        if not changes:
            return "<p>The changed world has the same policy as the baseline.</p>"
        names = ("instrument", "baseline", "changed", "from", "set by")
        rows = ["".join(f"<th>{name}</th>" for name in names)]
        for change in changes:
            where = "" if change.jurisdiction == EVERYWHERE else f" ({change.jurisdiction})"
            before, _, after = change.step.partition(" to ")
            cells = [change.instrument + where, before, after, f"{date_of(change.month):%B %Y}", change.by]
            rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
        answer = " ".join(answers(counterfactual.changed_setup().parameters, changes))
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table><p>{escape(answer)}</p>"

    content = solara.use_memo(html, [counterfactual.to_toml()])
    solara.HTML(tag="div", unsafe_innerHTML=content, classes=["abm-table", "abm-left", "abm-policy"])


def drawing(draw: Any, *arguments: Any, **options: Any) -> bytes:
    """Draw a figure of one panel as PNG."""
    figure = draw(*arguments, width=WIDE, **options)
    figure.set_size_inches(5.4, 3.5)
    out = io.BytesIO()
    style.save(figure, out)
    return out.getvalue()


@style.styled
def figure_file(comparison: Comparison, observable: str) -> bytes:
    """Both charts in one figure, as PDF."""
    figure, (left, right) = style.canvas(None, 1, 2, (style.TWO_COLUMNS, 3.0))
    fans.fan_chart({"baseline": comparison.b, "changed": comparison.a}, observable, left)
    fans.paired_difference(comparison, observable, right, label=DIFFERENCE)
    for ax in (left, right):  # legends below the axes, clear of the lines
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2)
    out = io.BytesIO()
    figure.savefig(out, format="pdf", metadata={"CreationDate": None})
    return out.getvalue()


def table_file(counterfactual: Counterfactual, comparison: Comparison) -> bytes:
    """All observables by month and the policy changes, as CSV."""
    return kept(counterfactual, comparison).to_csv(index=False).encode()
