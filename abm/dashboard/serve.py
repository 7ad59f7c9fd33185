"""The server of the page: Solara's, on this machine, asking nobody else for anything."""

from __future__ import annotations

import os
import socket
import threading
import warnings
import webbrowser
from typing import Any

SETTINGS = {
    "SOLARA_APP": "abm.dashboard.page",
    "SOLARA_MODE": "production",
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",  # Solara counts its users unless told not to
    "SOLARA_ASSETS_CDN": "http://127.0.0.1:9/",  # what solara-assets lacks is asked of nobody
    "SOLARA_THEME_SHOW_BANNER": "False",
    "SOLARA_THEME_LOADER": "plain",
    "SOLARA_CHECK_HOOKS": "off",
}


def serve(host: str, port: int, open_browser: bool) -> None:
    """Serve until Ctrl-C. Raises OSError where the port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    os.environ.update(SETTINGS)  # before Solara loads: it reads them once
    os.environ.setdefault("SOLARA_SESSION_SECRET_KEY", os.urandom(16).hex())
    warnings.filterwarnings("ignore", message="Cookies with samesite=none")  # a page of one's own machine has no https
    import uvicorn

    threading.Thread(target=_warm, daemon=True).start()  # what the page needs loads while the browser starts
    import solara.server.starlette

    config = uvicorn.Config(solara.server.starlette.app, host=host, port=port, log_level="warning")
    server: Any = uvicorn.Server(config)
    address = f"http://{host}:{port}"
    print(f"{address}  (Ctrl-C ends it)", flush=True)
    if open_browser:
        threading.Timer(1.0, webbrowser.open, [address]).start()
    server.run()


def _warm() -> None:
    """Load what runs need, and compile it where no earlier process has: a few runs, so that nobody waits for them."""
    from abm.analysis.counterfactual import Counterfactual
    from abm.dashboard.runs import RUNS

    RUNS.run(Counterfactual(seeds=10), lambda done, total, ensemble: None)
