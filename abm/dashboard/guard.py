"""Check requests before Solara sees them: their path, host, origin and size.

Solara takes its root path from headers of the first request, accepts any Host and Origin, and fetches missing assets from
another server. On a user's own machine these would be security holes.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

LONGEST = 4_096
"""Most bytes of a path and query string."""
MOST_PAGES = 24
"""Most pages open at once, each with a thread and the results that it shows."""
PATHS = re.compile(
    r"/|/readyz|/static/.*|/_solara/cdn/.*|/_solara/api/close/[\w-]+|/jupyter/nbextensions/.*"
    r"|/jupyter/api/kernels/[\w-]+/channels"
)
"""All paths that the page requests."""
ASSETS = "/_solara/cdn"
HOPS = re.compile(rb"forwarded|x-forwarded-.*|(x-)?script-name|x-original-.*|x-rewrite-url|x-real-ip")
"""Headers in which proxies describe the original request: any visitor can forge them, and none is needed."""
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Guard:
    """An ASGI application around `app`.

    names : host names and addresses under which the page is served; with `any_address`, every numeric address as well.
    public : address at which a proxy serves the page (`--url`), or None.
    assets : application that serves static files.
    pages : function that returns the ids of the open pages.
    """

    app: Any
    assets: Any
    names: frozenset[str]
    any_address: bool = False
    public: SplitResult | None = None
    pages: Callable[[], Any] = tuple

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        scope = self._normalised(scope)
        if refusal := self._refusal(scope):
            return await refuse(scope, send, *refusal)
        if scope["type"] == "http" and scope["path"].startswith(f"{scope['root_path']}{ASSETS}/"):
            return await self.assets(scope, receive, send)
        await self.app(scope, receive, send)

    def _normalised(self, scope: dict[str, Any]) -> dict[str, Any]:
        """The request without headers of proxies, with the root path and scheme of the public address."""
        root = self.public.path.rstrip("/") if self.public else ""
        path = scope["path"] if f"{scope['path']}/".startswith(f"{root}/") else f"{root}{scope['path']}"
        headers = [(name, value) for name, value in scope["headers"] if not HOPS.fullmatch(name.lower())]
        request = {**scope, "headers": headers, "root_path": root, "path": path or "/", "raw_path": path.encode()}
        hosts = [_name(host) for host in _values(request, b"host")]
        if self.public and self.public.hostname in hosts and self.public.scheme == "https":
            request["scheme"] = "https" if scope["type"] == "http" else "wss"
        return request

    def _refusal(self, scope: dict[str, Any]) -> tuple[int, str] | None:
        """Status and message for a request that must be refused; None for any other."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or not self._is_ours(host := hosts[0]):
            return 421, "This page is not served under this name. Start it with --url and the address that users open."
        if len(origins) > 1 or (origins and not self._same_origin(origins[0], host)):
            return 403, "Requests from pages of other sites are refused."
        if len(scope["path"].encode()) + len(scope["query_string"]) > LONGEST:
            return 414, f"The address is too long: at most {LONGEST:,} bytes are allowed."
        path = scope["path"].removeprefix(scope["root_path"]) or "/"
        if not PATHS.fullmatch(path):
            return 404, "Page not found."
        if scope["type"] == "http" and scope["method"] not in (
            ("POST",) if path.startswith("/_solara/api/") else ("GET", "HEAD")
        ):
            return 405, "Method not allowed."
        is_new = path == "/" or (scope["type"] == "websocket" and path.split("/")[-2] not in self.pages())
        if is_new and len(self.pages()) >= MOST_PAGES:
            return 503, f"{MOST_PAGES} pages are open already: close one and wait two minutes."
        return None

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        return bool(name) and name in self.names or (self.any_address and _is_address(name))

    def _same_origin(self, origin: str, host: str) -> bool:
        """Whether a request comes from our own page: its origin is the requested host or the public address."""
        ours = {_origin(f"http://{host}")} | ({_origin(self.public.geturl())} if self.public else set())
        return _origin(origin) in ours - {None}


def names_of(host: str, public: SplitResult | None) -> tuple[frozenset[str], bool]:
    """Names of a server bound to `host`, and whether it answers under every numeric address."""
    local = {"localhost", "127.0.0.1", "::1"}
    bound = _name(f"[{host}]" if ":" in host else host)
    names = {bound} | ({public.hostname} if public and public.hostname else set())
    everywhere = _is_address(bound) and ipaddress.ip_address(bound).is_unspecified
    if everywhere:
        names |= local | {socket.gethostname().lower(), socket.getfqdn().lower()}
    elif bound in local or (_is_address(bound) and ipaddress.ip_address(bound).is_loopback):
        names |= local
    return frozenset(names - {""}), everywhere


def address_of(text: str) -> SplitResult:
    """Parse a public address, http(s)://name[:port][/path]. Raises ValueError for any other."""
    parts = urlsplit(text)
    more = parts.query or parts.fragment or parts.username
    if _origin(text) is None or more or not re.fullmatch(r"(/[\w.~-]+)*/?", parts.path, re.ASCII):
        raise ValueError("give the address that users open, such as https://lab.example.org/market")
    return parts


async def refuse(scope: dict[str, Any], send: Any, status: int, message: str) -> None:
    """Answer with a status and a message; a websocket is not accepted."""
    start = {
        "status": status,
        "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")],
    }
    kind = scope["type"]
    if kind == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        return await send({"type": "websocket.close", "code": 1008, "reason": message})
    prefix = "websocket.http" if kind == "websocket" else "http"
    await send({"type": f"{prefix}.response.start", **start})
    await send({"type": f"{prefix}.response.body", "body": message.encode()})


def _values(scope: dict[str, Any], name: bytes) -> list[str]:
    """Values of a header, by its name in lowercase."""
    return [value.decode("latin-1") for header, value in scope["headers"] if header.lower() == name]


def _name(host: str) -> str:
    """The name in a Host header, without the port; empty if it is malformed."""
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", host, re.ASCII):
        return ""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _origin(address: str) -> tuple[str, str, int] | None:
    """Scheme, name and port of a web address; None if it is invalid."""
    try:
        parts = urlsplit(address)
        return (parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]) if parts.hostname else None
    except (KeyError, ValueError):
        return None
