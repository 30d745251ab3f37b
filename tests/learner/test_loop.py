"""The learning loop: what it learns from, what it leaves out, and what it counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.nn.utils import parameters_to_vector

from contracts.rollout import TRUE_REWARD, UNFITTED, Episode, Rollout
from contracts.spaces import ActionSpace, ObservationSpace, Spaces
from learner.loop import Progress, learn
from learner.policy import PolicySnapshot, PolicySpec
from learner.ppo import PPO, PPOConfig

STEPS, WORLDS = 8, 3
SPEC = PolicySpec(Spaces(ObservationSpace((4,)), ActionSpace("continuous", 2)), hidden=(8,))


def learner(max_lag: int = 1) -> PPO:
    return PPO(SPEC, PPOConfig(epochs=1, minibatches=2, max_lag=max_lag), seed=0)


class Source:
    """Hands out prepared batches of slabs, each acted by the policy version that it names."""

    def __init__(self, batches: list[list[Rollout]]) -> None:
        self.batches = batches
        self.published: list[PolicySnapshot] = []

    def publish(self, snapshot: PolicySnapshot) -> None:
        self.published.append(snapshot)

    def collect(self) -> list[Rollout]:
        return self.batches.pop(0)


def slab(version: int, reward_version: int = 1, invalid: int = 0) -> Rollout:
    random = np.random.default_rng(version)
    ppo = learner()
    observation = random.normal(size=(STEPS, WORLDS, 4)).astype(np.float32)
    action, log_prob = ppo.policy.act(torch.from_numpy(observation.reshape(-1, 4)), torch.Generator().manual_seed(0))
    valid = np.ones((STEPS, WORLDS), bool)
    valid.ravel()[:invalid] = False
    nothing = np.zeros((STEPS, WORLDS), bool)
    return Rollout(
        observation=observation,
        action=action.numpy().reshape(STEPS, WORLDS, 2),
        log_prob=log_prob.numpy().reshape(STEPS, WORLDS),
        reward=random.normal(size=(STEPS, WORLDS)).astype(np.float32),
        terminated=nothing,
        truncated=nothing,
        valid=valid,
        final_row=np.zeros(0, np.int64),
        final_observation=np.zeros((0, 4), np.float32),
        last_observation=observation[-1],
        policy_version=version,
        reward_version=reward_version,
        episodes=[Episode(version, 0.0, 0.0, 0.0)],
    )


def run(ppo: PPO, batches: list[list[Rollout]]) -> tuple[Progress, Source, list[Progress]]:
    """All batches; the progress after each."""
    source, progress, seen = Source(batches), Progress(), []
    learn(
        ppo,
        source,
        progress,
        share=lambda: 0.0,
        on_update=lambda now: seen.append(replace(now)),
        stopped=lambda: not source.batches,
    )
    return progress, source, seen


def test_an_update_moves_the_policy_less_the_less_eager_it_is() -> None:
    moved: list[float] = []
    for eagerness in (1.0, 0.1):
        ppo = learner()
        before = parameters_to_vector(ppo.policy.parameters()).detach().clone()
        source = Source([[slab(0)]])
        learn(
            ppo,
            source,
            Progress(),
            share=lambda: 0.0,
            eagerness=lambda eagerness=eagerness: eagerness,
            on_update=lambda _: None,
            stopped=lambda source=source: not source.batches,
        )
        moved.append(float((parameters_to_vector(ppo.policy.parameters()).detach() - before).abs().max()))
    assert 0 < moved[1] < 0.3 * moved[0]


def test_every_update_is_published_and_counted() -> None:
    ppo = learner()
    progress, source, seen = run(ppo, [[slab(0)], [slab(1, invalid=5), slab(1)]])
    assert [snapshot.version for snapshot in source.published] == [0, 1, 2]
    assert len({snapshot.flat.tobytes() for snapshot in source.published}) == 3
    assert (progress.updates, ppo.version) == (2, 2)
    assert progress.env_steps == 3 * STEPS * WORLDS - 5, "what an autoreset ignored is no step"
    assert [now.env_steps for now in seen] == [STEPS * WORLDS, 3 * STEPS * WORLDS - 5]
    assert [episode.length for episode in progress.episodes] == [1, 1], "of the newest slabs only"
    assert progress.reward_version == 1
    assert (progress.dropped_slabs, progress.skipped_slabs) == (0, 0)


def test_slabs_from_before_the_first_fit_are_skipped() -> None:
    ppo = learner()
    before = ppo.snapshot().flat.tobytes()
    progress, source, _ = run(ppo, [[slab(0, UNFITTED)], [slab(0, UNFITTED), slab(0, UNFITTED)]])
    assert ppo.snapshot().flat.tobytes() == before
    assert (progress.updates, ppo.version, len(source.published)) == (0, 0, 1)
    assert progress.skipped_slabs == 3
    assert progress.env_steps == 3 * STEPS * WORLDS


def test_only_the_fitted_slabs_of_a_batch_are_learnt_from() -> None:
    mixed, alone = learner(), learner()
    run(mixed, [[slab(0, UNFITTED), slab(0, 2)]])
    run(alone, [[slab(0, 2)]])
    assert mixed.snapshot().flat.tobytes() == alone.snapshot().flat.tobytes()


def test_slabs_that_lag_too_far_are_dropped() -> None:
    ppo = learner(max_lag=1)
    # Versions 0, 1, 2 act while version 2 is the newest.
    progress, _, seen = run(ppo, [[slab(0)], [slab(1)], [slab(0), slab(1), slab(2)], [slab(0)]])
    assert [now.dropped_slabs for now in seen] == [0, 0, 1, 2]
    assert [now.updates for now in seen] == [1, 2, 3, 3]
    assert progress.env_steps == 6 * STEPS * WORLDS, "they were simulated all the same"
    alone = learner(max_lag=1)
    run(alone, [[slab(0)], [slab(1)], [slab(1), slab(2)]])
    assert ppo.snapshot().flat.tobytes() == alone.snapshot().flat.tobytes()


def test_the_true_reward_is_learnt_from() -> None:
    progress, _, _ = run(learner(), [[slab(0, TRUE_REWARD)]])
    assert (progress.updates, progress.reward_version) == (1, TRUE_REWARD)


def test_it_ends_at_its_steps_or_when_told() -> None:
    source, progress = Source([[slab(0)] for _ in range(5)]), Progress()
    learn(
        learner(9), source, progress, share=lambda: progress.env_steps / (2 * STEPS * WORLDS), on_update=lambda _: None
    )
    assert len(source.batches) == 3
    learn(learner(9), source, progress, share=lambda: 0.0, on_update=lambda _: None, stopped=lambda: True)
    assert len(source.batches) == 3
    assert progress.env_steps == 2 * STEPS * WORLDS


def test_a_source_that_has_nothing_is_reported_not_learnt_from() -> None:
    """Whoever watches can say what is waited for; no episode is counted twice."""
    _, source, seen = run(learner(), [[slab(0)], [], [], [slab(1)]])
    assert [len(now.episodes) for now in seen] == [1, 0, 0, 1]
    assert [now.env_steps // (STEPS * WORLDS) for now in seen] == [1, 1, 1, 2]
    assert [snapshot.version for snapshot in source.published] == [0, 1, 2]
