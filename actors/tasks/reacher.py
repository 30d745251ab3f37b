"""A two-jointed arm on a table that is to touch a target, over gymnasium's model."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from actors.tasks.task import Array, State, Task, gymnasium_mjcf
from contracts.clip import Camera

_UPPER, _FORE = 0.1, 0.11  # metres, shoulder to elbow to fingertip
_TARGET_SPREAD = 0.14  # metres: a square that the arm (0.21 m) can reach all of


def observe(xp: Any, state: State) -> Array:
    """Gymnasium's v5: both angles as cosines and then sines, target, arm's velocities, offset to it: [N, 10]."""
    angles = state.qpos[:, :2]
    return xp.concatenate(
        (xp.cos(angles), xp.sin(angles), state.qpos[:, 2:], state.qvel[:, :2], offset(xp, state)),
        -1,
    )


def offset(xp: Any, state: State) -> Array:
    """From the target to the fingertip, metres [N, 2]."""
    shoulder, elbow = state.qpos[:, 0], state.qpos[:, 0] + state.qpos[:, 1]
    x = _UPPER * xp.cos(shoulder) + _FORE * xp.cos(elbow) - state.qpos[:, 2]
    y = _UPPER * xp.sin(shoulder) + _FORE * xp.sin(elbow) - state.qpos[:, 3]
    return xp.stack((x, y), -1)


def score(xp: Any, before: State, action: Array, after: State) -> Array:
    """Gymnasium's reward: less for distance (metres) and for effort."""
    return -_length(xp, offset(xp, after)) - (action**2).sum(-1)


def metrics(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> dict[str, float]:
    """Centimetres between fingertip and target over the last quarter of an episode."""
    distance = _length(np, offset(np, State(qpos, qvel)))
    return {"final_distance_cm": float(100 * distance[-len(distance) // 4 :].mean())}


def _length(xp: Any, vector: Array) -> Array:
    return xp.sqrt((vector**2).sum(-1))


def _mjcf() -> str:
    """Gymnasium's model, its target in the middle of where a reset may put it.

    The target is held by friction, so that the noise on velocities at a reset can't send it drifting.
    """
    spec = mujoco.MjSpec.from_string(gymnasium_mjcf("reacher.xml"))
    for name in ("target_x", "target_y"):
        joint = spec.joint(name)
        joint.ref = 0.0
        joint.armature = 1.0
        joint.damping[0] = 100.0
    spec.body("target").pos[:2] = 0.0
    return spec.to_xml()


REACHER = Task(
    name="reacher",
    mjcf=_mjcf(),
    question="In which clip does the arm reach the red target better?",
    observe=observe,
    score=score,
    frame_skip=2,
    episode_steps=100,
    reset_noise=_TARGET_SPREAD,
    camera=Camera(lookat=(0.0, 0.0, 0.0), distance=0.95, elevation=-72.0),
    metrics=metrics,
)
