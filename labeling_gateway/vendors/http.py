"""How vendors are asked over HTTP: one host that the owner named, answers of bounded size, always with a time limit."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx

from contracts.address import is_loopback
from labeling_gateway.vendors.interface import Unavailable, VendorRefused

TIMEOUT_SECONDS = 15.0  # for the next byte
LONGEST_SECONDS = 30.0  # for all of an answer's body
MOST_BYTES = 8 * 2**20  # of one answer

_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,  # the same key is being worked on
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}


def checked_url(url: object, what: str) -> str:
    """A base address that the owner gave, without a slash at its end.

    Raises:
        ValueError: it is no http(s) address, carries a password, or is not https beyond this machine.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise ValueError(f"{what} must be an address such as https://vendor.example/api, not {url!r}")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(f"{what} must be https: {host} is not this machine, and others could read along")
    return parts.geturl().rstrip("/")


class Caller:
    """Asks one vendor's API. It follows no redirect and leaves the base address for nowhere else.

    Args:
        base: as `checked_url` gives it.
        headers: sent with every request.
    """

    def __init__(self, base: str, headers: Mapping[str, str] | None = None, timeout: float = TIMEOUT_SECONDS) -> None:
        self._base = base
        self._client = httpx.Client(
            headers=dict(headers or {}),
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,  # a proxy of the environment would be a host that the owner did not name here
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        absent: bool = False,
    ) -> Any:
        """The JSON of the answer; None where there is none, or with ``absent`` where it is a 404.

        Args:
            path: from the base address on, its query included.

        Raises:
            VendorRefused: the vendor says that the request is wrong.
            Unavailable: it is busy, does not answer, or answers what makes no sense.
        """
        where = f"{method} {path}"
        try:
            with self._client.stream(method, self._base + path, content=body, headers=dict(headers or {})) as response:
                data = _bounded(response, where)
        except httpx.HTTPError as error:
            raise Unavailable(f"{where}: {_line(str(error)) or type(error).__name__}") from None
        status = response.status_code
        if absent and status == HTTPStatus.NOT_FOUND:
            return None
        if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable(f"{where}: it says {status}", _retry_after(response))
        if not response.is_success:
            raise VendorRefused(f"{where}: it says {status}{_reason(data)}")
        if not data:
            return None
        try:
            return json.loads(data)
        except ValueError:
            raise Unavailable(f"{where}: the answer is no JSON") from None


def _bounded(response: httpx.Response, where: str) -> bytes:
    until = time.monotonic() + LONGEST_SECONDS
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if time.monotonic() > until:
            raise Unavailable(f"{where}: the answer took over {LONGEST_SECONDS:g} s")
        if size > MOST_BYTES:
            raise Unavailable(f"{where}: the answer has over {MOST_BYTES} bytes")
    return b"".join(parts)


def _retry_after(response: httpx.Response) -> float | None:
    seconds = response.headers.get("retry-after", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() else None


def _reason(data: bytes) -> str:
    """The start of what it said, on one line."""
    said = _line(data[:200].decode(errors="replace"))
    return f": {said}" if said else ""


def _line(text: str) -> str:
    return " ".join(text.split())
