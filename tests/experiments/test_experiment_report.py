"""Reports and READMEs of experiments: every mark belongs to the number beside it, and text is escaped."""

import re

import pandas as pd
import pytest
from helpers.experiments import ALL

from abm.experiments import pages, reference, report
from abm.experiments.judge import Answer, Verdict, mark
from abm.experiments.load import load
from abm.experiments.sampling import Finding
from abm.experiments.spec import Test


def stored(folder):
    """An experiment, and its committed result as a verdict: the quick one, which belongs to the present model."""
    experiment = load(folder)
    result = reference.load(experiment, quick=True)
    tests = {test.name: test for test in experiment.test}
    answers = []
    for answer in result["tests"]:
        findings = [
            Finding(**{key: float("nan") if value is None else value for key, value in finding.items()})
            for finding in answer["findings"]
        ]
        answers.append(Answer(tests[answer["name"]], findings, answer["says"], answer["trouble"]))
    return experiment, result, Verdict(result["verdict"], answers)


def page_of(folder):
    """The HTML report of an experiment's committed result, without figures."""
    experiment, _, verdict = stored(folder)
    runs = pd.DataFrame({"status": ["ok"], "replication": [0]})
    return report.html_of(experiment, runs, verdict, False, [])


def text_of(html):
    """The text of an HTML page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def family():
    """Experiment 1 as committed, the words for the answer on its four margins, and the mark that each margin must have."""
    experiment, result, _ = stored(ALL[0])
    (answer,) = (answer for answer in result["tests"] if answer["name"] == "margins")
    marks = {
        finding["of"]: "supports" if finding["high"] <= -5 else "against" if finding["low"] > -5 else "neither"
        for finding in answer["findings"]
    }
    said = [*marks.values()]
    against, count = said.count("against"), said.count("supports")
    assert len(marks) == 4
    assert answer["says"] == ("falsified" if against else "supported" if count == 4 else "not supported")
    says = f"{answer['says']}: {count} of 4 support it; required: all"
    if against:
        says = f"falsified: {against} of 4 are against it; required: any"
    return experiment, result, says, {experiment.words(of): own for of, own in marks.items()}


def test_each_measure_has_its_own_mark():
    """Measures of pricing power that meet the condition of experiment 1, and those that do not."""
    _, _, says, wanted = family()
    html = page_of(ALL[0])
    marks = re.findall(r"<tr><td[^>]*>margins</td><td[^>]*>(.*?)</td>.*?<td[^>]*>(\w+)</td></tr>", html)
    assert dict(marks) == wanted
    assert f"Margins ({says})" in text_of(html)
    assert re.search(r"Lerner index of closed labs, posted prices: \S+ \[\S+, \S+\] points: ", html)


def test_marks_in_a_readme_belong_to_their_numbers():
    experiment, result, says, wanted = family()
    row = next(line for line in pages.block(experiment, result).splitlines() if "By how much do margins fall" in line)
    assert f"| {says} |" in row
    assert re.findall(r": (supports|against|neither)(?:<br>| \|)", row) == [*wanted.values()]
    assert not re.search(r"[\d)] \| supported", row)
    deciding = report.deciding_text(experiment, result | {"tests": [result["tests"][0]]})
    assert deciding.startswith(f"margins, {says}")
    assert ". Lerner index of closed labs, posted prices: " in deciding
    for own in ("supports", "against"):
        assert deciding.count(f": {own}") == [*wanted.values()].count(own)


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_committed_readmes_follow_from_the_references(folder):
    """A full run of another model may stay in its file: then no page shows it."""
    experiment = load(folder)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert pages.block(experiment, pages.current(experiment, quick=True)) in text
    full = pages.current(experiment, quick=False)
    assert pages.block(experiment, full) in text if full else "**Full run**" not in text


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_every_mark_follows_from_its_own_number(folder):
    experiment, _, verdict = stored(folder)
    tests = {test.name: test for test in experiment.test}
    for row in verdict.table().to_dict("records"):
        test = tests[row["test"]]
        single = re.fullmatch(r"(value|low|high) ([<>]=?) (\S+)", test.supported_if)
        if not test.supported_if and not test.falsified_if:
            assert row["mark"] == ""
        elif single and row["mark"] == "supports":
            name, sign, bound = single.groups()
            assert eval(f"{row[name]!r} {sign} {bound}")
    for answer in verdict.answers:  # the mark of a single finding is the answer of its test
        if len(answer.findings) == 1 and not answer.trouble:
            own = mark(answer.test, vars(answer.findings[0]))
            answers = {"supports": "supported", "against": "falsified", "neither": "not supported", "": "reported"}
            assert answers[own] == answer.says
    assert verdict.says in page_of(folder)


RULES = {"supported_if": "value >= 1", "falsified_if": "value < 0"}


@pytest.mark.parametrize(
    ("rules", "value", "number", "own"),
    [
        (RULES, 1.0, 5, "supports"),
        (RULES, 0.5, 5, "neither"),
        (RULES, -0.5, 5, "against"),
        (RULES, float("nan"), 5, "neither"),
        (RULES, None, 5, "neither"),
        (RULES, 1.0, 1, "neither"),  # one replication is not enough
        ({"falsified_if": "value < 0"}, 0.0, 5, "supports"),
        ({"falsified_if": "value < 0"}, float("nan"), 5, "neither"),
        ({"supported_if": "peak > 2"}, 0.0, 5, "supports"),
        ({}, 1.0, 5, ""),
    ],
)
def test_the_mark_of_a_finding(rules, value, number, own):
    finding = {"of": "y", "value": value, "low": None, "high": None, "p": None, "number": number, "more": {"peak": 3.0}}
    assert mark(Test(name="t", statistic="level", **rules), finding) == own


def test_an_answer_from_several_findings_says_how_many_agree():
    def summary(says, **rules):
        findings = [
            {"of": "y", "value": value, "low": None, "high": None, "p": None, "number": 5, "more": {}}
            for value in (2.0, 0.5, -1.0)
        ]
        return report.answer_in_words(Test(name="t", statistic="level", **rules), says, findings)

    assert summary("not supported", **RULES) == "not supported: 1 of 3 support it; required: all"
    falsified = summary("falsified", **RULES, need="most", falsified_need="any")
    assert falsified == "falsified: 1 of 3 are against it; required: any"
    assert summary("supported", falsified_if="value > 5") == "supported: 3 of 3 support it"
    assert summary("reported") == "reported"


# --- user's text in pages ---


def test_markup_in_a_table_cell_is_escaped():
    assert pages.cell("a|b_c `x|y` *d* <b> $x$ p < 0.05") == r"a\|b_c `x|y` \*d\* \<b> \$x$ p < 0.05"
    assert pages.cell("_own_ measure, $ M") == r"\_own\_ measure, $ M"


def test_labels_and_titles_are_escaped_in_a_report():
    experiment, _, verdict = stored(ALL[0])
    label = {"closed_posted": "<b>_x_</b> & $1 (of $2) (%)"}
    other = experiment.model_copy(update={"labels": experiment.labels | label, "title": "<i>T</i>"})
    html = report.html_of(other, pd.DataFrame({"status": ["ok"], "replication": [0]}), verdict, False, [])
    assert "<b>" not in html and "<i>" not in html
    assert "&lt;b&gt;_x_&lt;/b&gt; &amp; $1 (of $2)" in html


def test_the_index_links_to_reports_and_escapes_titles(tmp_path):
    experiment = load(ALL[0]).model_copy(update={"title": "<i>T</i>"})
    html = report.index([(experiment, {"verdict": "supported", "tests": []})], tmp_path, quick=True).read_text()
    assert f'<a href="{experiment.name}_quick/report.html">&lt;i&gt;T&lt;/i&gt;</a>' in html
    assert "1 experiment: 1 supported." in html and "Quick runs." in html
