"""Settings as the address of the page holds them, and what is wrong with them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from abm.analysis.counterfactual import Counterfactual, CounterfactualError
from abm.dashboard.levers import every
from abm.dashboard.runs import MOST
from abm.figures.labels import LABELS

LOOK = ("of",)
"""What an address says beside the counterfactual: the observable that is shown."""
SETTINGS = ("scenario", "since", "exports", "seeds", "months")
LEVER_NAMES = tuple(lever.name for lever in every())


def from_address(search: str) -> dict[str, str]:
    """What an address says, as it was typed."""
    return dict(parse_qsl(search.removeprefix("?")))


def to_address(typed: dict[str, str]) -> str:
    """What follows the ? of the address of these settings."""
    return urlencode(typed)


def read(typed: dict[str, str]) -> tuple[Counterfactual | None, dict[str, str]]:
    """The counterfactual, or None and what is wrong with it by the name of the field."""
    said = {name: text for name, text in typed.items() if text.strip() and name not in LOOK}
    problems: dict[str, str] = {}
    of = typed.get("of")
    if of and of not in LABELS:
        problems["of"] = f"no observable {of!r}"
    try:
        asked = Counterfactual.from_query(urlencode(said))
        asked.changed_scenario()
        if asked.seeds * asked.months > MOST:
            problems["seeds"] = (
                f"seeds x months = {asked.seeds * asked.months:,}: the page plays up to {MOST:,}; abm compare plays more"
            )
    except CounterfactualError as error:
        problems |= error.problems
    return (None, problems) if problems else (asked, {})
