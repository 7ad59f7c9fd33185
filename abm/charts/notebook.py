"""A figure that displays itself in a notebook."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

SHARPNESS = 2
"""Image pixels per pixel of the page, along each side, for high-resolution screens."""


class Drawing(Figure):
    """A figure that a notebook displays as the last value of a cell, without pyplot or `%matplotlib inline`."""

    def __init__(self, *args: Any, settings: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = settings

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        import matplotlib as mpl

        picture = io.BytesIO()
        settings: Any = self.settings
        with mpl.rc_context(settings):  # ticks are created while drawing
            self.savefig(picture, format="png", dpi=SHARPNESS * self.dpi, metadata={"Software": None})
        width, height = self.get_size_inches() * self.dpi
        return picture.getvalue(), {"width": round(width), "height": round(height)}
