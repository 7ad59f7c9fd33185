"""Draw the model's one diagram, docs/images/model.png: who acts, what passes between them, and the order of a month."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from abm.figures import style
from abm.parameters import JURISDICTIONS
from abm.population import Populations

OUT = Path(__file__).parent / "images" / "model.png"
SIZES = Populations()
HIGH = 0.8
BOXES = [  # left, bottom, width, title, what they do, colour
    (0.2, 4.35, 9.6, f"Regulators ({len(JURISDICTIONS)})", "property rights, enforcement, export, permits, burdens", style.GREY),
    (0.2, 2.45, 2.2, f"Chip vendors ({SIZES.vendors})", "price, invest, deliver", style.ORANGE),
    (4.0, 2.45, 2.2, f"Closed labs ({SIZES.closed_labs})", "sell access, keep weights", style.VERMILLION),
    (7.6, 2.45, 2.2, f"Open labs ({SIZES.open_labs})", "give weights, sell hosting", style.GREEN),
    (0.2, 0.55, 2.9, f"Investors ({SIZES.investors:,})", "hear news, believe, trade", style.PURPLE),
    (5.5, 0.55, 2.9, f"Adopters ({SIZES.adopters} segments)", "choose models, use tokens", style.BLUE),
]  # fmt: skip
FLOWS = [  # from, to, bend, label, where, how the label is aligned
    ((2.45, 2.85), (3.95, 2.85), 0, "chips", (3.2, 2.95), "center"),
    ((6.25, 3.1), (7.55, 3.1), 0, "outputs distilled", (6.9, 3.2), "center"),
    ((7.55, 2.6), (6.25, 2.6), 0, "weights copied", (6.9, 2.7), "center"),
    ((5.1, 2.4), (6.3, 1.4), 0, "tokens", (5.55, 1.78), "right"),
    ((8.6, 2.4), (7.7, 1.4), 0, "tokens", (8.3, 1.78), "left"),
    ((1.1, 1.4), (1.1, 2.4), 0, "capital", (1.0, 1.85), "right"),
    ((2.6, 1.4), (4.4, 2.4), 0, "capital", (3.4, 1.72), "left"),
    ((1.3, 4.3), (1.3, 3.3), 0, "", (0, 0), "left"),
    ((5.1, 4.3), (5.1, 3.3), 0, "rules", (5.2, 3.78), "left"),
    ((8.7, 4.3), (8.7, 3.3), 0, "", (0, 0), "left"),
    ((3.15, 1.15), (3.15, 0.75), -1.4, "news and opinions\nfrom one another", (3.55, 0.95), "left"),
    ((8.45, 1.15), (8.45, 0.75), -1.4, "experience of\none another", (8.85, 0.95), "left"),
]
PHASES = ("policy", "chips", "research", "enforcement", "release", "tokens", "accounts", "equities (21 days)")


@style.styled
def model() -> Any:
    """The diagram."""
    figure, (ax,) = style.canvas(None, 1, 1, (style.TWO_COLUMNS, 3.9))
    for left, bottom, width, title, does, colour in BOXES:
        look = {"boxstyle": "round,pad=0.03", "facecolor": "white", "edgecolor": colour, "linewidth": 1.6}
        ax.add_patch(FancyBboxPatch((left, bottom), width, HIGH, **look))
        ax.text(left + width / 2, bottom + 0.54, title, ha="center", va="center", weight="bold")
        ax.text(left + width / 2, bottom + 0.22, does, ha="center", va="center", size=7, color="#333333")
    for start, end, bend, label, where, side in FLOWS:
        look = {"arrowstyle": "-|>", "mutation_scale": 8, "color": style.GREY, "linewidth": 1.0}
        ax.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", **look))
        level = "bottom" if side == "center" else "center"
        ax.text(*where, label, ha=side, va=level, size=7, color="#333333")
    order = "One month, in order:  " + "  →  ".join(PHASES)
    ax.text(5, -0.05, order, ha="center", va="center", size=7)
    ax.set_xlim(0, 10.4)
    ax.set_ylim(-0.25, 5.3)
    ax.axis("off")
    return figure


if __name__ == "__main__":
    style.save(model(), OUT)
    print(OUT)
