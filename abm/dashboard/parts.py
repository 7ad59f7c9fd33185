"""Components shared by both views of the page."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import reacton.ipyvuetify as v
import solara


@solara.component
def Picture(png: bytes, alt: str) -> None:
    """A figure with its alternative text."""
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    solara.HTML(tag="img", attributes={"src": source, "alt": alt}, classes=["abm-picture"])


def when_changed(element: Any, call: Callable[[Any], None]) -> None:
    """Call with the new value when a field loses focus or Enter is pressed, or when a slider is released."""

    def on_change(_widget: Any, _event: str, value: Any) -> None:
        call(value)

    use_event: Any = v.use_event
    use_event(element, "change", on_change)
