"""Robots that are to get forward: hopper, walker, cheetah, swimmer and ant, over gymnasium's models.

Observations are gymnasium's v5 ones, but for a pitch or heading that can wind, which is seen as
sine and cosine, and for the ant's contact forces, which are no part of a state. The score is
gymnasium's reward; since an episode doesn't end when a robot falls, being fallen costs 1 a step
where gymnasium would stop paying its "healthy" reward of 1 (as in appendix A of "Deep
reinforcement learning from human preferences", Christiano et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from actors.tasks.hopper import observe as observe_hopper
from actors.tasks.task import Array, Metrics, State, Task, gymnasium_mjcf
from contracts.clip import Camera

_MAX_SPEED = 10.0  # gymnasium clips the walker's observed velocities so

Healthy = Callable[[Any, State], Array]
"""(xp, state) -> bool [N], whether a robot is not fallen."""


def observe_walker(xp: Any, state: State) -> Array:
    """Height, torso pitch as sine and cosine, six joints, nine clipped velocities: [N, 18]."""
    return _observe_planar(xp, state, xp.clip(state.qvel, -_MAX_SPEED, _MAX_SPEED))


def observe_cheetah(xp: Any, state: State) -> Array:
    """Height, torso pitch as sine and cosine, six joints, nine velocities: [N, 18]."""
    return _observe_planar(xp, state, state.qvel)


def observe_swimmer(xp: Any, state: State) -> Array:
    """Heading as sine and cosine, two joints, five velocities: [N, 9]."""
    heading = state.qpos[:, 2:3]
    return xp.concatenate((xp.sin(heading), xp.cos(heading), state.qpos[:, 3:], state.qvel), -1)


def observe_ant(xp: Any, state: State) -> Array:
    """Height, orientation as a quaternion, eight joints, fourteen velocities: [N, 27]."""
    return xp.concatenate((state.qpos[:, 2:], state.qvel), -1)


def hopper_healthy(xp: Any, state: State) -> Array:
    return (state.qpos[:, 1] > 0.7) & (xp.abs(state.qpos[:, 2]) < 0.2)


def walker_healthy(xp: Any, state: State) -> Array:
    return (state.qpos[:, 1] > 0.8) & (state.qpos[:, 1] < 2.0) & (xp.abs(state.qpos[:, 2]) < 1.0)


def ant_healthy(xp: Any, state: State) -> Array:
    return (state.qpos[:, 2] >= 0.2) & (state.qpos[:, 2] <= 1.0)


def distance(xp: Any, state: State) -> Array:
    """Metres along x."""
    return state.qpos[:, 0]


def _observe_planar(xp: Any, state: State, velocity: Array) -> Array:
    pitch = state.qpos[:, 2:3]
    return xp.concatenate((state.qpos[:, 1:2], xp.sin(pitch), xp.cos(pitch), state.qpos[:, 3:], velocity), -1)


def _forward_score(
    control_timestep: float, control_cost: float, healthy: Healthy | None
) -> Callable[[Any, State, Array, State], Array]:
    """Speed along x, less the effort, less 1 where the robot is fallen."""

    def score(xp: Any, before: State, action: Array, after: State) -> Array:
        speed = (after.qpos[:, 0] - before.qpos[:, 0]) / control_timestep
        paid = speed - control_cost * (action**2).sum(-1)
        return paid if healthy is None else paid - xp.where(healthy(xp, after), 0.0, 1.0)

    return score


def _run_metrics(seconds: float, healthy: Healthy | None) -> Metrics:
    """Mean speed, and the share of the time not fallen."""

    def metrics(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> dict[str, float]:
        measured = {"metres_per_second": float(qpos[-1, 0] - qpos[0, 0]) / (seconds * (len(qpos) - 1))}
        if healthy is not None:
            measured["healthy_share"] = float(healthy(np, State(qpos, qvel)).mean())
        return measured

    return metrics


def _cheetah_mjcf() -> str:
    """Gymnasium's model with its mass of 14 kg in the densities, for ``settotalmass`` is deprecated."""
    spec = mujoco.MjSpec.from_string(gymnasium_mjcf("half_cheetah.xml").replace('settotalmass="14"', ""))
    scale = 14.0 / spec.compile().body_subtreemass[0]
    for geom in spec.geoms:
        geom.density *= scale
    return spec.to_xml()


def _runner(
    name: str,
    mjcf: str,
    observe: Callable[[Any, State], Array],
    question: str,
    camera: Camera,
    *,
    frame_skip: int,
    physics_timestep: float,
    control_cost: float,
    reset_noise: float,
    healthy: Healthy | None = None,
) -> Task:
    seconds = frame_skip * physics_timestep
    return Task(
        name=name,
        mjcf=mjcf,
        question=question,
        observe=observe,
        score=_forward_score(seconds, control_cost, healthy),
        frame_skip=frame_skip,
        reset_noise=reset_noise,
        camera=camera,
        odometer=distance,
        odometer_name="metres",
        metrics=_run_metrics(seconds, healthy),
    )


HOPPER = _runner(
    "hopper",
    gymnasium_mjcf("hopper.xml"),
    observe_hopper,
    "In which clip does the robot hop forward (to the right) better?",
    Camera(lookat=(0.0, 0.0, 0.8), distance=3.8, elevation=-8.0, follow="torso"),
    frame_skip=4,
    physics_timestep=0.002,
    control_cost=1e-3,
    reset_noise=5e-3,
    healthy=hopper_healthy,
)

WALKER = _runner(
    "walker",
    gymnasium_mjcf("walker2d_v5.xml"),
    observe_walker,
    "In which clip does the robot walk forward (to the right) better?",
    Camera(lookat=(0.0, 0.0, 0.8), distance=3.8, elevation=-8.0, follow="torso"),
    frame_skip=4,
    physics_timestep=0.002,
    control_cost=1e-3,
    reset_noise=5e-3,
    healthy=walker_healthy,
)

CHEETAH = _runner(
    "cheetah",
    _cheetah_mjcf(),
    observe_cheetah,
    "In which clip does the cheetah run forward (to the right) better?",
    Camera(lookat=(0.0, 0.0, 0.6), distance=3.6, elevation=-8.0, follow="torso"),
    frame_skip=5,
    physics_timestep=0.01,
    control_cost=0.1,
    reset_noise=0.1,
)

SWIMMER = _runner(
    "swimmer",
    gymnasium_mjcf("swimmer.xml"),
    observe_swimmer,
    "In which clip does the swimmer get further forward (to the right)?",
    Camera(lookat=(-0.3, 0.0, 0.0), distance=6.0, elevation=-60.0, follow="torso"),
    frame_skip=4,
    physics_timestep=0.01,
    control_cost=1e-4,
    reset_noise=0.1,
)

ANT = _runner(
    "ant",
    gymnasium_mjcf("ant.xml"),
    observe_ant,
    "In which clip does the ant walk forward (to the right) better?",
    Camera(lookat=(0.0, 0.0, 0.4), distance=4.5, elevation=-25.0, follow="torso"),
    frame_skip=5,
    physics_timestep=0.01,
    control_cost=0.5,
    reset_noise=0.1,
    healthy=ant_healthy,
)
