"""Draw the diagram of the model, docs/images/model.png: its agents, the links between them, and the order of a month.

Roles have the same look as in all network figures. Arrows are the links of the network that a run exports, which a test
checks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from abm.analysis.profile import PHASES
from abm.charts import style
from abm.figures.multilayer_network import CHANNELS, LOOKS
from abm.market.populations import Populations
from abm.support.axes import DAYS, JURISDICTIONS, OPERATORS, PROGRAMMES

OUT = Path(__file__).parent / "images" / "model.png"
SIZES = Populations()
HIGH = 0.8
LISTED = ("vendors", "infrastructure", "closed", "open")
FIRMS = (*LISTED, "operators", "programmes")
BOXES = {  # role: left, bottom, width, title, activities
    "regulators": (0.2, 5.4, 12.0, f"Regulators ({len(JURISDICTIONS)})", "property rights, enforcement, permits, burdens"),
    "vendors": (0.4, 3.4, 2.3, f"Chip vendors ({SIZES.vendors})", "price, invest, deliver"),
    "infrastructure": (0.4, 1.9, 2.3, "Power, platforms, apps", "earn energy, rents, fees"),
    "operators": (3.5, 3.4, 2.3, f"Operators ({len(OPERATORS)})", "own and let machines"),
    "programmes": (3.5, 1.9, 2.3, f"Programmes (up to {PROGRAMMES})", "raise money, build places"),
    "closed": (6.6, 3.4, 2.3, f"Closed labs ({SIZES.closed_labs})", "sell access, keep weights"),
    "open": (6.6, 1.9, 2.3, f"Open labs ({SIZES.open_labs})", "give weights, sell hosting"),
    "adopters": (9.95, 2.65, 2.25, f"Users ({SIZES.adopters} segments)", "choose models, use tokens"),
    "investors": (2.6, 0.35, 2.9, f"Investors ({SIZES.investors:,})", "hear news, believe, trade"),
}  # fmt: skip
FRAME = (0.2, 1.7, 9.3, 3.0)
"""Left, bottom, width and height of the frame around the firms; an arrow to the frame applies to the firms in its label."""


class Flow(NamedTuple):
    """An arrow: layer of the network (with its channel, if any; empty for none), roles at its ends, and look."""

    layer: str
    tails: tuple[str, ...]
    heads: tuple[str, ...]
    start: tuple[float, float]
    end: tuple[float, float]
    label: str = ""
    at: tuple[float, float] = (0.0, 0.0)
    side: str = "left"
    path: str = "arc3,rad=0"


LOOP = "arc3,rad=-1.6"
FLOWS = (
    Flow("supply", ("vendors",), ("operators",), (2.75, 3.8), (3.45, 3.8), "chips", (3.1, 3.92), "center"),
    Flow("supply", ("vendors",), ("programmes",), (2.6, 3.35), (3.45, 2.5)),
    Flow("supply", ("vendors",), ("closed",), (2.4, 4.25), (6.9, 4.25), "chips to own", (4.65, 4.55), "center", "arc3,rad=-0.06"),
    Flow("supply", ("vendors",), ("open",), (2.75, 3.42), (6.55, 2.63)),
    Flow("rental market", ("operators",), ("closed",), (5.85, 3.95), (6.55, 3.95), "rent", (6.2, 4.07), "center"),
    Flow("rental parent", ("operators",), ("closed",), (5.85, 3.72), (6.55, 3.72), "parent", (6.2, 3.59), "center"),
    Flow("rental market", ("operators",), ("open",), (5.6, 3.35), (6.75, 2.75)),
    Flow("rental parent", ("operators",), ("open",), (5.3, 3.35), (6.55, 2.72)),
    Flow("access distillation", ("closed",), ("open",), (7.65, 3.35), (7.65, 2.75), "outputs\ndistilled", (7.73, 3.07)),
    Flow("access fork", ("open",), ("closed",), (8.5, 2.75), (8.5, 3.35), "weights\ncopied", (8.58, 3.07)),
    Flow("descent", ("open",), ("closed",), (6.85, 2.75), (6.85, 3.35), "descent", (6.91, 3.07)),
    Flow("descent", ("open",), ("open",), (8.45, 1.87), (8.65, 1.87), path="arc3,rad=1.4"),
    Flow("access distillation", ("closed",), ("closed",), (8.95, 4.1), (8.95, 3.85), path=LOOP),
    Flow("access fork", ("open",), ("open",), (8.95, 2.35), (8.95, 2.05), path=LOOP),
    Flow("usage", ("adopters",), ("closed",), (9.9, 3.3), (8.95, 3.6), "use", (9.72, 3.08), "center"),
    Flow("usage", ("adopters",), ("open",), (9.9, 2.85), (8.95, 2.55)),
    Flow("ownership", ("investors",), LISTED, (4.05, 1.2), (4.05, 1.65), "shares of vendors, labs and listed layers",
         (4.15, 1.42)),
    Flow("information", ("investors",), ("investors",), (2.55, 0.9), (2.55, 0.55), "news and opinions\nfrom one another",
         (2.05, 0.72), "right", "arc3,rad=1.6"),
    Flow("peers", ("adopters",), ("adopters",), (11.3, 2.6), (10.9, 2.6), "experience of\none another", (11.1, 2.05), "center",
         LOOP),
    Flow("jurisdiction", ("regulators",), FIRMS, (4.05, 5.35), (4.05, 4.75), "rules for all firms", (4.15, 5.05)),
    Flow("jurisdiction", ("regulators",), ("adopters",), (11.1, 5.35), (11.1, 3.5), "rules", (11.2, 4.4)),
    Flow("jurisdiction", ("regulators",), ("investors",), (9.7, 5.35), (5.55, 0.75), "rules", (9.8, 1.3),
         path="angle,angleA=-90,angleB=0,rad=4"),
)  # fmt: skip


@style.styled
def model() -> Any:
    """The diagram."""
    figure, (ax,) = style.canvas(None, 1, 1, (style.TWO_COLUMNS, 4.5))
    left, bottom, width, high = FRAME
    frame: dict[str, Any] = {"facecolor": "#f7f7f7", "edgecolor": style.GREY, "linewidth": 0.8}
    ax.add_patch(FancyBboxPatch((left, bottom), width, high, boxstyle="round,pad=0.03", **frame))
    ax.text(left + 0.35, bottom + 2.83, "firms", ha="center", va="center", size=7, color=style.GREY, style="italic")
    for role, (left, bottom, width, title, activities) in BOXES.items():
        look = {"boxstyle": "round,pad=0.03", "facecolor": "white", "edgecolor": LOOKS[role]["color"], "linewidth": 1.6}
        ax.add_patch(FancyBboxPatch((left, bottom), width, HIGH, **look))
        mark = {name: LOOKS[role][name] for name in ("color", "marker")}
        ax.plot(left + 0.02, bottom + HIGH, **mark, markersize=7, markeredgecolor="white", zorder=3)
        ax.text(left + width / 2, bottom + 0.54, title, ha="center", va="center", weight="bold", size=7)
        ax.text(left + width / 2, bottom + 0.22, activities, ha="center", va="center", size=6.3, color="#333333")
    for flow in FLOWS:
        channel = CHANNELS.get(flow.layer.split(" ")[-1], CHANNELS["distillation"])
        look = {"arrowstyle": "-|>", "mutation_scale": 8, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
        look |= {name: channel[name] for name in ("color", "linestyle")}
        ax.add_patch(FancyArrowPatch(flow.start, flow.end, connectionstyle=flow.path, **look))
        ax.text(*flow.at, flow.label, ha=flow.side, va="center", size=7, color="#333333")
    phases = [f"{name} ({DAYS} days)" if name == "equities" else name for name in PHASES]
    ax.text(6.2, -0.1, "One month, in order:  " + "  →  ".join(phases), ha="center", va="center", size=7)
    ax.set_xlim(0, 12.4)
    ax.set_ylim(-0.3, 6.3)
    ax.axis("off")
    return figure


if __name__ == "__main__":
    style.save(model(), OUT)
    print(OUT)
