"""`abm dashboard`: the page in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from abm.cli.mistakes import Mistake


def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 8765,
    host: Annotated[
        str, typer.Option(help="Network interface: this machine only (127.0.0.1), or every one it has (0.0.0.0).")
    ] = "127.0.0.1",
    url: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Where people open it, if that is a host name or a proxy's address."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
) -> None:
    """Move policy levers on a page in the browser and see what they change, in paired runs; Ctrl-C ends it."""
    from importlib.util import find_spec

    if not (find_spec("solara") and find_spec("solara_assets")):
        raise Mistake("the page needs the extra 'dashboard': pip install 'ai-market-abm[dashboard]'")
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
