"""What MetaWorld's tasks look like, drawn from what is observed of them: EnvPool tells no more.

Shapes and sizes are those of MetaWorld's own models (Yu et al. 2019, arXiv:1910.10897); of the arm there is only the
hand, since its joints are not observed. How the hand tilts while it is dragged along isn't either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from contracts.clip import Camera


@dataclass(frozen=True)
class Likeness:
    """A MuJoCo model that looks like a task, and its state where something is observed."""

    mjcf: str
    state: Callable[[np.ndarray], np.ndarray]  # observation [N, D] -> qpos then qvel [N, nq + nv]
    camera: Camera


_CAMERA = Camera(lookat=(0.0, 0.7, 0.13), distance=1.0, azimuth=38.0, elevation=-22.0)

_MJCF = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <geom type="box" pos="0 0.6 -0.027" size="0.7 0.4 0.027" rgba="0.70 0.60 0.48 1"/>
    <body name="hand">
      <joint type="slide" axis="1 0 0"/>
      <joint type="slide" axis="0 1 0"/>
      <joint type="slide" axis="0 0 1"/>
      <geom type="capsule" fromto="0 0 0.11 0 0 0.5" size="0.018" rgba="0.62 0.22 0.24 1"/>
      <geom type="cylinder" pos="0 0 0.085" size="0.035 0.02" rgba="0.30 0.32 0.36 1"/>
      <geom type="box" pos="0 0 0.055" size="0.017 0.065 0.012" rgba="0.30 0.32 0.36 1"/>
      <body name="right finger">
        <joint type="slide" axis="0 1 0"/>
        <geom type="box" pos="0 0.0015 0" size="0.015 0.0045 0.045" rgba="0.20 0.45 0.75 1"/>
      </body>
      <body name="left finger">
        <joint type="slide" axis="0 1 0"/>
        <geom type="box" pos="0 -0.0015 0" size="0.015 0.0045 0.045" rgba="0.20 0.45 0.75 1"/>
      </body>
    </body>
    {rest}
  </worldbody>
</mujoco>
"""
"""A hand over a table; its origin is in the middle between the fingers."""

_GOAL = """
    <body name="goal">
      <joint type="slide" axis="1 0 0"/>
      <joint type="slide" axis="0 1 0"/>
      <joint type="slide" axis="0 0 1"/>
      <geom type="sphere" size="0.022" rgba="0.15 0.66 0.36 1"/>
    </body>
"""

_PUCK = """
    <body name="puck">
      <freejoint/>
      <geom type="cylinder" size="0.02 0.02" rgba="{colour} 1"/>
    </body>
"""

_DRAWER = """
    <body name="case" pos="0 0 0.084">
      <joint type="slide" axis="1 0 0"/>
      <joint type="slide" axis="0 1 0"/>
      <geom type="box" pos="-0.11 0 0" size="0.008 0.1 0.084" rgba="0.35 0.50 0.40 1"/>
      <geom type="box" pos="0.11 0 0" size="0.008 0.1 0.084" rgba="0.35 0.50 0.40 1"/>
      <geom type="box" pos="0 0.092 -0.008" size="0.102 0.008 0.076" rgba="0.35 0.50 0.40 1"/>
      <geom type="box" pos="0 -0.008 -0.07" size="0.102 0.092 0.014" rgba="0.35 0.50 0.40 1"/>
      <geom type="box" pos="0 0 0.076" size="0.102 0.1 0.008" rgba="0.35 0.50 0.40 1"/>
      <body name="drawer" pos="0 -0.01 0.006">
        <joint type="slide" axis="0 1 0"/>
        <geom type="box" pos="0 -0.082 0.008" size="0.1 0.008 0.052" rgba="0.93 0.72 0.36 1"/>
        <geom type="box" pos="0 0.082 0.008" size="0.1 0.008 0.052" rgba="0.93 0.72 0.36 1"/>
        <geom type="box" pos="-0.092 0 0.008" size="0.008 0.074 0.052" rgba="0.93 0.72 0.36 1"/>
        <geom type="box" pos="0.092 0 0.008" size="0.008 0.074 0.052" rgba="0.93 0.72 0.36 1"/>
        <geom type="box" pos="0 0 -0.052" size="0.1 0.09 0.008" rgba="0.93 0.72 0.36 1"/>
        <geom type="capsule" fromto="-0.05 -0.09 0 -0.05 -0.15 0" size="0.009" rgba="0.25 0.27 0.30 1"/>
        <geom type="capsule" fromto="0.05 -0.09 0 0.05 -0.15 0" size="0.009" rgba="0.25 0.27 0.30 1"/>
        <geom type="capsule" fromto="-0.05 -0.15 0 0.05 -0.15 0" size="0.009" rgba="0.25 0.27 0.30 1"/>
      </body>
    </body>
"""

_BUTTON = """
    <body name="box" pos="0 0 0.115">
      <joint type="slide" axis="1 0 0"/>
      <joint type="slide" axis="0 1 0"/>
      <geom type="box" pos="0 0.012 0.072" size="0.12 0.102 0.048" rgba="0.93 0.74 0.25 1"/>
      <geom type="box" pos="0 0.012 -0.070" size="0.12 0.102 0.045" rgba="0.30 0.32 0.36 1"/>
      <geom type="box" pos="-0.073 0.012 0" size="0.047 0.102 0.025" rgba="0.93 0.74 0.25 1"/>
      <geom type="box" pos="0.073 0.012 0" size="0.047 0.102 0.025" rgba="0.93 0.74 0.25 1"/>
      <body name="button">
        <joint type="slide" axis="0 1 0"/>
        <geom type="cylinder" fromto="0 -0.089 0 0 -0.172 0" size="0.021" rgba="0.25 0.27 0.30 1"/>
        <geom type="cylinder" fromto="0 -0.172 0 0 -0.194 0" size="0.043" rgba="0.80 0.16 0.14 1"/>
      </body>
    </body>
"""

_SPAN = 0.1  # metres between the fingers where the observed opening is 1


def _hand(observation: np.ndarray) -> np.ndarray:
    half = observation[:, 3:4] * _SPAN / 2
    return np.hstack((observation[:, :3], -half, half))


def _still(velocities: int, *positions: np.ndarray) -> np.ndarray:
    """A state without velocities, which no picture shows."""
    return np.hstack((*positions, np.zeros((len(positions[0]), velocities))))


def _puck_and_goal(observation: np.ndarray) -> np.ndarray:
    place, turn = observation[:, 4:7], observation[:, 7:11]  # x, y, z, w, which MuJoCo has as w, x, y, z
    return _still(14, _hand(observation), place, np.roll(turn, 1, axis=-1), observation[:, -3:])


def _sliding(behind: float, before: float) -> Callable[[np.ndarray], np.ndarray]:
    """Of what slides in a case whose middle is ``behind`` m behind the goal; at rest it is ``before`` m before that."""

    def state(observation: np.ndarray) -> np.ndarray:
        goal, case = observation[:, -3:], observation[:, -2:-1] + behind
        return _still(8, _hand(observation), goal[:, :1], case, observation[:, 5:6] - (case - before))

    return state


def _likeness(rest: str, state: Callable[[np.ndarray], np.ndarray]) -> Likeness:
    return Likeness(_MJCF.format(rest=rest), state, _CAMERA)


REACH = _likeness(_PUCK.format(colour="0.55 0.58 0.62") + _GOAL, _puck_and_goal)
PICK_PLACE = _likeness(_PUCK.format(colour="0.80 0.16 0.14") + _GOAL, _puck_and_goal)
DRAWER_OPEN = _likeness(_DRAWER, _sliding(0.36, 0.17))  # the goal is where the handle is to go
BUTTON_PRESS = _likeness(_BUTTON, _sliding(0.1, 0.193))  # the goal is the hole that the button vanishes in
