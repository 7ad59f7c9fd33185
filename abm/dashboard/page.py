"""The page: settings beside it, fan charts against the baseline, one run month by month."""

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
"""Seconds without another change before runs begin."""
BETWEEN = 2.5
"""Seconds between charts of the runs that are there: drawing takes time from the runs."""
KEPT = ("of", "since", "seeds", "months")
"""What stays when all levers go back."""
TABLE = (*PRICING_POWER[:4], "open_token_share", "frontier_price", "chip_revenue", "compute_installed", "welfare")
WIDE = 8.2


@solara.component
def Page() -> None:
    """Everything. What is set is in the address, so that a link brings it back."""
    router = solara.use_router()
    typed = solara.use_reactive(solara.use_memo(lambda: from_address(router.search or ""), []))
    asked, problems = solara.use_memo(lambda: read(typed.value), [typed.value])
    sound: Any = solara.use_ref(None)
    if asked is not None:
        sound.current = asked
    told: solara.Reactive[dict[str, str]] = solara.use_reactive({})  # what the last change took back, by name
    collisions = [*told.value.values(), *solara.use_memo(lambda: notes(asked) if asked else [], [typed.value])]

    def set_(name: str, text: Any) -> None:
        after, back = changed(typed.value, name, "" if text is None else str(text))
        told.set(back)
        typed.set(after)

    def reset() -> None:
        told.set({})
        typed.set({name: text for name, text in typed.value.items() if name in KEPT})

    here = solara.use_ref(from_address(router.search or ""))

    def show() -> None:
        said = {name: text for name, text in typed.value.items() if text}
        if asked is not None and said != here.current:
            here.current = said
            router.push(f"?{to_address(said)}")  # with a / Solara leaves the path below which it is served

    def follow() -> None:
        there = from_address(router.search or "")
        if there != here.current:  # the browser went back, or on
            here.current = there
            told.set({})
            typed.set(there)

    solara.use_effect(show, [typed.value])
    solara.use_effect(follow, [router.search])
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
            with solara.Div():  # there without a message as well, so that what follows stays what it is
                if problems:
                    lines = "; ".join(line.rstrip("?") for line in dict.fromkeys(problems.values()))
                    shown = "What is shown is from the last settings that were in order." if sound.current else ""
                    solara.Error(f"Not run: {lines}. {shown}", dense=True)
                elif collisions:
                    solara.Info(f"Note: {'; '.join(collisions)}.", dense=True, classes=["abm-notes"])
            with solara.lab.Tabs(value=tab):
                solara.lab.Tab("Against the baseline")
                solara.lab.Tab("Month by month")
            observable = typed.value.get("of")
            if sound.current is None:
                solara.Text("Nothing has been run: put right what is marked.")
            elif tab.value == 0:
                chosen = observable if observable in LABELS else PRICING_POWER[0]
                Against(sound.current, str(chosen), lambda name: set_("of", name))
            else:
                MonthByMonth(sound.current)
            if sound.current is not None:
                WhatActs(sound.current)


# --- against the baseline ---------------------------------------------------------------------------------------


@solara.component
def Against(asked: Counterfactual, observable: str, choose: Any) -> None:
    """Fan charts and paired difference of one observable; a table of several; what can be taken away."""
    done = solara.use_reactive(("", 0, asked.seeds))
    partly: solara.Reactive[SoFar | None] = solara.use_reactive(None)
    key = asked.to_toml()
    latest = solara.use_ref(key)
    latest.current = key

    def leave() -> Callable[[], None]:
        def left() -> None:
            latest.current = ""

        return left

    solara.use_effect(leave, [])

    def still_asked() -> None:
        if latest.current != key:
            raise Superseded

    def work() -> Comparison | None:
        found = RUNS.known(asked)
        if found is not None:
            return found
        time.sleep(SETTLED)
        began = shown = time.perf_counter()
        playing = ""

        def watch(world: str, number: int, total: int, so_far: Callable[[], Ensemble]) -> None:
            nonlocal began, shown, playing
            still_asked()
            done.set((world, number, total))
            now = time.perf_counter()
            began, playing = (began, playing) if world == playing else (now, world)
            first = world == "baseline" and partly.value is None
            to_come = (now - began) * (total - number) / number
            if number < total and (first or (now - shown > BETWEEN and to_come > BETWEEN)):
                partly.set(SoFar(key, world, total, so_far()))
                shown = time.perf_counter()

        def waiting() -> None:
            still_asked()
            done.set(("Waiting for other runs to end", 0, asked.seeds))

        try:
            still_asked()
            done.set(("Starting; a new model is compiled first", 0, asked.seeds))
            return RUNS.run(asked, watch, waiting)
        except Superseded:
            return None

    task = use_task(work, dependencies=[key], raise_error=False)
    if task.error:
        solara.Error(f"Not run: {task.exception}")
    with solara.Row(classes=["abm-line"], style={"align-items": "center"}):
        v.Autocomplete(
            label="Observable", items=[{"text": str(label_of(name)), "value": name} for name in LABELS],
            v_model=observable, on_v_model=choose, dense=True, class_="abm-observable", hide_details=True,
        )  # fmt: skip
        Progress(task.pending, asked.seeds, *done.value)
    if task.finished and task.value is not None:
        Finished(asked, task.value, observable)
    elif partly.value is not None and partly.value.key == key and observable in partly.value.ensemble.names:
        Partly(partly.value, observable)


@dataclass(frozen=True, eq=False)
class SoFar:
    """The runs that are there, and of which settings and world they are."""

    key: str
    world: str
    total: int
    ensemble: Ensemble


@solara.component
def Partly(there: SoFar, observable: str) -> None:
    """A fan chart of the runs that are there, while the others are played."""
    label = f"{there.world}: {len(there.ensemble.seeds)} of {there.total} runs so far"
    of = [id(there.ensemble), observable]
    picture = solara.use_memo(lambda: drawing(fans.fan_chart, {label: there.ensemble}, observable), of)
    Picture(picture, f"{label_of(observable).name}, {label}")


@solara.component
def Progress(pending: bool, seeds: int, doing: str, number: int, total: int) -> None:
    """How far the runs are, in words as well; the baseline, where it is played, is the first half."""
    with solara.Div(classes=["abm-progress"], attributes={"role": "status", "aria-live": "polite"}):
        if pending:
            solara.ProgressLinear(100 * number / total if number else True)
            solara.Text(f"{doing.capitalize()}: {number} of {total} runs" if number else doing)
        else:
            solara.Text(f"{seeds} paired runs", classes=["abm-done"])


@solara.component
def Finished(asked: Counterfactual, comparison: Comparison, observable: str) -> None:
    """Two charts of one observable, the table, and the downloads."""
    both = {"baseline": comparison.b, "changed": comparison.a}
    of = [id(comparison), observable]
    label = label_of(observable)
    fan = solara.use_memo(lambda: drawing(fans.fan_chart, both, observable), of)
    said = {"label": "changed less baseline"}
    change = solara.use_memo(lambda: drawing(fans.paired_difference, comparison, observable, **said), of)
    with solara.Div(classes=["abm-charts"]):
        Picture(fan, f"{label.name}: fan charts of baseline and changed world")
        Picture(change, f"{label.name}: paired difference, changed less baseline")
    Numbers(comparison, observable)
    with solara.Row(classes=["abm-line", "abm-downloads"]):
        solara.FileDownload(
            lambda: figure_file(comparison, observable), f"{observable}.pdf", "Figure", mime_type="application/pdf"
        )
        solara.FileDownload(lambda: table_file(asked, comparison), "compare.csv", "CSV", mime_type="text/csv")
        solara.FileDownload(asked.annotated, "compare.toml", "Spec", mime_type="application/toml")
    solara.HTML(
        tag="p",
        unsafe_innerHTML="On the command line the spec gives the same numbers: <code>abm compare compare.toml --out"
        " results</code>. The address of this page holds the settings: copy it to share them.",
    )


@solara.component
def Numbers(comparison: Comparison, observable: str) -> None:
    """Means of the last month, and the paired difference with its interval."""

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
            inside = "".join(f"<td>{cell}</td>" for cell in cells)
            mark = f' data-observable="{row.observable}" data-difference="{row.difference!r}"'
            rows.append(f"<tr{mark}><td>{escape(str(label_of(row.observable)))}</td>{inside}</tr>")
        return "".join(rows)

    inside = solara.use_memo(html, [id(comparison), observable])
    solara.HTML(tag="div", unsafe_innerHTML=f"<table>{inside}</table>", classes=["abm-table"])


@solara.component
def WhatActs(asked: Counterfactual) -> None:
    """Every instrument that the changed world sets otherwise, from when on, and who sets it."""

    def html() -> str:
        changes = asked.policy()
        if not changes:
            return "<p>The changed world has the policy of the baseline.</p>"
        names = ("what acts", "baseline", "changed", "from", "set by")
        rows = ["".join(f"<th>{name}</th>" for name in names)]
        for one in changes:
            where = "" if one.jurisdiction == EVERYWHERE else f" ({one.jurisdiction})"
            before, _, after = one.step.partition(" to ")
            cells = [one.instrument + where, before, after, f"{date_of(one.month):%B %Y}", one.by]
            rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
        answer = " ".join(answers(asked.changed_setup().parameters, changes))
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table><p>{escape(answer)}</p>"

    inside = solara.use_memo(html, [asked.to_toml()])
    solara.HTML(tag="div", unsafe_innerHTML=inside, classes=["abm-table", "abm-left", "abm-policy"])


def drawing(draw: Any, *what: Any, **more: Any) -> bytes:
    """A figure of one panel as PNG."""
    figure = draw(*what, width=WIDE, **more)
    figure.set_size_inches(5.4, 3.5)
    out = io.BytesIO()
    style.save(figure, out)
    return out.getvalue()


@style.styled
def figure_file(comparison: Comparison, observable: str) -> bytes:
    """Both charts on one page, for a paper."""
    figure, (left, right) = style.canvas(None, 1, 2, (style.TWO_COLUMNS, 3.0))
    fans.fan_chart({"baseline": comparison.b, "changed": comparison.a}, observable, left)
    fans.paired_difference(comparison, observable, right, label="changed less baseline")
    for ax in (left, right):  # below the axes, where no line is
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2)
    out = io.BytesIO()
    figure.savefig(out, format="pdf", metadata={"CreationDate": None})
    return out.getvalue()


def table_file(asked: Counterfactual, comparison: Comparison) -> bytes:
    """Every observable and month, and what acts."""
    return kept(asked, comparison).to_csv(index=False).encode()
