"""The results of an experiment: figures, their numbers, tables, verdict and report; and an index page of all experiments."""

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
from abm.experiments.html import Section, block, bullets, number, page, paragraph, picture, table
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
    UNSUPPORTED: "Not supported: the runs leave the claim open, or bear out only part of it.",
    FALSIFIED: "Falsified by the statistic stated beforehand.",
    PENDING: "Pending: the deciding outcome has not been observed yet.",
}


def write(
    experiment: Experiment, folder: Path, runs: pd.DataFrame, verdict: Verdict, quick: bool, seconds: float
) -> list[Path]:
    """Write all results below `folder` and return the files.

    Raises `NotDrawn` if a figure could not be drawn, after everything else is written.
    """
    good = runs[runs["status"] == "ok"]
    files = [csv(folder / "tables" / "findings.csv", verdict.table())]
    files.append(csv(folder / "tables" / "means.csv", point_means(experiment, good)))
    files.append(write_json(folder / "result.json", result_of(experiment, runs, verdict, quick)))
    files.append(write_json(folder / "manifest.json", manifest(experiment, quick, seconds)))
    files += own_files(experiment, folder / "experiment")
    plates, failures = [], []
    for spec in experiment.figure:
        try:
            drawn, numbers = figures.draw(figures.Material(experiment, spec, good, verdict))
            for end in ("png", "pdf"):
                path = folder / "figures" / f"{spec.name}.{end}"
                path.parent.mkdir(parents=True, exist_ok=True)
                style.save(drawn, path)
                files.append(path)
            files.append(csv(folder / "tables" / f"figure_{spec.name}.csv", numbers))
            plates.append((spec, folder / "figures" / f"{spec.name}.png"))
        except (Exception, SystemExit) as error:  # a folder's own figure.py may do anything
            failures.append(f"figure {spec.name!r} of {experiment.folder}: {describe(error)}")
    html = html_of(experiment, runs, verdict, quick, plates)
    write_whole(folder / "report.html", lambda file: file.write(html.encode()))
    files.append(folder / "report.html")
    clear(folder, files)
    if failures:
        raise NotDrawn(failures)
    return files


class NotDrawn(RuntimeError):
    """Figures that could not be drawn, one line each; everything else has been written."""

    def __init__(self, lines: list[str]):
        super().__init__("\n".join(lines))


def own_files(experiment: Experiment, folder: Path) -> list[Path]:
    """Copy the files that define the experiment: its experiment.toml, scenarios, tables and figure.py."""
    copies = []
    for path in sorted(experiment.folder.iterdir()):
        if path.suffix in (".toml", ".csv", ".py") and path.is_file():
            copies.append(folder / path.name)
            write_whole(copies[-1], lambda file, path=path: file.write(path.read_bytes()))  # type: ignore[misc]
    return copies


def clear(folder: Path, files: Sequence[Path]) -> None:
    """Remove figures, tables and copies left by an earlier version of the experiment, which would look like current ones."""
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
    """Replace numbers that are not finite by None, which JSON writes as null."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
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
    """The result as it is committed and compared (`abm reproduce --check`)."""
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
    """Everything needed to repeat the experiment; the sweeps' own manifests are stored with their runs."""
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
    finding: Mapping[str, Any],
    name: bool = True,
    more: bool = True,
    own: bool = False,
) -> str:
    """A finding, as stored in JSON, as text: its subject, value, interval, unit, p-value and by-products.

    `name`: with its subject. `more`: with by-products. `own`: with its own mark, for one of several findings.
    """
    note = " (sign reversed)" if test.options.get("signs", {}).get(finding["of"]) == -1 else ""
    note = " (distance to the next)" if test.statistic == "lowest" else note
    text = f"{experiment.words(finding['of'])}{note}: " if name else ""
    text += "–" if finding["value"] is None else rounded(finding, "value", test.digits + 1)
    if finding["low"] is not None:
        text += f" [{rounded(finding, 'low', test.digits + 1)}, {rounded(finding, 'high', test.digits + 1)}]"
    if unit := experiment.unit(test, finding["of"]):
        text += f" {unit}"
    if finding["p"] is not None:
        small = finding["p"] < 0.001
        text += f", p {'< 0.001' if small else '= ' + number(finding['p'], 2)}"
    asides = [aside(experiment, test, key, value) for key, value in finding["more"].items() if value is not None]
    asides = [part for part in asides if part]
    text = f"{text} ({', '.join(asides)})" if more and asides else text
    own_mark = mark(test, finding) if own else ""
    return f"{text}: {own_mark}" if own_mark else text


def rounded(finding: Mapping[str, Any], which: str, digits: int) -> str:
    """A value or interval end to `digits` significant digits, but no finer than two digits of the interval's half-width."""
    value, low, high = finding[which], finding["low"], finding["high"]
    if low is None and value is not None and value == round(value):  # a count
        return f"{value:,.0f}".replace("-", "−")
    if low is None or high is None or value in (None, 0) or not high > low:
        return number(value, digits) if value is not None else "–"
    last = math.floor(math.log10((high - low) / 2)) - 1
    own = math.floor(math.log10(abs(value)))
    if own < last:  # one digit still shows the sign
        return number(value, 1)
    decimals = max(min(digits - 1 - own, -last), 0)
    return f"{value:,.{decimals}f}".replace("-", "−")


def aside(experiment: Experiment, test: Test, key: str, value: float) -> str:
    """A by-product as text: counts as whole numbers; an expected value only if the test specifies it."""
    if key == "expected" and not test.options.get("expected"):
        return ""
    if key.endswith(" again"):  # refers to the limit before it
        return f"recovered in {100 * value:.0f} % of the halves"
    return (
        f"{experiment.words(key)} {value:.0f}" if value == round(value) else f"{experiment.words(key)} {number(value)}"
    )


def answer_in_words(test: Test, says: str, findings: Sequence[Mapping[str, Any]]) -> str:
    """The answer of a test; with several findings, how many agree: "supported: 4 of 6 support it; required: most"."""
    if len(findings) < 2 or says == REPORTED:
        return says
    marks = [mark(test, finding) for finding in findings]
    if says == FALSIFIED:
        need = test.falsified_need or test.need
        return f"{says}: {marks.count(AGAINST)} of {len(marks)} are against it; required: {need}"
    support = f"{marks.count(SUPPORTS)} of {len(marks)} support it"
    return f"{says}: {support}; required: {test.need}" if test.supported_if else f"{says}: {support}"


def rule_in_words(rule: str, condition: str, need: str) -> str:
    """A rule as text: ``supported if`` with ``low > 0`` is "supported if the interval's lower end > 0"."""
    text = re.sub(r"[a-z_]+(?= *[<>])", lambda name: ENDS.get(name[0], name[0].replace("_", " ")), condition)
    return f"{rule} {text}" + (f" ({need} of the outcomes)" if need else "")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def html_of(
    experiment: Experiment, runs: pd.DataFrame, verdict: Verdict, quick: bool, plates: Sequence[tuple[Any, Path]]
) -> str:
    """The report of an experiment; `plates` are its drawn figures, each a `spec.Figure` with the path of its PNG."""
    failed = int((runs["status"] != "ok").sum())
    replications = int(runs["replication"].nunique())
    result = [paragraph(STANDING[verdict.says], "Verdict"), paragraph(experiment.hypothesis, "Hypothesis")]
    findings_of, summaries = {}, {}
    for answer in verdict.answers:
        name, several = answer.test.name, len(answer.findings) > 1
        findings = jsonable([vars(finding) for finding in answer.findings])
        findings_of[name] = [in_words(experiment, answer.test, finding, own=several) for finding in findings]
        summaries[name] = answer_in_words(answer.test, answer.says, findings)
        if answer.says != REPORTED:
            text = answer.trouble or "; ".join(findings_of[name])
            result.append(paragraph(f"{capital(summaries[name])}. {capital(text)}.", capital(name)))
    design = [("Treatment", experiment.treatment), ("Outcome", experiment.outcome), ("Expected", experiment.expected)]
    design += [("Falsified if", experiment.falsified), ("Source", capital(experiment.source))]
    blocks = [paragraph(text, topic) for topic, text in design if text]
    blocks += [paragraph(line) for line in experiment.remarks]
    plans = [Plan.of(sweep) for sweep in experiment.sweeps(quick).values()]
    blocks += [paragraph(line) for line in dict.fromkeys(line for plan in plans for line in plan.without_effect)]
    how = (
        f"{len(runs):,} runs, {replications} paired replications: replication k has the same draws at every point and in"
        " every arm, and intervals are over replications. Differences are taken within replications, so they are known"
        " more precisely than the bands around single means in a figure suggest."
        if experiment.sweeps(quick)[experiment.arm_names[0]].common_draws
        else f"{len(runs):,} runs, each with its own draws; intervals are over points."
    )
    blocks.append(paragraph(how + (f" {failed} runs failed and are left out." if failed else " No run failed.")))
    tests = []
    for answer in verdict.answers:
        name, several = answer.test.name, len(answer.findings) > 1
        tests.append(paragraph(answer.test.asks, f"{capital(name)} ({summaries[name]})"))
        tests.append(bullets([*findings_of[name], *([answer.trouble] if answer.trouble else [])] or ["no answer"]))
        need = answer.test.need if several else ""
        falsified_need = (answer.test.falsified_need or need) if several else ""
        rules = [("supported if", answer.test.supported_if, need)]
        rules.append(("falsified if", answer.test.falsified_if, falsified_need))
        text = "; ".join(rule_in_words(*rule) for rule in rules if rule[1])
        if text:
            tests.append(paragraph(f"{capital(text)}."))
    columns = {"test": "test", "of": "outcome", "value": "value", "low": "low", "high": "high", "p": "p"}
    columns |= {"unit": "unit", "number": "n"}
    frame = verdict.table()
    tests_by_name = {test.name: test for test in experiment.test}
    names_and_subjects = zip(frame["test"], frame["of"], strict=True)
    frame["unit"] = [experiment.unit(tests_by_name[name], of) for name, of in names_and_subjects]
    frame["of"] = frame["of"].map(experiment.words)
    caption = (
        "All findings with the ends of their 95 % intervals (bands of runs: 90 % of runs); n: number of replications or"
        " points; by itself: whether this finding alone supports the claim, whatever the answer of the whole test"
    )
    all_findings = table(frame, caption, columns | {"mark": "by itself"})
    sections = [
        Section("Design", blocks),
        Section("Results", tests),
        Section("Figures", [picture(path, spec.caption, spec.caption) for spec, path in plates]),
        Section("All findings", [all_findings]),
    ]
    footer = (
        f"AI market model, version {version_of('ai-market-abm')}. Created {now():%d %B %Y, %H:%M} UTC. Specs, seeds and"
        " versions: manifest.json and runs/; plotted numbers: tables/; figures as PDF: figures/."
    )
    full = sum(sweep.number_of_runs for sweep in experiment.sweeps().values())
    note = f"Quick run: {len(runs):,} runs instead of {full:,}; intervals are wide." if quick else ""
    lead = f"Experiment {experiment.number}. Verdict: {verdict.says}."
    return page(f"{experiment.number}. {experiment.title}", lead, result, sections, footer, note)


def index(entries: Sequence[tuple[Experiment, dict[str, Any]]], folder: Path, quick: bool) -> Path:
    """Write the index page of all experiments: their verdicts, with links to the reports."""
    rows = []
    for experiment, result in entries:
        link = quote(f"{experiment.name}{'_quick' if quick else ''}/report.html")
        rows.append((experiment, link, result["verdict"], deciding_text(experiment, result)))
    counts: dict[str, int] = {}
    for _, result in entries:
        counts[result["verdict"]] = counts.get(result["verdict"], 0) + 1
    tally = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items(), key=lambda pair: -pair[1]))
    html = page(
        "Experiments",
        "Claims from the public debate on AI markets, put to an agent-based model.",
        [paragraph(f"{len(entries)} experiment{'s' * (len(entries) != 1)}: {tally}.")],
        [Section("Verdicts", [block("verdicts", rows)])],
        f"AI market model, version {version_of('ai-market-abm')}. Created {now():%d %B %Y, %H:%M} UTC.",
        "Quick runs." if quick else "",
    )
    path = folder / ("index_quick.html" if quick else "index.html")
    write_whole(path, lambda file: file.write(html.encode()))
    return path


def deciding_text(experiment: Experiment, result: dict[str, Any]) -> str:
    """The findings that decide a stored result: those of the first test whose answer is the verdict."""
    tests = {test.name: test for test in experiment.test}
    answers = [answer for answer in result["tests"] if answer["says"] != REPORTED and answer["name"] in tests]
    deciding = (
        [answer for answer in answers if answer["says"] == result["verdict"]]
        or [answer for answer in answers if answer["says"] != SUPPORTED]
        or answers
    )
    if not deciding:
        return ""
    name, findings, trouble = (deciding[0][key] for key in ("name", "findings", "trouble"))
    if trouble or not findings:
        return f"{name}: {trouble or 'no answer'}"
    test, several = tests[name], len(findings) > 1
    texts = [in_words(experiment, test, finding, several, more=False, own=several) for finding in findings[:6]]
    head = f"{name}, {answer_in_words(test, deciding[0]['says'], findings)}." if several else f"{name}:"
    return f"{head} {'; '.join(texts)}"
