"""A server of the page and an installed browser; without a browser these tests are skipped with a message."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ARTEFACTS = Path("output/browser_tests")


@pytest.fixture(scope="session")
def browser():
    """An installed browser."""
    executable = os.environ.get("ABM_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(
            f"no browser found ({', '.join(BROWSERS)}, or ABM_BROWSER=/path/to/browser): apt-get install chromium"
        )
    sync_api = pytest.importorskip("playwright.sync_api", reason="the tests of the page need the extra 'browser'")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=QUIET)
        yield running
        running.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Address of a running server."""
    with serving(tmp_path_factory.mktemp("server") / "log.txt", free_port()) as address:
        yield address


@pytest.fixture(scope="session")
def proxied(tmp_path_factory):
    """Address of a server below a path, as behind a proxy that forwards requests unchanged."""
    port = free_port()
    public = f"http://localhost:{port}/market"
    with serving(tmp_path_factory.mktemp("proxied") / "log.txt", port, "--url", public):
        yield public


@contextlib.contextmanager
def serving(log, port, *options):
    """Start `abm dashboard`, wait until it answers, and check its log for errors at the end."""
    pytest.importorskip("solara", reason="the page needs the extra 'dashboard'")
    with log.open("w") as out:
        command = [sys.executable, "-m", "abm.cli.app", "dashboard", "--no-open", "--port", str(port), *options]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(600):
                if process.poll() is not None:
                    pytest.fail(f"the server ended: {log.read_text()}")
                try:
                    urllib.request.urlopen(address, timeout=5)
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.2)
            yield address
        finally:
            process.terminate()
            process.wait(30)
    output = log.read_text()
    assert "Traceback" not in output, output
    assert "Could not load URL" not in output, output  # all assets that the browser requests are in solara-assets


@pytest.fixture
def page(browser, request):
    """A page in its own session; a screenshot of its final state is saved."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(240_000)
    yield opened
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    opened.screenshot(path=ARTEFACTS / f"{re.sub('[^a-z0-9_]+', '_', request.node.name.lower())}.png")
    context.close()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
