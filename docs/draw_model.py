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
from abm.support.axes import DAYS, JURISDICTIONS

OUT = Path(__file__).parent / "images" / "model.png"
SIZES = Populations()
HIGH = 0.8
FIRMS = ("vendors", "infrastructure", "closed", "open")
BOXES = {  # role: left, bottom, width, title, activities
    "regulators": (0.2, 5.1, 9.9, f"Regulators ({len(JURISDICTIONS)})", "property rights, enforcement, export, permits, burdens"),
    "vendors": (0.45, 3.4, 2.2, f"Chip vendors ({SIZES.vendors})", "price, invest, deliver"),
    "infrastructure": (0.45, 1.95, 2.2, "Power, platforms, apps", "build, host, serve"),
    "closed": (4.2, 3.4, 2.2, f"Closed labs ({SIZES.closed_labs})", "sell access, keep weights"),
    "open": (4.2, 1.95, 2.2, f"Open labs ({SIZES.open_labs})", "give weights, sell hosting"),
    "adopters": (7.9, 2.65, 2.2, f"Users ({SIZES.adopters} segments)", "choose models, use tokens"),
    "investors": (2.1, 0.35, 2.9, f"Investors ({SIZES.investors:,})", "hear news, believe, trade"),
}  # fmt: skip
FRAME = (0.2, 1.7, 7.0, 2.75)
"""Left, bottom, width and height of the frame around the firms; an arrow to the frame applies to all of them."""


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
    Flow("supply", ("vendors",), ("closed",), (2.7, 3.8), (4.15, 3.8), "chips", (3.4, 3.95), "center"),
    Flow("supply", ("vendors",), ("open",), (2.7, 3.5), (4.15, 2.55)),
    Flow("", ("vendors",), ("infrastructure",), (1.55, 3.35), (1.55, 2.8), "chips", (1.65, 3.07)),
    Flow("access api", ("closed",), ("open",), (4.9, 3.35), (4.9, 2.8), "outputs\ndistilled", (4.8, 3.07), "right"),
    Flow("access weights", ("open",), ("closed",), (5.6, 2.8), (5.6, 3.35), "weights\ncopied", (5.7, 3.07)),
    Flow("access api", ("closed",), ("closed",), (6.45, 4.1), (6.45, 3.8), path=LOOP),
    Flow("access weights", ("open",), ("open",), (6.45, 2.35), (6.45, 2.05), path=LOOP),
    Flow("usage", ("adopters",), ("closed",), (7.85, 3.3), (6.45, 3.6), "use", (6.95, 3.3), "center"),
    Flow("usage", ("adopters",), ("open",), (7.85, 2.85), (6.45, 2.55)),
    Flow("ownership", ("investors",), FIRMS, (3.4, 1.2), (3.4, 1.65), "shares", (3.5, 1.42)),
    Flow("information", ("investors",), ("investors",), (2.05, 0.9), (2.05, 0.55), "news and opinions\nfrom one another",
         (1.55, 0.72), "right", "arc3,rad=1.6"),
    Flow("peers", ("adopters",), ("adopters",), (9.2, 2.6), (8.8, 2.6), "experience of\none another", (9.0, 2.05), "center",
         LOOP),
    Flow("jurisdiction", ("regulators",), FIRMS, (3.4, 5.05), (3.4, 4.5), "rules", (3.5, 4.77)),
    Flow("jurisdiction", ("regulators",), ("adopters",), (9.0, 5.05), (9.0, 3.5), "rules", (9.1, 4.3)),
    Flow("jurisdiction", ("regulators",), ("investors",), (7.5, 5.05), (5.05, 0.75), "rules", (7.6, 1.3),
         path="angle,angleA=-90,angleB=0,rad=4"),
)  # fmt: skip


@style.styled
def model() -> Any:
    """The diagram."""
    figure, (ax,) = style.canvas(None, 1, 1, (style.TWO_COLUMNS, 4.5))
    left, bottom, width, high = FRAME
    frame: dict[str, Any] = {"facecolor": "#f7f7f7", "edgecolor": style.GREY, "linewidth": 0.8}
    ax.add_patch(FancyBboxPatch((left, bottom), width, high, boxstyle="round,pad=0.03", **frame))
    ax.text(left + 3.2, bottom + 0.17, "firms", ha="center", va="center", size=7, color=style.GREY, style="italic")
    for role, (left, bottom, width, title, activities) in BOXES.items():
        look = {"boxstyle": "round,pad=0.03", "facecolor": "white", "edgecolor": LOOKS[role]["color"], "linewidth": 1.6}
        ax.add_patch(FancyBboxPatch((left, bottom), width, HIGH, **look))
        mark = {name: LOOKS[role][name] for name in ("color", "marker")}
        ax.plot(left + 0.02, bottom + HIGH, **mark, markersize=7, markeredgecolor="white", zorder=3)
        ax.text(left + width / 2, bottom + 0.54, title, ha="center", va="center", weight="bold")
        ax.text(left + width / 2, bottom + 0.22, activities, ha="center", va="center", size=7, color="#333333")
    for flow in FLOWS:
        channel = CHANNELS["weights" if flow.layer.endswith("weights") else "api"]
        look = {"arrowstyle": "-|>", "mutation_scale": 8, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
        look |= {name: channel[name] for name in ("color", "linestyle")}
        ax.add_patch(FancyArrowPatch(flow.start, flow.end, connectionstyle=flow.path, **look))
        ax.text(*flow.at, flow.label, ha=flow.side, va="center", size=7, color="#333333")
    phases = [f"{name} ({DAYS} days)" if name == "equities" else name for name in PHASES]
    ax.text(5.15, -0.1, "One month, in order:  " + "  →  ".join(phases), ha="center", va="center", size=7)
    ax.set_xlim(0, 10.4)
    ax.set_ylim(-0.3, 6.0)
    ax.axis("off")
    return figure


if __name__ == "__main__":
    style.save(model(), OUT)
    print(OUT)
