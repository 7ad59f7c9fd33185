"""`abm dashboard`: serve the interactive page."""

from __future__ import annotations

from typing import Annotated

import typer

from abm.cli.mistakes import Mistake


def dashboard(
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="Port to serve the page on.")] = 8765,
    host: Annotated[
        str, typer.Option(help="Network interface: 127.0.0.1 (this machine only) or 0.0.0.0 (all interfaces).")
    ] = "127.0.0.1",
    url: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Public address, if users open the page by host name or through a proxy."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Open an interactive page in the browser: move policy levers and see their effects in paired runs; Ctrl-C stops it."""
    from importlib.util import find_spec

    if not (find_spec("solara") and find_spec("solara_assets")):
        raise Mistake("the dashboard needs extra packages: pip install 'ai-market-abm[dashboard]'")
    from abm.dashboard.guard import address_of
    from abm.dashboard.serve import serve

    try:
        public = address_of(url) if url else None
    except ValueError as error:
        raise Mistake(f"--url {url}: {error}") from None
    try:
        serve(host, port, open_, public)
    except OSError as error:
        raise Mistake(f"--host {host} --port {port}: cannot be used ({error.strerror}); choose another") from None
