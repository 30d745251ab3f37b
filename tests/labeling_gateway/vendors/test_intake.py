"""What a vendor's code says is looked at before it is kept: it may be anything."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.label import Choice, Lease
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.shown import ShownChoice
from labeling_gateway.vendors.account import Caps
from labeling_gateway.vendors.config import read_vendors
from labeling_gateway.vendors.http import Caller
from labeling_gateway.vendors.intake import Intake
from labeling_gateway.vendors.interface import Answer, Attendance, Capabilities, Forged, Unavailable
from labeling_gateway.vendors.ledger import Ledger
from labeling_gateway.web import vendor_desk
from tests.labeling_gateway.samples import ask, lease, log
from tests.labeling_gateway.vendors.loopback import answering


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


def test_an_answer_that_came_too_soon_frees_its_question(client: GatewayClient, ledger: Ledger) -> None:
    ask(client, 1)
    item = given(client, ledger, lease(client, "acme"))
    Intake(client, ledger, "acme").take([told(item, choice="neither"), told(item, choice="left", seconds=-1.0)])
    assert ledger.account().spent == 0, "neither was an answer"
    checks = client.control().checks
    client.set_checks(type(checks)(minimum_seconds=5.0))
    Intake(client, ledger, "acme").take([told(item)])
    assert log(client) == []
    assert client.counts().open == 1
    assert ledger.account().spent == Decimal("0.05"), "it was billed, and there is room"


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
    monkeypatch.setattr("labeling_gateway.vendors.http.LONGEST_SECONDS", -1.0)
    over = pytest.raises(Unavailable, match="GET /news: the answer took over")
    with answering(lambda *_: (200, {"news": []})) as port, over:
        Caller(f"http://127.0.0.1:{port}").call("GET", "/news")
