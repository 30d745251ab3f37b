"""A policy that sees frames: one encoder for actor and critic, bytes all the way to a minibatch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contracts.rollout import Rollout
from contracts.spaces import ActionSpace, ObservationSpace, Spaces
from learner import ppo as ppo_module
from learner.networks import encoder
from learner.policy import Encoder, Policy, PolicySpec
from learner.ppo import PPO, PPOConfig

STEPS, WORLDS, ACTIONS = 8, 8, 3
SPACES = Spaces(ObservationSpace((4, 84, 84), 4), ActionSpace("discrete", ACTIONS))


def slab(policy: Policy, version: int, seed: int) -> Rollout:
    """A third of the picture is bright; the action of the same number is the one that is paid."""
    random = np.random.default_rng(seed)
    bright = random.integers(0, ACTIONS, (STEPS, WORLDS))
    observation = random.integers(0, 40, (STEPS, WORLDS, 4, 84, 84)).astype(np.uint8)
    for t, n in np.ndindex(STEPS, WORLDS):
        observation[t, n, :, :, 28 * bright[t, n] : 28 * bright[t, n] + 28] += 180
    flat = torch.from_numpy(observation.reshape(-1, 4, 84, 84))
    action, log_prob = policy.act(flat, torch.Generator().manual_seed(seed))
    action = action.numpy().reshape(STEPS, WORLDS)
    nothing = np.zeros((STEPS, WORLDS), bool)
    return Rollout(
        observation=observation,
        action=action,
        log_prob=log_prob.numpy().reshape(STEPS, WORLDS),
        reward=(action == bright).astype(np.float32),
        terminated=nothing,
        truncated=~nothing,  # every step is an episode
        valid=~nothing,
        final_row=np.arange(STEPS * WORLDS),
        final_observation=observation.reshape(-1, 4, 84, 84),
        last_observation=observation[-1],
        policy_version=version,
        reward_version=1,
    )


def test_it_learns_what_the_picture_says() -> None:
    config = PPOConfig(epochs=4, minibatches=2, learning_rate=5e-4, value_weight=0.005, discount=0.0)
    learner = PPO(PolicySpec(SPACES), config, seed=0)
    paid = []
    for update in range(9):
        rollout = slab(learner.policy, learner.version, update)
        assert rollout.observation.dtype == np.uint8
        paid.append(float(rollout.reward.mean()))
        learner.update([rollout])
    assert paid[0] < 0.5 and np.mean(paid[-3:]) > 0.75, paid


@pytest.mark.parametrize("kind", ["small", "nature", "impala"])
def test_a_snapshot_brings_the_encoder_too(kind: Encoder) -> None:
    torch.manual_seed(1)
    policy, other = (Policy(PolicySpec(SPACES, encoder=kind)) for _ in range(2))
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 4, 84, 84)).astype(np.uint8))
    action = torch.zeros(5, dtype=torch.int64)
    before = policy.evaluate(frames, action)
    assert not torch.allclose(before[0], other.evaluate(frames, action)[0])
    other.load(policy.snapshot(3))
    for ours, theirs in zip(before, other.evaluate(frames, action), strict=True):
        torch.testing.assert_close(ours, theirs)
    sampled, log_prob = policy.act(frames, torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(policy.evaluate(frames, sampled)[0], log_prob)
    assert len(policy.mean) == 0, "no statistics of what is known to be bytes"


def test_slabs_are_gone_through_in_parts_to_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = PPO(PolicySpec(SPACES), PPOConfig(), seed=0)
    rollout = slab(learner.policy, 0, 1)
    whole = learner._prepare(rollout)
    assert whole.observation.dtype == torch.uint8
    monkeypatch.setattr(ppo_module, "_FRAMES_AT_ONCE", 24)
    parts = learner._prepare(rollout)
    torch.testing.assert_close(whole.log_prob, parts.log_prob)
    torch.testing.assert_close(whole.advantage, parts.advantage, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["small", "nature", "impala"])
@pytest.mark.parametrize("sides", [(36, 36), (43, 70), (65, 37)])
def test_frames_of_any_sides_have_their_features(kind: Encoder, sides: tuple[int, int]) -> None:
    layers, features = encoder(kind, (2, *sides))
    assert layers(torch.zeros(3, 2, *sides, dtype=torch.uint8)).shape == (3, features)


def test_frames_that_are_too_small_are_named() -> None:
    small = Spaces(ObservationSpace((3, 7, 7)), ActionSpace("discrete", 3))
    with pytest.raises(ValueError, match=r"7x7 are too small .* 'nature'; set learner\.encoder to impala"):
        Policy(PolicySpec(small))
    Policy(PolicySpec(small, encoder="impala"))
    with pytest.raises(ValueError, match="encoder must be small or nature or impala"):
        PPOConfig(encoder="resnet")  # pyright: ignore[reportArgumentType]
