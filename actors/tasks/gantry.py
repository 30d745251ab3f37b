"""A hand on a gantry that is to take hold of a ball. From one side, hovering before the ball looks just like it."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from actors.tasks.task import Array, State, Task
from contracts.clip import Camera

_NEAR = 0.2  # metres from hand to ball at which the score has fallen to 1 / e
_HELD = 0.08  # metres within which the hand is closed around the ball

_MJCF = """
<mujoco model="gantry">
  <option timestep="0.01" gravity="0 0 0"/>
  <default>
    <joint type="slide" damping="160"/>
    <geom contype="0" conaffinity="0" rgba="0.55 0.6 0.66 1"/>
    <motor ctrlrange="-1 1" gear="20"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="3 3 0.1"/>
    <geom name="post" type="cylinder" fromto="0 0 0 0 0 0.3" size="0.06" rgba="0.45 0.48 0.52 1"/>
    <body name="ball" pos="0 0 0.5">
      <site name="goal" size="0.2"/>
      <geom type="sphere" size="0.2" rgba="0.93 0.35 0.2 1"/>
    </body>
    <body name="bridge" pos="0 -0.4 1.6">
      <joint name="depth" axis="0 1 0" range="-0.9 0.05" limited="true" ref="-0.4" damping="15"/>
      <geom type="box" size="0.9 0.04 0.03" mass="1"/>
      <body name="trolley" pos="-0.12 0 0">
        <joint name="across" axis="1 0 0" range="-0.6 0.6" limited="true" ref="-0.12"/>
        <geom type="box" size="0.07 0.07 0.06" mass="1"/>
        <body name="arm" pos="0 0 -0.98">
          <joint name="height" axis="0 0 1" range="-0.25 0.5" limited="true" ref="0.12"/>
          <site name="hand" size="0.14"/>
          <geom type="capsule" fromto="0 0 0.24 0 0 0.98" size="0.025" mass="0.1"/>
          <geom type="capsule" fromto="-0.12 0 0.22 0.12 0 0.22" size="0.03" mass="0.3" rgba="0.2 0.45 0.75 1"/>
          <geom type="capsule" fromto="-0.12 0 0.22 -0.12 0 -0.1" size="0.03" mass="0.1" rgba="0.2 0.45 0.75 1"/>
          <geom type="capsule" fromto="0.12 0 0.22 0.12 0 -0.1" size="0.03" mass="0.1" rgba="0.2 0.45 0.75 1"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="depth"/>
    <motor joint="across"/>
    <motor joint="height"/>
  </actuator>
</mujoco>
"""
"""Positions are metres from the ball: depth (away from the camera), across, height."""


def observe(xp: Any, state: State) -> Array:
    """From the ball to the hand, and the hand's velocity: [N, 6]."""
    return xp.concatenate((state.qpos, state.qvel), -1)


def score(xp: Any, before: State, action: Array, after: State) -> Array:
    """How near the hand is to the ball, in all three dimensions: 1 where it holds it, towards 0 far away."""
    return xp.exp(-xp.sqrt((after.qpos**2).sum(-1)) / _NEAR)


def metrics(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> dict[str, float]:
    """The share of an episode in which the hand holds the ball, and how far before it the hand hovers in the end."""
    distance = np.linalg.norm(qpos, axis=-1)
    last = qpos[-len(qpos) // 4 :]
    return {"held_share": float((distance < _HELD).mean()), "before_the_ball_cm": float(-100 * last[:, 0].mean())}


GRASP = Task(
    name="arm-grasp",
    mjcf=_MJCF,
    question="In which clip does the hand grasp the ball better?",
    observe=observe,
    score=score,
    frame_skip=4,
    episode_steps=150,
    reset_noise=0.1,
    camera=Camera(lookat=(0.0, 0.0, 0.5), distance=1.5, azimuth=90.0, elevation=0.0),
    metrics=metrics,
)
