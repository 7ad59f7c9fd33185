"""Which requests reach the page's server; tests/browser/test_server.py asks a server that runs."""

import asyncio

import pytest

from abm.dashboard.guard import LONGEST, MOST_PAGES, Guard, address_of, names_of

PUBLIC = address_of("https://lab.example.org/market")
OPEN = tuple(f"page{number}" for number in range(MOST_PAGES))


def asked(path="/", host="127.0.0.1:8765", *, bound="127.0.0.1", public=None, pages=(), kind="http", query="", **more):
    """Status of the answer, and the scope that reaches the server (None: refused)."""
    method = more.pop("method", "GET")
    extra = more.pop("headers", {})
    reached, sent = [], []

    async def app(scope, receive, send):
        reached.append(scope)

    headers = [(b"host", one.encode()) for one in ([host] if isinstance(host, str) else host)]
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
def test_a_server_of_this_machine_is_served_as_this_machine(host):
    assert asked(host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.7", "", "127.0.0.1:8765@evil.example", "a b", "[::1", ()]
)
def test_no_other_name_is_served(host):
    for kind in ("http", "websocket"):
        assert asked(host=host, kind=kind) == (421, None)
    assert asked(host=["127.0.0.1", "evil.example"]) == (421, None)


def test_who_serves_a_network_is_asked_by_address_or_by_a_name_of_its_own():
    for bound, host in (("0.0.0.0", "10.0.0.7:8765"), ("::", "[fd00::7]:8765"), ("192.168.1.5", "192.168.1.5")):
        assert asked(host=host, bound=bound)[0] == 200
    assert asked(host="10.0.0.7", bound="192.168.1.5")[0] == 421
    assert asked(host="evil.example", bound="0.0.0.0")[0] == 421
    named = address_of("http://labserver:8765")
    assert asked(host="labserver:8765", bound="0.0.0.0", public=named)[0] == 200


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
def test_only_pages_of_ours_ask(kind, origin, status):
    path = "/" if kind == "http" else "/jupyter/api/kernels/1-a/channels"
    assert asked(path, kind=kind, headers={"Origin": origin})[0] == status


def test_behind_a_proxy_the_public_address_is_an_origin_and_the_path_is_fixed():
    there = {"public": PUBLIC, "headers": {"Origin": "https://lab.example.org"}}
    for host, scheme in (("lab.example.org", "https"), ("127.0.0.1:8765", "http")):  # the name handed on, or not
        for path in ("/market/", "/"):  # whether it strips the path or not
            status, scope = asked(path, host, **there)
            assert (status, scope["path"], scope["root_path"], scope["scheme"]) == (200, "/market/", "/market", scheme)
    assert asked("/market/", public=PUBLIC, headers={"Origin": "http://127.0.0.1:8765"})[0] == 200, (
        "on the machine itself"
    )
    assert asked("/market/", public=PUBLIC, headers={"Origin": "https://lab.example.org:8443"})[0] == 403
    assert asked("/marketing/", "lab.example.org", public=PUBLIC)[0] == 404


def test_headers_of_proxies_reach_nobody():
    forged = {
        "X-Script-Name": "/evil",
        "Script-Name": "/evil",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example",
        "X-Original-URL": "/evil",
    }
    status, scope = asked(headers={**forged, "Cookie": "mine=1"})
    assert status == 200
    assert [name for name, _ in scope["headers"]] == [b"host", b"cookie"]
    assert (scope["root_path"], scope["scheme"]) == ("", "http")


@pytest.mark.parametrize(
    "path", ["/resourcez", "/foo", "/_solara/api/evict/x", "/jupyter/api/kernels/x", "/static", "/a\nb"]
)
def test_what_the_page_does_not_need_is_not_there(path):
    assert asked(path) == (404, None)
    assert asked(path, method="POST")[0] == 404


def test_sizes_and_methods():
    assert asked(query="x" * LONGEST) == (414, None)
    assert asked("/static/" + "x" * LONGEST)[0] == 414
    assert asked(method="POST")[0] == 405
    assert asked("/_solara/api/close/1-a", method="POST")[0] == 200
    assert asked("/_solara/api/close/1-a")[0] == 405


def test_so_many_pages_and_no_more():
    channel = "/jupyter/api/kernels/{}/channels"
    assert asked(pages=OPEN)[0] == 503
    assert asked(channel.format("new"), kind="websocket", pages=OPEN)[0] == 503
    assert asked(channel.format(OPEN[0]), kind="websocket", pages=OPEN)[0] == 200, "who is there stays"
    assert asked("/static/main.js", pages=OPEN)[0] == 200
    assert asked(pages=OPEN[1:])[0] == 200


@pytest.mark.parametrize(
    "text", ["lab.example.org", "ftp://lab", "https://", "http://a/b?c=1", "http://a:99999", "http://a/<b>"]
)
def test_an_address_that_is_none_is_a_mistake(text):
    from typer.testing import CliRunner

    from abm.cli.app import app

    result = CliRunner().invoke(app, ["dashboard", "--no-open", "--url", text])
    assert result.exit_code == 2
    assert "such as https://lab.example.org/market" in result.stderr
    assert "Traceback" not in result.output
