"""The life of a rent: what releases earned and who matched them, on records made by hand and on runs."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers.sizes import SMALL

from abm import ensemble, figures
from abm.figures.rents import FEWEST, rent_life_numbers
from abm.market.observables import SOME, ProductRecord, half_life, margin_of
from abm.runs.vintages import halvings_of, vintages_of

LABS = ("closed_1", "open_1")
MONTHS = 8


def record(**changes):
    """Products of two labs over eight months: closed_1 releases in months 1 and 6, open_1 matches the first in month 4."""
    shape = (MONTHS, 2, 2)
    fields = {name: np.zeros(shape) for name in ProductRecord._fields}
    fields["price"], fields["cost"] = np.full(shape, 10.0), np.full(shape, 4.0)
    fields["cost"][3:] = 2.0  # machines become cheaper, which is no rent
    fields["active"] = np.ones(shape, bool)
    fields["released"] = np.zeros(shape, bool)
    fields["released"][[1, 6], 0, 0] = True
    fields["capability"][:, 0, 0] = [0, 1, 1, 1, 1, 1, 2, 2]
    fields["capability"][:, 1, 0] = [0, 0, 0, 0, 1, 1, 1, 1]
    fields["price"][:, 1] = 5.0
    fields["paid"][:, 0, 0] = 1e6 * np.array([1, 2, 2, 2, 1, 0.5, 3, 3])
    fields["volume"] = fields["paid"] + 1e6  # free users
    fields["revenue"] = fields["price"] * fields["paid"] * 1e-6
    return ProductRecord(**(fields | changes))


def test_a_row_per_release_and_month_until_the_next_one():
    life = vintages_of(record(), np.ones(MONTHS), LABS)
    assert life["month"].tolist() == [1, 2, 3, 4, 5, 6, 7] and life["age"].tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert life["release"].tolist() == [1] * 5 + [6] * 2 and set(life["lab"]) == {"closed_1"} and life["led"].all()
    assert life["matched_by"].tolist() == ["", "", "", "open_1", "open_1", "", ""]
    np.testing.assert_allclose(life["premium"], [np.nan] * 3 + [np.log(2)] * 2 + [np.nan] * 2)


def test_rents_are_of_those_who_pay_and_hold_the_cost_of_the_release():
    life = vintages_of(record(), np.ones(MONTHS), LABS).set_index("month")
    np.testing.assert_allclose(life.loc[1:5, "rent"], [12, 12, 16, 8, 4])  # paid x (price - this month's cost)
    np.testing.assert_allclose(life.loc[1:5, "margin"], [0.6, 0.6, 0.8, 0.8, 0.8])
    np.testing.assert_allclose(life.loc[1:5, "rent_left"], [1, 1, 1, 0.5, 0.25])  # at the cost of month 1
    users = np.linspace(1, 2, MONTHS)  # that there are more of them hides no loss
    more = vintages_of(record(), users, LABS).set_index("month")
    np.testing.assert_allclose(more.loc[1:5, "rent_left"], life.loc[1:5, "rent_left"] * users[1] / users[1:6])


def test_what_sells_next_to_nothing_has_no_margin():
    fields = record()
    life = vintages_of(fields._replace(paid=fields.paid * 1e-20, revenue=fields.revenue * 1e-20), np.ones(MONTHS), LABS)
    assert life["margin"].isna().all() and life["rent_left"].isna().all()


def test_a_rent_halves_once_and_the_months_after_are_left_out():
    rows = halvings_of(vintages_of(record(), np.ones(MONTHS), LABS))
    assert rows[["month", "halved"]].values.tolist() == [[2, False], [3, False], [4, False], [5, True], [7, False]]


def test_a_lab_that_followed_is_no_leader_and_its_rent_is_not_watched():
    fields = record()
    ahead = fields.capability.copy()
    ahead[:, 1, 0] = 5.0
    life = vintages_of(fields._replace(capability=ahead), np.ones(MONTHS), LABS)
    assert not life["led"].any() and halvings_of(life).empty


def test_the_product_limit_estimate_is_that_of_the_counts():
    """Forty flagships that all halve at an age of four months, beside forty that never do (Kaplan and Meier 1958)."""
    life = vintages_of(record(), np.ones(MONTHS), LABS)
    halved = pd.concat([life[life["release"] == 1].assign(seed=seed) for seed in range(40)])
    kept = halved.assign(seed=halved["seed"] + 40, rent_left=1.0)
    world = SimpleNamespace(vintages=lambda: pd.concat([halved, kept], ignore_index=True))
    table = rent_life_numbers({"both": world}).set_index("age")
    assert table["share"].tolist() == [1, 1, 1, 1, 0.5]
    error = 1.96 * 0.5 * np.sqrt(0.5 / (80 * 0.5))
    assert table.loc[4, ["low", "high"]].tolist() == pytest.approx([0.5 - error, 0.5 + error])
    few = SimpleNamespace(vintages=lambda: halved[halved["seed"] < FEWEST - 1])
    legend = figures.rent_life({"both": world, "few": few}).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["both", f"few: fewer than {FEWEST} flagships"]


@pytest.mark.parametrize("worlds", [{}, [1], None])
def test_worlds_are_ensembles_by_label(worlds):
    with pytest.raises(ValueError, match="ensembles by label are needed"):
        rent_life_numbers(worlds)


def test_an_ensemble_has_the_vintages_of_its_runs_by_seed():
    runs = ensemble(seeds=[3, 4], months=12, products=True, **SMALL)
    table = runs.vintages()
    assert set(table["seed"]) == {3, 4} and (table["month"] >= table["release"]).all()
    products = runs.out["products"]
    assert (products.volume >= products.paid).all()
    with pytest.raises(ValueError, match="products=True"):
        ensemble(seeds=[3], months=2, **SMALL).vintages()


def test_margins_of_next_to_no_sales_are_not_defined():
    books = jnp.array([[1000.0, 400.0], [0.5, 0.1], [0.0, 0.0]])
    only = np.eye(3, dtype=bool)
    assert float(margin_of(only[0], books)) == pytest.approx(0.4)
    assert np.isnan(margin_of(only[1], books)) and np.isnan(margin_of(only[2], books))
    assert float(margin_of(only[1], books.at[1, 0].set(1100 * SOME))) == pytest.approx(0.1 / (1100 * SOME))


def test_the_half_life_is_that_of_the_hazard_after_a_year_of_months():
    assert np.isnan(half_life(jnp.array([11.9, 3.0])))
    assert float(half_life(jnp.array([19.0, 1.5]))) == pytest.approx(-np.log(2) / np.log(1 - 0.1))
