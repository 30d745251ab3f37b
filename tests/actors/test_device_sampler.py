"""Slabs that are filled on a device, against a plain loop over the same simulator's numpy side."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from actors.config import ActorsConfig
from actors.device_sampler import DeviceSampler
from actors.simulators.warp_engine import DeviceTransition
from actors.worker import Worker, WorkerSpec
from learner.policy import ActionNoise, Policy, PolicySpec
from learner.ppo import PPO, PPOConfig
from tests.actors.short import EPISODE, snapshot_of, spec_of, warp_hoppers

STEPS, WORLDS, CORRELATION = 16, 6, 0.7


def sampler(seed: int = 5) -> DeviceSampler:
    simulator = warp_hoppers(WORLDS, seed=3)
    found = DeviceSampler(simulator, STEPS, spec_of(simulator), seed, noise_correlation=CORRELATION, actor=2)
    found.load(snapshot_of(found.policy.spec, version=4))
    return found


def test_slabs_are_those_of_a_plain_loop() -> None:
    subject = sampler()
    simulator = warp_hoppers(WORLDS, seed=3)
    policy = Policy(spec_of(simulator))
    policy.load(snapshot_of(policy.spec, version=4))
    generator = torch.Generator().manual_seed(5)
    noise = ActionNoise(WORLDS, 3, CORRELATION, generator)
    observation = simulator.reset()
    for _ in range(2):
        rollout, track = subject.sample()
        rollout = rollout.on_host()
        finals = []
        for t in range(STEPS):
            np.testing.assert_array_equal(rollout.observation[t], observation)
            np.testing.assert_array_equal(track.state[t], simulator.state())
            action, log_prob = policy.act(torch.from_numpy(observation), generator, noise.next(slice(0, WORLDS)))
            np.testing.assert_array_equal(rollout.action[t], action.numpy())
            np.testing.assert_array_equal(rollout.log_prob[t], log_prob.numpy())
            transition = simulator.step(action.numpy())
            for name in ("terminated", "truncated", "valid"):
                np.testing.assert_array_equal(getattr(rollout, name)[t], getattr(transition, name))
            np.testing.assert_array_equal(track.score[t], transition.score)
            np.testing.assert_array_equal(track.odometer[t], transition.odometer)
            finals.append(transition.final_observation[transition.truncated])
            observation = transition.observation
        np.testing.assert_array_equal(rollout.last_observation, observation)
        np.testing.assert_array_equal(rollout.final_row, np.flatnonzero(rollout.truncated))
        np.testing.assert_array_equal(rollout.final_observation, np.concatenate(finals))
        assert len(rollout.final_row) >= WORLDS, "every world ends within a slab"
        assert (rollout.policy_version, rollout.actor) == (4, 2)


def test_a_broken_world_is_told_of_once_the_slab_is_whole(caplog: pytest.LogCaptureFixture) -> None:
    subject = sampler()
    subject.simulator._qvel[2, 0] = np.nan
    rollout, _ = subject.sample()
    seen = rollout.on_host()
    assert np.argwhere(~seen.valid).tolist() == [[0, 2]]
    assert np.isfinite(seen.observation).all() and np.isfinite(seen.final_observation).all()
    assert "world 2: its state is not finite" in caplog.text
    assert rollout.failed_steps == 1


def test_every_step_that_failed_is_counted_though_its_world_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = sampler()
    step = subject.simulator.step_on_device

    def breaks(action: torch.Tensor) -> DeviceTransition:
        subject.simulator._qvel[2, 0] = np.nan
        return step(action)

    monkeypatch.setattr(subject.simulator, "step_on_device", breaks)
    rollout, _ = subject.sample()
    assert (~rollout.on_host().valid).sum() == rollout.failed_steps == STEPS


def test_a_worker_judges_a_slab_on_the_host_and_the_learner_takes_it_from_the_device() -> None:
    actors = ActorsConfig(count=1, worlds=WORLDS, slab_steps=STEPS, candidates=2)
    offered = []

    def score(observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int]:
        return observation[:, 0] + action.sum(1), 7

    spec = WorkerSpec("warp", "hopper-backflip", actors, hidden=(8,), clip_steps=4, seed=7)
    worker = Worker(spec, score, offered.extend)
    assert isinstance(worker.sampler, DeviceSampler)
    ppo = PPO(PolicySpec(worker.spaces, (8,)), PPOConfig(epochs=1, minibatches=2), seed=0)
    rollout = worker.slab(ppo.snapshot())
    assert isinstance(rollout.reward, torch.Tensor)
    assert rollout.reward_version == 7
    seen = rollout.on_host()
    expected = seen.observation[..., 0] + worker.spaces.action.encode(seen.action).sum(-1)
    np.testing.assert_allclose(seen.reward, expected, rtol=1e-5)
    assert len(offered) == 2 and all(len(clip) == 4 for clip in offered)
    before = ppo.snapshot().flat
    ppo.update([rollout])
    assert not np.array_equal(ppo.snapshot().flat, before)
    twin = PPO(PolicySpec(worker.spaces, (8,)), PPOConfig(epochs=1, minibatches=2), seed=0)
    twin.update([seen])
    np.testing.assert_array_equal(twin.snapshot().flat, ppo.snapshot().flat)
    copied = worker.slab(ppo.snapshot(), on_host=True)
    assert isinstance(copied.reward, np.ndarray) and copied.reward_version == 7 and copied.reward.any()
    worker.close()


def test_episodes_are_counted_across_slabs() -> None:
    subject = sampler()
    lengths, ends, odometers = [], [], []
    for _ in range(3):
        rollout, track = subject.sample()
        seen = rollout.on_host()
        subject.count_episodes(seen, track)
        lengths += [episode.length for episode in seen.episodes]
        odometers += [episode.odometer for episode in seen.episodes]
        ends += track.odometer[seen.truncated].tolist()
    assert len(lengths) == len(ends) >= 4 * WORLDS
    assert lengths.count(EPISODE) >= len(lengths) - WORLDS, "but for the first of each world, which is staggered"
    np.testing.assert_allclose(odometers, ends, rtol=1e-6)
