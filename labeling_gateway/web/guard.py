"""What every request must pass before anything else looks at it, and what every answer carries.

A page elsewhere that makes a visitor's browser ask us (forged requests, DNS rebinding) is told apart
by Host and Origin; what is too large, too slow or no JSON is refused unread.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labeling_gateway.web.config import Limits, WebConfig
from labeling_gateway.web.errors import refusal

_CHANGES = {"POST", "PUT", "PATCH", "DELETE"}

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)

_ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Wraps the application. ASGI, so that a body is bounded before it is read."""

    def __init__(self, app: ASGIApp, config: WebConfig) -> None:
        self._app = app
        self._limits = config.limits
        self._hosts = served_names(config.hosts)
        always = _ALWAYS | ({"Strict-Transport-Security": "max-age=31536000"} if config.tls else {})
        self._always = [(name.lower().encode(), value.encode()) for name, value in always.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                said = {name.lower() for name, _ in given}
                message["headers"] = [*given, *(one for one in self._always if one[0] not in said)]
            await send(message)

        headers = Headers(scope=scope)
        refused = self._refusal(scope["method"], headers)
        body = b""
        if refused is None and scope["method"] in _CHANGES:
            read = await _read_body(receive, headers, self._limits)
            if isinstance(read, bytes):
                body = read
            else:
                refused = read
        if refused is not None:
            await refusal(*refused)(scope, receive, dressed)
            return
        await self._app(scope, _replayed(body, receive) if scope["method"] in _CHANGES else receive, dressed)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self._serves(host):
            return HTTPStatus.MISDIRECTED_REQUEST, f"this is not {host or 'a nameless host'}; labels.hosts adds names"
        if method not in _CHANGES:
            return None
        origin = headers.get("origin")
        same_site = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        if (origin is not None and urlsplit_netloc(origin) != host.lower()) or (origin is None and not same_site):
            return HTTPStatus.FORBIDDEN, "another site's page may change nothing here"
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if has_body and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"
        return None

    def _serves(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or _is_address(name)


def served_names(extra: Iterable[str]) -> set[str]:
    """Names by which browsers may ask for us. A numeric address needs none: DNS cannot rebind it."""
    return {"localhost", socket.gethostname().lower(), socket.getfqdn().lower(), *(name.lower() for name in extra)}


def urlsplit_netloc(origin: str) -> str:
    """Host and port of an Origin header; "" where it is none, such as ``null``."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _read_body(receive: Receive, headers: Headers, limits: Limits) -> bytes | tuple[int, str]:
    """The whole body, or why it is refused."""
    too_large = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {limits.body_bytes} bytes"
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > limits.body_bytes:
        return too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return HTTPStatus.BAD_REQUEST, "the body did not come"
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limits.body_bytes:
                    return too_large
                more = message.get("more_body", False)
    except TimeoutError:
        return HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {limits.body_seconds:.0f} s"
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, then what the connection says."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
