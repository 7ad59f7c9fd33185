"""Arthur (1989): lock-in as a walk between barriers, and the urn of Polya; figure.png, numbers.csv, README.md.

python experiments/replications/arthur/run.py
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kstest

from abm.charts import style
from abm.validation import comparison
from abm.validation.comparison import Number
from abm.validation.models import arthur

HERE = Path(__file__).parent
SHOWN = (arthur.Adopter, arthur.Follower)
COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.SKY, style.PURPLE)


def simulate(runs: int = 4_000) -> dict[str, dict[str, Any]]:
    return {
        "symmetric": arthur.run(10, 10, runs=runs),
        "asymmetric": arthur.run(5, 15, runs=runs, seed=1),
        "urn": arthur.run(kind=arthur.Follower, runs=runs, adopters=1_000, seed=2),
    }


def numbers(out: dict[str, dict[str, Any]]) -> list[Number]:
    """Where walks end and when, and moments and deciles of the urn's share; tolerance three standard errors."""
    found = []
    for name, walk, below, above in (("symmetric", "±10", 10, 10), ("asymmetric", "−5, +15", 5, 15)):
        exact = arthur.ruin(below, above)
        locked = (out[name]["side"] == 1).astype(float)
        error = (exact["above"] * (1 - exact["above"]) / len(locked)) ** 0.5
        found.append(
            Number(f"barriers {walk}: P(locked into A)", locked.mean(), exact["above"], 3 * error, "ruin", error)
        )
        steps = out[name]["steps"]
        error = exact["steps_sd"] / len(steps) ** 0.5
        found.append(
            Number(
                f"barriers {walk}: adopters until lock-in", steps.mean(), exact["steps"], 3 * error, "ruin", error, 1
            )
        )
    share = arthur.share_of_a(out["urn"]["lead"])[:, -1]
    error = (1 / 12 / len(share)) ** 0.5
    found.append(Number("urn: mean share of A after 1,000", share.mean(), 0.5, 3 * error, "Uniform(0, 1)", error))
    error = (1 / 180 / len(share)) ** 0.5  # Var[(U - 1/2)^2] = 1 / 180
    spread = ((share - 0.5) ** 2).mean()
    found.append(Number("urn: variance of the share", spread, 0.0833, 3 * error, "Uniform(0, 1)", error, 4))
    distance = kstest(share, "uniform").statistic
    limit = 1.358 / len(share) ** 0.5 + 0.5 / 1_000  # 5 % point, and the share's grid of 1/1,000
    found.append(Number("urn: largest gap of distribution functions", distance, 0.0, limit, "Kolmogorov 5 %", 0.0, 4))
    return found


@style.styled
def figure(out: dict[str, dict[str, Any]]) -> Any:
    drawn, (walks, shares, limit) = style.canvas(
        None, 1, 3, (style.TWO_COLUMNS, 2.6), gridspec_kw={"width_ratios": [1.25, 1.1, 0.9]}
    )
    lead, side, steps = (out["symmetric"][name] for name in ("lead", "side", "steps"))
    horizon = 240
    shown = np.flatnonzero(steps < horizon)[:12]
    for row in shown:
        colour = style.BLUE if side[row] > 0 else style.VERMILLION
        walks.plot(np.arange(horizon + 1), np.r_[0, lead[row, :horizon]], color=colour, linewidth=0.7, alpha=0.75)
    for barrier in (-10, 10):
        walks.axhline(barrier, color=style.BLACK, linewidth=0.9, linestyle="--")
    walks.text(152, 25, "all take A", color=style.BLUE, fontsize=7.5)
    walks.text(172, -26.5, "all take B", color=style.VERMILLION, fontsize=7.5)
    walks.set(xlim=(0, horizon), ylim=(-32, 32), xlabel="adopters", ylabel="lead of A, $n_A - n_B$")
    walks.set_title("(a) Tastes: lock-in at ±10")

    every = arthur.share_of_a(out["urn"]["lead"])
    at = np.unique(np.geomspace(1, 1_000, 60).astype(int))  # a log axis shows no more, and the file stays small
    for row, colour in enumerate(COLOURS):
        shares.plot(at, every[row, at - 1], color=colour, linewidth=0.9)
    shares.set_xscale("log")
    shares.set(xlim=(1, 1_000), ylim=(0, 1), xlabel="adopters", ylabel="share of A")
    shares.set_title("(b) No tastes: six urns")

    limit.hist(every[:, -1], bins=np.linspace(0, 1, 21), density=True, color=style.SKY, label="4,000 urns")
    limit.axhline(1, color=style.BLACK, linestyle="--", linewidth=1.0, label="Uniform(0, 1)")
    limit.set(xlim=(0, 1), ylim=(0, 1.65), xlabel="share of A after 1,000", ylabel="density")
    limit.set_title("(c) Where urns end")
    limit.legend(loc="upper center", handlelength=1.6)
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
