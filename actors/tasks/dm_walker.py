"""dm_control's planar walker: two legs, to walk at 1 m/s or to run at 8 m/s."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from actors.tasks.dm_suite import EPISODE_STEPS, gaussian, linear, random_joints, shortfall, suite_mjcf
from actors.tasks.task import Array, State, Task
from contracts.clip import Camera

_TORSO = 1  # body
_STAND_HEIGHT = 1.2  # metres


def observe(xp: Any, state: State) -> Array:
    """Each body's orientation in the plane, height of the torso, nine velocities: [N, 24]."""
    orientations = state.xmat[:, 1:, 0, ::2].reshape(len(state.qpos), -1)
    return xp.concatenate((orientations, state.xpos[:, _TORSO, 2:], state.qvel), -1)


def _score(speed: float) -> Callable[[Any, State, Array, State], Array]:
    """Standing, times getting forward as fast as ``speed``, m/s: [N] in [0, 1]."""

    def score(xp: Any, before: State, action: Array, after: State) -> Array:
        standing = gaussian(xp, shortfall(xp, after.xpos[:, _TORSO, 2], _STAND_HEIGHT, _STAND_HEIGHT / 2))
        upright = (1 + after.xmat[:, _TORSO, 2, 2]) / 2
        forward = linear(xp, shortfall(xp, after.sensordata[:, 0], speed, speed / 2), value_at_margin=0.5)
        return (3 * standing + upright) / 4 * (5 * forward + 1) / 6

    return score


def start(model: mujoco.MjModel, random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Any pose, at rest; it falls to the floor, or is pushed out of it."""
    return random_joints(model, random, n), np.zeros((n, model.nv))


def _task(name: str, verb: str, speed: float) -> Task:
    return Task(
        name=name,
        mjcf=suite_mjcf("walker"),
        question=f"In which clip does the robot {verb} forward (to the right) better?",
        observe=observe,
        score=_score(speed),
        frame_skip=10,
        episode_steps=EPISODE_STEPS,
        camera=Camera(lookat=(0.0, 0.0, 0.9), distance=4.2, elevation=-8.0, follow="torso"),
        odometer=lambda xp, state: state.qpos[:, 1],  # x is its second coordinate
        odometer_name="metres",
        start=start,
        derived=True,
    )


WALKER_WALK = _task("walker-walk", "walk", speed=1.0)

WALKER_RUN = _task("walker-run", "run", speed=8.0)
