"""Standard Webhooks, cross-checked with the reference library of that name."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from labeling_gateway.vendors.interface import Forged
from labeling_gateway.vendors.signatures import key_of, sign, verify
from tests.labeling_gateway.vendors.fake_vendor import KEY, SECRET

BODY = b'{"news": []}'


def test_what_we_sign_the_reference_takes_and_what_it_signs_we_take() -> None:
    Webhook(SECRET).verify(BODY, sign(KEY, "msg_1", BODY))
    now = datetime.now(tz=UTC)
    theirs = Webhook(SECRET).sign("msg_2", now, BODY.decode())
    headers = {"webhook-id": "msg_2", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": theirs}
    assert verify(KEY, headers, BODY) == "msg_2"


def test_one_of_several_signatures_is_enough() -> None:
    headers = sign(KEY, "msg_1", BODY)
    other = sign(key_of("whsec_" + "b2xkLXNlY3JldC1vZi1sYXN0LXllYXI="), "msg_1", BODY)["webhook-signature"]
    many = f"v1a,unknown {other} nonsense {headers['webhook-signature']} v1,"
    assert verify(KEY, headers | {"webhook-signature": many}, BODY) == "msg_1"
    with pytest.raises(Forged, match="no signature"):
        verify(KEY, headers | {"webhook-signature": f"{other} nonsense"}, BODY)


@pytest.mark.parametrize("age", [-299, 0, 299])
def test_five_minutes_either_way_are_fresh(age: int) -> None:
    assert verify(KEY, sign(KEY, "msg_1", BODY, time.time() - age), BODY) == "msg_1"


@pytest.mark.parametrize("age", [-305, 305, 10**6])
def test_what_is_older_or_from_the_future_is_refused_as_the_reference_does(age: int) -> None:
    headers = sign(KEY, "msg_1", BODY, time.time() - age)
    with pytest.raises(Forged, match="five minutes"):
        verify(KEY, headers, BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_counts(header: str) -> None:
    headers = sign(KEY, "msg_1", BODY)
    with pytest.raises(Forged, match="is missing"):
        verify(KEY, {name: value for name, value in headers.items() if name != header}, BODY)
    with pytest.raises(Forged):
        verify(KEY, headers | {header: headers[header] + "1"}, BODY)


@given(st.binary(max_size=40), st.text(max_size=20), st.text(max_size=20), st.text(max_size=60))
def test_nonsense_is_refused_and_breaks_nothing(body: bytes, id: str, sent: str, signature: str) -> None:
    headers = {"webhook-id": id, "webhook-timestamp": sent, "webhook-signature": signature}
    with pytest.raises(Forged):
        verify(KEY, headers, body)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%", "c2VjcmV0LW9mLXRoZS1mYWtlLXZlbmRvcg=="]
)
def test_what_is_no_secret_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match="no signing secret") as refused:
        key_of(secret)
    assert len(secret) < 7 or secret.removeprefix("whsec_") not in str(refused.value)
