"""Bass (1969) with 10,000 agents: figure.png, numbers.csv and the numbers of README.md.

python experiments/replications/bass/run.py
"""

from pathlib import Path
from typing import Any

import numpy as np

from abm.charts import style
from abm.validation import comparison
from abm.validation.comparison import Number
from abm.validation.models import bass

HERE = Path(__file__).parent
SHOWN = (bass.Adopter,)
RUNS = 40


def numbers(out: dict[str, Any]) -> list[Number]:
    """Shares at 5 and 10 years, and the peak of adoption; the targets are the closed form at p = 0.03, q = 0.38."""
    share, time = out["share"], out["time"]
    found = []
    for years, target in ((5, 0.3312), (10, 0.8128)):
        ours, error = comparison.mean_and_error(share[:, np.argmin(np.abs(time - years))])
        found.append((f"share that has adopted after {years} years, F({years})", ours, error, target))
    when, height = bass.peak(bass.adoption_rate(share.mean(0), time), time)
    # The error of the peak: the same from the curves that leave one run out (jackknife).
    rest = (share.sum(0) - share) / (len(share) - 1)
    others = np.array([bass.peak(bass.adoption_rate(curve, time), time) for curve in rest])
    errors = others.std(0) * (len(share) - 1) ** 0.5
    found.append(("years until adoption peaks, t*", when, errors[0], 6.193))
    found.append(("peak rate of adoption per year, f(t*)", height, errors[1], 0.11059))
    return [Number(name, ours, target, 0.02 * target, "closed form", error, 4) for name, ours, error, target in found]


@style.styled
def figure(out: dict[str, Any]) -> Any:
    share, time = out["share"], out["time"]
    exact = bass.closed_form(time)
    rate = bass.adoption_rate(share, time)
    drawn, (left, right) = style.canvas(None, 1, 2, (style.TWO_COLUMNS, 2.6), sharex=True)
    for ax, values, curve, title, unit in (
        (left, share, exact["share"], "(a) Who has adopted, F", "share of all people"),
        (right, rate, exact["rate"], "(b) Who is adopting, f", "share of all people per year"),
    ):
        ax.plot(time[::10], values[:8, ::10].T, color=style.SKY, linewidth=0.5)
        ax.plot([], [], color=style.SKY, label="eight runs of 10,000 agents")
        ax.plot(time, values.mean(0), color=style.BLUE, label=f"mean of {len(share)} runs")
        ax.plot(time, curve, color=style.BLACK, linestyle="--", linewidth=1.0, label="closed form")
        ax.set_title(title)
        ax.set_xlabel("years since launch")
        ax.set_ylabel(unit)
        ax.set_xlim(0, 20)
        ax.set_xticks(range(0, 21, 5))
        ax.set_ylim(0)
    right.axvline(exact["peak_time"], color=style.GREY, linewidth=0.8, linestyle=":")
    right.annotate(
        f"t* = {exact['peak_time']:.2f}", (exact["peak_time"], 0.01), xytext=(3, 0), textcoords="offset points",
        color=style.GREY, fontsize=7.5,
    )  # fmt: skip
    left.legend(loc="lower right")
    return drawn


def main() -> None:
    out = bass.run(runs=RUNS)
    found = numbers(out)
    comparison.save(found, HERE / "numbers.csv")
    comparison.save_figure(figure(out), HERE / "figure.png")
    single = out["share"][:, np.argmin(np.abs(out["time"] - 5))]
    scatter = f"{100 * single.std(ddof=1) / single.mean():.1f} %"
    comparison.fill(
        HERE / "README.md",
        numbers=comparison.table(found),
        agent=comparison.source_of(*SHOWN),
        scatter=f"A single run of 10,000 agents scatters by {scatter} around F(5) (standard deviation).",
    )


if __name__ == "__main__":
    main()
