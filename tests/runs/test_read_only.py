"""Arrays and tables of results, models and data are read-only or copies."""

import copy
import pickle

import numpy as np
import pytest
from helpers import sizes

from abm import data, ensemble, simulate
from abm.market.measures import MEASURES
from abm.runs.results import compare

TINY = sizes.TINY | {"months": 2}


@pytest.fixture(scope="module")
def run():
    return simulate(seed=2, **TINY)


@pytest.fixture(scope="module")
def runs():
    return ensemble(seeds=[1, 2], daily=[0, 1], products=True, **TINY)


def arrays_of(run, runs):
    """Every array that a run and an ensemble expose, by expression."""
    arrays = {f"run[{name}]": run[name] for name in ("hhi", "welfare")}
    arrays |= {f"run.report.observables[{name}]": array for name, array in run.report.observables.items()}
    arrays |= {f"run.report.products.{name}": array for name, array in run.report.products._asdict().items()}
    arrays["run.report.daily_returns"] = run.report.daily_returns
    arrays |= {f"run.setup.timeline[{name}]": array for name, array in run.setup.timeline.items()}
    arrays |= {f"runs[{name}]": runs[name] for name in runs.names}
    arrays |= {f"runs.out[{name}]": runs.out[name] for name in ("daily", "leader")}
    arrays |= {f"runs.out[products].{name}": array for name, array in runs.out["products"]._asdict().items()}
    return arrays | {"runs.daily(1)": runs.daily(1)}


def test_arrays_are_read_only(run, runs):
    for expression, array in arrays_of(run, runs).items():
        assert isinstance(array, np.ndarray), expression
        before = array.copy()
        with pytest.raises(ValueError, match="read-only"):
            np.multiply(array, 0, out=array)  # as `array *= 0` does
        np.testing.assert_array_equal(array, before, err_msg=expression)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda result: pickle.loads(pickle.dumps(result))])
def test_arrays_of_copied_results_are_read_only(run, runs, copied):
    for array in (copied(run)["hhi"], copied(runs)["hhi"], copied(runs).daily(0)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


def test_tables_are_copies(run, runs):
    difference = compare(runs, runs)
    for table in (
        lambda: run.frame().drop(columns="month"),
        lambda: run.returns,
        lambda: run.products()[["price"]],
        lambda: runs.frame().drop(columns=["seed", "month"]),
        lambda: runs.bands("hhi"),
        lambda: difference.table("hhi"),
    ):
        before, changed = table(), table()
        changed.iloc[:, :] = 7.0
        assert table().equals(before)
    difference.difference("hhi")[:] = 7.0
    assert not difference.difference("hhi").any()


def test_a_market_cannot_be_changed_in_place(run):
    market = run.market(1)
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(market.labs.price)[:] = 0.0
    with pytest.raises(TypeError, match="immutable"):
        market.labs.price[0] = 0.0
    with pytest.raises(TypeError, match="immutable"):
        run.setup.networks.information[0] = 0


def test_data_are_copies():
    name = data.fits()[0]
    parameter = next(iter(data.fit(name)))
    data.fit(name)[parameter]["estimate"] = -1.0
    data.fit(name).clear()
    assert data.fit(name)[parameter]["estimate"] != -1.0
    targets = data.load("targets")
    targets["value"] = 0.0
    assert data.load("targets")["value"].any()
    with pytest.raises(TypeError):
        MEASURES["hhi"] = None
