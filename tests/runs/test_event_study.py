"""The event study: a case computed by hand, pure noise without an event, and known shocks."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from abm.data import load
from abm.runs import event_study

FIRMS = ["leader", "follower", "closed_1", "open_1", "power", "platforms", "applications"]


def ensemble(daily, months=(22, 23, 24, 25)):
    """The parts of an ensemble that the event study reads, with `daily` log returns (runs, months, days, firms)."""
    cast = SimpleNamespace(vendors=("leader", "follower"), labs=("closed_1", "open_1"))
    return SimpleNamespace(
        daily_months=months,
        out={"daily": daily},
        firms=FIRMS,
        setup=SimpleNamespace(cast=cast),
        seeds=range(len(daily)),
    )


def noise(seed, runs, months=15, sd=0.02):
    """Daily returns with a common factor and nothing else."""
    draws = np.random.default_rng(seed)
    common = draws.normal(size=(runs, months, 21, 1))
    return sd * (0.6 * common + 0.8 * draws.normal(size=(runs, months, 21, len(FIRMS))))


def test_market_model_agrees_with_a_case_by_hand():
    # R = 0.001 + 2 R_m + e with an e of 0.01, 0.01, -0.01, -0.01, ... that is orthogonal to the index and the constant.
    index = np.tile([0.01, -0.01], 20)
    error = np.tile([0.01, 0.01, -0.01, -0.01], 10)
    model = event_study.market_model(0.001 + 2 * index + error, index)
    assert model.alpha == pytest.approx(0.001)
    assert model.beta == pytest.approx(2)
    assert model.sigma == pytest.approx(0.01 * np.sqrt(40 / 38))

    # Two event days: the index falls by 3 % and 1 %, the firm by 17 % and 1 %.
    abnormal = event_study.abnormal_returns(np.array([-0.17, -0.01]), np.array([-0.03, -0.01]), model)
    np.testing.assert_allclose(abnormal, [-0.17 - 0.001 + 0.06, -0.01 - 0.001 + 0.02])
    expected = (-0.111 + 0.009) / (model.sigma * np.sqrt(2))
    assert event_study.t_statistic(abnormal, model.sigma) == pytest.approx(expected)


@pytest.mark.parametrize("level", [0.0, 0.1, 1e-17, -0.037])
def test_a_constant_index_is_refused(level):
    """Also if it is constant only up to rounding, where the slope would be about 10^15."""
    returns = np.random.default_rng(0).normal(size=(2, 60))
    constant = np.full(60, level)
    for index in (constant, constant * (1 + 1e-16 * np.arange(60)), level + 1e-16 * level * (np.arange(60) % 2)):
        with pytest.raises(ValueError, match="does not vary"):
            event_study.market_model(returns[0], index)
    model = event_study.market_model(returns, np.stack([constant, returns[0]]))  # constant in one of two runs
    assert np.isnan([model.alpha[0], model.beta[0], model.sigma[0]]).all()
    alone = event_study.market_model(returns[1], returns[0])
    assert (model.alpha[1], model.beta[1], model.sigma[1]) == (alone.alpha, alone.beta, alone.sigma)


def test_returns_and_index_must_have_the_same_days_and_finite_values():
    index = pd.Series(np.random.default_rng(0).normal(size=60), pd.date_range("2024-01-01", periods=60))
    returns = 0.1 + 2 * index
    assert event_study.market_model(returns.sort_values(), index).beta == pytest.approx(2)
    with pytest.raises(ValueError, match="different row labels"):
        event_study.market_model(returns.shift(1, "D"), index)
    with pytest.raises(ValueError, match="not finite"):
        event_study.market_model(returns.where(returns.index.day != 5), index)
    with pytest.raises(ValueError, match="of 60 days and an index of 1"):
        event_study.market_model(returns.to_numpy(), index.to_numpy()[:1])
    with pytest.raises(ValueError, match="20 days to estimate"):
        event_study.market_model(returns[:20], index[:20])


def test_the_market_model_is_estimated_before_the_window():
    """A window that begins before day -10 must not overlap the estimation window."""
    daily = noise(7, 3)
    daily[:, 12, 16 - 15, 0:2] += np.log(0.5)  # 15 days before the event vendors lose half their value
    runs = ensemble(daily, months=tuple(range(12, 27)))
    clean = ensemble(noise(7, 3), months=tuple(range(12, 27)))
    window, without = (event_study.around(study, window=(-20, 5)) for study in (runs, clean))
    np.testing.assert_array_equal(window.sigma["open"], without.sigma["open"])
    np.testing.assert_array_equal(window.sigma["compute"], without.sigma["compute"])
    for event, days, word in (((24, 21), (-5, 5), "0 to 20"), ((24, 16), (5, -5), "its first day comes after")):
        with pytest.raises(ValueError, match=word):
            event_study.around(runs, event, days)


def test_the_test_has_the_right_size_on_pure_noise():
    """Under the null, |t| > 1.96 in about 5 % of windows (3.5 to 6.5 %)."""
    window = event_study.around(ensemble(noise(1, 1500), months=tuple(range(12, 27))), window=(0, 4))
    rejected = [
        np.abs(event_study.t_statistic(window.abnormal[layer], window.sigma[layer])) > 1.96
        for layer in ("compute", "power", "closed", "open")
    ]
    assert 0.035 < np.mean(rejected) < 0.065


def test_known_shocks_are_recovered():
    daily = noise(2, 400)
    daily[:, 12, 16, 0:2] += np.log(0.9)  # month 24, day 16: vendors lose 10 %
    daily[:, 12, 16, 4] += np.log(0.8)
    window = event_study.around(ensemble(daily, months=tuple(range(12, 27))))
    day0 = np.flatnonzero(window.days == 0)[0]
    # The index holds 7 % of the leader and 8 % of power, so their fall lowers it, and their expected returns with it.
    assert window.raw["compute"][:, day0].mean() == pytest.approx(-0.1, abs=0.003)
    assert -0.1 < window.abnormal["compute"][:, day0].mean() < -0.07
    assert -0.2 < window.abnormal["power"][:, day0].mean() < -0.15
    assert abs(window.abnormal["open"][:, day0].mean()) < 0.02
    assert window.abnormal["compute"].shape == (400, 26)


def test_cumulative_returns_are_zero_on_the_day_before():
    window = event_study.around(ensemble(noise(3, 5), months=tuple(range(12, 27))))
    for layer, total in window.cumulative().items():
        np.testing.assert_allclose(total[:, window.days == -1], 0, atol=1e-15)
        day0 = window.abnormal[layer][:, window.days == 0]
        np.testing.assert_allclose(total[:, window.days == 0], day0)


def test_value_weighted_abnormal_returns_add_up_to_zero():
    """A value-weighted index of AI firms hides a fall of all of them; hence the default index is a broad one."""
    daily = noise(4, 3)
    weights = np.full(len(FIRMS), 1 / len(FIRMS))
    runs = ensemble(daily, months=tuple(range(12, 27)))
    abnormal = event_study.around(runs, weights=weights).abnormal
    total = sum(abnormal[name] for name in ("closed", "open", "power", "platforms", "applications"))
    np.testing.assert_allclose(total + 2 * abnormal["compute"], 0, atol=1e-12)


def test_broad_weights_add_up_to_one_without_labs():
    weights = event_study.broad_weights(FIRMS)
    assert weights.sum() == pytest.approx(1)
    assert weights[[1, 2, 3]].tolist() == [0, 0, 0]


def test_value_weights_are_proportional_to_market_values(tiny_shock):
    runs = tiny_shock.runs["baseline"]
    weights = event_study.value_weights(runs, 23)
    assert weights.shape == (8, len(runs.firms))
    np.testing.assert_allclose(weights.sum(1), 1)
    leader, chips = runs["equity_leader"][:, 23], runs["equity_chips"][:, 23]
    vendors = len(runs.setup.cast.vendors)
    np.testing.assert_allclose(weights[:, 0] / weights[:, :vendors].sum(1), leader / chips)


@pytest.mark.parametrize(
    ("months", "message"),
    [((22, 24, 25), "consecutive"), ((24, 25), "keep more months"), ((22, 23, 24), "reach beyond")],
)
def test_missing_daily_returns_are_named(months, message):
    with pytest.raises(ValueError, match=message):
        event_study.around(ensemble(noise(5, 2, months=len(months)), months=months))


def test_observed_layers_are_means_of_their_firms():
    observed = event_study.observed().set_index(["layer", "day"])
    daily = load("event_window")
    chips = daily[(daily["layer"] == "compute") & (daily["day"] == 0)]
    assert observed.loc[("compute", 0), "raw"] == pytest.approx(chips["return_pct"].mean() / 100)
    assert observed.loc[("compute", 0), "abnormal"] == pytest.approx(chips["abnormal_return_pct"].mean() / 100)
    assert observed.loc[("compute", 0), "firms"] == 10
    two = daily[(daily["layer"] == "compute") & daily["day"].between(0, 1)]
    both = two.groupby("day")["abnormal_return_pct"].mean().sum() / 100
    assert observed.loc[("compute", 1), "cumulative_abnormal"] == pytest.approx(both)
    assert observed.loc[("applications", 0), "raw"] == pytest.approx(0.035)
    assert np.isnan(observed.loc[("applications", 0), "abnormal"])
