"""Whatever is killed while people answer, what they were told is saved is in the log exactly once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from contracts.label import Opinion
from labeling_gateway.embedded import EmbeddedStore
from tests.labeling_gateway.web.server import Server, ask, serving

QUESTIONS = 150
LABELERS = 6


def test_kill_of_page_and_store_while_people_answer(own_store: EmbeddedStore, tmp_path: Path) -> None:
    with serving(own_store.url, tmp_path) as server:
        ask(server, QUESTIONS)
        saved: list[tuple[str, str, str]] = []
        labelers = [threading.Thread(target=label, args=(server, f"rater {n}", saved)) for n in range(LABELERS)]
        for labeler in labelers:
            labeler.start()
        for kills, answers in enumerate((30, 60, 90)):
            wait_for(lambda answers=answers: len(saved) >= answers)
            if kills % 2:
                os.kill(own_store.pid, signal.SIGKILL)
                own_store.process.wait()
                own_store.restart()
            else:
                server.kill()
                server.start()
        for labeler in labelers:
            labeler.join(120)
            assert not labeler.is_alive()
        log = server.gateway.read_labels("", 10_000)
        kept = {(label.query, label.rater, offset) for offset, label in log}
        assert set(saved) <= kept, "saved and lost"
        assert max(Counter((label.query, label.rater) for _, label in log).values()) == 1, "counted twice"
        firsts = Counter(label.query for _, label in log if label.opinion is Opinion.FIRST)
        assert len(firsts) == firsts.total() == server.gateway.counts().used == QUESTIONS


def label(server: Server, rater: str, saved: list[tuple[str, str, str]]) -> None:
    """As a page does: what was not acknowledged is sent again until it is."""
    client = server.labeler(rater)
    while True:
        pairs = insist(lambda: client.post("leases", json={"count": 2}))["pairs"]
        if not pairs:
            if server.gateway.counts().used == QUESTIONS:
                return
            time.sleep(0.1)
        for pair in pairs:
            body = {"query": pair["query"], "fence": pair["fence"], "choice": "left", "seconds": 1.0}
            receipt = insist(lambda body=body: client.post("answers", json=body))
            saved.append((pair["query"], rater, receipt["offset"]))


def insist(request) -> dict:
    while True:
        try:
            answered = request()
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if answered.status_code == 503:
            time.sleep(0.05)
            continue
        assert answered.status_code in (200, 201), answered.text
        return answered.json()


def wait_for(what) -> None:
    give_up = time.monotonic() + 60
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.01)
