"""A cart that balances one pole or two, over gymnasium's models.

Gymnasium pays for every step that nothing has fallen, and then ends. Here episodes end by time
only, so the scores say how well the poles stand at each step.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from actors.tasks.task import Array, State, Task, gymnasium_mjcf
from contracts.clip import Camera

_UPRIGHT = 0.2  # radians; beyond it gymnasium ends the single pendulum's episode
_FALLEN = np.pi / 2  # where the single pole lies against its stop; no push of the cart lifts it from there
_POLE = 0.6  # metres, each of the two
_MAX_SPEED = 10.0  # gymnasium clips the double pendulum's observed velocities so


def observe_one(xp: Any, state: State) -> Array:
    """Cart position, pole angle (its joint stops at ±90 degrees), and their velocities: [N, 4]."""
    return xp.concatenate((state.qpos, state.qvel), -1)


def observe_two(xp: Any, state: State) -> Array:
    """Cart position, both angles as sines and then cosines, three clipped velocities: [N, 8].

    Gymnasium adds the force on the cart where it meets the end of its rail, which is no part of a state.
    """
    angles = state.qpos[:, 1:]
    velocity = xp.clip(state.qvel, -_MAX_SPEED, _MAX_SPEED)
    return xp.concatenate((state.qpos[:, :1], xp.sin(angles), xp.cos(angles), velocity), -1)


def one_pole_score(xp: Any, before: State, action: Array, after: State) -> Array:
    """0 for an upright pole over the middle of the rail, -1 for a fallen one; by the squares in between."""
    return -((after.qpos[:, 1] / _FALLEN) ** 2) - 0.1 * after.qpos[:, 0] ** 2


def two_pole_score(xp: Any, before: State, action: Array, after: State) -> Array:
    """Gymnasium's penalties: the tip's squared distance from (0, 2) and the poles' squared speeds."""
    x, height = tip(xp, after)
    speeds = 1e-3 * after.qvel[:, 1] ** 2 + 5e-3 * after.qvel[:, 2] ** 2
    return -(0.01 * x**2 + (height - 2.0) ** 2) - speeds


def tip(xp: Any, state: State) -> tuple[Array, Array]:
    """Where the upper pole ends: x [N] and height [N] in metres."""
    lower, upper = state.qpos[:, 1], state.qpos[:, 1] + state.qpos[:, 2]
    return (
        state.qpos[:, 0] + _POLE * (xp.sin(lower) + xp.sin(upper)),
        _POLE * (xp.cos(lower) + xp.cos(upper)),
    )


def one_pole_metrics(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> dict[str, float]:
    """The share of the steps on which gymnasium would not have ended the episode."""
    return {"balanced_share": float((np.abs(qpos[:, 1]) <= _UPRIGHT).mean())}


def two_pole_metrics(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> dict[str, float]:
    """The share of the steps on which gymnasium would not have ended the episode: tip over 1 m."""
    return {"balanced_share": float((tip(np, State(qpos, qvel))[1] > 1.0).mean())}


PENDULUM = Task(
    name="pendulum",
    mjcf=gymnasium_mjcf("inverted_pendulum.xml"),
    question="In which clip is the pole balanced better?",
    observe=observe_one,
    score=one_pole_score,
    frame_skip=2,
    episode_steps=100,
    reset_noise=0.01,
    camera=Camera(lookat=(0.0, 0.0, 0.2), distance=2.6, elevation=-8.0),
    metrics=one_pole_metrics,
)

DOUBLE_PENDULUM = Task(
    name="double-pendulum",
    mjcf=gymnasium_mjcf("inverted_double_pendulum.xml"),
    question="In which clip are the two poles balanced better?",
    observe=observe_two,
    score=two_pole_score,
    frame_skip=5,
    episode_steps=250,
    reset_noise=0.1,
    camera=Camera(lookat=(0.0, 0.0, 0.2), distance=4.2, elevation=-8.0),
    metrics=two_pole_metrics,
)
