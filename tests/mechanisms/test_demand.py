"""Choice probabilities: closed forms, tipping, transformations, absent products, invalid arguments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abm.mechanisms import demand

QUALITY, PRICE = np.array([4.0, 3.0, 2.0, 1.5]), np.array([1.7, 1.3, 0.9, 0.4])
NESTED = dict(nest=(0, 0, 1, 1), nest_correlation=0.6)


def textbook_shares(utility, nest, correlation, outside=0.0):
    """Nested logit as in Berry (1994), without protection against overflow."""
    powers = np.exp(utility / (1 - correlation))
    sums = {g: sum(powers[k] for k in range(len(nest)) if nest[k] == g) for g in nest}
    total = np.exp(outside) + sum(d ** (1 - correlation) for d in sums.values())
    value = np.log(total)
    return np.array(
        [x / sums[g] * sums[g] ** (1 - correlation) / total for x, g in zip(powers, nest, strict=True)]
    ), value


@pytest.mark.parametrize("price_form", ["linear", "log"])
@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.95])
def test_shares_are_the_textbook_nested_logit(price_form, correlation):
    utility = QUALITY - 1.3 * (np.log(PRICE) if price_form == "log" else PRICE)
    expected, value = textbook_shares(utility, NESTED["nest"], correlation, outside=0.4)
    given_ = dict(
        price_sensitivity=1.3, nest=NESTED["nest"], nest_correlation=correlation, price_form=price_form, outside=0.4
    )
    np.testing.assert_allclose(demand.shares(QUALITY, PRICE, **given_), expected, rtol=1e-13)
    np.testing.assert_allclose(demand.nested_logit(QUALITY, PRICE, **given_)[3], value, rtol=1e-13)


def test_nests_without_correlation_have_no_effect():
    np.testing.assert_allclose(
        demand.shares(QUALITY, PRICE, price_sensitivity=2.0, nest=(3, -1, 3, 7)),
        demand.shares(QUALITY, PRICE, price_sensitivity=2.0),
        rtol=1e-14,
    )


def test_the_outside_share_rises_with_its_utility():
    choice = dict(price_sensitivity=2.0, **NESTED)
    assert demand.shares(QUALITY, PRICE, outside=False, **choice).sum() == pytest.approx(1, abs=1e-14)
    at_zero = demand.shares(QUALITY, PRICE, outside=jnp.zeros(3), **choice)
    np.testing.assert_allclose(at_zero, np.tile(demand.shares(QUALITY, PRICE, **choice), (3, 1)), rtol=1e-14)
    outside_share = 1 - demand.shares(QUALITY, PRICE, outside=np.array([-1.0, 0.0, 1.0]), **choice).sum(-1)
    assert np.all(np.diff(outside_share) > 0)


def test_v5_network_effect_tips_a_symmetric_duopoly():
    """V5: the even split loses stability at n = 2 mu; larger share 0.685353 at n/mu = 2.1, 0.929280 at 3."""

    def settle(network_effect, first):
        def choose(_, shares):
            return demand.shares(
                jnp.zeros(2),
                jnp.ones(2),
                price_sensitivity=1.0,
                peer=shares,
                network_effect=network_effect,
                outside=False,
            )

        return jax.lax.fori_loop(0, 5000, choose, jnp.array([first, 1 - first]))[0]

    assert settle(1.99, 0.6) == pytest.approx(0.5, abs=1e-6)
    assert settle(2.1, 0.51) == pytest.approx(0.685353, abs=1e-6)
    assert settle(3.0, 0.51) == pytest.approx(0.929280, abs=1e-6)
    assert settle(3.0, 0.49) == pytest.approx(1 - 0.929280, abs=1e-6)


def test_coefficients_broadcast_against_the_leading_axes():
    quality = np.random.default_rng(0).normal(size=(2, 3, 4))
    sensitivity, correlation, effect = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.5, 0.8]), np.array([0.0, 1.0, 2.0])
    peer, outside = np.full((3, 4), 0.25), np.array([0.0, 0.5, -0.5])
    together = demand.shares(
        quality, PRICE, price_sensitivity=sensitivity, nest=NESTED["nest"], nest_correlation=correlation, peer=peer,
        network_effect=effect, outside=outside,
    )  # fmt: skip
    assert together.shape == (2, 3, 4)
    for i in range(3):
        alone = demand.shares(
            quality[1, i], PRICE, price_sensitivity=sensitivity[i], nest=NESTED["nest"], peer=peer[i],
            nest_correlation=correlation[i], network_effect=effect[i], outside=outside[i],
        )  # fmt: skip
        np.testing.assert_allclose(together[1, i], alone, rtol=1e-14)


def test_jit_and_vmap_agree_with_eager():
    def f(quality, price, sensitivity, correlation):
        return demand.shares(
            quality,
            price,
            price_sensitivity=sensitivity,
            nest=NESTED["nest"],
            nest_correlation=correlation,
            price_form="log",
        )

    qualities = jnp.stack([QUALITY, 2 * QUALITY, -QUALITY])
    eager = jnp.stack([f(q, PRICE, 2.0, 0.3) for q in qualities])
    np.testing.assert_allclose(jax.jit(f)(qualities, PRICE, 2.0, 0.3), eager, rtol=1e-13)
    np.testing.assert_allclose(jax.vmap(f, (0, None, None, None))(qualities, PRICE, 2.0, 0.3), eager, rtol=1e-13)


def test_nested_elasticity_agrees_with_the_closed_form():
    share = demand.shares(QUALITY, PRICE, price_sensitivity=1.7, **NESTED)
    within = share / np.array([share[:2].sum()] * 2 + [share[2:].sum()] * 2)
    slope = jax.jacobian(lambda p: demand.shares(QUALITY, p, price_sensitivity=1.7, **NESTED))(PRICE)
    rho = NESTED["nest_correlation"]
    np.testing.assert_allclose(
        np.diag(slope), -1.7 * share * (1 - rho * within - (1 - rho) * share) / (1 - rho), rtol=1e-12
    )


@pytest.mark.parametrize("price_form", ["linear", "log"])
@pytest.mark.parametrize("nests", [{}, NESTED])
@pytest.mark.parametrize("outside", [True, False])
def test_absent_products_have_no_share_and_no_gradient(price_form, nests, outside):
    there = np.array([True, False, True, False])
    quality, price, peer = np.where(there, QUALITY, np.nan), np.where(there, PRICE, 0.0), np.where(there, 0.5, np.nan)
    setting = dict(price_form=price_form, outside=outside)

    def f(quality, price, sensitivity, effect, correlation, available):
        nest = dict(nest=nests["nest"], nest_correlation=correlation) if nests else {}
        social = dict(peer=peer, network_effect=effect)
        share = demand.shares(
            quality, price, price_sensitivity=sensitivity, available=available, **nest, **social, **setting
        )
        return (share * jnp.arange(1.0, 5.0)).sum() + jnp.log(share[0]), share

    differentiate = jax.jit(jax.value_and_grad(f, argnums=(0, 1, 2, 3, 4), has_aux=True))
    (_, share), slopes = differentiate(quality, price, 2.0, 0.0, 0.6, there)
    assert np.all(share[~there] == 0)
    assert all(np.all(np.isfinite(x)) for x in slopes)
    assert np.all(slopes[0][~there] == 0)
    nest = {k: np.asarray(v)[there] if k == "nest" else v for k, v in nests.items()}
    without = demand.shares(QUALITY[there], PRICE[there], price_sensitivity=2.0, **nest, **setting)
    np.testing.assert_allclose(share[there], without, rtol=1e-13)
    # A quality of minus infinity has the same effect.
    cut = demand.shares(np.where(there, QUALITY, -np.inf), PRICE, price_sensitivity=2.0, **nests, **setting)
    np.testing.assert_allclose(cut, share, rtol=1e-14)


@pytest.mark.parametrize("nests", [{}, NESTED])
def test_shares_and_gradients_are_zero_if_nothing_is_on_offer(nests):
    def f(quality):
        return demand.shares(
            quality, PRICE, price_sensitivity=1.0, outside=False, available=jnp.zeros(4, bool), **nests
        ).sum()

    value, slope = jax.value_and_grad(f)(QUALITY)
    assert value == 0
    assert np.all(slope == 0)


@pytest.mark.parametrize("nests", [{}, NESTED])
def test_extreme_utilities_give_finite_shares_and_gradients(nests):
    quality = np.array([1e5, 1e5 - 1, -1e5, 0.0])
    share, slope = jax.value_and_grad(lambda q: demand.shares(q, PRICE, price_sensitivity=1.0, **nests)[0])(quality)
    assert 0 < share < 1
    assert np.all(np.isfinite(slope))


FINITE = st.floats(-50, 50)
CASES = dict(
    quality=arrays(float, 4, elements=FINITE),
    price=arrays(float, 4, elements=st.floats(0.01, 50)),
    sensitivity=st.floats(0.1, 5),
    correlation=st.floats(0, 0.95),
    form=st.sampled_from(["linear", "log"]),
)


@settings(max_examples=40, deadline=None)
@given(**CASES)
def test_shares_are_probabilities(quality, price, sensitivity, correlation, form):
    choice = dict(price_sensitivity=sensitivity, nest=NESTED["nest"], nest_correlation=correlation, price_form=form)
    share = np.asarray(demand.shares(quality, price, **choice))
    assert np.all(share >= 0)
    assert share.sum() <= 1 + 1e-12
    assert demand.shares(quality, price, outside=False, **choice).sum() == pytest.approx(1, abs=1e-11)


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(4)), **CASES)
def test_shares_do_not_depend_on_the_order_of_products(order, quality, price, sensitivity, correlation, form):
    order, nest = np.array(order), np.array(NESTED["nest"])
    choice = dict(price_sensitivity=sensitivity, nest_correlation=correlation, price_form=form)
    share = np.asarray(demand.shares(quality, price, nest=nest, **choice))
    moved = demand.shares(quality[order], price[order], nest=nest[order], **choice)
    np.testing.assert_allclose(moved, share[order], rtol=1e-11, atol=1e-300)


@settings(max_examples=25, deadline=None)
@given(increase=st.floats(0.01, 5), **CASES)
def test_a_price_increase_shifts_share_to_all_other_products(increase, quality, price, sensitivity, correlation, form):
    choice = dict(price_sensitivity=sensitivity, nest=NESTED["nest"], nest_correlation=correlation, price_form=form)
    before = np.asarray(demand.shares(quality, price, **choice))
    after = np.asarray(demand.shares(quality, price + np.array([increase, 0, 0, 0]), **choice))
    slack = 1e-12
    assert after[0] <= before[0] + slack
    assert np.all(after[1:] >= before[1:] - slack)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(quality=np.array([1, np.nan, 1, 1])), "quality"),
        (dict(quality=np.array([1, np.inf, 1, 1])), "quality"),
        (dict(quality=np.zeros(0), price=np.zeros(0)), "no products"),
        (dict(price=np.array([1, np.inf, 1, 1])), "price must be finite"),
        (dict(price=np.array([1, 0.0, 1, 1]), price_form="log"), "price must be positive"),
        (dict(price_form="cubic"), "price_form"),
        (dict(price_sensitivity=-1.0), "price_sensitivity"),
        (dict(price_sensitivity=np.nan), "price_sensitivity"),
        (dict(nest_correlation=0.5), "needs `nest`"),
        (dict(nest=(0, 0, 1, 1), nest_correlation=1.0), "nest_correlation must lie"),
        (dict(nest=(0, 0, 1, 1), nest_correlation=-0.1), "nest_correlation must lie"),
        (dict(nest=(0, 1)), "nest has shape"),
        (dict(network_effect=1.0), "needs `peer`"),
        (dict(network_effect=np.inf, peer=np.ones(4)), "network_effect"),
        (dict(network_effect=1.0, peer=np.full(4, np.nan)), "peer"),
        (dict(outside=np.array(np.nan)), "outside"),
    ],
)
def test_arguments_that_do_not_define_shares_are_rejected(change, message):
    arguments = dict(quality=QUALITY, price=PRICE, price_sensitivity=1.0) | change
    with pytest.raises(ValueError, match=message):
        demand.shares(**arguments)


def test_a_traced_nest_is_rejected():
    with pytest.raises(ValueError, match="nest is traced"):
        jax.jit(lambda nest: demand.shares(QUALITY, PRICE, price_sensitivity=1.0, nest=nest))(np.arange(4))
