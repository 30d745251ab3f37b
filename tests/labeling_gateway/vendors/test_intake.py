"""What a vendor's code says is looked at before it is kept: it may be anything."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.label import Choice, Lease
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.replies import Checks
from labeling_gateway.shown import ShownChoice
from labeling_gateway.vendors.account import Caps
from labeling_gateway.vendors.config import read_vendors
from labeling_gateway.vendors.gathering import Gathering
from labeling_gateway.vendors.http import Caller
from labeling_gateway.vendors.intake import Intake
from labeling_gateway.vendors.interface import Answer, Attendance, Capabilities, Forged, Unavailable
from labeling_gateway.vendors.ledger import Ledger
from labeling_gateway.web import vendor_desk
from tests.labeling_gateway.samples import ask, lease, log


def told(task: str, **changes: Any) -> Answer:
    return replace(Answer(task, f"answer to {task}", "1", ShownChoice.LEFT, seconds=2.0, answered_at=1e9), **changes)


def given(client: GatewayClient, ledger: Ledger, held: Lease) -> str:
    (item,) = ledger.reserve(held.query.id, [held], [False], Decimal("0.05"), 2e9)
    return item.id


@pytest.fixture
def ledger(client: GatewayClient, store_url: str) -> Ledger:
    return Ledger(store_url, client.keys.run, "acme", Caps(Decimal(1), Decimal(1)))


def test_one_line_that_makes_no_sense_takes_nothing_else_along(
    client: GatewayClient, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ask(client, 1)
    item = given(client, ledger, lease(client, "acme"))
    nonsense: list[Any] = ["left", told(item, rater=None), told(item, seconds="2"), Attendance("b", "", "r"), None]
    with caplog.at_level(logging.WARNING):
        Intake(client, ledger, "acme").take([*nonsense, told(item, choice="left")])
    (label,) = log(client)
    assert (label.rater, label.choice) == ("acme-1", Choice.A)
    assert "what acme said is not taken: rater must be a text of 1 to 200 characters" in caplog.text
    assert caplog.text.count("is not taken") == len(nonsense)


def test_what_makes_no_sense_of_a_task_takes_it_back(client: GatewayClient, ledger: Ledger) -> None:
    ask(client, 1)
    item = given(client, ledger, lease(client, "acme"))
    Intake(client, ledger, "acme").take([told(item, choice="neither")])
    assert [one.state for one in ledger.open()] == ["cancelling"]


def test_an_answer_that_came_too_soon_is_not_paid_and_leaves_its_question_to_others(
    client: GatewayClient, ledger: Ledger
) -> None:
    ask(client, 1)
    client.set_checks(Checks(minimum_seconds=5.0))
    item = given(client, ledger, lease(client, "acme"))
    Intake(client, ledger, "acme").take([told(item), told(item)])
    assert log(client) == []
    assert client.counts().open == 1
    account = ledger.account()
    assert (account.spent, account.reserved, account.disputed, account.answered) == (0, 0, 1, 0)
    assert client.lease("acme", 60) is None


def test_a_question_that_is_answered_while_its_clips_are_drawn_is_not_asked(
    client: GatewayClient, ledger: Ledger
) -> None:
    ask(client, 2)
    late = lease(client, "acme", 0.02)
    time.sleep(0.03)
    gathering = Gathering(client, None, "acme", 3, 60.0, threading.Event())
    assert gathering.gather(2) == [], "three are wanted at once"
    gathering = Gathering(client, None, "acme", 1, 60.0, threading.Event())
    asked = gathering.gather(2)
    assert len(asked) == 2
    client.answer(late, "acme-1", Choice.A, 1, leased_to="acme")
    gathering._waiting = asked
    assert [one.query.id for one in gathering.gather(0)] == [asked[1].query.id]


def test_news_of_a_webhook_is_looked_at_before_it_is_kept(
    valkey: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Careless:
        capabilities = Capabilities(webhooks=True)

        def verify_and_parse(self, headers: dict[str, str], body: bytes) -> tuple[str, tuple[Any, ...]]:
            return "hook", (told(**json.loads(body)),)

    monkeypatch.setattr(vendor_desk, "open_outside", lambda kind, settings: Careless())
    vendors = tmp_path / "vendors.toml"
    vendors.write_text('spend_cap = "1"\n[vendors.acme]\nkind = "acme"\nprice = "0.05"\nspend_cap = "1"\n')
    desk = vendor_desk.VendorDesk(read_vendors(vendors), f"run-{uuid.uuid4().hex[:8]}", valkey.url, "")
    with pytest.raises(Forged, match="ValueError"):
        desk.receive("acme", {}, json.dumps({"task": "q", "rater": 7}).encode())
    assert desk.receive("acme", {}, json.dumps({"task": "q", "choice": "right"}).encode()), "the id is still free"


def test_an_answer_that_drips_in_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling_gateway.vendors.http.LONGEST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
                for _ in range(1000):
                    connection.sendall(b" ")
                    time.sleep(0.02)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(Unavailable, match="GET /news: the answer took over"):
            Caller(f"http://127.0.0.1:{listening.getsockname()[1]}").call("GET", "/news")
        assert time.monotonic() - began < 10
