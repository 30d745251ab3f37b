"""dm_control's quadruped: four legs, to get up and walk at 0.5 m/s."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from actors.tasks.dm_suite import EPISODE_STEPS, linear, shortfall, suite_mjcf, touches
from actors.tasks.task import Array, State, Task
from contracts.clip import Camera

_TORSO = 1  # body
_SPEED = 0.5  # m/s
_ACCELERATION_AND_ROTATION, _VELOCITY, _TOES = slice(0, 6), slice(6, 9), slice(9, 33)  # of the sensors
_LIFT = 0.01  # metres


def observe(xp: Any, state: State) -> Array:
    """Sixteen joints and their velocities, twelve actuators' states, then of the torso the velocity, how
    upright it is, its acceleration and rotation, and the forces and torques at the toes: [N, 78]."""
    return xp.concatenate(
        (
            state.qpos[:, 7:],
            state.qvel[:, 6:],
            state.act,
            state.sensordata[:, _VELOCITY],
            state.xmat[:, _TORSO, 2, 2:],
            state.sensordata[:, _ACCELERATION_AND_ROTATION],
            xp.asinh(state.sensordata[:, _TOES]),
        ),
        -1,
    )


def score(xp: Any, before: State, action: Array, after: State) -> Array:
    """Upright, times getting forward as fast as 0.5 m/s in the torso's own direction: [N] in [0, 1]."""
    upright = linear(xp, shortfall(xp, after.xmat[:, _TORSO, 2, 2], 1.0, 2.0), value_at_margin=0.0)
    ahead = after.sensordata[:, _VELOCITY.start]
    return upright * linear(xp, shortfall(xp, ahead, _SPEED, _SPEED), value_at_margin=0.5)


def start(model: mujoco.MjModel, random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Turned any way, as low as it can be without touching the floor."""
    data = mujoco.MjData(model)
    qpos = np.tile(model.qpos0, (n, 1))
    quaternion = random.normal(size=(n, 4))
    qpos[:, 3:7] = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    qpos[:, 2] = 0.0
    for pose in qpos:
        while touches(model, data, pose):
            pose[2] += _LIFT
    return qpos, np.zeros((n, model.nv))


QUADRUPED_WALK = Task(
    name="quadruped-walk",
    mjcf=suite_mjcf("quadruped"),
    question="In which clip does the robot get up on its legs and walk forward (the way its eyes look) better?",
    observe=observe,
    score=score,
    frame_skip=4,
    episode_steps=EPISODE_STEPS,
    camera=Camera(lookat=(0.0, 0.0, 0.5), distance=4.5, elevation=-25.0, follow="torso"),
    start=start,
    derived=True,
)
