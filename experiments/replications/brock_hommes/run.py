"""Brock and Hommes (1998, 1997): bifurcations and attractors; figure.png, numbers.csv and the numbers of README.md.

python experiments/replications/brock_hommes/run.py
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq

from abm.charts import style
from abm.validation import comparison
from abm.validation.comparison import Number
from abm.validation.models import brock_hommes as model
from abm.validation.models import cobweb

HERE = Path(__file__).parent
SHOWN = (model.Investor, model.Rule.trade)
BEYOND = 3.4
"""An intensity of choice past both bifurcations, where prices cycle."""


def turning_points() -> dict[str, float]:
    """Intensities at which an eigenvalue of the model's own map crosses the unit circle."""
    modulus = lambda beta, price: abs(model.largest_eigenvalue(beta, price)) - 1  # noqa: E731
    start = 1e-6  # a price so small that the record of the rules does not feel it: the map is linear there
    flip = lambda beta: cobweb.run(beta, periods=1, start=start)["price"][0, 0] / start + 1  # noqa: E731
    return {
        "pitchfork": brentq(lambda beta: modulus(beta, 0.0), 2.0, 2.8),
        "neimark_sacker": brentq(lambda beta: modulus(beta, model.steady_price(beta)), 3.0, 3.8),
        "cobweb": brentq(flip, 0.5, 1.0),
    }


def simulate() -> dict[str, Any]:
    intensities = np.linspace(2.0, 4.0, 401)
    branches = [model.run(intensities, periods=6_000, start=start)["price"][:, -250:] for start in (0.5, -0.5)]
    return {
        "intensities": intensities,
        "branches": branches,
        "cycle": model.run(BEYOND, periods=6_000)["price"][0, -2_000:],
        "agents": model.run([3.0, BEYOND], periods=2_000, investors=10_000)["price"][:, 500:],
        "turning_points": turning_points(),
    }


def numbers(out: dict[str, Any]) -> list[Number]:
    """Bifurcations, the steady price at 3.0, the cycle at 3.4; all without luck but the last."""
    found = out["turning_points"]
    at_three = model.run(3.0, periods=4_000)["price"][0, -1]
    settled, closed = "eigenvalue of the map", "closed form"
    steady = model.steady_price(3.0)
    return [
        Number("pitchfork β*", found["pitchfork"], 2.3979, 1e-3, f"{closed} 2 artanh(2R/g − 1)", digits=4),
        Number("Neimark–Sacker β**", found["neimark_sacker"], 3.3314, 1e-3, settled, digits=4),
        Number("steady price x* at β = 3", at_three, 1.29326, 1e-3, closed, digits=5),
        Number("lowest price of the cycle at β = 3.4", out["cycle"].min(), 1.270, 1e-3, "computed", digits=4),
        Number("highest price of the cycle at β = 3.4", out["cycle"].max(), 1.677, 1e-3, "computed", digits=4),
        Number("cobweb (1997): first bifurcation", found["cobweb"], 0.7777, 1e-3, f"{closed} 2 artanh(B/b)", digits=4),
        Number(
            "10,000 investors at β = 3: mean price", out["agents"][0].mean(), steady, 0.02 * steady, "the limit of many",
            digits=4,
        ),
    ]  # fmt: skip


@style.styled
def figure(out: dict[str, Any]) -> Any:
    drawn, (diagram, phase) = style.canvas(
        None, 1, 2, (style.TWO_COLUMNS, 3.0), gridspec_kw={"width_ratios": [1.75, 1]}
    )
    beta = out["intensities"]
    for branch, colour in zip(out["branches"], (style.BLUE, style.VERMILLION), strict=True):
        diagram.plot(np.repeat(beta, branch.shape[1]), branch.ravel(), ",", color=colour)
    steady = np.array([model.steady_price(b) for b in beta])
    diagram.plot(beta, steady, color=style.BLACK, linewidth=0.8, linestyle="--", label="steady price ±x*, closed form")
    diagram.plot(beta, -steady, color=style.BLACK, linewidth=0.8, linestyle="--")
    diagram.plot([], [], "o", color=style.BLUE, markersize=3, label="prices visited, from x = 0.5")
    diagram.plot([], [], "o", color=style.VERMILLION, markersize=3, label="from x = −0.5")
    for name, at in (("β* = {:.3f}", out["turning_points"]["pitchfork"]),
                     ("β** = {:.3f}", out["turning_points"]["neimark_sacker"])):  # fmt: skip
        style.mark_event(diagram, at, name.format(at))
    diagram.set(xlim=(2, 4), xlabel="intensity of choice β", ylabel="price x, deviation from the fundamental")
    diagram.set_title("(a) Attractors")

    agents, cycle = out["agents"][1], out["cycle"]
    phase.plot(agents[:-1], agents[1:], ".", color=style.SKY, markersize=1.8, label="10,000 investors")
    phase.plot(cycle[:-1], cycle[1:], ".", color=style.BLACK, markersize=1.0, label="limit of many")
    phase.set(xlabel="price of a period, $x_{t-1}$", ylabel="price of the next, $x_t$")
    phase.set_title(f"(b) The upper cycle at β = {BEYOND}")
    phase.legend(loc="upper left", markerscale=4, handlelength=1)
    style.shared_legend(drawn, diagram, True, columns=3)
    return drawn


def main() -> None:
    out = simulate()
    found = numbers(out)
    comparison.save(found, HERE / "numbers.csv")
    comparison.save_figure(figure(out), HERE / "figure.png")
    comparison.fill(
        HERE / "README.md",
        numbers=comparison.table(found),
        agent=comparison.source_of(*SHOWN),
    )


if __name__ == "__main__":
    main()
