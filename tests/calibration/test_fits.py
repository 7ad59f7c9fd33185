"""Uses of a fit: sweeps over its posterior, and the predictions of an experiment."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.sizes import SMALL

import abm
from abm import data
from abm.analysis.predictions import called_sign, read_predictions
from abm.calibration.pages import distinct, outside
from abm.calibration.posterior import effective
from abm.experiments import ExperimentError, frozen
from abm.experiments.load import from_table, load
from abm.parameters import Parameters
from abm.sweeps import SpecError, Sweep, open_sweep, run_sweep

SIXTEEN = Path(__file__).parents[2] / "experiments" / "16_frozen_prediction"


def small(**fields):
    return Sweep(**{"populations": SMALL, "observables": ["lerner_closed"], "replications": 3, "months": 3} | fields)


def lerner(folder, **fields):
    """(points, replications) mean Lerner index."""
    run_sweep(small(**fields), folder)
    runs = open_sweep(folder).runs().sort_values(["point", "replication"])
    return runs["lerner_closed_mean"].to_numpy().reshape(-1, 3), runs["seed"].to_numpy().reshape(-1, 3)


def test_replication_k_uses_the_kth_draw_except_for_parameters_that_are_set(tmp_path):
    factors = {"ip_strength": [0.0, 1.0]}
    fixed = {"task_value": 2.0}
    found, seeds = lerner(tmp_path / "a", posterior="june_2025", factors=factors, parameters=fixed)
    draws = data.draws("june_2025")
    for k in range(3):
        own = draws.iloc[k].to_dict() | fixed | {"ip_strength": 1.0}
        alone = abm.simulate(Parameters(**own), seed=int(seeds[1, k]), months=3, **SMALL)
        assert found[1, k] == pytest.approx(alone["lerner_closed"].mean(), rel=1e-9)
    plain, _ = lerner(tmp_path / "b", factors=factors, parameters=fixed)
    assert np.abs(found - plain).min() > 1e-6


def test_a_factor_takes_precedence_over_the_posterior(tmp_path):
    both = {"task_value": [1.5, 3.0]}
    found, seeds = lerner(tmp_path / "a", posterior="june_2025", factors=both)
    own = data.draws("june_2025").iloc[2].to_dict() | {"task_value": 3.0}
    alone = abm.simulate(Parameters(**own), seed=int(seeds[1, 2]), months=3, **SMALL)
    assert found[1, 2] == pytest.approx(alone["lerner_closed"].mean(), rel=1e-9)


def test_an_unknown_fit_is_reported_and_a_known_one_is_part_of_the_hash(tmp_path):
    with pytest.raises(SpecError, match="did you mean 'june_2025'"):
        small(posterior="june_2024", factors={"ip_strength": [0.0]})
    plain, fitted = (small(factors={"ip_strength": [0.0]}, **more) for more in ({}, {"posterior": "june_2025"}))
    assert plain.hash != fitted.hash
    path = tmp_path / "spec.toml"
    path.write_text(fitted.to_toml())
    assert Sweep.load(path).hash == fitted.hash


@pytest.mark.parametrize("name", data.fits())
def test_the_pages_of_fits_agree_with_the_stored_numbers(name):
    """Estimates outside their own intervals, and how few draws there are."""
    page = (Path(__file__).parents[2] / "docs" / "fits" / f"{name}.md").read_text()
    for paragraph in outside(pd.DataFrame(data.fit(name)).T)[:1]:
        assert f"\n\n{paragraph}\n\n" in page
    assert distinct(data.draws(name).to_numpy()) in page


def test_only_an_estimate_outside_its_interval_is_named():
    table = pd.DataFrame({"estimate": [1.0, 2.0], "low": [0.5, 2.1], "high": [1.5, 2.5]}, index=["one", "two"])
    assert outside(table)[0].startswith("The estimate of `two` lies outside its own 90 % interval: ")
    assert outside(table[:1]) == []


def test_copies_of_a_draw_count_once():
    draws = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [3.0, 4.0]])
    assert (
        distinct(draws) == "Of the 4 stored draws, 2 are distinct; weighted by their copies, the effective number is 2."
    )
    assert effective(np.array([3, 1])) == pytest.approx(1.6)


# --- predictions of an experiment ---


def runs_of(experiment, rng):
    columns = {
        f"{event}_{layer}": rng.normal(0.01, 0.05, 200)
        for event in experiment.predictions
        for layer in frozen.outcomes_of(experiment, event)
    }
    return pd.DataFrame(columns)


def test_predictions_are_shares_means_and_quantiles_of_the_runs(tmp_path):
    experiment = load(SIXTEEN)
    runs = runs_of(experiment, np.random.default_rng(0))
    path = frozen.keep(experiment, runs, tmp_path)
    rows = read_predictions(path)
    assert len(rows) == 12 and {row.layer for row in rows} == {"compute", "power", "platforms", "applications"}
    first = next(row for row in rows if row.event == experiment.predictions["v4"] and row.layer == "power")
    values = runs["v4_power"]
    assert first.probability_up == pytest.approx((values > 0).mean())
    assert first.sign == called_sign(first.probability_up)
    assert (first.low, first.high) == pytest.approx(tuple(values.quantile([0.05, 0.95])), abs=1e-6)
    assert first.days == 7 and first.fitted_to == dt.date(2025, 1, 31)
    assert first.climatology == pytest.approx(0.4062)
    runs.loc[3, "v4_power"] = np.nan
    with pytest.raises(ValueError, match="v4_power: 1 of 200 runs have no outcome"):
        frozen.keep(experiment, runs, tmp_path)


def test_the_committed_predictions_are_of_the_frozen_fit():
    rows = read_predictions(SIXTEEN / frozen.FILE)
    assert len(rows) == 12
    assert {row.fitted_to for row in rows} == {dt.date(2025, 1, 31)}
    assert not list(SIXTEEN.glob("*outcome*"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"predictions": {"h21": "x"}}, "h21_LAYER"),
        ({"sweep": {"posterior": None}}, "posterior"),
        ({"arms": {"a": {}, "b": {}}}, "remove [arms]"),
    ],
)
def test_invalid_predictions_are_reported(change, says):
    from abm.support.files import read_toml

    fields = read_toml(SIXTEEN / "experiment.toml")
    for key, value in change.items():
        if isinstance(value, dict) and key == "sweep":
            fields["sweep"] = {k: v for k, v in fields["sweep"].items() if k not in value}
        else:
            fields[key] = value
    with pytest.raises(ExperimentError) as caught:
        from_table(fields, SIXTEEN)
    assert says in str(caught.value)
