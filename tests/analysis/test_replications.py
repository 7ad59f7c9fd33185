"""The four replications of published models: headline numbers, comparison with plain loops, and their pages."""

import csv
import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.stats import chisquare

from abm.engine import Draws, Population, interpreted
from abm.validation import comparison
from abm.validation.models import arthur, bass, brock_hommes, cobweb, nelson_winter
from abm.validation.models.seeds import run_seeds

PAGES = Path(__file__).parents[2] / "experiments" / "replications"
NAMES = ("arthur", "bass", "brock_hommes", "nelson_winter")


def script(name):
    """The module run.py of a replication."""
    spec = importlib.util.spec_from_file_location(f"run_{name}", PAGES / name / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "run",
    [
        lambda: arthur.one_run(1, 5.0, 15.0, 0.5, 50),
        lambda: arthur.one_run(1, 5.0, 15.0, 0.5, 30, arthur.Follower),
        lambda: bass.one_run(1, 0.03, 0.38, 20, 10, 0.5),
        lambda: brock_hommes.one_run(1, 3.4, 0.5, 1.2, 1.1, 1.0, 20, 8),
        lambda: cobweb.one_run(0.8, 0.1, 1.35, 0.5, 1.0, 15),
        lambda: nelson_winter.one_run(1, nelson_winter.Industry(), 4, 12),
    ],
    ids=["arthur", "urn", "bass", "brock_hommes", "cobweb", "nelson_winter"],
)
def test_compiled_rules_agree_with_interpreted_ones(run):
    compiled = run()
    with interpreted():
        by_hand = run()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), compiled, by_hand)


def test_run_seeds():
    seeds = np.concatenate([run_seeds(seed, 50) for seed in (0, 1, 2)])
    assert len({tuple(words) for words in seeds}) == 150
    np.testing.assert_array_equal(run_seeds(1, 5), run_seeds(1, 50)[:5])


# --- Arthur ---


def test_adopters_switch_at_the_barrier():
    """Type R takes B at a lead of -10, not yet at -9; type S takes A at +10, not yet at +9."""
    people = Population.create(arthur.Adopter, 4, taste=np.array([10.0, 10.0, -10.0, -10.0]))
    lead = np.array([-10, -9, 10, 9])
    took_a = [bool(people.do("choose", d, 0, luck=np.zeros(4)).took_a[i]) for i, d in enumerate(lead)]
    assert took_a == [False, True, True, False]


@pytest.mark.parametrize(("below", "above", "probability", "steps"), [(10, 10, 0.5, 100), (5, 15, 0.25, 75)])
def test_lock_in(below, above, probability, steps):
    out = arthur.run(below, above, runs=4_000)
    assert (out["side"] != 0).all()
    assert (out["side"] == 1).mean() == pytest.approx(
        probability, abs=3 * (probability * (1 - probability) / 4_000) ** 0.5
    )
    sd = arthur.ruin(below, above)["steps_sd"]
    assert out["steps"].mean() == pytest.approx(steps, abs=3 * sd / 4_000**0.5)
    assert out["steps"].std() == pytest.approx(sd, rel=0.1)
    at = out["steps"][0]
    assert out["lead"][0, at - 1] in (-below, above)
    locked = np.abs(np.diff(out["lead"][0, at - 1 :].astype(int)))
    assert (locked == 1).all() and abs(out["lead"][0, -1]) > 1_000, "once locked in, everybody takes the same"


def test_lock_in_of_an_unfair_walk():
    """P(above) = (1 - r^m) / (1 - r^(m + n)), r = (1 - p) / p, where type R arrives with probability p."""
    out = arthur.run(10, 10, share_r=0.52, runs=4_000, adopters=1_500)
    odds = 0.48 / 0.52
    expected = (1 - odds**10) / (1 - odds**20)
    assert (out["side"] == 1).mean() == pytest.approx(expected, abs=3 * (expected * (1 - expected) / 4_000) ** 0.5)


def test_urn_is_uniform():
    out = arthur.run(kind=arthur.Follower, runs=4_000, adopters=999)
    adopted_a = (999 + out["lead"][:, -1]) // 2  # uniform on 0 ... 999, exactly
    assert chisquare(np.histogram(adopted_a, bins=np.arange(0, 1_001, 100))[0]).pvalue > 0.001
    share = arthur.share_of_a(out["lead"])
    assert share.var(axis=0)[-1] == pytest.approx(1 / 12, rel=0.06)
    assert np.abs(share[:, 499] - share[:, -1]).mean() < 0.02, "shares settle"


# --- Bass ---


@pytest.mark.slow
def test_bass_curve():
    out = bass.run(runs=24)
    share, time = out["share"].mean(0), out["time"]
    assert share[np.argmin(np.abs(time - 5))] == pytest.approx(0.3312, rel=0.02)
    assert share[np.argmin(np.abs(time - 10))] == pytest.approx(0.8128, rel=0.02)
    when, height = bass.peak(bass.adoption_rate(share, time), time)
    assert when == pytest.approx(6.193, rel=0.02)
    assert height == pytest.approx(0.11059, rel=0.02)
    assert (np.diff(out["share"], axis=1) >= 0).all(), "nobody goes back"


def test_bass_closed_form():
    exact = bass.closed_form(np.array([0.0, 5.0, 10.0]))
    np.testing.assert_allclose(exact["share"], [0, 0.331199, 0.812803], atol=1e-6)
    assert (exact["peak_time"], exact["peak_rate"]) == pytest.approx((6.192619, 0.110592), abs=1e-6)


def test_without_imitation_adoption_is_exponential():
    out = bass.run(imitation=0.0, innovation=0.2, years=5, step=0.05, runs=8)
    assert out["share"].mean(0)[-1] == pytest.approx(1 - np.exp(-1), abs=0.005)


# --- Brock and Hommes ---


def test_the_market_follows_the_third_order_equation():
    """Rules with past profits and holdings reproduce the paper's difference equation in three lagged prices."""
    beta, g, gross, cost = 3.4, 1.2, 1.1, 1.0
    price = brock_hommes.run(beta, periods=60, start=0.5)["price"][0]
    for t in range(3, 60):
        x1, x2, x3 = price[t - 1], price[t - 2], price[t - 3]
        excess = x1 - gross * x2
        profits = np.array([excess * (0 - gross * x2) - cost, excess * (g * x3 - gross * x2)])
        weights = np.exp(beta * profits)
        assert price[t] == pytest.approx(weights[1] / weights.sum() * g * x1 / gross, rel=1e-12)


def test_asset_market_bifurcations():
    points = script("brock_hommes").turning_points()
    assert points["pitchfork"] == pytest.approx(2.3979, abs=1e-3)
    assert points["neimark_sacker"] == pytest.approx(3.3314, abs=1e-3)
    assert points["cobweb"] == pytest.approx(0.7777, abs=1e-3)
    assert abs(brock_hommes.largest_eigenvalue(3.3314, brock_hommes.steady_price(3.3314)).imag) > 0.1


def test_asset_market_attractors():
    price = brock_hommes.run([2.3, 3.0, 3.4], periods=6_000)["price"][:, -1_500:]
    assert np.abs(price[0]).max() < 1e-6, "below the pitchfork the fundamental attracts"
    np.testing.assert_allclose(price[1], 1.29326, atol=1e-3)
    assert (price[2].min(), price[2].max()) == pytest.approx((1.270, 1.677), abs=1e-3)
    mirrored = brock_hommes.run(3.0, start=-0.5)["price"][0, -1]
    assert mirrored == pytest.approx(-1.29326, abs=1e-3)


def test_many_investors_approach_the_limit():
    """Individual luck is negligible with 10,000 investors and about three times as large with 1,000."""
    scatter = []
    for investors in (1_000, 10_000):
        price = brock_hommes.run(2.8, periods=800, investors=investors)["price"][0, 200:]
        assert price.mean() == pytest.approx(brock_hommes.steady_price(2.8), rel=0.03)
        scatter.append(price.std())
    assert scatter[0] / scatter[1] == pytest.approx(10**0.5, rel=0.35)


def test_cobweb_flips():
    calm, wild = cobweb.run([0.76, 0.80])["price"]
    assert cobweb.first_bifurcation() == pytest.approx(0.777705, abs=1e-6)
    assert np.abs(calm[-2:]).max() < 1e-9
    last = wild[-3:]
    assert last[0] * last[1] < 0 and last[2] == pytest.approx(last[0]) and abs(last[0]) > 0.05


# --- Nelson and Winter ---


def industry_in_loops(seed, firms, quarters):
    """Chapter 12 by loops over quarters and firms; only the random numbers are the engine's."""
    capital, innovative, imitative = nelson_winter.FIRMS[firms]
    half = firms // 2
    A, K = [0.16] * firms, [capital] * firms
    draws, slots = Draws.from_seed(seed), Population.create(nelson_winter.Firm, firms)
    history = []
    for t in range(1, quarters + 1):
        output = [a * k for a, k in zip(A, K, strict=True)]
        price, best = 67 / sum(output), max(A)
        history.append((price, best, sum(output[:half]) / sum(output)))
        now = draws.at(t)
        copy, find, draw = (np.asarray(x) for x in (
            now.uniform("copy", slots), now.uniform("find", slots), now.normal("draw", slots)
        ))  # fmt: skip
        for i in range(firms):
            share = output[i] / sum(output)
            spent = imitative + (innovative if i < half else 0)
            profit = price * A[i] - 0.16 - spent
            candidates = [A[i]]
            if copy[i] < 1.25 * imitative * K[i]:
                candidates.append(best)
            if i < half and find[i] < 0.125 * innovative * K[i]:
                candidates.append(0.16 * np.exp(0.01 * t + 0.05 * draw[i]))
            A[i] = max(candidates)
            wanted = 1.03 - (2 - share) / (2 - 2 * share) / (price * A[i] / 0.16)
            affordable = 0.03 + (2 * profit if profit > 0 else profit)
            K[i] *= 0.97 + max(0, min(wanted, affordable))
    return np.array(history).T


def test_industry_against_loops():
    out = nelson_winter.run(8, runs=2, seed=3, quarters=40)
    for run in range(2):
        price, best, share = industry_in_loops(run_seeds(3, 2)[run], 8, 40)
        np.testing.assert_allclose(out["price"][run], price, rtol=1e-9)
        np.testing.assert_allclose(out["best_practice"][run], best, rtol=1e-9)
        np.testing.assert_allclose(out["innovator_share"][run], share, rtol=1e-9)
    assert out["best_practice"][:, -1].min() > 0.18, "somebody innovated, or the comparison shows little"


def test_no_firm_wants_to_grow_at_first():
    for firms, (capital, _, _) in nelson_winter.FIRMS.items():
        share = 1 / firms
        resting = 67 / (0.16 * firms) * (2 - 2 * share) / (2 - share)
        assert capital == pytest.approx(resting, rel=1e-3)


def test_ease_of_copying_changes_an_industry():
    """A hundred industries of 8 firms, within three standard errors; the same draws at every ease of copying."""
    last = {a_m: {k: v[:, -1] for k, v in nelson_winter.run(8, a_m, runs=100).items()} for a_m in (0, 1.25, 25)}
    for a_m, equivalents, share in ((0, 3.65, 0.984), (1.25, 5.45, 0.645), (25, 6.68, 0.278)):
        for name, target, digits in (("equivalents", equivalents, 2), ("innovator_share", share, 3)):
            mean, error = comparison.mean_and_error(last[a_m][name])
            assert mean == pytest.approx(target, abs=3 * error + 0.5 * 10**-digits)
    prices = [last[a_m]["price"].mean() for a_m in (0, 1.25, 25)]
    assert prices == sorted(prices, reverse=True), "copying lowers the price"
    for results in last.values():
        assert (results["best_practice"] > results["average_productivity"] - 1e-12).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_page_is_reproduced(name):
    """The numbers that run.py writes into the README, recomputed; 400 industries per setting for Nelson and Winter."""
    run = script(name)
    numbers = run.numbers(bass.run(runs=run.RUNS) if name == "bass" else run.simulate())
    assert [n.quantity for n in numbers if not n.met] == []
    with (PAGES / name / "numbers.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["quantity"] for row in rows] == [n.quantity for n in numbers]
    np.testing.assert_allclose([float(row["ours"]) for row in rows], [n.ours for n in numbers], rtol=1e-3)


# --- pages ---


@pytest.mark.parametrize("name", NAMES)
def test_page_shows_the_code_and_the_numbers(name):
    run, page = script(name), (PAGES / name / "README.md").read_text(encoding="utf-8")
    assert comparison.source_of(*run.SHOWN) in page, f"python experiments/replications/{name}/run.py"
    with (PAGES / name / "numbers.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows and all(row["met"] == "True" for row in rows)
    for row in rows:
        assert f"| {row['quantity']} | " in page
    assert 10_000 < (PAGES / name / "figure.png").stat().st_size < 150_000


def test_a_miss_is_marked():
    hit = comparison.Number("price", 1.0004, 1.0, 1e-3, "closed form")
    miss = comparison.Number("share", 0.5, 0.6, 0.05, "print", error=0.00002)
    assert hit.met and not miss.met
    text = comparison.table([hit, miss])
    assert "| price | 1.000 | 1 | +0.000 | 0.001 | closed form |" in text
    assert "| share | 0.500 ± 0.0000 | 0.6 | **-0.100: missed** | 0.05 | print |" in text


def test_fill(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- end x -->\nb\n")
    comparison.fill(page, x="new\nlines")
    comparison.fill(page, x="newer")
    assert page.read_text() == "a\n<!-- x -->\nnewer\n<!-- end x -->\nb\n"
    with pytest.raises(ValueError, match="expected one '<!-- y -->'"):
        comparison.fill(page, y="?")
