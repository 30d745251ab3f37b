"""What a worker does with a slab; above all, what it never does with the task's own score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actors.config import ActorsConfig
from actors.sampler import Sampler
from actors.simulators.protocol import Draws, Simulator, Transition
from actors.worker import RunningScale, Worker, WorkerSpec
from contracts.clip import Clip
from contracts.film import decode_film
from contracts.rollout import TRUE_REWARD, UNFITTED, Rollout
from learner.policy import PolicySpec
from learner.ppo import PPO, PPOConfig

WORLDS, STEPS = 6, 12


def spec(engine: str = "mujoco", task: str = "hopper-backflip", groups: int = 2, candidates: int = 2) -> WorkerSpec:
    actors = ActorsConfig(count=1, worlds=WORLDS, slab_steps=STEPS, groups=groups, threads=1, candidates=candidates)
    return WorkerSpec(engine, task, actors, hidden=(8,), clip_steps=4, seed=7, number=1)


class Model:
    """A reward model that is a plain function, and remembers what it was shown."""

    def __init__(self, version: int = 3) -> None:
        self.version = version
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []

    def score(self, observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int]:
        self.seen.append((observation.copy(), action.copy()))
        return observation[:, 0] + action.sum(1), self.version


def learner_of(worker: Worker) -> PPO:
    return PPO(PolicySpec(worker.spaces, (8,)), PPOConfig(epochs=1, minibatches=2), seed=0)


@pytest.mark.parametrize("engine, task", [("mujoco", "hopper-backflip"), ("envpool", "CartPole-v1")])
def test_a_slab_is_scored_whole_in_one_call_as_the_model_sees_it(engine: str, task: str) -> None:
    model = Model()
    worker = Worker(spec(engine, task), model.score, None)
    rollout = worker.slab(learner_of(worker).snapshot())
    ((observation, action),) = model.seen
    np.testing.assert_array_equal(observation, rollout.observation.reshape(STEPS * WORLDS, -1))
    np.testing.assert_array_equal(action, worker.spaces.action.encode(rollout.action).reshape(STEPS * WORLDS, -1))
    assert np.abs(action).max() <= 1
    np.testing.assert_array_equal(rollout.reward.ravel(), observation[:, 0] + action.sum(1))
    assert rollout.reward_version == 3
    worker.close()


class Poisoned:
    """The same worlds, but the task's own score is rubbish."""

    def __init__(self, simulator: Simulator, score: float) -> None:
        self._simulator = simulator
        self._score = score

    def __getattr__(self, name: str) -> Any:
        return getattr(self._simulator, name)

    def step(self, action: np.ndarray) -> Transition:
        transition = self._simulator.step(action)
        return replace(transition, score=np.full_like(transition.score, self._score))


@pytest.mark.parametrize("score", [np.nan, 1e9])
def test_the_tasks_own_score_reaches_no_learned_batch(score: float) -> None:
    """Learning from poisoned worlds and from sound ones gives the same policy, to the last bit."""

    def learn(poison: bool) -> tuple[list[Rollout], bytes]:
        worker = Worker(spec("envpool", "CartPole-v1"), Model().score, None)
        assert isinstance(worker.sampler, Sampler)
        if poison:
            worlds: list[Any] = [Poisoned(simulator, score) for simulator in worker.sampler.simulators]
            worker.sampler.simulators = worlds
        ppo = learner_of(worker)
        rollouts = []
        for _ in range(4):
            rollouts.append(worker.slab(ppo.snapshot()))
            ppo.update(rollouts[-1:])
        worker.close()
        return rollouts, ppo.snapshot().flat.tobytes()

    sound, poisoned = learn(False), learn(True)
    for mine, theirs in zip(sound[0], poisoned[0], strict=True):
        np.testing.assert_array_equal(mine.reward, theirs.reward)
        np.testing.assert_array_equal(mine.observation, theirs.observation)
    assert sound[1] == poisoned[1]
    returns = [episode.true_return for rollout in poisoned[0] for episode in rollout.episodes]
    assert returns, "some episodes ended"
    assert all(np.isnan(true) or true >= 1e9 for true in returns), "the poison was there"


def test_true_reward_is_the_score_in_units_of_its_deviation() -> None:
    worker = Worker(spec(), None, None)
    snapshot = learner_of(worker).snapshot()
    scores = []
    take = worker._fill_reward

    def fill(rollout: Rollout, track: Any) -> None:
        scores.append(track.score.copy())
        take(rollout, track)

    worker._fill_reward = fill
    for _ in range(3):
        rollout = worker.slab(snapshot)
        np.testing.assert_allclose(rollout.reward, scores[-1] / np.concatenate(scores).std(), rtol=1e-4)
        assert rollout.reward_version == TRUE_REWARD
    worker.close()


def test_a_score_that_never_varies_is_not_divided_by_nothing() -> None:
    assert np.isfinite(RunningScale()(np.ones((4, 4), np.float32))).all()


@pytest.mark.parametrize("version, expected", [(UNFITTED, WORLDS), (1, 2)])
def test_clips_are_offered_many_before_the_first_fit_and_few_after(version: int, expected: int) -> None:
    offered: list[list[Clip]] = []
    worker = Worker(spec(), Model(version).score, offered.append)
    worker.slab(learner_of(worker).snapshot())
    (clips,) = offered
    # A world that is about to end its first, staggered episode may have none.
    assert expected - 1 <= len(clips) <= expected
    assert all(clip.scene == worker.scene.hash and len(clip) == 4 and clip.actor == 1 for clip in clips)
    worker.close()


def test_without_candidates_no_clips_are_cut() -> None:
    offered: list[list[Clip]] = []
    worker = Worker(spec(candidates=0), Model().score, offered.append)
    worker.slab(learner_of(worker).snapshot())
    assert not any(offered)
    worker.close()


def test_groups_split_the_worlds_with_seeds_of_their_own() -> None:
    worker = Worker(spec(groups=4), None, None)
    assert isinstance(worker.sampler, Sampler)
    assert [simulator.worlds for simulator in worker.sampler.simulators] == [2, 2, 1, 1]
    rollout = worker.slab(learner_of(worker).snapshot())
    assert len(np.unique(rollout.observation[0], axis=0)) == WORLDS, "no two worlds alike"
    worker.close()


@pytest.mark.parametrize(
    "change", [{"count": 0}, {"worlds": 0}, {"slab_steps": -1}, {"groups": 0}, {"threads": -1}, {"candidates": -1}]
)
def test_a_number_out_of_range_is_named(change: dict[str, int]) -> None:
    (name,) = change
    with pytest.raises(ValueError, match=rf"actors\.{name.replace('_', '[_-]')} must"):
        ActorsConfig(**change)
    with pytest.raises(ValueError, match=r"groups \(3\) must not exceed actors.worlds \(2\)"):
        ActorsConfig(worlds=2, groups=3)


def test_a_game_is_filmed_only_where_it_will_be_cut_and_the_film_shows_the_clip() -> None:
    drawn: list[int] = []
    offered: list[Clip] = []
    actors = ActorsConfig(count=1, worlds=4, slab_steps=30, groups=2, threads=1, candidates=1)
    worker = Worker(
        WorkerSpec("envpool", "Pong-v5", actors, hidden=(8,), clip_steps=10, seed=7),
        lambda observation, action: (np.zeros(len(observation), np.float32), 3),
        offered.extend,
    )
    assert isinstance(worker.sampler, Sampler)
    for simulator in worker.sampler.simulators:
        assert isinstance(simulator, Draws)
        pictures = simulator.pictures
        simulator.pictures = lambda worlds, pictures=pictures: drawn.append(len(worlds)) or pictures(worlds)
    snapshot = learner_of(worker).snapshot()
    worker.slab(snapshot)
    assert sum(drawn) == 40 and len(offered) == 4, "before the first fit each world gives a clip"
    rollout = worker.slab(snapshot)
    assert sum(drawn) == 50 and len(offered) == 5
    clip = offered[-1]
    assert clip.observation.shape == (10, 4, 84, 84) and clip.stack == 4 and len(clip.to_bytes()) < 30_000
    [(world, start)] = [
        (world, start)
        for world in range(4)
        for start in range(21)
        if np.array_equal(rollout.observation[start : start + 10, world], clip.observation)
    ]
    assert world < 4 and start <= 20
    # The newest frame of an observation is the screen, grey and smaller: they move alike.
    screens = decode_film(clip.film).astype(float).mean(-1)[:, 34:194].reshape(10, -1)
    seen = clip.observation[:, 3, 14:78].astype(float).reshape(10, -1)
    assert abs(screens.mean() - seen.mean()) < 15
    worker.close()
