"""dm_control's humanoid, to stand up and stand still."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from actors.tasks.dm_suite import (
    EPISODE_STEPS,
    gaussian,
    linear,
    quadratic,
    random_joints,
    shortfall,
    suite_mjcf,
    touches,
)
from actors.tasks.task import Array, State, Task
from contracts.clip import Camera

_MJCF = suite_mjcf("humanoid")
_TORSO, _HEAD = 1, 2  # bodies
_MODEL = mujoco.MjModel.from_xml_string(_MJCF)
_LIMBS = [_MODEL.body(f"{side}_{limb}").id for side in ("left", "right") for limb in ("hand", "foot")]
_STAND_HEIGHT = 1.4  # metres, of the head


def observe(xp: Any, state: State) -> Array:
    """21 joints, height of the head, hands and feet as the torso sees them, the vertical as the torso sees it,
    velocity of the centre of mass, 27 velocities: [N, 67]."""
    to_limbs = state.xpos[:, _LIMBS] - state.xpos[:, _TORSO : _TORSO + 1]
    return xp.concatenate(
        (
            state.qpos[:, 7:],
            state.xpos[:, _HEAD, 2:],
            (to_limbs @ state.xmat[:, _TORSO]).reshape(len(state.qpos), -1),
            state.xmat[:, _TORSO, 2],
            state.sensordata,
            state.qvel,
        ),
        -1,
    )


def score(xp: Any, before: State, action: Array, after: State) -> Array:
    """Standing, times upright, times standing still, a fifth of it for little effort: [N] in [0, 1]."""
    standing = gaussian(xp, shortfall(xp, after.xpos[:, _HEAD, 2], _STAND_HEIGHT, _STAND_HEIGHT / 4))
    upright = linear(xp, shortfall(xp, after.xmat[:, _TORSO, 2, 2], 0.9, 1.9), value_at_margin=0.0)
    still = gaussian(xp, after.sensordata[:, :2] / 2.0).mean(-1)
    easy = (4 + quadratic(xp, action).mean(-1)) / 5
    return easy * standing * upright * still


def start(model: mujoco.MjModel, random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Any pose in the air in which nothing touches anything; it falls."""
    data = mujoco.MjData(model)
    qpos = random_joints(model, random, n)
    for pose in qpos:
        while touches(model, data, pose):
            pose[:] = random_joints(model, random, 1)
    return qpos, np.zeros((n, model.nv))


HUMANOID_STAND = Task(
    name="humanoid-stand",
    mjcf=_MJCF,
    question="In which clip does the robot stand up, and then stand still, better?",
    observe=observe,
    score=score,
    frame_skip=5,
    episode_steps=EPISODE_STEPS,
    camera=Camera(lookat=(0.0, 0.0, 0.8), distance=4.0, elevation=-12.0, follow="torso"),
    start=start,
    derived=True,
)
