"""What both views of the page are made of."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import reacton.ipyvuetify as v
import solara


@solara.component
def Picture(png: bytes, words: str) -> None:
    """A figure, with words for those who do not see it."""
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    solara.HTML(tag="img", attributes={"src": source, "alt": words}, classes=["abm-picture"])


def when_changed(element: Any, call: Callable[[Any], None]) -> None:
    """Call with the new value when a field is left or Enter is pressed, and when a slider is let go."""

    def heard(_widget: Any, _event: str, value: Any) -> None:
        call(value)

    listen: Any = v.use_event
    listen(element, "change", heard)
