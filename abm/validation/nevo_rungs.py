"""V3: demand for Nevo's cereals, estimated by pyblp, and prices computed by the model's own functions."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.mechanisms import demand, welfare
from abm.validation.ladder import Check, Skipped, check, rung
from abm.validation.theory import nash

# Start of the search: the documented estimates, rounded. From farther away it reaches the same result, minutes later.
SIGMA = np.diag([0.558, 3.31, -0.00578, 0.0934])
PI = np.array([[2.29, 0, 1.28, 0], [588.3, -30.19, 0, 11.05], [-0.385, 0, 0.0522, 0], [0.748, 0, -1.353, 0]])
SHIFT = 1.0  # $ added to prices and costs: one estimated cost is negative, and only differences matter

TARGETS = {
    "logit": (-30.04710289, -3.70636940, 0.33332178, 0.00605289, 3408.1938, 5544.5478),
    "random coefficients": (-62.72989511, -3.61810530, 0.36386603, 0.01215954, 3408.1938, 5199.0275),
}


@rung(
    "V3",
    "Nevo's cereals, compared with pyblp",
    "Nevo (2001), fake data; Conlon & Gortmaker (2020), pyblp's documentation",
    slow=True,
)
def nevo_cereals() -> Iterator[Check]:
    """2,256 products in 94 markets. pyblp estimates demand (logit and random coefficients, both with product
    effects); with its parameters the model's functions give elasticities, costs, prices after a merger of firms 1
    and 2, and concentration. Each is compared with the documented number and with the value that pyblp computes
    here."""
    try:
        import pyblp
    except ImportError:
        raise Skipped(
            "pyblp is not installed; `pip install pyblp`, or install this package with its extra [benchmarks]"
        ) from None
    import pandas as pd

    pyblp.options.verbose = False
    products, agents = pd.read_csv(pyblp.data.NEVO_PRODUCTS_LOCATION), pd.read_csv(pyblp.data.NEVO_AGENTS_LOCATION)
    linear = pyblp.Formulation("0 + prices", absorb="C(product_ids)")
    logit = pyblp.Problem(linear, products).solve()
    nonlinear = pyblp.Formulation("1 + prices + sugar + mushy")
    drawn = pyblp.Formulation("0 + income + income_squared + age + child")
    problem = pyblp.Problem((linear, nonlinear), products, drawn, agents)
    search = dict(
        optimization=pyblp.Optimization("bfgs", {"gtol": 1e-3}),
        iteration=pyblp.Iteration("squarem", {"atol": 1e-12}),
    )
    random = problem.solve(SIGMA, PI, method="1s", **search)

    for name, estimates in {"logit": logit, "random coefficients": random}.items():
        ours = priced(estimates, products, None if name == "logit" else agents)
        merged = products["firm_ids"].replace(2, 1)
        costs = estimates.compute_costs()
        prices = estimates.compute_prices(firm_ids=merged, costs=costs)
        theirs = {
            "price coefficient": float(estimates.beta[0, 0]),
            "mean own elasticity": estimates.extract_diagonal_means(estimates.compute_elasticities()).mean(),
            "mean Lerner index": ((products["prices"] - costs[:, 0]) / products["prices"]).mean(),
            "mean price change after the merger": (prices[:, 0] - products["prices"]).mean(),
            "concentration before": estimates.compute_hhi().mean(),
            "concentration after": estimates.compute_hhi(
                firm_ids=merged, shares=estimates.compute_shares(prices)
            ).mean(),
        }
        for (what, theirs_now), documented in zip(theirs.items(), TARGETS[name], strict=True):
            value = ours.get(what, theirs_now)
            yield check(f"{name}: {what}", value, documented, relative=1e-2)
            if what in ours:
                yield check(f"{name}: {what}, compared with pyblp here", value, theirs_now, relative=1e-2)
        worst = np.argmax(np.abs(ours["prices"] - prices[:, 0]))
        yield check(
            f"{name}: post-merger price with the largest difference from pyblp",
            ours["prices"][worst],
            prices[worst, 0],
            relative=1e-2,
        )


def priced(estimates: Any, products: Any, agents: Any) -> dict[str, Any]:
    """Elasticities, costs, prices and concentration computed by the model's functions from pyblp's estimates."""
    price, firm = products["prices"].to_numpy(), products["firm_ids"].to_numpy()
    merged = np.where(firm == 2, 1, firm)
    rows = products.groupby("market_ids").indices
    out = {name: np.empty(len(products)) for name in ("own", "cost", "prices")}
    before, after = [], []
    for market, here in rows.items():
        quality, sensitivity, weight = tastes(estimates, products, agents, market, here)

        def bought(prices: Any, quality: Any = quality, sensitivity: Any = sensitivity, weight: Any = weight) -> Any:
            return weight @ demand.shares(quality, prices, price_sensitivity=sensitivity)

        paid = price[here] + SHIFT
        share, slope = np.asarray(bought(paid)), np.asarray(jax.jacobian(bought)(jnp.asarray(paid)))
        owned = firm[here][:, None] == firm[here]
        cost = paid + np.linalg.solve((slope * owned).T, share)
        out["own"][here] = np.diag(slope) * price[here] / share
        out["cost"][here] = cost - SHIFT
        raised = nash.nash_prices(quality, cost, price_sensitivity=sensitivity, owner=merged[here], size=weight)
        out["prices"][here] = np.asarray(raised) - SHIFT
        before.append(concentration(share, firm[here]))
        after.append(concentration(np.asarray(bought(raised)), merged[here]))
    return {
        "mean own elasticity": out["own"].mean(),
        "mean Lerner index": ((price - out["cost"]) / price).mean(),
        "mean price change after the merger": (out["prices"] - price).mean(),
        "concentration before": np.mean(before),
        "concentration after": np.mean(after),
        "prices": out["prices"],
    }


def tastes(estimates: Any, products: Any, agents: Any, market: Any, here: np.ndarray) -> tuple[Any, Any, Any]:
    """Quality (people, products), price sensitivity (people,) and weight (people,) in one market.

    Quality is the utility at a price of -SHIFT.
    """
    alpha = float(estimates.beta[0, 0])
    mean = estimates.delta[here, 0] - alpha * products["prices"].to_numpy()[here]
    if agents is None:
        sensitivity, weight = np.array([-alpha]), np.ones(1)
        return mean + sensitivity[:, None] * SHIFT, sensitivity, weight
    people = agents[agents["market_ids"] == market]
    draws = people[[f"nodes{k}" for k in range(4)]].to_numpy()
    traits = people[["income", "income_squared", "age", "child"]].to_numpy()
    taste = draws @ estimates.sigma.T + traits @ estimates.pi.T  # for a constant, price, sugar, mushiness
    content = products[["sugar", "mushy"]].to_numpy()[here]
    sensitivity = -(alpha + taste[:, 1])
    quality = mean + taste[:, [0]] + taste[:, 2:] @ content.T
    return quality + sensitivity[:, None] * SHIFT, sensitivity, people["weights"].to_numpy()


def concentration(shares: np.ndarray, firm: np.ndarray) -> float:
    """Herfindahl index over the firms of a market, 0 to 10,000."""
    return 1e4 * float(welfare.herfindahl(demand.sum_by_group(jnp.asarray(shares), demand.group_labels(firm))))
