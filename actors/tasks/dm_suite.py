"""What the tasks of dm_control's suite share: their models, soft indicator functions, random starts.

Tunyasuvunakool et al. 2020, "dm_control: Software and tasks for continuous control". The models are
those of its wheel, as files of our own (Apache-2.0): dm_control 1.0.50 doesn't load beside MuJoCo 4,
and is 56 MB. Observations, rewards, time steps and starts are dm_control's, so that returns can be
compared with published ones: at most 1 a step, 1,000 steps an episode.
"""

from __future__ import annotations

import math
from importlib.resources import files
from typing import Any

import mujoco
import numpy as np

from actors.tasks.task import Array

EPISODE_STEPS = 1000


def suite_mjcf(name: str) -> str:
    return (files("actors.tasks") / "dm_control_models" / f"{name}.xml").read_text()


def shortfall(xp: Any, value: Array, bound: float, margin: float) -> Array:
    """How far a value is below the bound that it should reach, in units of the margin; 0 beyond it."""
    return xp.clip((bound - value) / margin, 0.0, None)


def linear(xp: Any, distance: Array, value_at_margin: float) -> Array:
    """1 at distance 0, falling in a straight line through ``value_at_margin`` at 1, never below 0."""
    return xp.clip(1.0 - (1.0 - value_at_margin) * distance, 0.0, None)


def quadratic(xp: Any, distance: Array) -> Array:
    """1 at distance 0, 0 from 1 on, a parabola in between."""
    return xp.clip(1.0 - distance**2, 0.0, None)


def gaussian(xp: Any, distance: Array) -> Array:
    """1 at distance 0, 0.1 at 1."""
    return xp.exp(math.log(0.1) * distance**2)


def random_joints(model: mujoco.MjModel, random: np.random.Generator, n: int) -> np.ndarray:
    """Poses as dm_control draws them: limited joints within their range, other hinges all the way round.

    A free body turns by a quaternion of four uniform numbers, which favours upright; where it is stays.

    Returns:
        qpos, [n, nq]
    """
    qpos = np.tile(model.qpos0, (n, 1))
    for joint in range(model.njnt):
        address = model.jnt_qposadr[joint]
        if model.jnt_limited[joint]:
            low, high = model.jnt_range[joint]
            qpos[:, address] = random.uniform(low, high, n)
        elif model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE:
            qpos[:, address] = random.uniform(-np.pi, np.pi, n)
        elif model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
            quaternion = random.uniform(size=(n, 4))
            qpos[:, address + 3 : address + 7] = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    return qpos


def touches(model: mujoco.MjModel, data: mujoco.MjData, qpos: np.ndarray) -> bool:
    """Whether anything touches anything in this pose, [nq]."""
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_collision(model, data)
    return data.ncon > 0
