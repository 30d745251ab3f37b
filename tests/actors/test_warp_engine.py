"""mujoco-warp simulates what MuJoCo does, on every task, on whichever device there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actors.simulators.mujoco_engine import MujocoSimulator
from actors.simulators.registry import device_of
from actors.simulators.warp_engine import WarpSimulator
from actors.tasks.catalogue import TASKS
from actors.tasks.task import Task

WORLDS, STEPS = 4, 100
QUICK = ("hopper-backflip", "walker-walk")
ROUGH = {"ant": 0.6, "humanoid-stand": 0.9}
"""The share of transitions that must agree; 99 of 100 where not named. Friction here is a pyramid, and where a
capsule stands steep on the floor, mujoco-warp and MuJoCo turn its edges differently."""


@pytest.mark.parametrize(
    "task",
    [pytest.param(task, id=name, marks=() if name in QUICK else pytest.mark.slow) for name, task in TASKS.items()],
)
def test_each_of_a_hundred_steps_leads_where_mujocos_does(task: Task) -> None:
    """From the same states at every step: where bodies touch, a small difference soon grows large by itself."""
    task = replace(task, episode_steps=STEPS + 1)
    device = WarpSimulator(task, WORLDS, seed=1, stagger=False, device=device_of("warp"))
    host = MujocoSimulator(task, WORLDS, seed=1, threads=1, stagger=False)
    device.reset()
    host.reset()
    inputs = [(getattr(device, f"_{name}"), host._batch.bind(name)) for name in ("qpos", "qvel", "act")]
    inputs.append((device._warmstart, host._batch.bind("qacc_warmstart")))
    moves = np.random.default_rng(1).uniform(-1, 1, (STEPS, WORLDS, host.spaces.action.size)).astype(np.float32)
    agree = []
    for action in moves:
        for theirs, ours in inputs:
            ours[:] = theirs.cpu().numpy()
        found, expected = device.step(action), host.step(action)
        rows = [np.concatenate((x.observation, x.score[:, None]), -1) for x in (found, expected)]
        rows = [np.concatenate((row, engine.state()), -1) for row, engine in zip(rows, (device, host), strict=True)]
        agree.append(np.isclose(*rows, rtol=2e-3, atol=2e-3).all(-1))
        assert not (found.truncated | expected.truncated).any()
    assert np.mean(agree) >= ROUGH.get(task.name, 0.99)


def test_hoppers_stay_together_for_a_hundred_steps() -> None:
    """Left to themselves, from the same start under the same actions: a hopper touches little."""
    device = WarpSimulator(TASKS["hopper-backflip"], WORLDS, seed=1, stagger=False, device=device_of("warp"))
    device.reset()
    qpos, qvel = np.split(device.state().astype(np.float64), [6], -1)
    task = replace(device.task, start=lambda model, random, n: (qpos, qvel))
    host = MujocoSimulator(task, WORLDS, seed=1, threads=1, stagger=False)
    host.reset()
    for action in np.random.default_rng(1).uniform(-1, 1, (STEPS, WORLDS, 3)).astype(np.float32):
        found, expected = device.step(action), host.step(action)
        np.testing.assert_allclose(found.observation, expected.observation, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found.odometer, expected.odometer, rtol=1e-3, atol=1e-4)


def test_a_world_meets_every_start_before_one_twice() -> None:
    device = WarpSimulator(replace(TASKS["hopper-backflip"], episode_steps=1), WORLDS, seed=1)
    starts = len(device._starts[0])
    met: list[list[int]] = []
    for _ in range(starts):
        device._restart(device._elapsed >= 0)
        met.append(device._row.tolist())
    assert all(len(set(world)) == starts for world in zip(*met, strict=True))
    assert all(len(set(row)) == WORLDS for row in met), "and no two worlds share one"
