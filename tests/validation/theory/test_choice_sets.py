"""What a choice set is worth: its slopes are the choice probabilities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abm.mechanisms import demand
from abm.validation.theory import choice_sets

QUALITY, PRICE = np.array([4.0, 3.0, 2.0, 1.5]), np.array([1.7, 1.3, 0.9, 0.4])
NESTED = dict(nest=(0, 0, 1, 1), nest_correlation=0.6)


def test_derivatives_of_the_inclusive_value_are_the_shares():
    choice = dict(price_sensitivity=1.7, **NESTED)
    slope = jax.grad(lambda q: choice_sets.inclusive_value(q, PRICE, **choice))(QUALITY)
    np.testing.assert_allclose(slope, demand.shares(QUALITY, PRICE, **choice), rtol=1e-12)
    slope = jax.grad(lambda x: choice_sets.price_index(QUALITY, jnp.exp(x), **choice))(np.log(PRICE))
    index = choice_sets.price_index(QUALITY, PRICE, **choice)
    np.testing.assert_allclose(slope / index, demand.shares(QUALITY, PRICE, price_form="log", **choice), rtol=1e-12)


def test_price_index_of_one_product_is_its_price():
    index = choice_sets.price_index(jnp.zeros(1), jnp.array([3.0]), price_sensitivity=2.5, outside=False)
    assert index == pytest.approx(3.0, rel=1e-14)


def test_money_values_are_the_inclusive_value_over_the_price_sensitivity():
    choice = dict(price_sensitivity=1.3, **NESTED)
    value = choice_sets.inclusive_value(QUALITY, PRICE, **choice)
    np.testing.assert_allclose(choice_sets.consumer_surplus(QUALITY, PRICE, **choice), value / 1.3, rtol=1e-14)
    with pytest.raises(ValueError, match="price_sensitivity is 0"):
        choice_sets.consumer_surplus(QUALITY, PRICE, price_sensitivity=0.0)
