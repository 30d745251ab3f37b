"""Standard Webhooks (standardwebhooks.com, v1): HMAC-SHA256 over id, time and body, with ``whsec_`` secrets.

What we send is signed in the same way as what we take in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping

from labeling_gateway.vendors.interface import Forged

TOLERANCE_SECONDS = 300.0
PREFIX = "whsec_"
_SHORTEST_SECRET = 16  # bytes; what is guessed in an afternoon signs nothing


def key_of(secret: str) -> bytes:
    """The key that a ``whsec_`` secret stands for. Raises ValueError, which doesn't quote it."""
    try:
        encoded = secret.removeprefix(PREFIX)
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if not secret.startswith(PREFIX) or len(key) < _SHORTEST_SECRET:
        raise ValueError(f"it is no signing secret: {PREFIX} and at least {_SHORTEST_SECRET} bytes in base64")
    return key


def sign(key: bytes, id: str, body: bytes, at: float | None = None) -> dict[str, str]:
    """The three headers that prove who sent a body, now unless said otherwise."""
    sent = str(int(time.time() if at is None else at))
    return {"webhook-id": id, "webhook-timestamp": sent, "webhook-signature": f"v1,{_mac(key, id, sent, body)}"}


def verify(key: bytes, headers: Mapping[str, str], body: bytes, now: float | None = None) -> str:
    """The message's id, once its signature and its age are checked; any one of several signatures is enough.

    Args:
        headers: names in lower case.

    Raises:
        Forged: a header is missing, it is over five minutes old or early, or no signature is ours.
    """
    try:
        id, sent, signatures = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise Forged(f"the header {missing} is missing") from None
    if not sent.isascii() or not sent.isdigit():
        raise Forged("webhook-timestamp is no number of seconds")
    # Every signature is looked at, whatever the first ones are, and the age last: time tells nothing apart.
    expected = _mac(key, id, sent, body).encode()
    genuine = False
    for signature in signatures.split():
        version, _, mac = signature.partition(",")
        genuine |= version == "v1" and hmac.compare_digest(mac.encode(), expected)
    if not genuine:
        raise Forged("no signature is this vendor's")
    if abs((time.time() if now is None else now) - int(sent)) > TOLERANCE_SECONDS:
        raise Forged("it was sent over five minutes ago, or is yet to be sent")
    return id


def _mac(key: bytes, id: str, sent: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(key, f"{id}.{sent}.".encode() + body, hashlib.sha256).digest()).decode()
