"""Slabs against a plain loop over the same simulators, and what becomes of episodes across their borders."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
import pytest
import torch

from actors.sampler import Sampler, Track
from actors.simulators.mujoco_engine import MujocoSimulator
from actors.simulators.protocol import Simulator, Transition
from actors.simulators.registry import make_simulator
from actors.tasks.task import State
from contracts.rollout import UNFITTED, Episode, Rollout
from learner.policy import ActionNoise, Policy
from tests.actors.short import EPISODE, HOPPER, hoppers, snapshot_of, spec_of

STEPS = 16
CORRELATION = 0.7


def cart_poles(worlds: int, seed: int) -> Simulator:
    return make_simulator("envpool", "CartPole-v1", worlds=worlds, seed=seed)


def sampler_of(simulators: list[Simulator], seed: int = 5) -> Sampler:
    sampler = Sampler(simulators, STEPS, spec_of(simulators[0]), seed, noise_correlation=CORRELATION, actor=3)
    sampler.load(snapshot_of(sampler.policy.spec, version=2))
    return sampler


class PlainLoop:
    """No threads, no slabs: act, step, keep."""

    def __init__(self, simulators: list[Simulator], seed: int = 5) -> None:
        self.simulators = simulators
        self.policy = Policy(spec_of(simulators[0]))
        self.policy.load(snapshot_of(self.policy.spec, version=2))
        self.generator = torch.Generator().manual_seed(seed)
        self.observations = [simulator.reset() for simulator in simulators]
        size, worlds = self.policy.spec.spaces.action.size, sum(simulator.worlds for simulator in simulators)
        self.noise = ActionNoise(worlds, size, CORRELATION, self.generator) if self.policy.continuous else None

    def row(self) -> dict[str, np.ndarray]:
        rows: list[dict[str, np.ndarray]] = []
        first = 0  # of the group's worlds
        for group, simulator in enumerate(self.simulators):
            observation = self.observations[group]
            state = simulator.state()
            noise = None if self.noise is None else self.noise.next(slice(first, first + simulator.worlds))
            first += simulator.worlds
            action, log_prob = self.policy.act(torch.from_numpy(observation), self.generator, noise)
            transition = simulator.step(action.numpy())
            self.observations[group] = transition.observation.copy()
            rows.append(
                {"observation": observation, "action": action.numpy(), "log_prob": log_prob.numpy(), "state": state}
                | {name: getattr(transition, name) for name in Transition.__dataclass_fields__ if name != "observation"}
            )
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


MAKERS: dict[str, Callable[[], list[Simulator]]] = {
    "one group": lambda: [hoppers(6, 1)],
    "two groups": lambda: [hoppers(3, 1), hoppers(4, 2)],
    "three groups of cart poles": lambda: [cart_poles(2, 1), cart_poles(2, 2), cart_poles(2, 3)],
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_slabs_hold_what_a_plain_loop_sees(make: Callable[[], list[Simulator]]) -> None:
    sampler, plain = sampler_of(make()), PlainLoop(make())
    ends = 0
    for _ in range(3):
        rollout, track = sampler.sample()
        rows = [plain.row() for _ in range(STEPS)]
        expected = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        for name in ("observation", "action", "log_prob", "terminated", "truncated", "valid"):
            np.testing.assert_array_equal(getattr(rollout, name), expected[name], err_msg=name)
        np.testing.assert_array_equal(track.state, expected["state"])
        np.testing.assert_array_equal(track.score, expected["score"])
        np.testing.assert_array_equal(rollout.last_observation, np.concatenate(plain.observations))
        ended = expected["terminated"] | expected["truncated"]
        np.testing.assert_array_equal(rollout.final_row, np.flatnonzero(ended))
        np.testing.assert_array_equal(rollout.final_observation, expected["final_observation"][ended])
        assert not rollout.reward.any()
        assert (rollout.policy_version, rollout.reward_version, rollout.actor) == (2, UNFITTED, 3)
        ends += ended.sum()
    assert ends > 6


def test_a_slab_is_its_receivers_to_keep() -> None:
    sampler = sampler_of([hoppers(4, 1)])
    first, track = sampler.sample()
    kept = [array.copy() for array in (first.observation, first.action, first.last_observation, track.state)]
    sampler.sample()
    for before, now in zip(kept, (first.observation, first.action, first.last_observation, track.state), strict=True):
        np.testing.assert_array_equal(before, now)


def test_the_final_observation_is_the_last_of_the_episode_that_ended() -> None:
    """One step of MuJoCo itself, from the row's own state and action."""
    sampler = sampler_of([hoppers(6, 1)])
    rollout, track = sampler.sample()
    model = HOPPER.model()
    data = mujoco.MjData(model)
    low, high = model.actuator_ctrlrange.T
    assert len(rollout.final_row) >= 6
    for row, final in zip(rollout.final_row, rollout.final_observation, strict=True):
        t, world = divmod(int(row), 6)
        mujoco.mj_resetData(model, data)
        data.qpos[:], data.qvel[:] = np.split(track.state[t, world], [model.nq])
        data.ctrl[:] = low + (high - low) * (np.clip(rollout.action[t, world], -1, 1) + 1) / 2
        mujoco.mj_step(model, data, HOPPER.frame_skip)
        expected = HOPPER.observe(np, State(data.qpos[None], data.qvel[None]))[0]
        np.testing.assert_allclose(final, expected, atol=2e-3)
        after = rollout.last_observation[world] if t == STEPS - 1 else rollout.observation[t + 1, world]
        assert np.abs(final - after).max() > 1e-2, "the next row shows the next episode"


def score_rows(rollout: Rollout) -> None:
    """Any function of what the reward model sees."""
    rollout.reward[:] = rollout.observation[..., 0] + 0.5


@pytest.mark.parametrize("make", [lambda: hoppers(5, 1), lambda: cart_poles(5, 1)], ids=["by time", "by falling"])
def test_episodes_add_up_across_slabs(make: Callable[[], Simulator]) -> None:
    sampler = sampler_of([make()])
    slabs: list[tuple[Rollout, Track]] = []
    found: list[list[Episode]] = []
    for _ in range(5):
        rollout, track = sampler.sample()
        score_rows(rollout)
        sampler.count_episodes(rollout, track)
        slabs.append((rollout, track))
        found.append(rollout.episodes)
    ends = np.concatenate([rollout.terminated | rollout.truncated for rollout, _ in slabs])
    valid = np.concatenate([rollout.valid for rollout, _ in slabs])
    reward = np.concatenate([rollout.reward for rollout, _ in slabs])
    score = np.concatenate([track.score for _, track in slabs])
    expected: list[list[tuple[int, float, float]]] = [[] for _ in slabs]
    longer_than_a_slab = False
    starts = np.zeros(5, np.int64)
    for t, world in np.argwhere(ends).tolist():
        rows = np.arange(starts[world], t + 1)
        rows = rows[valid[rows, world]]
        expected[t // STEPS].append((len(rows), score[rows, world].sum(), reward[rows, world].sum()))
        longer_than_a_slab |= starts[world] // STEPS < t // STEPS
        starts[world] = t + 1
    assert longer_than_a_slab
    for episodes, wanted in zip(found, expected, strict=True):
        assert [episode.length for episode in episodes] == [length for length, _, _ in wanted]
        np.testing.assert_allclose(
            [e.true_return for e in episodes], [true for _, true, _ in wanted], rtol=1e-4, atol=1e-4
        )
        np.testing.assert_allclose(
            [e.predicted_return for e in episodes], [predicted for _, _, predicted in wanted], rtol=1e-4, atol=1e-4
        )


def test_an_episode_cut_short_by_a_broken_state_is_not_counted() -> None:
    simulator = hoppers(3, 1, stagger=False)
    sampler = sampler_of([simulator])
    simulator._qpos[1, 0] = np.nan
    rollout, track = sampler.sample()
    score_rows(rollout)
    sampler.count_episodes(rollout, track)
    assert not rollout.valid[0, 1]
    assert rollout.valid.sum() == STEPS * 3 - 1 == rollout.steps
    assert [episode.length for episode in rollout.episodes] == [EPISODE] * 3
    # World 1 began a new episode after the fault, one step behind the others.
    ends = np.argwhere(rollout.truncated & rollout.valid)
    assert ends.tolist() == [[EPISODE - 1, 0], [EPISODE - 1, 2], [EPISODE, 1]]
    for array in (rollout.observation, rollout.final_observation, rollout.last_observation, track.score):
        assert np.isfinite(array).all()


def test_the_odometer_is_read_before_the_reset() -> None:
    simulator, twin = hoppers(4, 1, stagger=False), hoppers(4, 1, stagger=False)
    sampler = sampler_of([simulator])
    rollout, track = sampler.sample()
    sampler.count_episodes(rollout, track)
    twin.reset()
    covered = np.zeros(4)
    for t in range(EPISODE):
        covered = twin.step(rollout.action[t]).odometer
    np.testing.assert_array_equal([episode.odometer for episode in rollout.episodes], covered)
    assert np.abs(covered).max() > 0


@pytest.mark.parametrize("groups", [1, 2])
def test_a_seed_fixes_everything(groups: int) -> None:
    def play(seed: int) -> list[bytes]:
        simulators: list[Simulator] = [hoppers(4, seed + group) for group in range(groups)]
        sampler = sampler_of(simulators, seed)
        slabs = [sampler.sample() for _ in range(2)]
        return [
            array.tobytes() for rollout, track in slabs for array in (rollout.observation, rollout.action, track.score)
        ]

    assert play(1) == play(1)
    assert all(mine != theirs for mine, theirs in zip(play(1), play(20), strict=True))


def test_staggered_worlds_show_every_part_of_an_episode() -> None:
    def shares(simulator: MujocoSimulator) -> np.ndarray:
        """How many worlds end in each row."""
        rollout, _ = sampler_of([simulator]).sample()
        return rollout.truncated.mean(1)

    assert shares(hoppers(64, 1)).max() < 0.3
    assert shares(hoppers(64, 1, stagger=False)).max() == 1


def test_the_newest_version_acts_from_the_next_slab_on() -> None:
    sampler = sampler_of([hoppers(4, 1)])
    newer = snapshot_of(sampler.policy.spec, version=9, seed=1)
    sampler.load(newer)
    rollout, _ = sampler.sample()
    policy = Policy(sampler.policy.spec)
    policy.load(newer)
    observation, action = torch.from_numpy(rollout.observation), torch.from_numpy(rollout.action)
    log_prob, _, _ = policy.evaluate(policy.normalise(observation), action)
    np.testing.assert_allclose(rollout.log_prob, log_prob.detach(), atol=1e-5)
    assert rollout.policy_version == 9
