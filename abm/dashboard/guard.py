"""What a request must be before Solara sees it: of this page, for this server, from its own page, and of a sane size.

Solara takes the path below which it is served from headers of the first request, serves any Host and Origin, and asks
another server for assets that it lacks. None of that is wanted on the machine of somebody who runs a model.
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
"""Bytes of a path and what follows it."""
MOST_PAGES = 24
"""Pages that are open at once, each with a thread and the results that it shows."""
PATHS = re.compile(
    r"/|/readyz|/static/.*|/_solara/cdn/.*|/_solara/api/close/[\w-]+|/jupyter/nbextensions/.*"
    r"|/jupyter/api/kernels/[\w-]+/channels"
)
"""All that the page asks for."""
ASSETS = "/_solara/cdn"
HOPS = re.compile(rb"forwarded|x-forwarded-.*|(x-)?script-name|x-original-.*|x-rewrite-url|x-real-ip")
"""Headers with which a proxy says how it was asked: any visitor may send them, and none is needed."""
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Guard:
    """An ASGI application around `app`.

    names : host names and addresses under which it is served; with `any_address` every numeric address is one.
    public : where a proxy serves it (`--url`), or None; `assets` serves files, `pages` gives the ids of open pages.
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
        scope = self._here(scope)
        if refusal := self._refusal(scope):
            return await refuse(scope, send, *refusal)
        if scope["type"] == "http" and scope["path"].startswith(f"{scope['root_path']}{ASSETS}/"):
            return await self.assets(scope, receive, send)
        await self.app(scope, receive, send)

    def _here(self, scope: dict[str, Any]) -> dict[str, Any]:
        """The request without what proxies add, below the path and with the scheme of the public address."""
        root = self.public.path.rstrip("/") if self.public else ""
        path = scope["path"] if f"{scope['path']}/".startswith(f"{root}/") else f"{root}{scope['path']}"
        headers = [(name, value) for name, value in scope["headers"] if not HOPS.fullmatch(name.lower())]
        here = {**scope, "headers": headers, "root_path": root, "path": path or "/", "raw_path": path.encode()}
        named = self.public is not None and self.public.hostname in [_name(host) for host in _values(here, b"host")]
        if self.public and named and self.public.scheme == "https":
            here["scheme"] = "https" if scope["type"] == "http" else "wss"
        return here

    def _refusal(self, scope: dict[str, Any]) -> tuple[int, str] | None:
        """Status and sentence for a request that is not served."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or not self._is_ours(host := hosts[0]):
            return 421, "This page is not served under that name. Start it with --url and the address that people open."
        if len(origins) > 1 or (origins and not self._same_origin(origins[0], host)):
            return 403, "This page answers its own pages only, not those of another site."
        if len(scope["path"].encode()) + len(scope["query_string"]) > LONGEST:
            return 414, f"The address is too long: at most {LONGEST:,} bytes are read."
        path = scope["path"].removeprefix(scope["root_path"]) or "/"
        if not PATHS.fullmatch(path):
            return 404, "There is no such page."
        if scope["type"] == "http" and scope["method"] not in (
            ("POST",) if path.startswith("/_solara/api/") else ("GET", "HEAD")
        ):
            return 405, "That cannot be done here."
        begins = path == "/" or (scope["type"] == "websocket" and path.split("/")[-2] not in self.pages())
        if begins and len(self.pages()) >= MOST_PAGES:
            return 503, f"{MOST_PAGES} pages are open already: close one, or wait two minutes after closing it."
        return None

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        return bool(name) and name in self.names or (self.any_address and _is_address(name))

    def _same_origin(self, origin: str, host: str) -> bool:
        """Whether a page of ours sends it: from the host that it asks, or from the public address."""
        ours = {_place(f"http://{host}")} | ({_place(self.public.geturl())} if self.public else set())
        return _place(origin) in ours - {None}


def names_of(host: str, public: SplitResult | None) -> tuple[frozenset[str], bool]:
    """Names under which a server bound to `host` is served, and whether every numeric address is one."""
    here = {"localhost", "127.0.0.1", "::1"}
    bound = _name(f"[{host}]" if ":" in host else host)
    names = {bound} | ({public.hostname} if public and public.hostname else set())
    everywhere = _is_address(bound) and ipaddress.ip_address(bound).is_unspecified
    if everywhere:
        names |= here | {socket.gethostname().lower(), socket.getfqdn().lower()}
    elif bound in here or (_is_address(bound) and ipaddress.ip_address(bound).is_loopback):
        names |= here
    return frozenset(names - {""}), everywhere


def address_of(text: str) -> SplitResult:
    """A public address, http(s)://name[:port][/path]. Raises ValueError with what is wrong."""
    parts = urlsplit(text)
    more = parts.query or parts.fragment or parts.username
    if _place(text) is None or more or not re.fullmatch(r"(/[\w.~-]+)*/?", parts.path, re.ASCII):
        raise ValueError("give the address that people open, such as https://lab.example.org/market")
    return parts


async def refuse(scope: dict[str, Any], send: Any, status: int, sentence: str) -> None:
    """Answer with a status and a sentence; a websocket is not accepted."""
    begins = {
        "status": status,
        "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")],
    }
    kind = scope["type"]
    if kind == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        return await send({"type": "websocket.close", "code": 1008, "reason": sentence})
    prefix = "websocket.http" if kind == "websocket" else "http"
    await send({"type": f"{prefix}.response.start", **begins})
    await send({"type": f"{prefix}.response.body", "body": sentence.encode()})


def _values(scope: dict[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each.lower() == name]


def _name(host: str) -> str:
    """The name of a Host header, without its port."""
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


def _place(address: str) -> tuple[str, str, int] | None:
    """Scheme, name and port of an address of the web, or None."""
    try:
        parts = urlsplit(address)
        return (parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]) if parts.hostname else None
    except (KeyError, ValueError):
        return None
