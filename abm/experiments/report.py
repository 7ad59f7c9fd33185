"""What an experiment leaves behind: figures, the numbers in them, tables, a verdict, a page; and an index over all."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from abm.charts import style
from abm.experiments import figures
from abm.experiments.html import Section, bullets, number, page, paragraph, picture, table, words
from abm.experiments.judge import (
    AGAINST,
    FALSIFIED,
    PENDING,
    REPORTED,
    SUPPORTED,
    SUPPORTS,
    UNSUPPORTED,
    Verdict,
    mark,
)
from abm.experiments.manifest import PACKAGES
from abm.experiments.spec import Experiment, Test
from abm.support.files import write_whole
from abm.support.provenance import git, machine, now, source_hash, stamp, version_of, versions
from abm.sweeps.chunk import describe
from abm.sweeps.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

STANDING = {
    SUPPORTED: "Supported: every test that can support the claim does.",
    UNSUPPORTED: "Not supported: the runs leave the claim open, or bear out a part of it.",
    FALSIFIED: "Falsified by the statistic stated beforehand.",
    PENDING: "Pending: what decides has not been observed.",
}


def write(
    experiment: Experiment, folder: Path, runs: pd.DataFrame, verdict: Verdict, quick: bool, seconds: float
) -> list[Path]:
    """Write everything below `folder`; returns the files. Raises `NotDrawn` once all else is written."""
    good = runs[runs["status"] == "ok"]
    files = [csv(folder / "tables" / "findings.csv", verdict.table())]
    files.append(csv(folder / "tables" / "means.csv", point_means(experiment, good)))
    files.append(write_json(folder / "result.json", result_of(experiment, runs, verdict, quick)))
    files.append(write_json(folder / "manifest.json", manifest(experiment, quick, seconds)))
    files += own_files(experiment, folder / "experiment")
    plates, missed = [], []
    for asked in experiment.figure:
        try:
            drawn, numbers = figures.draw(figures.Material(experiment, asked, good, verdict))
            for end in ("png", "pdf"):
                path = folder / "figures" / f"{asked.name}.{end}"
                path.parent.mkdir(parents=True, exist_ok=True)
                style.save(drawn, path)
                files.append(path)
            files.append(csv(folder / "tables" / f"figure_{asked.name}.csv", numbers))
            plates.append((asked, folder / "figures" / f"{asked.name}.png"))
        except (Exception, SystemExit) as error:  # a folder's own figure.py may do anything
            missed.append(f"figure {asked.name!r} of {experiment.folder}: {describe(error)}")
    html = html_of(experiment, runs, verdict, quick, plates)
    write_whole(folder / "report.html", lambda file: file.write(html.encode()))
    files.append(folder / "report.html")
    clear(folder, files)
    if missed:
        raise NotDrawn(missed)
    return files


class NotDrawn(RuntimeError):
    """Figures that could not be drawn, one line each; everything else is written."""

    def __init__(self, lines: list[str]):
        super().__init__("\n".join(lines))


def own_files(experiment: Experiment, folder: Path) -> list[Path]:
    """Copies of what the experiment was made from: its file, scenarios, tables, figure.py."""
    copies = []
    for path in sorted(experiment.folder.iterdir()):
        if path.suffix in (".toml", ".csv", ".py") and path.is_file():
            copies.append(folder / path.name)
            write_whole(copies[-1], lambda file, path=path: file.write(path.read_bytes()))  # type: ignore[misc]
    return copies


def clear(folder: Path, files: Sequence[Path]) -> None:
    """Remove figures, tables and copies of an earlier state of the experiment, so that none passes for one of this."""
    for part in ("figures", "tables", "experiment"):
        for path in (folder / part).glob("*"):
            if path.is_file() and path not in files:
                path.unlink()


def csv(path: Path, frame: pd.DataFrame) -> Path:
    write_whole(path, lambda file: frame.to_csv(file, index=False))
    return path


def write_json(path: Path, content: Any) -> Path:
    text = json.dumps(jsonable(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, lambda file: file.write(text.encode() + b"\n"))
    return path


def jsonable(value: Any) -> Any:
    """Numbers that are none as null."""
    if isinstance(value, dict):
        return {key: jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(one) for one in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def point_means(experiment: Experiment, good: pd.DataFrame) -> pd.DataFrame:
    """Mean and Monte Carlo standard error of every outcome at every point, by arm and scenario."""
    sweeps = experiment.sweeps()
    factors = list(dict.fromkeys(name for sweep in sweeps.values() for name in sweep.targets))
    outcomes = list(dict.fromkeys(name for sweep in sweeps.values() for name in sweep.columns))
    keys = [name for name in ("arm", "scenario", *factors) if name in good]
    if good.groupby(keys, dropna=False).ngroups > 1_000:  # every point is a run of its own
        return good[[*keys, *outcomes]]
    grouped = good.groupby(keys, dropna=False, sort=False)[outcomes]
    out = grouped.mean().join(grouped.sem().add_suffix("_mcse"))
    return out.join(grouped.size().rename("runs")).reset_index()


def result_of(experiment: Experiment, runs: pd.DataFrame, verdict: Verdict, quick: bool) -> dict[str, Any]:
    """What came out, as it is committed and compared (`abm reproduce --check`)."""
    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "quick": quick,
        "key": experiment.key(quick),
        "runs": len(runs),
        "failed": int((runs["status"] != "ok").sum()),
        "replications": int(runs["replication"].nunique()),
        **verdict.plain(),
    }


def manifest(experiment: Experiment, quick: bool, seconds: float) -> dict[str, Any]:
    """What it takes to do it again; the sweeps' own manifests stand beside their runs."""
    return {
        "experiment": experiment.name,
        "quick": quick,
        "key": experiment.key(quick),
        "made": stamp(),
        "seconds": round(seconds, 1),
        "sweeps": {arm: sweep.plain() for arm, sweep in experiment.sweeps(quick).items()},
        "source": source_hash(),
        "git": git(),
        "machine": machine(),
        "packages": versions(PACKAGES),
    }


# --- words ---

ENDS = {"value": "the value", "low": "the interval's lower end", "high": "the interval's upper end"}


def in_words(
    experiment: Experiment,
    test: Test,
    one: Mapping[str, Any],
    name: bool = True,
    more: bool = True,
    own: bool = False,
) -> str:
    """A finding, as JSON keeps it, in words: what of, value, interval, unit, p, what else was computed.

    `own`: with its own mark, for a finding that is one of several.
    """
    turned = " (turned round)" if test.options.get("signs", {}).get(one["of"]) == -1 else ""
    turned = " (distance to the next)" if test.statistic == "lowest" else turned
    text = f"{experiment.words(one['of'])}{turned}: " if name else ""
    text += "–" if one["value"] is None else rounded(one, "value", test.digits + 1)
    if one["low"] is not None:
        text += f" [{rounded(one, 'low', test.digits + 1)}, {rounded(one, 'high', test.digits + 1)}]"
    if unit := experiment.unit(test, one["of"]):
        text += f" {unit}"
    if one["p"] is not None:
        small = one["p"] < 0.001
        text += f", p {'< 0.001' if small else '= ' + number(one['p'], 2)}"
    rest = [aside(experiment, test, key, value) for key, value in one["more"].items() if value is not None]
    rest = [each for each in rest if each]
    text = f"{text} ({', '.join(rest)})" if more and rest else text
    alone = mark(test, one) if own else ""
    return f"{text}: {alone}" if alone else text


def rounded(one: Mapping[str, Any], which: str, digits: int) -> str:
    """A value or an end of its interval in so many digits, but none behind the second one of the interval's half-width."""
    value = one[which]
    if one["low"] is None and value is not None and value == round(value):  # a count
        return f"{value:,.0f}".replace("-", "−")
    if one["low"] is None or one["high"] is None or value in (None, 0) or not one["high"] > one["low"]:
        return number(value, digits) if value is not None else "–"
    last = math.floor(math.log10((one["high"] - one["low"]) / 2)) - 1
    own = math.floor(math.log10(abs(value)))
    if own < last:  # but its sign is told
        return number(value, 1)
    decimals = max(min(digits - 1 - own, -last), 0)
    return f"{value:,.{decimals}f}".replace("-", "−")


def aside(experiment: Experiment, test: Test, key: str, value: float) -> str:
    """What else was computed, in words; counts are whole, and what a statistic expects is told where a test names it."""
    if key == "expected" and not test.options.get("expected"):
        return ""
    if key.endswith(" again"):  # of the limit before it
        return f"found again in {100 * value:.0f} % of the halves"
    return (
        f"{experiment.words(key)} {value:.0f}" if value == round(value) else f"{experiment.words(key)} {number(value)}"
    )


def family(test: Test, says: str, findings: Sequence[Mapping[str, Any]]) -> str:
    """What a test says of all its findings, and of several how many say so: "supported: 4 of 6 support it, most must"."""
    if len(findings) < 2 or says == REPORTED:
        return says
    marks = [mark(test, one) for one in findings]
    if says == FALSIFIED:
        need = test.falsified_need or test.need
        return f"{says}: {marks.count(AGAINST)} of {len(marks)} are against it, {need} must be"
    support = f"{marks.count(SUPPORTS)} of {len(marks)} support it"
    return f"{says}: {support}, {test.need} must" if test.supported_if else f"{says}: {support}"


def in_full(what: str, condition: str, need: str) -> str:
    """A rule in words: ``low > 0`` is "the interval's lower end > 0"."""
    told = re.sub(r"[a-z_]+(?= *[<>])", lambda found: ENDS.get(found[0], found[0].replace("_", " ")), condition)
    return f"{what} {told}" + (f" ({need} of the outcomes)" if need else "")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {number(p, 2)}"


def html_of(
    experiment: Experiment, runs: pd.DataFrame, verdict: Verdict, quick: bool, plates: Sequence[tuple[Any, Path]]
) -> str:
    failed = int((runs["status"] != "ok").sum())
    replications = int(runs["replication"].nunique())
    result = paragraph(STANDING[verdict.says], "Verdict")
    result += paragraph(experiment.hypothesis, "Hypothesis")
    stored = {answer.test.name: jsonable([vars(one) for one in answer.findings]) for answer in verdict.answers}
    told = {
        answer.test.name: [
            in_words(experiment, answer.test, one, own=len(answer.findings) > 1) for one in stored[answer.test.name]
        ]
        for answer in verdict.answers
    }
    says = {answer.test.name: family(answer.test, answer.says, stored[answer.test.name]) for answer in verdict.answers}
    for answer in verdict.answers:
        if answer.says != REPORTED:
            name = answer.test.name
            text = answer.trouble or "; ".join(told[name])
            result += paragraph(f"{capital(says[name])}. {capital(text)}.", capital(name))
    design = [("Treatment", experiment.treatment), ("Outcome", experiment.outcome), ("Expected", experiment.expected)]
    design += [("Falsified if", experiment.falsified), ("Source", capital(experiment.source))]
    blocks = [paragraph(text, topic) for topic, text in design if text]
    blocks += [paragraph(line) for line in experiment.remarks]
    plans = [Plan.of(sweep) for sweep in experiment.sweeps(quick).values()]
    blocks += [paragraph(line) for line in dict.fromkeys(line for plan in plans for line in plan.without_effect)]
    how = (
        f"{len(runs):,} runs, {replications} paired replications: replication k has the same draws at every point and in"
        " every arm, and intervals are over replications. Differences are taken within replications, and are known better"
        " than the bands of single means in a figure suggest."
        if experiment.sweeps(quick)[experiment.arm_names[0]].common_draws
        else f"{len(runs):,} runs, each with draws of its own; intervals are over points."
    )
    blocks.append(paragraph(how + (f" {failed} runs failed and are left out." if failed else " No run failed.")))
    tests = []
    for answer in verdict.answers:
        tests.append(paragraph(answer.test.asks, f"{capital(answer.test.name)} ({says[answer.test.name]})"))
        lines = told[answer.test.name]
        tests.append(bullets([*lines, *([answer.trouble] if answer.trouble else [])] or ["no answer"]))
        need, several = answer.test.need, len(answer.findings) > 1
        rules = [("supported if", answer.test.supported_if, need if several else "")]
        rules.append(
            ("falsified if", answer.test.falsified_if, (answer.test.falsified_need or need) if several else "")
        )
        rule = "; ".join(in_full(word, *each) for word, *each in rules if each[0])
        if rule:
            tests.append(paragraph(f"{capital(rule)}."))
    columns = {"test": "test", "of": "outcome", "value": "value", "low": "low", "high": "high", "p": "p"}
    columns |= {"unit": "unit", "number": "n"}
    every = verdict.table()
    asked = {test.name: test for test in experiment.test}
    every["unit"] = [experiment.unit(asked[name], of) for name, of in zip(every["test"], every["of"], strict=True)]
    every["of"] = every["of"].map(experiment.words)
    caption = (
        "Every finding with the ends of its 95 % interval (of a band of runs: of 90 % of them); n: the replications or"
        " points it rests on; by itself: what the finding is to the claim, whatever the test says of all its findings"
    )
    findings = table(every, caption, columns | {"mark": "by itself"})
    sections = [
        Section("What was asked", blocks),
        Section("What came out", tests),
        Section("Figures", [picture(path, asked.caption, asked.caption) for asked, path in plates]),
        Section("All findings", [findings]),
    ]
    footer = (
        f"AI market model, version {version_of('ai-market-abm')}. Made {now():%d %B %Y, %H:%M} UTC. Specs, seeds and"
        " versions: manifest.json and runs/; plotted numbers: tables/; figures as PDF: figures/."
    )
    full = sum(sweep.number_of_runs for sweep in experiment.sweeps().values())
    note = f"Quick run: {len(runs):,} runs instead of {full:,}; intervals are wide." if quick else ""
    lead = f"Experiment {experiment.number}. Verdict: {verdict.says}."
    return page(f"{experiment.number}. {experiment.title}", lead, result, sections, footer, note)


def index(entries: Sequence[tuple[Experiment, dict[str, Any]]], folder: Path, quick: bool) -> Path:
    """A page over all experiments: verdicts, with links to their own pages."""
    rows = []
    for experiment, result in entries:
        link = quote(f"{experiment.name}{'_quick' if quick else ''}/report.html")
        rows.append(
            f'<tr><td>{experiment.number}</td><td class="text"><a href="{link}">{words(experiment.title)}</a></td>'
            f'<td class="text">{words(experiment.hypothesis)}</td><td class="text">{words(result["verdict"])}</td>'
            f'<td class="text">{words(deciding_text(experiment, result))}</td></tr>'
        )
    head = "".join(
        f'<th scope="col" class="{kind}">{name}</th>'
        for name, kind in (
            ("", ""),
            ("experiment", "text"),
            ("hypothesis", "text"),
            ("verdict", "text"),
            ("what decides", "text"),
        )
    )
    body = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    counts: dict[str, int] = {}
    for _, result in entries:
        counts[result["verdict"]] = counts.get(result["verdict"], 0) + 1
    tally = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items(), key=lambda pair: -pair[1]))
    html = page(
        "Experiments",
        "Claims from the public debate on AI markets, put to an agent-based model.",
        paragraph(f"{len(entries)} experiments: {tally}."),
        [Section("Verdicts", [body])],
        f"AI market model, version {version_of('ai-market-abm')}. Made {now():%d %B %Y, %H:%M} UTC.",
        "Quick runs." if quick else "",
    )
    path = folder / ("index_quick.html" if quick else "index.html")
    write_whole(path, lambda file: file.write(html.encode()))
    return path


def deciding_text(experiment: Experiment, result: dict[str, Any]) -> str:
    """The statistic that decides, from a result as it is kept: the first that has the verdict."""
    asked = {test.name for test in experiment.test}
    tests = [t for t in result["tests"] if t["says"] != REPORTED and t["name"] in asked]
    decides = (
        [t for t in tests if t["says"] == result["verdict"]] or [t for t in tests if t["says"] != SUPPORTED] or tests
    )
    if not decides:
        return ""
    one = decides[0]
    if one["trouble"] or not one["findings"]:
        return f"{one['name']}: {one['trouble'] or 'no answer'}"
    test = next(t for t in experiment.test if t.name == one["name"])
    several = len(one["findings"]) > 1
    parts = [in_words(experiment, test, each, several, more=False, own=several) for each in one["findings"][:6]]
    head = f"{one['name']}, {family(test, one['says'], one['findings'])}." if several else f"{one['name']}:"
    return f"{head} {'; '.join(parts)}"
