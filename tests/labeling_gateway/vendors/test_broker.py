"""A broker process between a run's store and a vendor that speaks HTTP: nothing goes wrong here."""

from __future__ import annotations

import os
import signal
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.label import Choice, Opinion
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.shown import ShownChoice, chosen
from tests.labeling_gateway.samples import log
from tests.labeling_gateway.vendors.brokers import ENVIRONMENT, broker_of, ledger_of, unserved, until, write_vendors
from tests.labeling_gateway.vendors.fake_vendor import Faults, fake_vendor
from tests.labeling_gateway.web.server import ask


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def test_questions_come_back_as_answers_of_the_vendors_workers(valkey: EmbeddedStore, tmp_path: Path) -> None:
    with fake_vendor(Faults()) as vendor, unserved(valkey.url, tmp_path) as server:
        ask(server, 16, cart_pole=True)
        broker = broker_of(server, write_vendors(tmp_path / "vendors.toml", vendor), tmp_path)
        broker.start()
        try:
            until(lambda: server.gateway.counts().used == 16, broker)
            until(lambda: not ledger_of(server).open(), broker)
            assert broker.process is not None
            os.kill(broker.process.pid, signal.SIGTERM)
            assert broker.process.wait(60) == 0, broker.said()
        finally:
            broker.kill()
        labels = log(server.gateway)
        told = {(answer["task"], f"fake-{answer['rater']}"): answer for answer in vendor.answers.values()}
        assert {(label.query, label.rater) for label in labels} == set(told)
        for label in labels:
            answer = told[label.query, label.rater]
            assert label.choice is chosen(ShownChoice(answer["choice"]), flipped=label.flipped)
            assert (label.opinion, label.seconds) == (Opinion.FIRST, answer["seconds"])
        assert len({label.flipped for label in labels}) == 2, "sides are drawn by lot"
        account = ledger_of(server).account()
        assert (account.spent, account.reserved, account.given) == (Decimal("0.80"), 0, 16)
        assert vendor.unsigned == 0
        assert ENVIRONMENT["FAKE_SIGNING"] not in broker.said()


def test_caps_hold_and_what_is_left_stays_in_the_queue(valkey: EmbeddedStore, tmp_path: Path) -> None:
    with fake_vendor(Faults()) as vendor, unserved(valkey.url, tmp_path) as server:
        ask(server, 9, cart_pole=True)
        broker = broker_of(server, write_vendors(tmp_path / "vendors.toml", vendor, spend_cap="0.32"), tmp_path)
        broker.start()
        try:
            until(lambda: server.gateway.counts().used == 6, broker)
            until(lambda: server.gateway.counts().open == 3, broker)
            until(lambda: not ledger_of(server).open(), broker)  # an answer is paid for after it has counted
        finally:
            broker.kill()
        assert len(vendor.tasks) == 6
        assert ledger_of(server).account().spent == Decimal("0.30")


def test_a_deadline_that_passes_takes_questions_back(valkey: EmbeddedStore, tmp_path: Path) -> None:
    with fake_vendor(Faults(silent=1.0)) as vendor, unserved(valkey.url, tmp_path) as server:
        ask(server, 3, cart_pole=True)
        vendors = write_vendors(tmp_path / "vendors.toml", vendor, deadline_hours=0.0003, at_once=3)
        broker = broker_of(server, vendors, tmp_path)
        broker.start()
        try:
            until(lambda: sum(task.cancelled for task in list(vendor.tasks.values())) >= 3, broker)
        finally:
            broker.kill()
        again = [item for item in vendor.tasks if "." in item]
        assert {item.partition(".")[0] for item in again} <= {item for item in vendor.tasks if "." not in item}
        assert ledger_of(server).account().spent == 0


def test_questions_out_are_taken_back_when_the_budget_is_used(valkey: EmbeddedStore, tmp_path: Path) -> None:
    with fake_vendor(Faults(silent=1.0)) as vendor, unserved(valkey.url, tmp_path) as server:
        ask(server, 4, cart_pole=True)
        broker = broker_of(server, write_vendors(tmp_path / "vendors.toml", vendor), tmp_path, budget=4)
        broker.start()
        try:
            until(lambda: len(vendor.tasks) == 4, broker)
            assert ledger_of(server).account().reserved == Decimal("0.20")
            server.gateway.set_budget(0)
            until(lambda: not ledger_of(server).open(), broker)
        finally:
            broker.kill()
        assert all(task.cancelled for task in vendor.tasks.values())
        assert ledger_of(server).account().reserved == 0
        assert server.gateway.counts().open == 4, "they are the queue's again"


def test_a_mistake_in_the_file_is_one_line(valkey: EmbeddedStore, tmp_path: Path) -> None:
    with fake_vendor(Faults()) as vendor, unserved(valkey.url, tmp_path) as server:
        file = write_vendors(tmp_path / "vendors.toml", vendor)
        file.write_text(file.read_text().replace('kind = "http"', 'kind = "nonesuch"'))
        broker = broker_of(server, file, tmp_path)
        broker.start()
        assert broker.process is not None and broker.process.wait(90) == 1
        assert len(broker.said().strip().splitlines()) == 1
        assert "there is no kind 'nonesuch'; installed are http" in broker.said()


def test_left_is_the_clip_that_was_shown_there() -> None:
    assert chosen(ShownChoice.LEFT, flipped=False) is Choice.A
    assert chosen(ShownChoice.LEFT, flipped=True) is Choice.B
    assert chosen(ShownChoice.RIGHT, flipped=True) is Choice.A
    assert chosen(ShownChoice.EQUAL, flipped=True) is Choice.EQUAL
