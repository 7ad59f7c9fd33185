"""Hosts of open weights: their margin, and the entry that goes with it."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from abm.mechanisms import tokens

P = SimpleNamespace(host_differentiation=0.12, host_fixed_cost=0.2)


def test_the_margin_of_hosts_falls_with_their_number():
    margins = [float(tokens.host_margin(n, P)) for n in (1.0, 2.0, 4.0, 1e9)]
    np.testing.assert_allclose(margins, [0.12, 0.06, 0.03, 0.0], atol=1e-9)


@pytest.mark.parametrize("sales", [5.0, 30.0, 1e4])
@pytest.mark.parametrize("licence", [0.4, 1.0])
def test_hosts_enter_until_they_make_no_profit(sales, licence):
    """The number of hosts is the one that goes with the margin, whatever the margin is."""
    others = float(tokens.number_of_hosts(sales, licence, P)) - 1
    assert others >= 1
    earned = tokens.host_margin(others, P) * sales * licence / others
    np.testing.assert_allclose(earned, P.host_fixed_cost, err_msg="number_of_hosts does not belong to host_margin")


def test_a_lab_that_sells_nothing_or_lets_nobody_host_is_alone():
    assert float(tokens.number_of_hosts(0.0, 1.0, P)) == float(tokens.number_of_hosts(30.0, 0.0, P)) == 1
    assert float(jax.grad(tokens.number_of_hosts)(0.0, 1.0, P)) == 0
