"""Preparation of samples: quantiles with distinct names, and rows paired by label."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from abm.runs.results import Ensemble
from abm.support.samples import by_label, in_order, quantile_name, quantiles

RUNS = np.random.default_rng(1).normal(size=(500, 3))
RUNS[:, 0] = np.nan
ENSEMBLE = Ensemble(SimpleNamespace(months=3), list(range(500)), {"observables": {"hhi": RUNS}}, ())


def test_every_quantile_has_its_own_column():
    """Names were once rounded: .01 and .014 collided, .025 was called q02, and .999 was called q100."""
    names = {0.001: "q00.1", 0.01: "q01", 0.014: "q01.4", 0.025: "q02.5", 1 / 3: "q33.3333333333"}
    names |= {0.975: "q97.5", 0.995: "q99.5", 0.999: "q99.9", np.float64(0.07): "q07", 0.29: "q29"}
    table = ENSEMBLE.bands("hhi", tuple(names))
    assert list(table.columns) == [*names.values(), "mean"]
    assert table.iloc[0].isna().all()
    for level, name in names.items():
        assert table[name].iloc[1:].to_numpy() == pytest.approx(np.quantile(RUNS[:, 1:], level, axis=0), rel=1e-12)


def test_default_quantile_columns():
    columns = ["q05", "q25", "q50", "q75", "q95", "mean"]
    assert list(ENSEMBLE.bands("hhi")) == columns
    assert list(quantiles(RUNS)) == columns
    assert quantile_name(0.1 + 0.2) == "q30"


@pytest.mark.parametrize("level", [0, 1, -0.05, 5, 95, np.nan, np.inf, "0.5", None, True, 0.5 + 0j, np.complex128(0.5)])
def test_invalid_levels_are_rejected(level):
    with pytest.raises(ValueError, match=r"level .*: must be a number above 0 and below 1"):
        ENSEMBLE.bands("hhi", (0.5, level))


@pytest.mark.parametrize(
    ("levels", "message"),
    [((0.5, 0.25, 0.5), "0.5 is given twice"), ((0.3, 0.1 + 0.2), "twice"), (0.5, "a list"), ("0.5", "a list")],
)
def test_invalid_lists_of_levels_are_rejected(levels, message):
    with pytest.raises(ValueError, match=message):
        ENSEMBLE.bands("hhi", levels)


def test_rows_are_paired_by_label_or_without_labels_by_position():
    x, y = pd.Series([1, 2, 3], list("abc")), pd.DataFrame({"value": [30, 10, 20]}, list("cab"))
    assert by_label(x=x, y=y)[1]["value"].tolist() == [10, 20, 30]
    assert by_label(x=x, y=np.arange(3))[1].tolist() == [0, 1, 2]
    repeated = pd.Series([1, 2], ["a", "a"])
    assert by_label(x=repeated, y=repeated + 1)[1].tolist() == [2, 3]
    with pytest.raises(ValueError, match="x and y have different row labels: c is in one only"):
        by_label(x=x[:2], y=y)
    with pytest.raises(ValueError, match="row label a repeats"):
        by_label(x=x[:2], y=repeated)


def test_numbered_rows_must_be_in_order():
    values = pd.Series([1.0, 2.0, 3.0])
    assert in_order(values, "y") is values
    assert in_order(values.set_axis(list("cab")), "y").tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match=r"y\.sort_index\(\)"):
        in_order(values[::-1], "y")
