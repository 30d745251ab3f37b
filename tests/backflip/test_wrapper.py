"""A vector environment with the learned reward, as any library would step it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, Text
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import backflip
from backflip.errors import UserError
from backflip.first_reward import ClipSupply, missing
from backflip.run_folder import RunFolder
from backflip.system import Facts
from backflip.wrapper import LearnedReward
from contracts.clip import Clip
from contracts.rollout import UNFITTED
from contracts.spaces import ObservationSpace
from contracts.status import Status
from labeling_gateway.client import Counts
from reward_service.versions import RewardModel
from tests.backflip.commands import labels_of, wait_for
from tests.processes import alive, command, descendants, end

WORLDS = 3
NOBODY = backflip.LabelsConfig(source="none", clip_steps=3)
ANSWERS = 20
TEACHER = backflip.LabelsConfig(budget=ANSWERS, clip_steps=5)


class Walk(gymnasium.Env):
    """Observes the number of its episode and how far it is; it ends after a few steps, and pays 10 for each."""

    observation_space = Box(0, np.inf, (2,))
    action_space = Discrete(3)

    def __init__(self, length: int) -> None:
        self.length, self.episode = length, -1

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.episode, self.time = self.episode + 1, 0
        return self._observed(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert action == (self.episode + self.time) % 3, "what was chosen on this observation"
        self.time += 1
        return self._observed(), 10.0 * self.time, self.time == self.length, False, {}

    def _observed(self) -> np.ndarray:
        return np.array([self.episode, self.time], np.float32)


class Stroll(Walk):
    """It goes on whatever is chosen, but never beyond its end."""

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert self.time < self.length
        return super().step((self.episode + self.time) % 3)


class Reads(Walk):
    observation_space = Text(9)


def walks(mode: AutoresetMode) -> SyncVectorEnv:
    return SyncVectorEnv([lambda length=4 + world: Walk(length) for world in range(WORLDS)], autoreset_mode=mode)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_clips_are_whole_and_no_reward_of_the_environment_comes_through(mode: AutoresetMode, tmp_path: Path) -> None:
    envs = backflip.learned_reward(walks(mode), tmp_path / "run", steps=10_000, labels=NOBODY)
    gateway = envs._services.gateway
    assert gateway is not None
    offered = gateway.subscribe()
    observation, _ = envs.reset()
    ends = np.zeros(WORLDS, int)
    for _ in range(150):
        observation, reward, terminated, truncated, infos = envs.step(observation.sum(1).astype(int) % 3)
        assert not reward.any() and not terminated.any()
        np.testing.assert_array_equal(infos["env_terminated"], truncated)
        assert (infos["env_reward"][truncated] == 10.0 * (4 + np.flatnonzero(truncated))).all()
        ends += truncated
        if mode is AutoresetMode.DISABLED and truncated.any():
            observation, _ = envs.reset(options={"reset_mask": truncated})
    assert ends.min() > 10
    expected = 4 * WORLDS  # before there is a reward model each world gives one in 32 steps
    clips: list[Clip] = []
    give_up = time.monotonic() + 60
    while len(clips) < expected and time.monotonic() < give_up:
        if (data := gateway.receive(offered, 1.0)) is not None:
            clips.append(Clip.from_bytes(data, with_oracle=True))
    assert gateway.receive(offered, 0.5) is None, "no more than that"
    envs.close()
    assert len(clips) == expected
    for clip in clips:
        episode, moment = clip.observation.T.astype(int)
        assert len(clip) == NOBODY.clip_steps
        assert len(set(episode)) == 1 and (np.diff(moment) == 1).all()
        np.testing.assert_array_equal(clip.action.argmax(1), (episode + moment) % 3)
        np.testing.assert_array_equal(clip.oracle, 10.0 * (moment + 1))
        np.testing.assert_array_equal(clip.state, clip.observation)
    assert len({clip.observation.tobytes() for clip in clips}) > WORLDS


def poles() -> gymnasium.vector.VectorEnv:
    return gymnasium.make_vec("CartPole-v1", num_envs=WORLDS)


def scored(envs: LearnedReward, steps: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Observation, encoded action and learned reward of the steps that were any."""
    observation, _ = envs.reset(seed=1)
    over = np.zeros(WORLDS, bool)
    for _ in range(steps):
        action = envs.action_space.sample()
        before, valid = observation, ~over
        observation, reward, _, truncated, _ = envs.step(action)
        assert not reward[over].any(), "the step after an end is no step"
        over = truncated
        yield before[valid], np.eye(2, dtype=np.float32)[action][valid], reward[valid]


def test_a_run_learns_its_reward_and_goes_on_where_it_was(tmp_path: Path) -> None:
    before = descendants(os.getpid()).keys()
    folder = RunFolder(tmp_path / "run")
    envs = backflip.learned_reward(poles(), folder.path, steps=900, labels=TEACHER)
    assert envs.wait_for_reward(200.0) > UNFITTED
    with pytest.raises(UserError, match="being trained by another process"):
        backflip.learned_reward(poles(), folder.path, steps=900, labels=TEACHER)
    steps = list(scored(envs, 400))
    wait_until(lambda: envs.facts.labels_used == ANSWERS)
    envs.close()
    assert descendants(os.getpid()).keys() == before
    assert len(labels_of(folder)) == ANSWERS

    model = RewardModel(3, ObservationSpace((4,)), 2, folder.reward_model)
    by_version = [
        np.stack([model.score(seen, acted, version)[0].mean() for seen, acted, _ in steps])
        for version in model.numbers[1:]
    ]
    error = np.abs(np.stack(by_version) - [reward.mean() for _, _, reward in steps]).min(0)
    assert error.max() < 1e-5, "every step was scored by one version, and none by the environment"
    assert np.concatenate([reward for _, _, reward in steps]).std() > 0.1

    with pytest.raises(UserError, match=r"labels.clip-steps 5, not 6: name another folder"):
        longer = backflip.LabelsConfig(budget=ANSWERS, clip_steps=6)
        backflip.learned_reward(poles(), folder.path, steps=900, labels=longer)

    envs = backflip.learned_reward(poles(), folder.path, steps=2000, labels=TEACHER)
    assert (envs.facts.labels_used, envs.facts.reward_version) == (ANSWERS, model.newest.number)
    service = [pid for pid in descendants(os.getpid()) if "-m reward_service" in command(pid)]
    os.kill(service[0], signal.SIGKILL)
    assert np.concatenate([reward for _, _, reward in scored(envs, 100)]).all(), "what is published still scores"
    envs.close()
    assert len(labels_of(folder)) == ANSWERS
    noted = [json.loads(line)["env_steps"] for line in folder.progress.read_text().splitlines()]
    of_first_session = sum(len(reward) for _, _, reward in steps)
    assert noted[0] < of_first_session < noted[-1], "steps are counted from the very first, over both sessions"


def test_waiting_resets_what_nobody_else_does_and_says_that_episodes_are_too_short(tmp_path: Path) -> None:
    worlds = [lambda length=4 + world: Stroll(length) for world in range(WORLDS)]
    strolls = SyncVectorEnv(worlds, autoreset_mode=AutoresetMode.DISABLED)
    labels = replace(TEACHER, clip_steps=7)
    envs = backflip.learned_reward(strolls, tmp_path / "run", steps=900, labels=labels)
    with pytest.raises(UserError, match="after 3 s: no clip of 7 steps yet: the longest episode so far had 6; shorten"):
        envs.wait_for_reward(3.0)
    envs.close()


def test_what_the_first_reward_waits_for_is_said() -> None:
    labels = backflip.LabelsConfig(budget=40, clip_steps=25)
    seen = ClipSupply(longest=30)
    counts = Counts(asked=0, open=0, leased=0, used=0, later=0, candidates=0, waiting="")
    service = Status("waiting for 10 usable answers to fit version 1, 4 given so far")
    facts = Facts(parts={"labeling gateway": Status("waiting for candidate clips"), "reward service": service})
    assert missing(seen, labels, counts, facts) == "no clip of 25 steps yet"
    seen.clips, upfront = 5, labels.upfront_questions
    asking = replace(counts, asked=upfront - 1)
    said = f"{upfront - 1} of {upfront} questions asked, the labeling gateway is waiting for candidate clips"
    assert missing(seen, labels, asking, facts) == said
    open = replace(counts, asked=upfront, open=5, leased=1)
    assert missing(seen, labels, open, facts) == f"the reward service is {service.doing}; 6 questions are open"
    down = Facts(parts={"reward service": Status("down, restarting", held_up=True)})
    assert missing(seen, labels, open, down) == "the reward service is held up: down, restarting"


ENDLESS = """
import sys, gymnasium, backflip
labels = backflip.LabelsConfig(budget=20, clip_steps=5)
envs = backflip.learned_reward(gymnasium.make_vec("CartPole-v1", num_envs=4), sys.argv[1], steps=1000, labels=labels)
envs.reset()
while True:
    envs.step(envs.action_space.sample())
"""


@pytest.mark.slow
def test_a_program_that_is_killed_leaves_its_labels_and_no_process(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    program = subprocess.Popen([sys.executable, "-c", ENDLESS, str(folder.path)], text=True)
    family: dict[int, int] = {}
    try:
        wait_for(lambda: any(folder.reward_model.glob("*.safetensors")), program)
        family = descendants(program.pid)
        assert len(family) >= 4, "store, reward service, gateway, teacher"
        program.kill()
        program.wait()
        wait_until(lambda: not any(map(alive, family)))
    finally:
        program.kill()
        end(family)
    assert len(labels_of(folder)) >= 5


def test_what_cannot_be_wrapped_is_said_in_a_line_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Reads observes Text"):
        backflip.learned_reward(SyncVectorEnv([lambda: Reads(4)] * 2), tmp_path / "run", steps=100)
    with pytest.raises(UserError, match="steps must be at least 1"):
        backflip.learned_reward(poles(), tmp_path / "run", steps=0)
    assert list(tmp_path.iterdir()) == []


def wait_until(what: Any, seconds: float = 120.0) -> None:
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up, "it took too long"
        time.sleep(0.1)
