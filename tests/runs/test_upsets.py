"""Releases like that of R1, on a record made by hand and in runs."""

import numpy as np
import pandas as pd
import pytest
from helpers.sizes import SMALL

from abm import ensemble, simulate
from abm.market.observables import ProductRecord
from abm.runs.upsets import CHEAP, NEAR, r1_like_of

LABS = ("closed_1", "closed_2", "open_1", "open_2", "entrant_1")
MONTHS = 4


def record(**changes):
    """closed_2 leads with 5 nats at a disclosed $ 100 M; in month 2 open_1 releases 4.6 nats for $ 6 M."""
    shape = (MONTHS, len(LABS), 2)
    fields = {name: np.zeros(shape) for name in ProductRecord._fields}
    fields["active"], fields["released"] = np.ones(shape, bool), np.zeros(shape, bool)
    fields["capability"][:, :, 0] = [4.8, 5.0, 4.6, 4.4, 4.9]
    fields["capability"][:, :, 1] = 9.0  # efficient models do not count
    fields["disclosed"][:, :, 0] = [3.0, 100.0, 6.0, 6.0, 6.0]
    fields["released"][2, 2, 0] = True
    for name, (place, value) in changes.items():
        fields[name][place] = value
    return ProductRecord(**fields)


def test_an_open_release_that_is_near_and_cheap_is_one_row():
    table = r1_like_of(record(), LABS)
    assert table.to_dict("records") == [
        {
            "month": 2, "lab": "open_1", "capability": 4.6, "gap": pytest.approx(0.4), "cost": 6.0, "leader_cost": 100.0,
            "leader": "closed_2",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"released": ((2, 2, 0), False)},
        {"active": ((2, 2), False)},
        {"capability": ((2, 2, 0), 5.0 - NEAR - 0.01)},  # too far behind
        {"disclosed": ((2, 2, 0), 100 * CHEAP)},  # not below
        {"disclosed": ((2, 1, 0), 60.0)},  # a leader who was cheap too
        {"active": ((2, slice(0, 2)), False)},  # nobody to compare with
        {"disclosed": ((2, 2, 0), np.nan)},  # a folder without costs
    ],
    ids=["no release", "gone", "far", "dear", "cheap leader", "no closed lab", "unknown cost"],
)
def test_without_any_of_that_it_is_none(changes):
    assert r1_like_of(record(**changes), LABS).empty


def test_closed_releases_and_efficient_models_do_not_count():
    assert len(r1_like_of(record(released=((2, slice(None), 1), True)), LABS)) == 1
    assert set(r1_like_of(record(released=((2, slice(None), 0), True)), LABS)["lab"]) == {"open_1", "entrant_1"}


def test_the_leader_is_the_best_closed_lab_in_business():
    (row,) = r1_like_of(record(active=((2, 1), False), disclosed=((2, 0, 0), 80.0)), LABS).to_dict("records")
    assert row["leader"] == "closed_1" and row["leader_cost"] == 80.0 and row["gap"] == pytest.approx(0.2)


def test_a_release_ahead_of_all_closed_labs_has_a_negative_gap():
    assert r1_like_of(record(capability=((2, 2, 0), 5.5)), LABS)["gap"].tolist() == [-0.5]


def test_what_counts_as_near_and_cheap_can_be_chosen():
    everybody = record(released=((2, slice(None), 0), True))
    assert r1_like_of(everybody, LABS, near=0.7)["lab"].tolist() == ["open_1", "open_2", "entrant_1"]
    assert r1_like_of(everybody, LABS, near=0.05).empty and r1_like_of(everybody, LABS, cheap=0.05).empty


def test_results_and_ensembles_report_them_and_the_record_has_r1():
    """In the record's scenario the release of January 2025 is one, with the costs that were disclosed."""
    result = simulate(seed=1, months=26, **SMALL)
    table = result.r1_like()
    assert ((table["month"] == 24) & (table["lab"] == "open_1")).any()
    several = ensemble(seeds=(1, 2), months=26, products=True, **SMALL)
    rows = several.r1_like()
    assert set(rows["seed"]) <= {1, 2}
    pd.testing.assert_frame_equal(rows[rows["seed"] == 1].drop(columns="seed").reset_index(drop=True), table, rtol=1e-6)
