"""Nelson and Winter (1982), chapter 12: figure.png, numbers.csv and the numbers of README.md; 400 industries a point.

python experiments/replications/nelson_winter/run.py
"""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from abm.charts import style
from abm.validation import comparison
from abm.validation.comparison import Number
from abm.validation.models import nelson_winter as model

HERE = Path(__file__).parent
SHOWN = (model.Firm.search, model.Innovator)
NAMES = {
    "equivalents": "Herfindahl equivalents",
    "innovator_share": "innovators' share of output",
    "price": "price",
    "best_practice": "best practice",
    "average_productivity": "average productivity",
}
BY_FIRMS: dict[str, dict[float, float]] = {
    "equivalents": {2: 1.99, 4: 3.61, 8: 5.47, 16: 6.61, 32: 6.67},
    "innovator_share": {2: 0.515, 4: 0.610, 8: 0.633, 16: 0.500, 32: 0.379},
    "best_practice": {2: 0.444, 32: 0.434},
    "average_productivity": {2: 0.436, 32: 0.374},
}
"""Quarter 101, by number of firms: an independent replication's means of 400 runs, to the digits it gives."""
BY_EASE: dict[str, dict[float, float]] = {
    "equivalents": {0: 3.65, 0.25: 3.90, 1.25: 5.45, 5: 6.54, 25: 6.68},
    "innovator_share": {0: 0.984, 0.25: 0.937, 1.25: 0.645, 5: 0.281, 25: 0.278},
    "price": {0: 0.448, 0.25: 0.444, 1.25: 0.431, 5: 0.423, 25: 0.414},
    "best_practice": {0: 0.453, 0.25: 0.452, 1.25: 0.446, 5: 0.432, 25: 0.433},
}
"""The same for 8 firms, by the ease of copying a_m."""


class SelfFinanced:
    """Another reading of a rule whose page could not be seen: investment is paid from profits alone, without delta."""

    def invest(self, industry, price):
        markup = price * self.productivity / industry.unit_cost
        wanted = 1 + industry.depreciation - (2 - self.share) / (2 - 2 * self.share) / markup
        affordable = self.profit * jnp.where(self.profit > 0, 1 + industry.credit, 1.0)
        self.capital *= 1 - industry.depreciation + jnp.maximum(0.0, jnp.minimum(wanted, affordable))


class SelfFinancedInnovator(SelfFinanced, model.Innovator):
    pass


class SelfFinancedFirm(SelfFinanced, model.Firm):
    pass


def simulate(runs: int = 400, seed: int = 0) -> dict[str, Any]:
    """Ensembles by number of firms and by ease of copying."""
    return {
        "firms": {n: model.run(n, runs=runs, seed=seed) for n in model.FIRMS},
        "ease": {a_m: model.run(8, a_m, runs=runs, seed=seed) for a_m in BY_EASE["equivalents"]},
    }


def numbers(out: dict[str, Any]) -> list[Number]:
    """Quarter 101 beside the replication's; tolerance three standard errors and half the last digit it gives."""
    found = []
    for sort, targets, words in (("firms", BY_FIRMS, "{:g} firms"), ("ease", BY_EASE, "a_m = {:g}")):
        for what, by_setting in targets.items():
            digits = 2 if what == "equivalents" else 3
            for setting, target in by_setting.items():
                ours, error = comparison.mean_and_error(out[sort][setting][what][:, -1])
                tolerance = 3 * error + 0.5 * 10**-digits
                name = f"{NAMES[what]}, {words.format(setting)}"
                found.append(Number(name, ours, target, tolerance, "replication", error, digits + 1))
    return found


def variants(runs: int = 400) -> str:
    """What the lines that no page could be checked for do to the outcome: a Markdown table."""
    rows = [
        "| rule for investment | " + " | ".join(f"{n} firms" for n in (4, 8, 16, 32)) + " |",
        "|---|--:|--:|--:|--:|",
    ]
    own = {"kinds": (SelfFinancedInnovator, SelfFinancedFirm)}
    settings: dict[str, dict[str, Any]] = {
        "as above: δ + π, and credit of π": {},
        "no credit: δ + π": {"credit": 0.0},
        "more credit: δ + 2.5 π": {"credit": 1.5},
        "profits and credit, without δ: 2 π": own,
    }
    for name, changed in settings.items():
        cells = []
        for firms in (4, 8, 16, 32):
            last = {key: values[:, -1].mean() for key, values in model.run(firms, runs=runs, **changed).items()}
            cells.append(f"{last['equivalents']:.2f} ; {last['innovator_share']:.2f}")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


@style.styled
def figure(out: dict[str, Any]) -> Any:
    drawn, panels = style.canvas(None, 2, 2, (style.TWO_COLUMNS, 4.3), sharey="row")
    settings = (
        ("firms", BY_FIRMS, "number of firms", ("(a) Concentration", "(c) Innovators' weight")),
        ("ease", BY_EASE, "ease of copying $a_m$, 8 firms", ("(b) Concentration", "(d) Innovators' weight")),
    )
    for column, (sort, targets, label, titles) in enumerate(settings):
        for row, what in enumerate(("equivalents", "innovator_share")):
            ax = panels[2 * row + column]
            runs = out[sort]
            places = np.arange(len(runs))
            bands = style.quantiles(np.stack([one[what][:, -1] for one in runs.values()], axis=1))
            wide: Any = {"color": style.SKY, "linewidth": 7}
            ax.vlines(places, bands["q05"], bands["q95"], alpha=0.45, label="nine tenths of runs", **wide)
            ax.vlines(places, bands["q25"], bands["q75"], label="half of runs", **wide)
            ax.plot(places, bands["mean"], "-", marker="o", color=style.BLUE, linewidth=1, label="mean of 400 runs")
            ax.plot(
                places, list(targets[what].values()), "D", color=style.BLACK, markerfacecolor="none", markersize=6.5,
                label="independent replication",
            )  # fmt: skip
            ax.set_xticks(places, [f"{setting:g}" for setting in runs])
            ax.set_xlim(-0.5, len(runs) - 0.5)
            ax.set_xlabel(label)
            ax.set_title(titles[row])
    panels[0].plot([0, 1, 2], [2, 4, 8], color=style.GREY, linewidth=0.9, linestyle=":", label="as many as firms")
    panels[0].set_ylim(0, 10)
    panels[0].set_ylabel("equal firms with the same\nHerfindahl index")
    for ax in panels[2:]:
        ax.axhline(0.5, color=style.GREY, linewidth=0.9, linestyle=":")
        ax.set_ylim(0, 1.1)
    panels[2].set_ylabel("innovators' share of output")
    style.shared_legend(drawn, panels[0], True, columns=3)
    return drawn


def main() -> None:
    out = simulate()
    found = numbers(out)
    comparison.save(found, HERE / "numbers.csv")
    comparison.save_figure(figure(out), HERE / "figure.png")
    missed = [n for n in found if not n.met]
    comparison.fill(
        HERE / "README.md",
        numbers=comparison.table(found),
        variants=variants(),
        agent=comparison.source_of(*SHOWN),
        missed=f"Of {len(found)} numbers, {len(found) - len(missed)} are within the tolerance.",
    )


if __name__ == "__main__":
    main()
