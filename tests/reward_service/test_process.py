"""The service as a process: it follows a real label log, and kill -9 costs it nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from contracts.clip import Clip
from contracts.encoding import content_hash
from contracts.label import Choice, Query
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import EmbeddedStore, start_embedded
from reward_service.client import RewardClient
from reward_service.config import RewardConfig, RewardServiceConfig
from tests.reward_service.synthetic import ACTION_SIZE, OBSERVATION_SIZE, SPACE, inputs

SMALL = RewardConfig(hidden=(16,), first_fit=5, fit_minimum=5, first_fit_steps=5, fit_steps=5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    store = start_embedded(tmp_path / "store")
    yield store
    store.stop()


def _answer(store: EmbeddedStore, answers: range) -> None:
    client = GatewayClient(store.url, "run")
    rng = np.random.default_rng(answers.start)
    for index in answers:
        clips: dict[str, bytes] = {}
        for _ in range(2):
            both = inputs(rng)
            state = np.zeros((len(both), 1), np.float32)
            data = Clip(
                both[:, :OBSERVATION_SIZE], both[:, OBSERVATION_SIZE:], state, "scene", 0, 0, oracle=both.sum(1)
            ).to_bytes()
            clips[content_hash(data)] = data
        clip_a, clip_b = clips
        query = Query(f"query-{index}", clip_a, clip_b, "scene", "uniform", 0.0, 0, 0)
        assert client.ask([query], clips, budget=10_000) == 1
        lease = client.lease("rater", 60)
        assert lease is not None
        client.answer(lease, "rater", Choice.A, 1.0)


class _Process:
    def __init__(self, directory: Path, url: str, address: str = "127.0.0.1:0") -> None:
        config = RewardServiceConfig(
            run="run", address=address, directory=str(directory / "reward"), seed=0,
            observation=SPACE, action_size=ACTION_SIZE, reward=SMALL, poll_seconds=0.05,
        )  # fmt: skip
        file = directory / "config.json"
        file.write_text(json.dumps(asdict(config)))
        self._log = (directory / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reward_service", "--config", str(file)],
            stderr=self._log, env=os.environ | {"BACKFLIP_STORE_URL": url},
        )  # fmt: skip

    def said(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def wait_for(self, words: str) -> str:
        """The rest of the first line with these words."""
        until = time.monotonic() + 90
        while time.monotonic() < until and self.process.poll() is None:
            for line in self.said().splitlines(keepends=True):
                if words in line and line.endswith("\n"):
                    return line.partition(words)[2].strip()
            time.sleep(0.05)
        raise AssertionError(f"{words!r} was not said: {self.said()}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def test_it_goes_on_where_kill_9_stopped_it(store: EmbeddedStore, tmp_path: Path) -> None:
    _answer(store, range(6))
    first = _Process(tmp_path, store.url)
    address = first.wait_for("scoring transitions on").split(",")[0]
    assert first.wait_for("reward version 1 from").startswith("6 answers")
    rows = inputs(np.random.default_rng(0))
    batch = rows[:, :OBSERVATION_SIZE], rows[:, OBSERVATION_SIZE:]
    before = RewardClient(address).score(*batch)
    first.kill()

    _answer(store, range(6, 12))
    second = _Process(tmp_path, store.url, address)
    assert second.wait_for("reward version 2 from").startswith("12 answers")
    client = RewardClient(address)
    assert (client.score(*batch, version=1).reward == before.reward).all()
    assert client.report()["answers"] == 12

    third = _Process(tmp_path, store.url, address)
    assert third.process.wait(90) == 1
    assert f"cannot listen on {address}" in third.said()
    assert "Traceback" not in third.said()
    assert second.end() == 0


@pytest.mark.slow  # half a minute
def test_it_scores_while_the_store_is_away_and_goes_on_when_it_is_back(store: EmbeddedStore, tmp_path: Path) -> None:
    store.process.kill()
    store.process.wait()
    service = _Process(tmp_path, store.url)
    address = service.wait_for("scoring transitions on").split(",")[0]
    assert RewardClient(address).report()["version"] == 0
    service.wait_for("waiting for the label store, scoring goes on")
    store.restart()
    _answer(store, range(5))
    service.wait_for("reward version 1 from")
    assert "store is back" in service.said()
    assert store.password not in service.said()
    assert service.end() == 0
