"""Interpreted runs (rules called agent by agent in Python) agree with compiled runs, and may use Python branches."""

import numpy as np
import pytest
from helpers.market import FAST, MODEST, PatientLab, gap
from helpers.sizes import FEW

from abm import MarketModel, Scenario, simulate
from abm.agents import ClosedLab
from abm.engine import Draws, RuleError
from abm.market.state import Values
from abm.runs.months import months_of, one_month
from abm.runs.setup import Setup


def replay(scenario, first, last):
    """Run months `first` to `last` interpreted from a compiled history, and compare the last month."""
    setup = Setup.of(scenario=scenario, months=39, **FEW)
    markets = [market for market, _ in months_of(setup, 1)]
    values, draws = Values(setup.values), Draws.from_seed(1)
    market = markets[first]
    for month in range(first, last):
        market, report = one_month(setup, market, values, setup.events(month), draws, compiled=False)
    _, expected = one_month(setup, markets[last - 1], values, setup.events(last - 1), draws)
    assert gap(expected.observables, report.observables) < 1e-9
    assert np.abs(np.asarray(expected.daily_returns) - np.asarray(report.daily_returns)).max() < 1e-9


@pytest.mark.slow
def test_interpreted_and_compiled_runs_agree_over_a_year():
    replay("baseline", 18, 30)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", sorted({*Scenario.names()} - {"baseline"}))
def test_interpreted_and_compiled_scenarios_agree(scenario):
    """In the month of R1 and in the next, in which most of them begin to differ."""
    replay(scenario, 24, 26)


class BranchingLab(ClosedLab):
    """The same rule with a Python branch, for interpreted models only."""

    def wanted_price(self, p, offer):
        if self.cash > 0:
            return MODEST * self.token_cost
        return super().wanted_price(p, offer)


@pytest.fixture(scope="module")
def plain():
    return np.asarray(simulate(FAST, seed=2, months=1, pricing="flexible", **FEW).report.products.price)[0]


@pytest.mark.slow
def test_a_list_of_classes_replaces_whole_roles(plain):
    model = MarketModel(FAST, rng=2, months=8, classes=[PatientLab], compiled=False, pricing="flexible", **FEW)
    assert ClosedLab not in model.agents_by_type
    assert len(model.agents_by_type[PatientLab]) == 2
    model.step()
    labs = model.market.labs
    np.testing.assert_allclose((labs.price / labs.token_cost)[:2], MODEST, rtol=1e-9)
    np.testing.assert_allclose(np.asarray(labs.price)[2:4, :2], plain[2:4], rtol=1e-9)


def test_a_python_branch_in_a_compiled_model_is_an_error_that_names_it():
    with pytest.raises(RuleError) as error:
        MarketModel(FAST, rng=2, months=8, classes=[BranchingLab], pricing="flexible", **FEW).step()
    for word in ("wanted_price", "BranchingLab", "the field cash", "jnp.where", "compiled=False"):
        assert word in str(error.value)


@pytest.mark.slow
def test_an_interpreted_model_may_branch_in_python(plain):
    model = MarketModel(FAST, rng=2, months=8, classes=[BranchingLab], compiled=False, pricing="flexible", **FEW)
    model.step()
    labs = model.market.labs
    np.testing.assert_allclose((labs.price / labs.token_cost)[:2], MODEST, rtol=1e-9)
