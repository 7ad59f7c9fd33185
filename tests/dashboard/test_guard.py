"""Requests that the guard lets through or refuses; tests/browser/test_server.py sends them to a running server."""

import asyncio

import pytest

from abm.dashboard.guard import LONGEST, MOST_PAGES, Guard, address_of, names_of

PUBLIC = address_of("https://lab.example.org/market")
OPEN = tuple(f"page{number}" for number in range(MOST_PAGES))


def answer(path="/", host="127.0.0.1:8765", *, bound="127.0.0.1", public=None, pages=(), kind="http", query="", **more):
    """Status of the answer, and the scope that reaches the application (None if refused)."""
    method = more.pop("method", "GET")
    extra = more.pop("headers", {})
    reached, sent = [], []

    async def app(scope, receive, send):
        reached.append(scope)

    headers = [(b"host", name.encode()) for name in ([host] if isinstance(host, str) else host)]
    headers += [(name.lower().encode(), value.encode()) for name, value in extra.items()]
    scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": headers, "scheme": "http"}
    scope |= {"method": method, "extensions": {"websocket.http.response": {}}, "root_path": "", "raw_path": b""}

    async def send(message):
        sent.append(message)

    names, any_address = names_of(bound, public)
    guard = Guard(app, app, names, any_address, public, lambda: pages)
    asyncio.run(guard(scope, None, send))
    return (sent[0]["status"] if sent else 200), (reached[0] if reached else None)


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "LOCALHOST:9000", "[::1]:8765", "localhost."])
def test_a_local_server_answers_under_local_names(host):
    assert answer(host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.7", "", "127.0.0.1:8765@evil.example", "a b", "[::1", ()]
)
def test_other_host_names_are_refused(host):
    for kind in ("http", "websocket"):
        assert answer(host=host, kind=kind) == (421, None)
    assert answer(host=["127.0.0.1", "evil.example"]) == (421, None)


def test_a_network_server_answers_under_its_addresses_and_its_public_name():
    for bound, host in (("0.0.0.0", "10.0.0.7:8765"), ("::", "[fd00::7]:8765"), ("192.168.1.5", "192.168.1.5")):
        assert answer(host=host, bound=bound)[0] == 200
    assert answer(host="10.0.0.7", bound="192.168.1.5")[0] == 421
    assert answer(host="evil.example", bound="0.0.0.0")[0] == 421
    named = address_of("http://labserver:8765")
    assert answer(host="labserver:8765", bound="0.0.0.0", public=named)[0] == 200


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8765", 200),
        ("http://127.0.0.1:9999", 403),
        ("http://evil.example", 403),
        ("https://127.0.0.1:8765", 403),
        ("null", 403),
        ("http://127.0.0.1:8765.evil.example", 403),
        ("http://127.0.0.1:99999999", 403),
        ("file://", 403),
    ],
)
def test_only_the_pages_own_origin_is_accepted(kind, origin, status):
    path = "/" if kind == "http" else "/jupyter/api/kernels/1-a/channels"
    assert answer(path, kind=kind, headers={"Origin": origin})[0] == status


def test_behind_a_proxy_the_public_address_is_an_accepted_origin_and_sets_the_path():
    options = {"public": PUBLIC, "headers": {"Origin": "https://lab.example.org"}}
    for host, scheme in (("lab.example.org", "https"), ("127.0.0.1:8765", "http")):  # host forwarded, or not
        for path in ("/market/", "/"):  # path kept, or stripped
            status, scope = answer(path, host, **options)
            assert (status, scope["path"], scope["root_path"], scope["scheme"]) == (200, "/market/", "/market", scheme)
    assert answer("/market/", public=PUBLIC, headers={"Origin": "http://127.0.0.1:8765"})[0] == 200, (
        "opened on the server's own machine"
    )
    assert answer("/market/", public=PUBLIC, headers={"Origin": "https://lab.example.org:8443"})[0] == 403
    assert answer("/marketing/", "lab.example.org", public=PUBLIC)[0] == 404


def test_headers_of_proxies_are_removed():
    forged = {
        "X-Script-Name": "/evil",
        "Script-Name": "/evil",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example",
        "X-Original-URL": "/evil",
    }
    status, scope = answer(headers={**forged, "Cookie": "mine=1"})
    assert status == 200
    assert [name for name, _ in scope["headers"]] == [b"host", b"cookie"]
    assert (scope["root_path"], scope["scheme"]) == ("", "http")


@pytest.mark.parametrize(
    "path", ["/resourcez", "/foo", "/_solara/api/evict/x", "/jupyter/api/kernels/x", "/static", "/a\nb"]
)
def test_unneeded_paths_are_not_found(path):
    assert answer(path) == (404, None)
    assert answer(path, method="POST")[0] == 404


def test_limits_of_sizes_and_methods():
    assert answer(query="x" * LONGEST) == (414, None)
    assert answer("/static/" + "x" * LONGEST)[0] == 414
    assert answer(method="POST")[0] == 405
    assert answer("/_solara/api/close/1-a", method="POST")[0] == 200
    assert answer("/_solara/api/close/1-a")[0] == 405


def test_limit_on_open_pages():
    channel = "/jupyter/api/kernels/{}/channels"
    assert answer(pages=OPEN)[0] == 503
    assert answer(channel.format("new"), kind="websocket", pages=OPEN)[0] == 503
    assert answer(channel.format(OPEN[0]), kind="websocket", pages=OPEN)[0] == 200, "open pages stay connected"
    assert answer("/static/main.js", pages=OPEN)[0] == 200
    assert answer(pages=OPEN[1:])[0] == 200


@pytest.mark.parametrize(
    "text", ["lab.example.org", "ftp://lab", "https://", "http://a/b?c=1", "http://a:99999", "http://a/<b>"]
)
def test_an_invalid_public_address_is_rejected(text):
    from typer.testing import CliRunner

    from abm.cli.app import app

    result = CliRunner().invoke(app, ["dashboard", "--no-open", "--url", text])
    assert result.exit_code == 2
    assert "such as https://lab.example.org/market" in result.stderr
    assert "Traceback" not in result.output
