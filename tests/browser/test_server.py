"""Requests of other sites and proxies to a running server of the page, without a browser."""

import http.client
import time
import uuid
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.browser


def ask(server, path="/", method="GET", **headers):
    """Status, text and seconds of an answer; header names have _ instead of -."""
    place = urlsplit(server)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    began = time.perf_counter()
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, text, time.perf_counter() - began


def channel(server, **more):
    """Status of an attempt to open the page's websocket."""
    client = pytest.importorskip("websockets.sync.client")
    place = urlsplit(server)
    address = f"ws://{place.netloc}{place.path}/jupyter/api/kernels/{uuid.uuid4()}/channels?session_id=1"
    try:
        with client.connect(address, **more):
            return 101
    except client.InvalidStatus as error:
        return error.response.status_code


def test_forged_headers_do_not_affect_other_visitors(server):
    forged = {"X_Script_Name": "/evil", "Script_Name": "/evil", "X_Forwarded_Prefix": "/evil", "Forwarded": "host=evil"}
    assert ask(server, **forged, X_Forwarded_Host="evil.example", X_Forwarded_Proto="https")[0] == 200
    status, text, _ = ask(server)
    assert status == 200
    assert "evil" not in text
    assert 'solara.rootPath = ""' in text


def test_foreign_hosts_and_origins_are_refused(server):
    assert ask(server, Host="evil.example")[0] == 421
    assert ask(server, Origin="http://evil.example")[0] == 403
    assert ask(server, "/_solara/api/close/0-test?session_id=1", "POST", Origin="http://evil.example")[0] == 403
    assert channel(server) == channel(server, origin=server) == 101
    assert channel(server, origin="http://evil.example") == 403


def test_missing_assets_are_refused_at_once(server):
    status, _, seconds = ask(server, "/_solara/cdn/nosuch@1.0.0/index.js")
    assert status == 404
    assert seconds < 5  # Solara by itself asks another server four times, seven seconds apart
    assert ask(server, "/_solara/cdn/requirejs@2.3.6/require.js")[0] == 200
    assert ask(server, "/_solara/cdn/..%2f..%2f..%2fpyvenv.cfg")[0] == 404


def test_internal_pages_of_the_server_are_not_served(server):
    assert ask(server, "/resourcez")[0] == ask(server, "/resourcez?verbose")[0] == 404
    assert ask(server, "/?" + "x" * 5_000)[0] == 414


def test_behind_a_proxy_the_page_stays_below_its_path(proxied, page):
    page.goto(f"{proxied}/?seeds=10&months=36&ip_strength=0.9")
    page.wait_for_selector(".abm-table tr[data-observable]")
    page.locator(".abm-field-ip_strength input").fill("0.8")
    page.locator(".abm-field-ip_strength input").press("Enter")
    page.wait_for_function("location.search.includes('ip_strength=0.8')")
    assert page.url.startswith(f"{proxied}?")
    page.reload()
    page.wait_for_function("document.querySelector('.abm-field-ip_strength input')?.value === '0.8'")
    assert ask(proxied, "/", X_Script_Name="/evil")[1].count("evil") == 0
    assert channel(proxied, origin="http://evil.example") == 403
