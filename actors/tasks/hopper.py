"""Hopper: a one-legged robot in a plane. `hopper-backflip` is the task of the 2017 paper's video."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from actors.tasks.contacts import floor_contacts
from actors.tasks.task import Array, State, Task, gymnasium_mjcf
from contracts.clip import Camera

_PITCH = 2  # qpos: x, height, torso pitch (winds without limit), thigh, leg, foot
_MAX_SPEED = 10.0  # gymnasium clips Hopper's observed velocities so
_UPRIGHT = np.deg2rad(30.0)


def observe(xp: Any, state: State) -> Array:
    """Height, torso pitch as sine and cosine, three joints, six clipped velocities: [N, 12].

    The pitch winds up over a flip; as sine and cosine an upright torso looks the same after it.
    """
    pitch = state.qpos[:, _PITCH : _PITCH + 1]
    return xp.concatenate(
        (
            state.qpos[:, 1:2],
            xp.sin(pitch),
            xp.cos(pitch),
            state.qpos[:, 3:],
            xp.clip(state.qvel, -_MAX_SPEED, _MAX_SPEED),
        ),
        -1,
    )


def backflip_score(xp: Any, before: State, action: Array, after: State) -> Array:
    """The hand-written backflip reward in the footnote of "Learning from human preferences" (OpenAI, 2017).

    It pays for rolling backwards, not for landing.
    """
    velocity = xp.clip(after.qvel, -_MAX_SPEED, _MAX_SPEED)
    backroll = -velocity[:, 2]
    backslide = -velocity[:, 0]
    power = (action * velocity[:, 3:]).sum(-1)
    return backroll * (1.0 + 0.3 * after.qpos[:, 1] + 0.1 * power + 0.05 * backslide)


def backward_turns(xp: Any, state: State) -> Array:
    return -state.qpos[:, _PITCH] / (2 * np.pi)


def flip_metrics(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> dict[str, float]:
    """How many of an episode's backward turns touched the ground with the foot alone, and how many landed.

    A turn begins where the torso was last upright (a whole number of turns) and ends at the next
    whole number; one that is turned back whole counts no more. It is clean if nothing but the foot
    touched the floor meanwhile. It lands if the foot then touches the floor with the torso
    within 30 degrees of upright, before another half turn.
    """
    turns = -qpos[:, _PITCH] / (2 * np.pi)
    foot, other = floor_contacts(model, qpos, "foot_geom")
    clean: list[bool] = []  # of each completed turn
    landed: list[bool] = []
    start = 0  # row in which the last one was completed
    for row in range(1, len(turns)):
        if clean and turns[row] <= len(clean) - 1:
            del clean[-1], landed[-1]
            start = row
        if turns[row] < len(clean) + 1:
            continue
        clean.append(not other[start : row + 1].any())
        reached = len(clean)
        past_half = np.flatnonzero(turns[row:] > reached + 0.5)
        window = slice(row, row + int(past_half[0]) if len(past_half) else None)
        tilt = np.abs(turns[window] - reached) * 2 * np.pi
        landed.append(bool((foot[window] & ~other[window] & (tilt < _UPRIGHT)).any()))
        start = row
    return {
        "clean_flips_per_episode": float(sum(clean)),
        "landings_per_episode": float(sum(landed)),
    }


_SIDE = Camera(lookat=(0.0, 0.0, 1.05), distance=4.2, azimuth=90.0, elevation=-8.0, follow="torso")

BACKFLIP = Task(
    name="hopper-backflip",
    mjcf=gymnasium_mjcf("hopper.xml"),
    question="In which clip does the robot do better backflips?",
    observe=observe,
    score=backflip_score,
    camera=_SIDE,
    odometer=backward_turns,
    odometer_name="flips",
    metrics=flip_metrics,
)
