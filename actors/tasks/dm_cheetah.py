"""dm_control's cheetah: a planar runner, to run at 10 m/s."""

from __future__ import annotations

import os
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch

from actors.tasks.dm_suite import EPISODE_STEPS, linear, random_joints, shortfall, suite_mjcf
from actors.tasks.runners import distance
from actors.tasks.task import Array, State, Task
from contracts.clip import Camera

_SPEED = 10.0  # m/s
_SETTLING = 200  # physics steps


def observe(xp: Any, state: State) -> Array:
    """Height, pitch (which can wind), six joints, nine velocities: [N, 17]."""
    return xp.concatenate((state.qpos[:, 1:], state.qvel), -1)


def score(xp: Any, before: State, action: Array, after: State) -> Array:
    """Speed of the centre of mass as a share of 10 m/s, at most 1: [N]."""
    return linear(xp, shortfall(xp, after.sensordata[:, 0], _SPEED, _SPEED), value_at_margin=0.0)


def start(model: mujoco.MjModel, random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints anywhere within their range, then two seconds to settle."""
    qpos = random_joints(model, random, n)
    free = model.jnt_limited == 0
    qpos[:, free] = model.qpos0[free]  # where and how the torso lies is the same for all
    batch = Batch(model, nsim=n, nthread=min(n, os.cpu_count() or 1))
    batch.bind("qpos")[:] = qpos
    batch.step(nstep=_SETTLING)
    return batch.bind("qpos").copy(), batch.bind("qvel").copy()


CHEETAH_RUN = Task(
    name="cheetah-run",
    mjcf=suite_mjcf("cheetah"),
    question="In which clip does the cheetah run forward (to the right) better?",
    observe=observe,
    score=score,
    frame_skip=1,
    episode_steps=EPISODE_STEPS,
    camera=Camera(lookat=(0.0, 0.0, 0.6), distance=3.6, elevation=-8.0, follow="torso"),
    odometer=distance,
    odometer_name="metres",
    start=start,
    derived=True,
)
