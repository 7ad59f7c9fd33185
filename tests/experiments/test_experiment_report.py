"""What the report of an experiment says beside a number is of that number."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from abm.experiments import pages, report
from abm.experiments.judge import Answer, Verdict, mark
from abm.experiments.load import folders, load
from abm.experiments.sampling import Finding
from abm.experiments.spec import Test

ALL = folders(Path(__file__).parents[2] / "experiments")


def stored(folder, quick=False):
    """An experiment, and its committed result as a verdict."""
    experiment = load(folder)
    result = json.loads((folder / f"reference{'_quick' if quick else ''}.json").read_text(encoding="utf-8"))
    asked = {test.name: test for test in experiment.test}
    answers = []
    for test in result["tests"]:
        found = [Finding(**{k: float("nan") if v is None else v for k, v in one.items()}) for one in test["findings"]]
        answers.append(Answer(asked[test["name"]], found, test["says"], test["trouble"]))
    return experiment, result, Verdict(result["verdict"], answers)


def page_of(folder):
    experiment, _, verdict = stored(folder)
    runs = pd.DataFrame({"status": ["ok"], "replication": [0]})
    return report.html_of(experiment, runs, verdict, False, [])


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_each_measure_of_a_family_has_its_own_mark():
    """Four of the six measures of pricing power meet the rule of experiment 1, and two miss it."""
    html = page_of(ALL[0])
    marks = re.findall(r"<tr><td[^>]*>pricing power</td><td[^>]*>(.*?)</td>.*?<td[^>]*>(\w+)</td></tr>", html)
    assert dict(marks) == {
        "Lerner index, closed labs": "against",
        "Lerner, pre-shock basket": "supports",
        "Premium over equal open": "against",
        "Contestable spending": "supports",
        "Profit of closed labs": "supports",
        "Profit per $ of training": "supports",
    }
    assert "Pricing power (supported: 4 of 6 support it, most must)" in text_of(html)
    assert "Lerner index, closed labs: −0.380 [−0.435, −0.324] Spearman&#x27;s rho (pooled −0.159): against" in html


def test_a_mark_in_a_readme_is_of_its_number():
    experiment, result, _ = stored(ALL[0])
    row = next(line for line in pages.block(experiment, result).splitlines() if "each measure" in line)
    assert "| supported: 4 of 6 support it, most must |" in row
    assert re.findall(r": (supports|against|neither)(?:<br>| \|)", row) == [
        "against",
        "supports",
        "against",
        *["supports"] * 3,
    ]
    assert not re.search(r"[\d)] \| supported", row)
    decides = report.deciding_text(experiment, result)
    assert decides.startswith(
        "pricing power, supported: 4 of 6 support it, most must. Lerner index, closed labs: −0.380"
    )
    assert decides.count(": supports") == 4 and decides.count(": against") == 2


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_every_mark_follows_from_its_own_number(folder):
    experiment, _, verdict = stored(folder)
    asked = {test.name: test for test in experiment.test}
    for row in verdict.table().to_dict("records"):
        test = asked[row["test"]]
        single = re.fullmatch(r"(value|low|high) ([<>]=?) (\S+)", test.supported_if)
        if not test.supported_if and not test.falsified_if:
            assert row["mark"] == ""
        elif single and row["mark"] == "supports":
            name, sign, bound = single.groups()
            assert eval(f"{row[name]!r} {sign} {bound}")
    for answer in verdict.answers:  # of a lone finding the mark and the answer are one
        if len(answer.findings) == 1 and not answer.trouble:
            own = mark(answer.test, vars(answer.findings[0]))
            words = {"supports": "supported", "against": "falsified", "neither": "not supported", "": "reported"}
            assert words[own] == answer.says
    page_of(folder)


RULES = {"supported_if": "value >= 1", "falsified_if": "value < 0"}


@pytest.mark.parametrize(
    ("rules", "value", "number", "own"),
    [
        (RULES, 1.0, 5, "supports"),
        (RULES, 0.5, 5, "neither"),
        (RULES, -0.5, 5, "against"),
        (RULES, float("nan"), 5, "neither"),
        (RULES, None, 5, "neither"),
        (RULES, 1.0, 1, "neither"),  # rests on one replication
        ({"falsified_if": "value < 0"}, 0.0, 5, "supports"),
        ({"falsified_if": "value < 0"}, float("nan"), 5, "neither"),
        ({"supported_if": "peak > 2"}, 0.0, 5, "supports"),
        ({}, 1.0, 5, ""),
    ],
)
def test_the_mark_of_a_finding(rules, value, number, own):
    one = {"of": "y", "value": value, "low": None, "high": None, "p": None, "number": number, "more": {"peak": 3.0}}
    assert mark(Test(name="t", statistic="level", **rules), one) == own


def test_a_test_of_several_findings_says_how_many_it_rests_on():
    def head(says, **rules):
        findings = [
            {"of": "y", "value": value, "low": None, "high": None, "p": None, "number": 5, "more": {}}
            for value in (2.0, 0.5, -1.0)
        ]
        return report.family(Test(name="t", statistic="level", **rules), says, findings)

    assert head("not supported", **RULES) == "not supported: 1 of 3 support it, all must"
    assert (
        head("falsified", **RULES, need="most", falsified_need="any") == "falsified: 1 of 3 are against it, any must be"
    )
    assert head("supported", falsified_if="value > 5") == "supported: 3 of 3 support it"
    assert head("reported") == "reported"


# --- text of others in pages ---


def test_a_cell_of_a_table_is_read_letter_by_letter():
    assert pages.cell("a|b_c `x|y` *d* <b> $x$ p < 0.05") == r"a\|b_c `x|y` \*d\* \<b> \$x$ p < 0.05"
    assert pages.cell("_own_ measure, $ M") == r"\_own\_ measure, $ M"


def test_labels_of_others_are_escaped_in_a_report():
    experiment, _, verdict = stored(ALL[0])
    label = {"lerner_closed_late": "<b>_x_</b> & $1 (of $2) (%)"}
    other = experiment.model_copy(update={"labels": experiment.labels | label, "title": "<i>T</i>"})
    html = report.html_of(other, pd.DataFrame({"status": ["ok"], "replication": [0]}), verdict, False, [])
    assert "<b>" not in html and "<i>" not in html
    assert "&lt;b&gt;_x_&lt;/b&gt; &amp; $1 (of $2)" in html
