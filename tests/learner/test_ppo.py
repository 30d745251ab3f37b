"""The learner against a plain reference, and on the lag that the reference does not have."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contracts.rollout import Rollout
from contracts.spaces import ActionSpace, ObservationSpace, Spaces
from learner.checkpoint import load_checkpoint, save_checkpoint
from learner.loop import Progress
from learner.policy import Policy, PolicySpec
from learner.ppo import PPO, PPOConfig
from learner.vtrace import vtrace_advantages
from tests.learner.reference_ppo import gae, update

STEPS, WORLDS, SIZE = 16, 6, 5


def spec(kind: str = "continuous") -> PolicySpec:
    action = ActionSpace.of_choices((3, 2, 4)) if kind == "multi-discrete" else ActionSpace(kind, 3)  # pyright: ignore[reportArgumentType]
    return PolicySpec(Spaces(ObservationSpace((SIZE,)), action), hidden=(16, 16))


def slab(policy: Policy, *, seed: int = 0, ends: bool = True, version: int = 0) -> Rollout:
    """Random observations acted on by ``policy``, with some ends."""
    random = np.random.default_rng(seed)
    observation = random.normal(size=(STEPS, WORLDS, SIZE)).astype(np.float32)
    action, log_prob = policy.act(torch.from_numpy(observation.reshape(-1, SIZE)), torch.Generator().manual_seed(seed))
    truncated = (random.random((STEPS, WORLDS)) < 0.1) & ends
    final_row = np.flatnonzero(truncated)
    return Rollout(
        observation=observation,
        action=action.numpy().reshape(STEPS, WORLDS, *action.shape[1:]),
        log_prob=log_prob.numpy().reshape(STEPS, WORLDS),
        reward=random.normal(size=(STEPS, WORLDS)).astype(np.float32),
        terminated=np.zeros((STEPS, WORLDS), bool),
        truncated=truncated,
        valid=np.ones((STEPS, WORLDS), bool),
        final_row=final_row,
        final_observation=random.normal(size=(len(final_row), SIZE)).astype(np.float32),
        last_observation=random.normal(size=(WORLDS, SIZE)).astype(np.float32),
        policy_version=version,
        reward_version=1,
    )


@pytest.mark.parametrize("kind", ["continuous", "discrete", "multi-discrete"])
def test_update_equals_the_plain_reference(kind: str) -> None:
    config = PPOConfig(epochs=3, minibatches=4, entropy_weight=0.01, max_divergence=1.0)
    learner = PPO(spec(kind), config, seed=3)
    reference = Policy(spec(kind))
    reference.load(learner.snapshot())
    rollout = slab(learner.policy)
    update(reference, rollout, config, torch.Generator().manual_seed(3))
    learner.update([rollout])
    for (name, ours), theirs in zip(learner.policy.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_an_update_ends_early_where_the_policy_has_gone_far() -> None:
    bold = {"minibatches": 1, "learning_rate": 0.03}
    bounded = PPO(spec(), PPOConfig(epochs=50, max_divergence=0.1, **bold), seed=2)
    free = PPO(spec(), PPOConfig(epochs=50, max_divergence=1e9, **bold), seed=2)
    short = PPO(spec(), PPOConfig(epochs=1, max_divergence=1e9, **bold), seed=2)
    rollout = slab(free.policy)
    stats = {learner: learner.update([rollout]) for learner in (bounded, free, short)}
    assert stats[free].divergence > stats[bounded].divergence > stats[short].divergence
    assert stats[bounded].divergence < 0.2


def test_a_policy_has_to_do_with_less_and_less_noise_in_the_second_half_of_a_run() -> None:
    learner = PPO(spec(), PPOConfig(epochs=1, minibatches=1), seed=3)
    deviations: list[float] = []
    for done in (0.0, 0.5, 0.75, 1.0):
        learner.update([slab(learner.policy, version=learner.version)], done)
        deviations.append(float(learner.policy.log_std.detach().exp().max()))
    assert min(deviations[:2]) > 0.9
    assert deviations[2:] == pytest.approx([0.15**0.5, 0.15])


def test_without_lag_vtrace_is_gae() -> None:
    config = PPOConfig()
    learner = PPO(spec(), config, seed=1)
    rollout = slab(learner.policy)
    expected, _ = gae(rollout, learner.policy, config)
    batch = learner._prepare(rollout)
    torch.testing.assert_close(batch.advantage, expected.flatten(), rtol=1e-4, atol=1e-5)


def test_vtrace_with_lag_equals_its_definition() -> None:
    """Against the sum in Espeholt et al. 2018, equation 1, with λ in the traces (remark 2)."""
    generator = torch.Generator().manual_seed(0)
    reward, value, last = (torch.randn(8, 1, generator=generator) for _ in range(3))
    next_value = torch.cat((value[1:], last[-1:]))
    ratio = torch.rand(8, 1, generator=generator) * 2
    never = torch.zeros(8, 1, dtype=torch.bool)
    found = vtrace_advantages(reward, value, next_value, ratio, never, ~never, discount=0.9, trace_decay=0.8)
    rho = ratio.clamp(max=1.0)
    delta = rho * (reward + 0.9 * next_value - value)
    for s in range(8):
        expected = sum(0.9 ** (t - s) * float(torch.prod(0.8 * rho[s:t])) * float(delta[t]) for t in range(s, 8))
        assert found[s].item() == pytest.approx(expected, rel=1e-4)


def test_nothing_is_learnt_from_invalid_rows() -> None:
    config = PPOConfig(epochs=1, minibatches=1)
    learner, other = PPO(spec(), config, seed=2), PPO(spec(), config, seed=2)
    rollout, spoilt = slab(learner.policy, ends=False), slab(learner.policy, ends=False)
    # As after an end that autoresets one step later: row 4 is invalid, row 3 ends the episode.
    for one in (rollout, spoilt):
        one.truncated[3] = True
        one.valid[4] = False
        one.final_row = 3 * WORLDS + np.arange(WORLDS)
        one.final_observation = one.observation[4].copy()
    spoilt.reward[4] = 1e6
    spoilt.observation[4] += 100.0
    spoilt.log_prob[4] = 0.0
    learner.update([rollout])
    other.update([spoilt])
    np.testing.assert_array_equal(learner.snapshot().flat, other.snapshot().flat)


def test_ends_are_bootstrapped_from_the_final_observation() -> None:
    config = PPOConfig()
    learner = PPO(spec(), config, seed=2)
    rollout = slab(learner.policy, ends=False)
    rollout.terminated[5, 2] = True
    rollout.final_row = np.array([5 * WORLDS + 2])
    rollout.final_observation = np.full((1, SIZE), 0.3, np.float32)
    value = learner.policy.value(torch.full((1, SIZE), 0.3)).item()
    own = learner.policy.value(torch.as_tensor(rollout.observation[5, 2])).item()
    advantage = learner._prepare(rollout).advantage.view(STEPS, WORLDS)[5, 2]
    assert float(advantage) == pytest.approx(float(rollout.reward[5, 2]) + 0.99 * value - own, abs=1e-4)


def test_a_loss_that_is_not_finite_leaves_policy_and_optimiser_as_they_were() -> None:
    learner = PPO(spec(), PPOConfig(), seed=2)
    learner.update([slab(learner.policy)])
    before = learner.snapshot().flat.copy()
    moments = {name: value.copy() for name, value in learner.optimiser_state().items()}
    rollout = slab(learner.policy, version=1)
    rollout.reward[0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="policy version 1"):
        learner.update([rollout])
    np.testing.assert_array_equal(learner.snapshot().flat, before)
    assert moments
    for name, value in learner.optimiser_state().items():
        np.testing.assert_array_equal(value, moments[name], err_msg=name)
    learner.update([slab(learner.policy, version=1)])
    assert learner.version == 2 and np.isfinite(learner.snapshot().flat).all()


def test_a_last_step_that_leaves_the_finite_numbers_is_undone() -> None:
    """Its own loss and gradient are sound: only the weights after it tell."""
    learner = PPO(spec(), PPOConfig(epochs=1, minibatches=1, learning_rate=1e39), seed=2)
    before = learner.snapshot().flat.copy()
    with pytest.raises(FloatingPointError, match="policy version 0"):
        learner.update([slab(learner.policy)])
    np.testing.assert_array_equal(learner.snapshot().flat, before)
    assert learner.optimiser_state() == {}


def test_a_resume_shuffles_anew_and_a_fresh_run_does_not(tmp_path) -> None:
    def after_resume(updates: int) -> torch.Tensor:
        learner = PPO(spec(), PPOConfig(), seed=2)
        for _ in range(updates):
            learner.update([slab(learner.policy, version=learner.version)])
        save_checkpoint(tmp_path / "c.safetensors", learner, Progress(updates=updates))
        restored = PPO(spec(), PPOConfig(), seed=2)
        load_checkpoint(tmp_path / "c.safetensors", restored)
        return restored._generator.get_state()

    fresh = PPO(spec(), PPOConfig(), seed=2)._generator.get_state()
    assert torch.equal(after_resume(0), fresh)
    assert not torch.equal(after_resume(1), fresh)
    assert torch.equal(after_resume(1), after_resume(1))
    assert not torch.equal(after_resume(1), after_resume(2))


def test_checkpoint_goes_on_exactly(tmp_path) -> None:
    learner = PPO(spec(), PPOConfig(), seed=2)
    learner.update([slab(learner.policy)])
    save_checkpoint(tmp_path / "c.safetensors", learner, Progress(env_steps=96, updates=1, wall_seconds=2.5))
    restored = PPO(spec(), PPOConfig(), seed=2)
    progress = load_checkpoint(tmp_path / "c.safetensors", restored)
    assert (progress.env_steps, progress.updates, progress.wall_seconds, restored.version) == (96, 1, 2.5, 1)
    restored._generator.set_state(learner._generator.get_state())
    for one in (learner, restored):
        one.update([slab(one.policy, seed=5, version=1)])
    np.testing.assert_array_equal(learner.snapshot().flat, restored.snapshot().flat)


def test_a_snapshot_of_another_shape_is_refused() -> None:
    other = Policy(PolicySpec(Spaces(ObservationSpace((SIZE + 1,)), ActionSpace("continuous", 3))))
    with pytest.raises(ValueError, match="policy has"):
        Policy(spec()).load(other.snapshot(1))


def test_observation_statistics_are_those_of_all_observations() -> None:
    policy = Policy(spec())
    parts = [torch.randn(n, SIZE) * 3 + 1 for n in (7, 200, 31)]
    for part in parts:
        policy.observe(part)
    whole = torch.cat(parts)
    torch.testing.assert_close(policy.mean, whole.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(policy.variance, whole.var(0, correction=0), rtol=1e-4, atol=1e-4)
