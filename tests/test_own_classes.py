"""What happens when a user's own class is wrong: the rule, the class and the month are named."""

import warnings

import jax.numpy as jnp
import pytest

import abm
from abm import MarketModel, Parameters, compare, ensemble, simulate
from abm.agents import ClosedLab, Investor
from abm.engine import RuleError

FEW = {"adopters": 20, "investors": 30, "months": 3}


def pricing(answer):
    """Closed labs whose wanted price is this."""

    class Mine(ClosedLab):
        def wanted_price(self, p, offer):
            return answer(self, super().wanted_price(p, offer))

    return Mine


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda lab, usual: jnp.ones(3), "returns shape (3,), where numbers of shape (2,) are wanted"),
        (lambda lab, usual: None, "returns None"),
        (lambda lab, usual: "dear", "returns 'dear'"),
        (lambda lab, usual: usual * 1j, "where numbers of shape (2,)"),
    ],
)
def test_a_price_that_is_none_names_the_rule(answer, said):
    with pytest.raises(RuleError, match=r"rule Mine\.wanted_price") as error:
        simulate(classes=[pricing(answer)], **FEW)
    assert said in str(error.value)


def test_a_pair_or_one_number_is_a_price():
    one = simulate(classes=[pricing(lambda lab, usual: 5.0)], **FEW)
    two = simulate(classes=[pricing(lambda lab, usual: (5.0, 5.0))], **FEW)
    assert one["mean_price_paid"].tolist() == two["mean_price_paid"].tolist()


class Undecided(Investor):
    def felt_belief(self, p):
        return super().felt_belief(p) * jnp.nan


def test_a_rule_that_gives_nan_is_no_result():
    for play in (
        lambda: simulate(classes=[Undecided], **FEW),
        lambda: ensemble(seeds=[4, 9], classes=[Undecided], **FEW),
    ):
        with pytest.raises(
            ValueError, match=r"no finite number from month 0 on \(seed \d\): look at the rules of Undecided"
        ):
            play()
    with pytest.raises(ValueError, match=r"the price of closed_\d in month \d is nan"):
        simulate(classes=[pricing(lambda lab, usual: usual * jnp.nan)], **FEW)


def test_a_price_beyond_any_market_is_told():
    with pytest.warns(
        UserWarning, match=r"the price of closed_\d in month \d is 1e\+30 \$ per million tokens, above 1e\+09"
    ):
        simulate(classes=[pricing(lambda lab, usual: usual * 0 + 1e30)], **FEW)
    with pytest.warns(UserWarning, match=r"of 2 of 2 runs is above 1e\+09 .*, first in month \d of seed 4"):
        ensemble(seeds=[4, 9], classes=[pricing(lambda lab, usual: usual * 0 + 1e30)], **FEW)


@pytest.mark.parametrize("play", [simulate, MarketModel])
def test_compiled_is_true_or_false(play):
    with pytest.raises(ValueError, match="compiled = 'yes': must be True or False"):
        play(compiled="yes", **FEW)


@pytest.mark.parametrize("key", [0, slice(0, 2), ["welfare"], None])
def test_a_result_is_read_by_name(key):
    one = simulate(**FEW)
    with pytest.raises(
        TypeError, match=r"read by the name of an observable, such as result\['lerner_closed'\], not by"
    ):
        one[key]


def test_a_name_that_is_almost_a_rule_is_told():
    with pytest.warns(UserWarning, match="did you mean 'wanted_price'"):

        class Typo(ClosedLab):
            def wanted_prise(self, p, offer):
                return 1.0

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Fine(ClosedLab):
            def what_i_think_of_it(self):
                return 1.0


def test_natural_mistakes_are_told_what_to_write():
    with pytest.raises(TypeError, match="scenario='baseline'"):
        simulate("baseline")
    with pytest.raises(TypeError, match=r"give Parameters\(ip_strength=\.\.\.\)"):
        simulate(ip_strength=0.9)
    with pytest.raises(TypeError, match="MarketModel rng= or seed="):
        simulate(Parameters(), rng=1, seeds=[1])
    assert MarketModel(classes=ClosedLab, **FEW).setup.populations.closed_labs == 5
    short, long = (ensemble(seeds=range(2), **FEW | {"months": months}) for months in (3, 4))
    with pytest.raises(ValueError, match="3 and 4 months"):
        compare(short, long)
    with pytest.raises(abm.ScenarioError, match="2025-06-31"):
        abm.Scenario.load("baseline").with_event(kind="attention", date="2025-06-31", salience=1.0)
    one = abm.Scenario.load("baseline").with_event(kind="attention", date="2025-06-30", salience=1.0)
    assert str(one.events[-1].date) == "2025-06-30"
