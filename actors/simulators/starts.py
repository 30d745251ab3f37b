"""A store of ways to start an episode, for engines that can't work out a start where they run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actors.simulators.mujoco_engine import MujocoSimulator
from actors.tasks.task import Task

_FEWEST = 1024
_AT_ONCE = 256  # MuJoCo keeps some memory for each world, and needs it for no longer than this


@dataclass(frozen=True)
class Starts:
    """K states that a task's episodes start from, K a power of two."""

    qpos: np.ndarray  # float32 [K, nq]
    qvel: np.ndarray  # float32 [K, nv]
    observation: np.ndarray  # float32 [K, D]
    odometer: np.ndarray  # float32 [K]


def draw_starts(task: Task, worlds: int, seed: int) -> Starts:
    """At least as many as there are worlds.

    By the CPU engine: a start may need a search for a pose in which nothing touches anything, or seconds of
    simulation, and its first observation what follows from it.
    """
    count = max(_FEWEST, 1 << (worlds - 1).bit_length())
    engine = MujocoSimulator(task, min(_AT_ONCE, count), seed, threads=0, stagger=False)
    parts = []
    for _ in range(count // engine.worlds):
        observation = engine.reset()
        state = engine.read()
        odometer = np.zeros(engine.worlds) if task.odometer is None else task.odometer(np, state)
        parts.append((state.qpos.copy(), state.qvel.copy(), observation, odometer.copy()))
    return Starts(*(np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True)))
