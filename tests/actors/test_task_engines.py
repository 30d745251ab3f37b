"""The engines that run task files: ends by time only, and a state that is not finite is caught where it appears.

The first test of mujoco-warp compiles its kernels, which takes half a minute where they are not cached yet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from actors.simulators.protocol import FaultWatch, SimulationFault, Simulator
from actors.tasks.task import State
from tests.actors.short import EPISODE, hoppers, warp_hoppers

Make = Callable[..., Any]
"""(worlds, seed, stagger) to the Hoppers of one engine."""


@pytest.fixture(params=[hoppers, warp_hoppers], ids=["mujoco", "warp"])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


def actions(worlds: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.5, 1.5, (worlds, 3)).astype(np.float32)


def run(simulator: Simulator, steps: int) -> np.ndarray:
    """Truncated, bool [T, N]; asserts what holds of every transition."""
    rows = []
    for t in range(steps):
        transition = simulator.step(actions(simulator.worlds, t))
        assert transition.valid.all()
        assert not transition.terminated.any(), "episodes end by time only"
        unended = ~transition.truncated
        np.testing.assert_array_equal(transition.final_observation[unended], transition.observation[unended])
        assert (transition.final_observation[~unended] != transition.observation[~unended]).any(-1).all()
        rows.append(transition.truncated)
    return np.stack(rows)


def test_every_episode_lasts_exactly_its_time(make: Make) -> None:
    simulator = make(8, seed=0, stagger=False)
    simulator.reset()
    ends = run(simulator, 3 * EPISODE)
    assert (np.flatnonzero(ends[:, 0]) == [EPISODE - 1, 2 * EPISODE - 1, 3 * EPISODE - 1]).all()
    assert (ends == ends[:, :1]).all()


def test_staggered_worlds_end_at_different_times_and_then_last_as_long(make: Make) -> None:
    simulator = make(64, seed=0)
    simulator.reset()
    ends = run(simulator, 3 * EPISODE)
    at_once = ends[:EPISODE].sum(1)
    assert at_once.sum() == 64
    assert at_once.max() < 64 / 3, "spread over the whole episode"
    for world in range(64):
        assert (np.diff(np.flatnonzero(ends[:, world])) == EPISODE).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e9])
def test_a_broken_world_is_named_left_out_and_goes_on(
    make: Make, value: float, caplog: pytest.LogCaptureFixture
) -> None:
    simulator, twin = make(6, seed=3, stagger=False), make(6, seed=3, stagger=False)
    simulator.reset()
    twin.reset()
    simulator._qpos[4, 1] = value
    with caplog.at_level(logging.WARNING, "backflip.actors"):
        transition = simulator.step(actions(6, 0))
    expected = twin.step(actions(6, 0))
    assert "hopper-backflip: world 4: its state is not finite" in caplog.text
    others = np.arange(6) != 4
    assert (transition.valid == others).all()
    assert (transition.truncated == ~others).all()
    assert not transition.terminated.any()
    for name in ("observation", "final_observation", "score", "odometer"):
        found = getattr(transition, name)
        assert np.isfinite(found).all(), name
        np.testing.assert_array_equal(found[others], getattr(expected, name)[others], err_msg=name)
    assert transition.score[4] == transition.odometer[4] == 0
    assert np.isfinite(simulator.state()).all()
    caplog.clear()
    # It is a whole episode from here on, and nobody else noticed.
    ends = np.zeros((2, 6), np.int64)
    for t in range(1, EPISODE + 1):
        after, expected = simulator.step(actions(6, t)), twin.step(actions(6, t))
        assert after.valid.all()
        ends[0] += after.truncated
        if t < EPISODE - 1:
            np.testing.assert_array_equal(after.observation[others], expected.observation[others])
            assert not after.truncated.any()
        elif t == EPISODE - 1:
            assert (after.truncated == others).all()
        else:
            assert (after.truncated == ~others).all()
    assert not caplog.text


def test_a_velocity_is_looked_at_too(make: Make) -> None:
    simulator = make(3, seed=0)
    simulator.reset()
    simulator._qvel[2, 0] = np.nan
    assert simulator.step(actions(3, 0)).valid.tolist() == [True, True, False]


def test_too_many_broken_worlds_end_the_run(make: Make) -> None:
    simulator = make(60, seed=0)
    simulator.reset()
    simulator._qpos[:, 0] = np.nan
    assert not simulator.step(actions(60, 0)).valid.any()
    simulator._qpos[:, 0] = np.nan
    with pytest.raises(SimulationFault, match=r"120 worlds failed within a minute .* check the task's model"):
        simulator.step(actions(60, 1))


def test_of_many_worlds_as_many_may_fail() -> None:
    watch = FaultWatch("hopper", worlds=4096)
    watch.report(np.arange(4096), "its state is not finite")
    with pytest.raises(SimulationFault, match="4097 worlds failed within a minute"):
        watch.report(np.arange(1), "its state is not finite")


def test_the_state_is_that_of_the_last_observation(make: Make) -> None:
    simulator = make(5, seed=1)
    observation = simulator.reset()
    for t in range(EPISODE + 2):
        qpos, qvel = np.split(simulator.state().astype(np.float64), [simulator._qpos.shape[1]], -1)
        expected = simulator.task.observe(np, State(qpos, qvel))
        np.testing.assert_allclose(observation, expected, rtol=1e-5, atol=1e-5)
        observation = simulator.step(actions(5, t)).observation
