"""Any vendor that speaks the small signed HTTP protocol of `docs/vendors.md`: kind ``http``."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, cast
from urllib.parse import urlencode

from contracts.encoding import canonical_json
from labeling_gateway.vendors.http import Caller, checked_url
from labeling_gateway.vendors.interface import (
    Batch,
    Capabilities,
    Forged,
    News,
    Page,
    Reconciled,
    Settings,
    Task,
    Unavailable,
    Vendor,
    Video,
)
from labeling_gateway.vendors.money import amount
from labeling_gateway.vendors.options import Options, secret
from labeling_gateway.vendors.signatures import key_of, sign, verify
from labeling_gateway.vendors.wire import parse_news


def open_vendor(settings: Settings) -> Vendor:
    """Raises ValueError where an option or the signing secret is wrong."""
    options = Options(settings)
    base = checked_url(options.text("url"), "options.url")
    videos = cast(Literal["bytes", "url"], options.one_of("videos", ("bytes", "url"), "bytes"))
    batch, timeout = options.whole("batch", 20), options.whole("timeout", 15)
    options.done()
    try:
        key = key_of(secret(settings, "signing"))
    except ValueError as error:
        raise ValueError(f"secrets.signing: {error}") from None
    return SignedHttp(
        settings, Caller(base, timeout=timeout), key, Capabilities(videos=videos, webhooks=True, batch=batch)
    )


class SignedHttp:
    """See `interface.Vendor`. Thread-safe."""

    def __init__(self, settings: Settings, caller: Caller, key: bytes, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._settings = settings
        self._caller = caller
        self._key = key

    def cost(self) -> Decimal:
        answer = self._get("/price", absent=True)
        if answer is None:
            return self._settings.price
        try:
            return amount(answer["price"], "price")
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"GET /price: {error}") from None

    def submit(self, batch: Batch, idempotency_key: str) -> None:
        fields = {"batch": batch.id, "run": self._settings.run, "tasks": [_task(task) for task in batch.tasks]}
        self._post("/batches", fields, {"idempotency-key": idempotency_key})

    def poll(self, cursor: str) -> Page:
        answer = self._get(f"/news?{urlencode({'after': cursor})}")
        try:
            return Page(_news(answer["news"]), _cursor(answer["cursor"]), bool(answer.get("more", False)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable(f"GET /news: {_reason(error)}") from None

    def verify_and_parse(self, headers: Mapping[str, str], body: bytes) -> tuple[str, tuple[News, ...]]:
        id = verify(self._key, headers, body)
        try:
            return id, _news(json.loads(body)["news"])
        except (ValueError, KeyError, TypeError) as error:
            raise Forged(f"it makes no sense: {_reason(error)}") from None

    def cancel(self, items: frozenset[str]) -> frozenset[str]:
        answer = self._post("/cancellations", {"items": sorted(items)})
        try:
            return items & frozenset(answer["cancelled"])
        except (KeyError, TypeError) as error:
            raise Unavailable(f"POST /cancellations: {_reason(error)}") from None

    def reconcile(self, items: frozenset[str]) -> Reconciled:
        answer = self._post("/lookups", {"items": sorted(items)})
        try:
            return Reconciled(_news(answer["news"]), items & frozenset(answer["unknown"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"POST /lookups: {_reason(error)}") from None

    def _get(self, path: str, *, absent: bool = False) -> Any:
        # A request without a body is signed by where it goes.
        signed = sign(self._key, f"msg_{secrets.token_hex(16)}", path.encode())
        return self._caller.call("GET", path, headers=signed, absent=absent)

    def _post(self, path: str, fields: dict[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        body = canonical_json(fields)
        signed = sign(self._key, f"msg_{secrets.token_hex(16)}", body)
        typed = {"content-type": "application/json", **signed, **(headers or {})}
        return self._caller.call("POST", path, body=body, headers=typed)


def _task(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "question": task.question,
        "left": _video(task.left),
        "right": _video(task.right),
        "deadline": task.deadline,
    }


def _video(video: Video) -> dict[str, str]:
    return {"url": video.url} if video.url else {"mp4": base64.b64encode(video.data).decode()}


def _news(found: Any) -> tuple[News, ...]:
    """Raises ValueError."""
    if not isinstance(found, list):
        raise ValueError("news must be a list")
    return tuple(parse_news(one) for one in found)


def _cursor(found: Any) -> str:
    if not isinstance(found, str) or len(found) > 1000:
        raise ValueError("cursor must be a text of at most 1000 characters")
    return found


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
