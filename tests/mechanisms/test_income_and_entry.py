"""What labs earn besides prices, and how often forks enter: limits and directions."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm import Parameters
from abm.mechanisms import entry, monetisation

P = SimpleNamespace(**{name: float(np.ravel(value)[0]) for name, value in Parameters().values().items()})


def changed(**values):
    return SimpleNamespace(**{**vars(P), **values})


def test_fees_and_complements_vanish_where_their_parameters_are_zero():
    assert monetisation.open_core_fees(10.0, changed(open_core_fee=0.0)) == 0
    assert monetisation.complement_income(10.0, changed(complement_benefit=0.0)) == 0


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1, 1e5))
def test_a_lab_with_more_cash_raises_less_and_never_more_than_the_rate(cash, more, spending):
    poor = float(monetisation.funding(1e4, cash, spending, P))
    rich = float(monetisation.funding(1e4, cash + more, spending, P))
    assert 0 <= rich <= poor <= P.funding_rate * 1e4
    assert float(monetisation.funding(1e4, -cash, spending, P)) == pytest.approx(P.funding_rate * 1e4)


def test_entry_follows_the_market_costs_and_guarantees():
    usual = float(entry.entry_chance(0.0, 0.0, P))
    assert usual == pytest.approx(P.entry_rate / 12 * (1 + P.guarantee_share))
    assert float(entry.entry_chance(0.01, 0.0, P)) > usual > float(entry.entry_chance(-0.01, 0.0, P))
    assert float(entry.entry_chance(10.0, 0.0, P)) == pytest.approx(usual * np.e)
    assert (
        float(entry.entry_chance(0.0, 5.0, P)) < usual < float(entry.entry_chance(0.0, 0.0, changed(guarantee_share=1)))
    )
    assert float(entry.entry_chance(0.0, 0.0, changed(entry_rate=0.0))) == 0
