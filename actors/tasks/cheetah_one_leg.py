"""The cheetah is to get forward on its hind leg alone, the front one in the air.

One of the two new behaviours of "Deep reinforcement learning from human preferences" (Christiano et al.
2017), from 800 answers of a person. The paper has no reward for it; the teacher's score is ours.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from actors.tasks.contacts import floor_contacts
from actors.tasks.runners import CHEETAH, distance, observe_cheetah
from actors.tasks.task import Array, State, Task
from contracts.clip import Camera

_TORSO, _FRONT_FOOT = 1, 7  # bodies
_LIFTED = (0.3, 0.6)  # metres, from what a front foot reaches on all legs to where it counts fully as lifted
_HIGH = (0.3, 0.6)  # metres, of the torso: below, it lies on its back or belly
_SPEED = 2.0  # m/s; faster pays no more
_EFFORT = 0.05


def score(xp: Any, before: State, action: Array, after: State) -> Array:
    """The more the front foot is up and the torso high, the more; up to three times that at 2 m/s: [N]."""
    lifted = _ramp(xp, after.xpos[:, _FRONT_FOOT, 2], *_LIFTED)
    high = _ramp(xp, after.xpos[:, _TORSO, 2], *_HIGH)
    speed = (after.qpos[:, 0] - before.qpos[:, 0]) / CHEETAH.control_timestep
    return lifted * high * (1 + xp.clip(speed, -1.0, _SPEED)) - _EFFORT * (action**2).sum(-1)


def metrics(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> dict[str, float]:
    """Mean speed, and the share of the time that the hind foot and nothing else touches the floor."""
    foot, other = floor_contacts(model, qpos, "bfoot")
    return {
        "metres_per_second": float(qpos[-1, 0] - qpos[0, 0]) / (CHEETAH.control_timestep * (len(qpos) - 1)),
        "one_leg_share": float((foot & ~other).mean()),
    }


def _ramp(xp: Any, value: Array, low: float, high: float) -> Array:
    return xp.clip((value - low) / (high - low), 0.0, 1.0)


CHEETAH_ONE_LEG = Task(
    name="cheetah-one-leg",
    mjcf=CHEETAH.mjcf,
    question="In which clip does the cheetah move forward (to the right) on its hind leg alone better?",
    observe=observe_cheetah,
    score=score,
    frame_skip=CHEETAH.frame_skip,
    reset_noise=CHEETAH.reset_noise,
    camera=Camera(lookat=(0.0, 0.0, 0.7), distance=3.8, elevation=-8.0, follow="torso"),
    odometer=distance,
    odometer_name="metres",
    metrics=metrics,
    derived=True,
)
