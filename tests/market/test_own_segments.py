"""A user's own segments: columns reach the adopters, their number follows the table, and faults take one line with the place."""

import pickle

import numpy as np
import pandas as pd
import pytest
from helpers.sizes import TINY

from abm import MarketModel, Populations, ensembles, simulate
from abm.runs.setup import Setup
from abm.runs.simulate import Setting

FEW = {name: size for name, size in TINY.items() if name != "adopters"} | {"months": 2}
OWN = {
    "segment": [0, 1, 1, 2],
    "home": [0, 1, 2, 3],
    "difficulty": [2.0, 6.0, 9.0, 0.0],
    "value": [8.0, 20.0, 60.0, 3.0],
    "tasks": [4e9, 3e9, 1e9, 9e9],
    "compliance_need": [0.0, 0.2, 1.0, 0.1],
    "adopted": [0.1, 0.2, 0.3, 0.4],
    "fit_closed_1": [0.5, -0.5, 0.1 + 0.2, 0.0],
}
ONES = [1.0] * 6


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def complaint(segments, **sizes):
    with pytest.raises(ValueError, match="segments") as caught:
        Populations(segments=segments, **sizes)
    message = str(caught.value)
    assert message.startswith("segments")
    assert "\n" not in message
    assert len(message) <= 200
    return message


# --- what is given reaches the market ---


def as_parquet(path):
    pd.DataFrame(OWN).to_parquet(path / "own.parquet")
    return path / "own.parquet"


def as_csv(path):
    pd.DataFrame(OWN).to_csv(path / "own.csv")  # with the index, a column without a name
    return path / "own.csv"


def with_spaces(path):
    rows = [" , ".join(map(repr, row)) for row in zip(*OWN.values(), strict=True)]
    return str(written(path / "own.csv", "\n".join(["\ufeff " + " , ".join(OWN), "", *rows, " , " * 7])))


@pytest.mark.parametrize(
    "form",
    [
        lambda path: OWN,
        lambda path: pd.DataFrame(OWN),
        lambda path: lambda adopters: OWN,
        as_csv,
        with_spaces,
        as_parquet,
    ],
    ids=["mapping", "frame", "function", "csv", "spaces", "parquet"],
)
def test_every_form_gives_the_same_adopters(tmp_path, form):
    model = MarketModel(rng=1, segments=form(tmp_path), **FEW)
    adopters = model.market.adopters
    assert adopters.size == 4
    for name, column in OWN.items():
        if name != "fit_closed_1":
            np.testing.assert_array_equal(np.asarray(getattr(adopters, name)), column)
    np.testing.assert_array_equal(np.asarray(adopters.own_fit)[:, 0], OWN["fit_closed_1"])
    assert np.isfinite(np.asarray(adopters.own_fit)).all()  # other labs' fits are drawn


def test_the_number_of_adopters_follows_the_table_unless_it_is_given():
    six = Populations(segments={"value": ONES})
    assert six.adopters == 6
    assert Populations(segments={"value": ONES}, adopters=6) == six
    assert Setup.of(populations=six, segments={"value": [1, 2]}).populations.adopters == 2
    assert Populations().adopters == Populations(segments=lambda n: {"value": np.ones(n)}).adopters == 200
    assert complaint({"value": ONES}, adopters=7) == (
        "segments.value: has 6 rows, but adopters = 7; give one value for each"
    )
    with pytest.raises(ValueError, match="adopters = 'six'"):
        Populations(segments=lambda n: {"value": np.ones(n)}, adopters="six")


def test_what_was_read_is_kept(tmp_path):
    """A random function, a file or an array that changes later, and a pickle: a run can be repeated from its set-up."""
    luck = np.random.default_rng(1)
    tasks = np.array([1e9, 2e9])
    drawn = Populations(segments=lambda n: {"value": luck.uniform(1, 9, n), "tasks": tasks}, adopters=2)
    before = dict(drawn.segments)
    tasks[:] = 5.0
    assert Setup.of(populations=drawn).populations == drawn == pickle.loads(pickle.dumps(drawn))
    assert dict(drawn.segments)["tasks"].tolist() == [1e9, 2e9]
    assert before.keys() == {"value", "tasks"}
    with pytest.raises(ValueError, match="read-only"):
        drawn.segments["value"][0] = 3.0
    file = written(tmp_path / "own.csv", drawn.segments.to_csv())
    read = Populations(segments=file)
    file.unlink()
    assert Setup.of(populations=read).populations.segments == drawn.segments


@pytest.mark.filterwarnings("ignore:observables outside:abm.support.messages.AbmWarning")
def test_all_settings_of_a_call_have_the_same_segments():
    luck = np.random.default_rng(1)

    def random(adopters):
        return {"value": luck.uniform(1, 9, adopters), "tasks": np.full(adopters, 4e9)}

    same = ensembles([Setting(), Setting()], [1], segments=random, adopters=4, daily=(), **FEW)
    assert same[0].setup.populations.segments == same[1].setup.populations.segments
    np.testing.assert_array_equal(same[0]["welfare"], same[1]["welfare"])
    again = simulate(seed=1, segments=same[0].setup.populations.segments, **FEW)
    np.testing.assert_allclose(again["welfare"], same[0]["welfare"][0], rtol=1e-9)


# --- faults ---


def fails(adopters):
    raise RuntimeError("first line\nsecond line\nthird line")


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ({"tasks": [10**400] * 6}, "segments.tasks, row 0: 1000"),
        ({"tasks": [10**5000] * 6}, "segments.tasks, row 0: a very long number is not a number"),
        (fails, r"segments: fails(200) failed with RuntimeError: 'first line\nsecond line\nthird line'"),
        (lambda adopters: 3, "segments = 3: give a table of columns"),
        ([1, 2], "segments = [1, 2]: give a table of columns, the path of a file, or a function"),
        ({"tasks": pd.date_range("2025-01-01", periods=6)}, "segments.tasks: are dates or times; give numbers (M tokens"),
        ({"tasks": np.array([3] * 6, "m8[s]")}, "segments.tasks: are dates or times"),
        ({"tasks": np.array([np.datetime64("2025")] * 6, object)}, "segments.tasks, row 0: np.datetime64('2025') is not"),
        ({"tasks": ["1", "2"]}, "segments.tasks, row 0: '1' is not a number"),
        ({"tasks": pd.Series([1, pd.NA], dtype=object)}, "segments.tasks, row 1: <NA> is not a number"),
        ({"tasks": [1, None]}, "segments.tasks, row 1: is missing; give a number"),
        (pd.DataFrame({"tasks": pd.date_range("2025-01-01", periods=6, tz="UTC")}), "row 0: 2025-01-01 00:00:00+00:00 is"),
        ({"value": np.ma.masked_array(ONES, [0, 0, 1, 0, 0, 0])}, "segments.value, row 2: is missing; give a number from"),
        ({"value": pd.array([1, None], "Int64")}, "segments.value, row 1: is missing; give a number from"),
        ({"value": [1.0, np.inf]}, "segments.value, row 1: inf must be a number from"),
        (pd.DataFrame([[1, 2]] * 6, columns=["value", "value "]), "segments: column 'value' is given twice; remove one"),
        ({"value": ONES, "tasks": 3.0}, "segments.tasks: is one number, but 6 rows are needed"),
        ({"tasks": np.array(3.0)}, "segments.tasks: is one number, but 200 rows are needed"),
        ({"tasks": np.ones((6, 2))}, "segments.tasks: has shape (6, 2), but adopters = 6; give one value for each"),
        ({"value": ONES, "tasks": ONES[:5]}, "segments.tasks: has 5 rows, but adopters = 6; give one value for each"),
        ({"value": []}, "segments: has no rows; give one for each adopter"),
        ({"value": [1.0, "x"]}, "segments.value, row 1: 'x' is not a number ($ per M tokens)"),
        ({"value": [1.0, 1j]}, "segments.value, row 1: 1j is not a number"),
        ({"value": "abc"}, "segments.value: must be numbers ($ per M tokens), not 'abc'"),
        ({"valeu": ONES}, "segments: unknown column 'valeu'; did you mean 'value'?"),
        ({"fit_closed_9": ONES}, "segments: unknown column 'fit_closed_9'; did you mean 'fit_closed_"),
        ({"fit_entrant_1": ONES}, "segments: unknown column 'fit_entrant_1'"),
        ({3: ONES}, "segments: unknown column 3 (one of: segment, home,"),
        ({"difficulty": [-20, 40, 40.1]}, "segments.difficulty, row 2: 40.1 must be a number from -20 to 40 (nats)"),
        ({"segment": [0, 0.5]}, "segments.segment, row 1: 0.5 must be a whole number from 0 to 2"),
        ({"tasks": [0, 0]}, "segments.tasks: are all 0, so that nobody would use a model"),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_one_line_with_its_place(segments, message):
    assert message in complaint(segments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "own.csv: cannot be read: file not found"),
        ("", "own.csv: has no rows; give names of columns in the first line"),
        ("value,tasks\n", "own.csv: has no rows"),
        ("value, value\n1,2\n", "own.csv: column 'value' is given twice"),
        ("value,tasks\n1,2\n\n3\n", "own.csv, line 4: 1 cells, but the first line has 2"),
        ('value\n"1\n', "own.csv:2: cannot be read: unexpected end of data"),
        ("value,tasks\n1,2\n\n3,\n", "own.csv, line 4: is missing; give a number from 0 to 1e+18 (M tokens per month)"),
        ("value\n1_000\n", "own.csv, line 2: '1_000' is not a number ($ per M tokens)"),
        ("value\n-1\n", "own.csv, line 2: -1 must be a number from 1e-09 to 1e+12"),
        ("value;tasks\n1;2\n", "segments: unknown column 'value;tasks' (one of:"),
    ],
)
def test_a_fault_of_a_file_names_its_line(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        written(tmp_path / "own.csv", text)
    assert message in complaint("own.csv")


def test_what_is_no_file_of_segments_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert complaint(".") == "segments: .: cannot be read: it is a folder; give the file"
    assert complaint("own.parquet") == "segments: own.parquet: cannot be read: file not found"
    written(tmp_path / "own.parquet", "value\n1\n")
    assert complaint("own.parquet") == "segments: own.parquet: cannot be read: it is not a Parquet file"
