"""Scores of frozen predictions on made-up outcomes: scores by hand, rejected files, and the command."""

import datetime as dt
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from abm.analysis.predictions import (
    Observed,
    Prediction,
    called_sign,
    read_outcomes,
    read_predictions,
    write_predictions,
)
from abm.analysis.scoring import coins, score
from abm.cli.app import app

MADE, FITTED = dt.date(2031, 1, 10), dt.date(2030, 12, 31)
LAYERS = ("chips", "power", "platforms", "applications")
EVENTS = {"first": dt.date(2031, 2, 3), "second": dt.date(2031, 3, 4)}


def complaints(*words):
    """Lines on stderr of a command that must fail with exit code 2 and print nothing else."""
    done = CliRunner().invoke(app, list(words))
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    lines = done.stderr.splitlines()
    assert all(line.startswith("abm: ") for line in lines)
    return [line.removeprefix("abm: ") for line in lines]


def row(p, event="first", layer="chips", **more):
    usual = {"days": 5, "mean": 0.0, "low": -0.05, "high": 0.05, "fitted_to": FITTED, "made_on": MADE}
    return Prediction(
        event=event, date=EVENTS[event], layer=layer, probability_up=p, sign=called_sign(p), **(usual | more)
    )


def rows(p):
    """One prediction per event and layer, with the given probabilities."""
    places = [(event, layer) for event in EVENTS for layer in LAYERS]
    return [row(one, event, layer) for one, (event, layer) in zip(p, places, strict=True)]


def came(predictions, values, **more):
    return {
        (one.event, one.layer): Observed(one.event, one.layer, value, **more)
        for one, value in zip(predictions, values, strict=True)
    }


UPS = np.array([1, 0, 1, 1, 0, 1, 0, 0])
VALUES = [0.03 if up else -0.02 for up in UPS]


def test_a_perfect_forecast():
    given = rows(UPS.astype(float))
    report = score(given, came(given, VALUES))
    one = report.all
    assert (one.brier, one.brier_climatology, one.skill) == (0, 0.25, 1)
    assert one.log == pytest.approx(-math.log(0.99))
    assert (one.called, one.right, one.covered, one.number) == (8, 8, 8, 8)
    assert report.rule_met
    assert report.coins.p == pytest.approx(0.5**8)


def test_a_forecast_that_knows_nothing():
    given = rows([0.5] * 8)
    report = score(given, came(given, VALUES))
    for one in (report.all, *report.events):
        assert (one.brier, one.brier_climatology, one.skill) == (0.25, 0.25, 0)
        assert one.log == one.log_climatology == pytest.approx(math.log(2))
        assert (one.called, one.right, one.share_right) == (0, 0, None)
    assert report.rule_met is None
    assert report.coins is None


def test_a_forecast_that_is_always_wrong():
    given = rows(1.0 - UPS)
    report = score(given, came(given, VALUES))
    assert (report.all.brier, report.all.skill) == (1, -3)
    assert report.all.log == pytest.approx(-math.log(0.01))  # not infinite
    assert (report.all.called, report.all.right, report.rule_met) == (8, 0, False)
    assert report.coins.p == 1


def test_scores_by_hand():
    """Three predictions for one event and one for another, with their own base rates."""
    given = [
        row(0.8, layer="chips", climatology=0.6),
        row(0.3, layer="power", climatology=0.5, low=-0.01),
        row(0.52, layer="platforms"),
        row(0.4, "second", "chips", climatology=0.6, days=7),
    ]
    report = score(given, came(given, [0.04, -0.02, 0.0, 0.01]))
    first, second = report.events
    # Up: 1, 0, 0 (a return of zero is not up), and 1.
    assert first.brier == pytest.approx((0.2**2 + 0.3**2 + 0.52**2) / 3)
    assert first.brier_climatology == pytest.approx((0.4**2 + 0.5**2 + 0.5**2) / 3)
    assert first.skill == pytest.approx(1 - 0.4004 / 0.66)
    assert first.log == pytest.approx(-(math.log(0.8) + math.log(0.7) + math.log(0.48)) / 3)
    assert first.log_climatology == pytest.approx(-(math.log(0.6) + 2 * math.log(0.5)) / 3)
    assert (first.called, first.right, first.covered) == (2, 2, 2)
    assert (second.brier, second.brier_climatology) == (pytest.approx(0.36), pytest.approx(0.16))
    assert second.skill == pytest.approx(1 - 0.36 / 0.16)
    assert (second.called, second.right, second.covered) == (1, 0, 1)
    assert report.all.brier == pytest.approx((0.4004 + 0.36) / 4)
    assert report.all.skill == pytest.approx(1 - 0.7604 / (0.66 + 0.16))
    assert report.all.share_right == pytest.approx(2 / 3)
    assert report.rule_met is False
    assert report.climatology_given == 3
    assert report.coins.p == pytest.approx((3 + 1) / 8)


def test_skill_is_undefined_if_climatology_was_perfect():
    given = [row(0.9, climatology=1.0)]
    report = score(given, came(given, [0.01]))
    assert report.all.skill is None
    json.dumps(report.plain(), allow_nan=False)


@pytest.mark.parametrize(("known", "right"), [(1, 0), (1, 1), (7, 5), (10, 7), (12, 12), (40, 23)])
def test_coin_flips_follow_the_exact_binomial_distribution(known, right):
    distribution = coins(known, right)
    assert distribution.p == pytest.approx(binomtest(right, known, 0.5, alternative="greater").pvalue, rel=1e-12)
    assert distribution.mean == known / 2
    below = sum(math.comb(known, k) for k in range(distribution.low)) / 2**known
    upto = sum(math.comb(known, k) for k in range(distribution.high + 1)) / 2**known
    assert below < 0.05 <= below + math.comb(known, distribution.low) / 2**known
    assert upto >= 0.95 > upto - math.comb(known, distribution.high) / 2**known


@pytest.mark.parametrize(("right", "met"), [(6, False), (7, True)])
def test_the_rule_is_met_at_seven_of_ten(right, met):
    given = [row(0.9, layer=f"layer {place}") for place in range(10)]
    assert score(given, came(given, [0.01] * right + [-0.01] * (10 - right))).rule_met is met


@pytest.mark.parametrize(("p", "sign"), [(0, -1), (0.45, -1), (0.4501, 0), (0.5, 0), (0.5499, 0), (0.55, 1), (1, 1)])
def test_signs_are_called_only_away_from_a_half(p, sign):
    assert called_sign(p) == sign


def test_predictions_made_after_the_event_draw_warnings():
    given = [row(0.9), row(0.9, "second", made_on=dt.date(2031, 3, 5), fitted_to=dt.date(2031, 3, 4))]
    lines = score(given, came(given, [0.01, 0.01])).warnings
    assert lines == [
        "second began on 2031-03-04 and the prediction was computed on 2031-03-05: not a prediction",
        "second began on 2031-03-04 and the fit has data up to 2031-03-04: not out of sample",
    ]
    # An event that took place before its predicted date, and before the prediction was made.
    early = came(given[:1], [0.01], date=dt.date(2031, 1, 9))
    assert score(given[:1], early).warnings == [
        "first was predicted for 2031-02-03 but began on 2031-01-09: the dates differ",
        "first began on 2031-01-09 and the prediction was computed on 2031-01-10: not a prediction",
    ]


def test_a_later_actual_date_does_not_suppress_the_warning():
    given = [row(0.9, made_on=dt.date(2031, 3, 1)), row(0.9, layer="power", made_on=dt.date(2031, 3, 1))]
    later = came(given[1:], [0.01], date=dt.date(2031, 6, 2))  # given for one layer only: an event has one date
    assert score(given, came(given[:1], [0.01]) | later).warnings == [
        "first was predicted for 2031-02-03 but began on 2031-06-02: the dates differ",
        "first was predicted for 2031-02-03 and the prediction was computed on 2031-03-01: not a prediction",
    ]


@pytest.mark.parametrize(("made_on", "lines"), [(dt.date(2031, 2, 2), 0), (dt.date(2031, 2, 3), 1)])
def test_an_event_has_begun_on_its_first_day(made_on, lines):
    given = [row(0.9, made_on=made_on)]
    assert len(score(given, came(given, [0.01])).warnings) == lines


def test_written_predictions_are_read_back(tmp_path):
    given = [*rows(np.linspace(0, 1, 8)), row(1 / 3, layer='a "b", c', climatology=2 / 3, mean=-0.1 / 3)]
    path = write_predictions(tmp_path / "new" / "predictions.csv", given)
    assert read_predictions(path) == given
    first = path.read_text().splitlines()[0]
    assert first == "event,date,layer,days,probability_up,sign,mean,low,high,fitted_to,made_on,climatology"


def test_invalid_predictions_are_not_written(tmp_path):
    path = tmp_path / "predictions.csv"
    with pytest.raises(ValueError) as error:
        write_predictions(path, [replace(row(0.9), sign=-1), row(float("nan"), layer="power")])
    assert len(str(error.value).splitlines()) == 2
    assert not path.exists()


HEAD = "event,date,layer,days,probability_up,sign,mean,low,high,fitted_to,made_on,climatology"
GOOD = "first,2031-02-03,chips,5,0.7,1,0.01,-0.02,0.04,2030-12-31,2031-01-10,"
OTHER = GOOD.replace("chips", "power")


def with_cell(name, text, line=GOOD):
    cells = line.split(",")
    cells[HEAD.split(",").index(name)] = text
    return ",".join(cells)


@pytest.mark.parametrize(
    ("lines", "faults"),
    [
        ([], ["{}: contains no rows"]),
        ([with_cell("probability_up", "1.2")], ["{}, line 2: probability_up '1.2' is not a probability"]),
        ([with_cell("probability_up", "-0.1")], ["line 2: probability_up '-0.1' is not a probability"]),
        ([with_cell("climatology", "7")], ["line 2: climatology '7' is not a probability"]),
        ([with_cell("probability_up", "nan")], ["line 2: probability_up 'nan' is not finite"]),
        ([with_cell("mean", "inf")], ["line 2: mean 'inf' is not finite"]),
        ([with_cell("mean", "1 %")], ["line 2: mean '1 %' is not a number"]),
        ([with_cell("low", "-2")], ["line 2: low '-2' is out of range: returns are fractions"]),
        ([with_cell("low", "0.05")], ["line 2: low 0.05 is above high 0.04"]),
        ([with_cell("days", "0")], ["line 2: days '0' must be at least 1"]),
        ([with_cell("days", "2.5")], ["line 2: days '2.5' is not a whole number"]),
        ([with_cell("days", "1.000")], ["line 2: days '1.000' could mean one or one thousand"]),
        ([with_cell("days", "1_0")], ["line 2: days '1_0' is not a number"]),
        ([with_cell("mean", "\u0660.\u0661")], ["line 2: mean '\u0660.\u0661' is not a number"]),
        ([with_cell("mean", "\u22120.01")], ["line 2: mean '\u22120.01' is not a number"]),
        ([with_cell("mean", '"0,01"')], ["line 2: mean '0,01' is not a number"]),
        ([with_cell("date", "03.02.2031")], ["line 2: date '03.02.2031' is not a date such as 2025-06-30"]),
        ([with_cell("date", "2031-02-03T00:00+02:00")], ["line 2: date '2031-02-03T00:00+02:00' is not a date"]),
        ([with_cell("sign", "2")], ["line 2: sign '2' is not -1, 0 or 1"]),
        (
            [with_cell("sign", "0")],
            ["line 2: sign 0 contradicts probability_up 0.7 (1 for 0.55 or more, -1 for 0.45"],
        ),
        ([with_cell("date", "3 February")], ["line 2: date '3 February' is not a date such as 2025-06-30"]),
        ([with_cell("layer", "")], ["line 2: layer is blank"]),
        ([with_cell("fitted_to", "2031-01-11")], ["line 2: fitted_to 2031-01-11 is after made_on 2031-01-10"]),
        ([GOOD, OTHER, GOOD], ["line 4: duplicate row for first, chips; the first is in line 2"]),
        (
            [GOOD, with_cell("date", "2031-02-04", OTHER)],
            ["line 3: date 2031-02-04 of first differs from 2031-02-03 in the row of layer chips"],
        ),
        ([GOOD, with_cell("days", "6", OTHER)], ["line 3: days 6 of first differs from 5 in the row of layer chips"]),
        ([GOOD + ",more"], ["line 2: 13 cells, but the table has 12 columns"]),
        ([GOOD, OTHER[:20]], ["line 3: 3 cells, but the table has 12 columns"]),
        ([GOOD, 'x"y"",' * 12, '"open'], ["line 3: 13 cells", "line 4: unexpected end of data"]),
        ([with_cell("days", "x"), with_cell("sign", "y", OTHER)], ["line 2: days 'x'", "line 3: sign 'y'"]),
    ],
)
def test_invalid_predictions_are_rejected(lines, faults, tmp_path):
    path, outcomes = tmp_path / "p.csv", tmp_path / "o.csv"
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    lines_printed = complaints("score", str(path), "--outcomes", str(outcomes))
    assert len(lines_printed) == len(faults)
    for line, fault in zip(lines_printed, faults, strict=True):
        assert fault.format(path) in line


@pytest.mark.parametrize(
    ("head", "faults"),
    [
        (HEAD.replace("sign", "sgin"), ["unknown column 'sgin'; did you mean 'sign'?", "column sign is missing"]),
        (HEAD.replace("mean", "low"), ["duplicate column low", "column mean is missing"]),
        ("", ["column event is missing"]),
    ],
)
def test_invalid_columns_are_rejected(head, faults, tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(f"{head}\n{GOOD}\n")
    lines_printed = complaints("score", str(path), "--outcomes", str(path))
    assert [line.removeprefix(f"{path}: ") for line in lines_printed][: len(faults)] == faults


def test_outcomes_of_an_event_must_agree_on_its_date(tmp_path):
    path, outcomes = tmp_path / "p.csv", tmp_path / "o.csv"
    path.write_text("\n".join([HEAD, GOOD, OTHER]))
    outcomes.write_text("event,layer,value,date\nfirst,chips,0.01,2031-02-03\nfirst,power,0.01,2031-02-04\n")
    lines_printed = complaints("score", str(path), "--outcomes", str(outcomes))
    assert lines_printed == [
        f"{outcomes}, line 3: date 2031-02-04 of first differs from 2031-02-03 in the row of layer chips"
    ]
    outcomes.write_text("event,layer,value,date\nfirst,chips,0.01,\nfirst,power,0.01,2031-02-03\n")
    assert len(read_outcomes(outcomes, read_predictions(path))) == 2


@pytest.mark.parametrize(
    ("lines", "faults"),
    [
        (["first,chips,0.01"], ["{}: no outcome for first, power"]),
        ([], ["{}: no outcome for first, chips", "{}: no outcome for first, power"]),
        (
            ["first,chips,0.01", "first,power,0.01", "frist,chips,0.01"],
            ["{}, line 4: no event 'frist' was predicted; did you mean 'first'?"],
        ),
        (
            ["first,chips,0.01", "first,powers,0.01"],
            [
                "{}, line 3: no layer 'powers' was predicted for first; did you mean 'power'?",
                "{}: no outcome for first, power",
            ],
        ),
        (["first,chips,nan", "first,power,"], ["line 2: value 'nan' is not finite", "line 3: value is blank"]),
        (["first,chips,-3.4", "first,power,0.01"], ["line 2: value '-3.4' is out of range: returns are fractions"]),
        (
            ["first,chips,0.01", "first,power,0.01", "first,chips,0.02"],
            ["line 4: duplicate row for first, chips; the first is in line 2"],
        ),
    ],
)
def test_invalid_outcomes_are_rejected(lines, faults, tmp_path):
    path, outcomes = tmp_path / "p.csv", tmp_path / "o.csv"
    path.write_text("\n".join([HEAD, GOOD, OTHER]))
    outcomes.write_text("\n".join(["event,layer,value", *lines]))
    lines_printed = complaints("score", str(path), "--outcomes", str(outcomes), "--json", str(tmp_path / "scores.json"))
    assert len(lines_printed) == len(faults)
    for line, fault in zip(lines_printed, faults, strict=True):
        assert fault.format(outcomes) in line
    assert not (tmp_path / "scores.json").exists()


def test_unreadable_files_are_reported(tmp_path):
    binary, large, valid = tmp_path / "b.csv", tmp_path / "l.csv", tmp_path / "p.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    large.write_text("x" * 1_000_001)
    valid.write_text("\n".join([HEAD, GOOD]))
    for path, fault in (
        (tmp_path / "none.csv", ": cannot be read: file not found"),
        (tmp_path, ": cannot be read: it is a folder; give the file"),
        (binary, ":1: cannot be read: it is not UTF-8 text"),
        (large, ": cannot be read: more than 1,000,000 bytes"),
    ):
        assert complaints("score", str(path), "--outcomes", str(valid)) == [f"{path}{fault}"]
        assert complaints("score", str(valid), "--outcomes", str(path)) == [f"{path}{fault}"]
    lines_printed = complaints("score", str(valid), "--outcomes", str(valid), "--json", str(tmp_path))
    assert lines_printed == [f"--json {tmp_path}: is a folder; give a file name"]
    assert complaints("score", str(valid))[0].startswith("Missing option '--outcomes'")


def test_the_output_never_overwrites_an_input(tmp_path):
    """Nor is a folder created for it before the files are read."""
    path, outcomes, other = tmp_path / "p.csv", tmp_path / "o.csv", tmp_path / "other.csv"
    path.write_text("\n".join([HEAD, GOOD]))
    outcomes.write_text("event,layer,value\nfirst,chips,0.01")
    other.symlink_to(path)
    words = ["score", str(path), "--outcomes", str(outcomes), "--json"]
    before = path.read_text(), outcomes.read_text()
    for given, what in (
        (path, "predictions"),
        (outcomes, "outcomes"),
        (tmp_path / "x" / ".." / "p.csv", "predictions"),
    ):
        lines_printed = complaints(*words, str(given))
        assert lines_printed == [f"--json {given}: would overwrite the file of {what}; give another name"]
    assert "would overwrite the file of predictions" in complaints(*words, str(other))[0]
    assert (path.read_text(), outcomes.read_text()) == before
    assert complaints(*words, str(path / "scores.json"))[0].startswith(
        f"--json {path}: cannot be written (a file is in"
    )
    outcomes.write_text("event,layer,value\nfirst,chips,x")
    assert "value 'x' is not a number" in complaints(*words, str(tmp_path / "new" / "scores.json"))[0]
    assert not (tmp_path / "new").exists()


def test_the_command_prints_and_writes_scores(tmp_path):
    """Input with a byte order mark, blank lines and reordered columns."""
    path = write_predictions(tmp_path / "p.csv", rows([0.9, 0.2, 0.5, 0.8, 0.3, 0.6, 0.1, 0.7]))
    outcomes, numbers = tmp_path / "o.csv", tmp_path / "deep" / "scores.json"
    lines = [f"{v},{one.layer},{one.event}" for v, one in zip(VALUES, read_predictions(path), strict=True)]
    outcomes.write_text("\ufeffvalue, layer ,event\r\n\r\n" + "\r\n".join(reversed(lines)))
    done = CliRunner().invoke(app, ["score", str(path), "--outcomes", str(outcomes), "--json", str(numbers)])
    assert (done.exit_code, done.stderr) == (0, "")
    lines_printed = done.stdout.splitlines()
    assert lines_printed[0].split() == [
        "event",
        "rows",
        "Brier",
        "climatology",
        "skill",
        "log",
        "signs",
        "right",
        "in",
        "interval",
    ]
    assert [line.split()[0] for line in lines_printed[1:4]] == ["first", "second", "all"]
    assert max(map(len, lines_printed[:4])) <= 80
    assert "6 of 7 called signs were right (86 %): the rule of 70 % is met." in lines_printed
    assert "Climatology: 0.5 throughout, since the predictions give no climatology." in lines_printed
    scores = json.loads(numbers.read_text())
    p = np.array([0.9, 0.2, 0.5, 0.8, 0.3, 0.6, 0.1, 0.7])
    assert scores["all"]["brier"] == pytest.approx(((p - UPS) ** 2).mean())
    assert scores["all"]["right"] == 6
    assert scores["coins"]["p"] == pytest.approx(binomtest(6, 7, alternative="greater").pvalue)
    assert scores["rule_met"] is True
    assert scores["settings"]["clip"] == 0.01
    assert [one["of"] for one in scores["events"]] == ["first", "second"]
    assert read_outcomes(outcomes, read_predictions(path))["first", "chips"].value == 0.03


def test_the_command_warns_of_hindsight(tmp_path):
    path = write_predictions(tmp_path / "p.csv", [row(0.5, made_on=dt.date(2031, 2, 4))])
    outcomes = tmp_path / "o.csv"
    outcomes.write_text("event,layer,value,date\nfirst,chips,0.01,2031-02-03\n")
    done = CliRunner().invoke(app, ["score", str(path), "--outcomes", str(outcomes)])
    assert done.exit_code == 0
    line = "first began on 2031-02-03 and the prediction was computed on 2031-02-04: not a prediction"
    assert done.stderr == f"abm: warning: {line}\n"
    assert "cannot be applied: no sign was called" in done.stdout
