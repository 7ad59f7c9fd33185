"""The progress bar: both times are labelled, and the time left counts down."""

import io
import re

from rich.console import Console

from abm.cli.progress import Pace, bar


def test_the_time_left_counts_down_between_reports():
    pace = Pace()
    assert pace.left(0.0) == "-:--:--"
    pace.report(0, 40, 0.0)
    pace.report(10, 40, 30.0)  # includes compilation
    assert pace.left(31.0) == "-:--:--"
    pace.report(20, 40, 40.0)
    assert [pace.left(now) for now in (40.0, 45.0, 59.5, 75.0)] == ["0:00:20", "0:00:15", "0:00:01", "0:00:00"]
    pace.report(30, 40, 45.0)
    assert pace.left(45.0) == "0:00:08"  # 20 in 15 seconds
    pace.report(40, 40, 50.0)
    assert pace.left(50.0) == "0:00:00"


def test_resumed_work_counts_only_new_steps():
    pace = Pace()
    pace.report(900, 1000, 0.0)
    pace.report(910, 1000, 20.0)
    assert pace.left(20.0) == "0:03:00"


def test_restarted_work_resets_the_pace():
    pace = Pace()
    for done, now in ((1, 0.0), (2, 1.0), (0, 2.0)):
        pace.report(done, 2, now)
    assert pace.left(2.0) == "-:--:--"


def test_the_bar_labels_both_times():
    out = io.StringIO()
    with bar(Console(file=out, force_terminal=True, width=100)) as (step, count):
        step("compiling [the model]", 0, 4)
        count(1, 4, 0.1)
        count(3, 4, 0.2)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    assert re.search(r"3 of 4 runs +\S+ +75% 0:00:0\d elapsed, 0:00:0\d left", shown)
    assert "compiling [the model]" in shown or "starting" in shown
