"""The server of the page: Solara on this machine, without requests to any other server."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import threading
import warnings
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

from abm.support.messages import INTERRUPTED

SETTINGS = {
    "SOLARA_APP": "abm.dashboard.page",
    "SOLARA_MODE": "production",
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",  # Solara counts its users by default
    "SOLARA_ASSETS_CDN": "http://127.0.0.1:9/",  # assets missing from solara-assets are not fetched (see `Guard.assets`)
    "SOLARA_THEME_SHOW_BANNER": "False",
    "SOLARA_THEME_LOADER": "plain",
    "SOLARA_CHECK_HOOKS": "off",
    "SOLARA_KERNEL_CULL_TIMEOUT": "2m",  # after this a page that lost its connection is closed, and its runs stop
}
LARGEST_MESSAGE = 1 << 20
"""Most bytes of a message from the page."""


def serve(host: str, port: int, open_browser: bool, public: SplitResult | None = None) -> None:
    """Serve until Ctrl-C; `public` is the address at which a proxy serves the page. Raises OSError if the port is taken."""
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    root = public.path.rstrip("/") if public else ""
    own = {"SOLARA_ROOT_PATH": root, "SOLARA_BASE_URL": f"{public.geturl().rstrip('/') if public else address}/"}
    os.environ.update(SETTINGS | own)  # before importing Solara, which reads them only once
    with _home():
        _serve(host, port, address, open_browser, public)
    os._exit(INTERRUPTED)  # there is nothing to save, and runs in the background would delay the exit


@contextlib.contextmanager
def _home() -> Iterator[None]:
    """Provide a temporary home folder if the user has none: Jupyter's packages need one."""
    try:
        Path.home()
    except RuntimeError:
        with tempfile.TemporaryDirectory(prefix="abm_home_", ignore_cleanup_errors=True) as folder:
            os.environ["HOME"] = folder
            yield
    else:
        yield


def _serve(host: str, port: int, address: str, open_browser: bool, public: SplitResult | None) -> None:
    """Import Solara and serve until Ctrl-C."""
    os.environ.setdefault("SOLARA_SESSION_SECRET_KEY", os.urandom(16).hex())
    warnings.filterwarnings(
        "ignore", message="Cookies with samesite=none"
    )  # a page on the user's own machine has no https
    import uvicorn

    threading.Thread(target=_warm, daemon=True).start()  # load and compile while the browser starts
    app = guarded(host, public)
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=1, proxy_headers=False,
        ws_max_size=LARGEST_MESSAGE,
    )  # fmt: skip
    server: Any = uvicorn.Server(config)
    print(f"{address}  (Ctrl-C stops it)", flush=True)
    if public:
        print(f"{public.geturl()}  (behind a proxy)", flush=True)
    if open_browser:
        threading.Timer(1.0, webbrowser.open, [address]).start()
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    sys.stdout.flush()


def guarded(host: str, public: SplitResult | None) -> Any:
    """Solara's application behind the guard; its settings must be in the environment."""
    import solara.server.settings
    import solara.server.starlette
    from solara.server import kernel_context
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    from abm.dashboard.guard import ASSETS, Guard, names_of

    files = StaticFiles(directory=solara.server.settings.assets.proxy_cache_dir, check_dir=False)
    assets = Starlette(routes=[Mount(ASSETS, files)])
    names, any_address = names_of(host, public)
    return Guard(solara.server.starlette.app, assets, names, any_address, public, lambda: list(kernel_context.contexts))


def _warm() -> None:
    """Import and compile the model (unless it is cached), and run the baseline with which the page starts."""
    from abm.analysis.counterfactual import Counterfactual
    from abm.dashboard.runs import RUNS

    RUNS.prepare(Counterfactual())
