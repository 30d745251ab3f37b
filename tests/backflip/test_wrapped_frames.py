"""A vector environment of pixels with the learned reward: filmed, asked about, answered, fitted and scored."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs import registration
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import FrameStackObservation, TransformObservation
from stable_baselines3 import PPO

import backflip
from backflip.errors import UserError
from backflip.run_folder import RunFolder
from backflip.wrapper import LearnedReward
from contracts.clip import Clip
from contracts.film import decode_film
from contracts.rollout import UNFITTED
from contracts.spaces import ObservationSpace
from reward_service.versions import RewardModel
from tests.backflip.commands import labels_of

WORLDS, SIDE, STEPS = 3, 64, 5
QUESTION = "Which square is further to the right?"
TEACHER = backflip.LabelsConfig(budget=20, clip_steps=STEPS)
NOBODY = backflip.LabelsConfig(source="none", clip_steps=STEPS)


class Square(gymnasium.Env):
    """A bright square that is pushed to the left or right, which pays how far to the right it is."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10, "question": QUESTION}  # noqa: RUF012
    observation_space = Box(0, 255, (SIDE, SIDE, 3), np.uint8)
    action_space = Discrete(2)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.x = int(self.np_random.integers(10, 50))
        return self.render(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.x = int(np.clip(self.x + (3 if action else -3), 0, SIDE - 6))
        return self.render(), float(self.x), False, False, {}

    def render(self) -> Any:
        picture = np.full((SIDE, SIDE, 3), (20, 40, 60), np.uint8)
        picture[30:36, self.x : self.x + 6] = (250, 200, 0)
        return picture


class Larger(Square):
    """Renders at twice the size of what it observes."""

    def reset(self, **seeds: Any) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(**seeds)
        return Square.render(self), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        _, reward, terminated, truncated, infos = super().step(action)
        return Square.render(self), reward, terminated, truncated, infos

    def render(self) -> Any:
        return super().render().repeat(2, axis=0).repeat(2, axis=1)


class Blind(Larger):
    def render(self) -> Any:
        return None


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "registry", dict(registration.registry))
    for made in (Square, Larger):
        gymnasium.register(f"{made.__name__}-v0", f"{__name__}:{made.__name__}", max_episode_steps=20)


def grey(env: gymnasium.Env) -> gymnasium.Wrapper:
    return TransformObservation(env, lambda picture: picture[..., 0], Box(0, 255, (SIDE, SIDE), np.uint8))


def columns(pictures: np.ndarray) -> np.ndarray:
    """Where the square begins, as a share of the width: [L], of pictures [L, H, W]."""
    bright = pictures.max(axis=1) > 128
    return bright.argmax(axis=1) / pictures.shape[2]


def offered(envs: LearnedReward, rounds: int = 70) -> list[Clip]:
    """The clips of random steps."""
    gateway = envs._services.gateway
    assert gateway is not None
    hearing = gateway.subscribe()
    envs.reset(seed=3)
    for _ in range(rounds):
        envs.step(envs.action_space.sample())
    received = [gateway.receive(hearing, 0.3) for _ in range(2 * WORLDS)]
    return [Clip.from_bytes(data, with_oracle=True) for data in received if data is not None]


def assert_filmed(clips: list[Clip], shape: tuple[int, ...], times: int) -> None:
    """Each of its pictures shows the moment that its observation shows."""
    assert len(clips) >= 3
    # One by one they may stand still, pushed against a wall.
    assert any(np.ptp(columns(clip.observation[:, -1])) > 0 for clip in clips)
    for clip in clips:
        assert clip.observation.shape == (STEPS, *shape) and clip.observation.dtype == np.uint8
        assert clip.state.shape == (STEPS, 0) and clip.oracle is not None
        film = decode_film(clip.film)
        assert film.shape == (STEPS, times * SIDE, times * SIDE, 3)
        newest = clip.observation[:, -1]
        np.testing.assert_allclose(columns(film[..., 0]), columns(newest), atol=1.5 / SIDE)
        pushed = np.where(clip.action[:, 1], 3, -3)
        np.testing.assert_array_equal(clip.oracle, np.clip(SIDE * columns(newest) + pushed, 0, SIDE - 6))


def test_pictures_become_films_and_a_reward_that_stable_baselines_trains_on(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")

    def wrapped() -> LearnedReward:
        envs = gymnasium.make_vec(
            "Larger-v0",
            WORLDS,
            vectorization_mode="sync",
            render_mode="rgb_array",
            wrappers=[grey, partial(FrameStackObservation, stack_size=2)],
            vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
        )
        return backflip.learned_reward(envs, folder.path, steps=900, labels=TEACHER)

    envs = wrapped()
    scene = envs._worlds.scene
    assert (scene.track, scene.timestep, scene.question) == ("frames", 0.1, QUESTION)
    assert_filmed(offered(envs), (2, SIDE, SIDE), 2)
    assert envs.wait_for_reward(120.0) > UNFITTED
    observation, _ = envs.reset(seed=1)
    seen, rewards = [], []
    for _ in range(20):
        seen.append(observation)
        observation, reward, *_ = envs.step(envs.action_space.sample())
        rewards.append(reward)
    PPO("CnnPolicy", backflip.for_stable_baselines3(envs), n_steps=4, batch_size=12, n_epochs=1).learn(12)
    envs.close()
    assert len(labels_of(folder)) >= TEACHER.upfront_questions

    model = RewardModel(3, ObservationSpace((2, SIDE, SIDE)), 2, folder.reward_model)
    frames = np.concatenate(seen)
    nothing = np.zeros((len(frames), 2), np.float32)
    expected = [model.score(frames, nothing, version)[0] for version in model.numbers[1:]]
    errors = np.abs(np.stack(expected).reshape(-1, *np.shape(rewards)) - rewards).max(2).min(0)
    assert errors.max() < 1e-4, "every step was scored from its frames by one version"
    assert np.std(rewards) > 0.1

    with pytest.raises(UserError, match=r"fitted to inputs \(2, 64, 64\), not \(3, 64, 64\): name another folder"):
        backflip.learned_reward(gymnasium.make_vec("Larger-v0", WORLDS), folder.path, steps=900, labels=TEACHER)


def test_worlds_that_are_not_rendered_are_filmed_by_what_they_observe(tmp_path: Path) -> None:
    envs = gymnasium.make_vec("Square-v0", WORLDS, vectorization_mode="async", wrappers=[grey])
    envs = backflip.learned_reward(envs, tmp_path / "run", steps=900, labels=NOBODY)
    clips = offered(envs)
    envs.close()
    assert_filmed(clips, (1, SIDE, SIDE), 1)


def vector(observation: gymnasium.Space) -> VectorEnv:
    class Observing(Square):
        observation_space = observation

    return SyncVectorEnv([Observing] * 2)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: vector(Dict(eye=Square.observation_space, hand=Discrete(2))), "frames are supported alone"),
        (lambda: SyncVectorEnv([lambda: Blind("rgb_array")] * 2), "Blind: .*its render gives .* not a picture"),
    ],
)
def test_pictures_that_cannot_be_taken_are_said_in_a_line(make: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        backflip.learned_reward(make(), tmp_path / "run", steps=100)
    assert list(tmp_path.iterdir()) == []
