"""A task: a MuJoCo model, what is observed of it, and what people are asked about it.

`observe`, `score` and `odometer` are written over an array namespace ``xp`` (numpy or torch), so
that one task file serves the CPU engine and GPU engines alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import mujoco
import numpy as np

from contracts.clip import Camera, Scene

Array = Any
"""An array of the namespace ``xp``."""


class State(NamedTuple):
    """Of N worlds, in MuJoCo's order and SI units: generalised positions and velocities, and what follows from them.

    What follows is there for a task that asks for it (`Task.derived`), and not in the state before a step.
    """

    qpos: Array  # [N, nq]
    qvel: Array  # [N, nv]
    act: Array = None  # [N, na], of actuators that have a state of their own
    xpos: Array = None  # [N, bodies, 3], where each body is, the world being the first
    xmat: Array = None  # [N, bodies, 3, 3], its axes as columns
    sensordata: Array = None  # [N, sensors]; what hangs on acceleration or force is of the last physics step


Metrics = Callable[[mujoco.MjModel, np.ndarray, np.ndarray], dict[str, float]]
"""Measures one whole episode from its qpos [L, nq] and qvel [L, nv]: the states that the agent saw."""

Start = Callable[[mujoco.MjModel, np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
"""(model, random, n) to the qpos [n, nq] and qvel [n, nv] that n new episodes start from."""


_FROM_THE_SIDE = Camera()


@dataclass(frozen=True)
class Task:
    """Episodes end by time only: an early end would tell the agent what the person didn't.

    ``score`` is what scripted teachers judge clips by and evaluation reports. It never reaches
    a training batch, unless somebody asks for the baseline with ``--reward true``.
    """

    name: str
    mjcf: str  # the model as XML, no file beside it
    question: str
    observe: Callable[[Any, State], Array]  # (xp, state) -> [N, D]
    score: Callable[[Any, State, Array, State], Array]  # (xp, before, action, after) -> [N]
    frame_skip: int = 4  # physics steps a control step
    episode_steps: int = 400
    reset_noise: float = 5e-3  # half-width of the uniform noise on qpos and qvel at a reset
    camera: Camera = _FROM_THE_SIDE
    odometer: Callable[[Any, State], Array] | None = None  # (xp, state) -> [N]; its growth over an episode is shown
    odometer_name: str = ""
    metrics: Metrics | None = None
    start: Start | None = None  # how episodes start, where it isn't near the model's own pose by `reset_noise`
    derived: bool = False  # whether `observe`, `score` or `odometer` read what follows from qpos and qvel

    def draw_starts(self, model: mujoco.MjModel, random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The states that n new episodes start from: qpos [n, nq], qvel [n, nv]."""
        if self.start is not None:
            return self.start(model, random, n)
        qpos = model.qpos0 + self.reset_noise * random.uniform(-1.0, 1.0, (n, model.nq))
        return qpos, self.reset_noise * random.uniform(-1.0, 1.0, (n, model.nv))

    def measure(self, model: mujoco.MjModel, state: np.ndarray) -> dict[str, float]:
        """The metrics of one whole episode, from its states as clips have them, [L, nq + nv]."""
        if self.metrics is None:
            return {}
        return self.metrics(model, *np.split(state.astype(np.float64), [model.nq], -1))

    def scene(self) -> Scene:
        return Scene(
            task=self.name,
            track="mujoco",
            timestep=self.control_timestep,
            question=self.question,
            mjcf=self.mjcf,
            camera=self.camera,
        )

    def model(self) -> mujoco.MjModel:
        model = mujoco.MjModel.from_xml_string(self.mjcf)
        if model.ntree == 1:  # a single robot is a single island: to look for others takes a fifteenth of Hopper's step
            model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_ISLAND)
        return model

    @property
    def control_timestep(self) -> float:
        """Simulated seconds of one control step."""
        return _physics_timestep(self.mjcf) * self.frame_skip


@cache
def _physics_timestep(mjcf: str) -> float:
    return float(mujoco.MjModel.from_xml_string(mjcf).opt.timestep)


def gymnasium_mjcf(file: str) -> str:
    """A model that ships with gymnasium, for example ``hopper.xml``."""
    return (files("gymnasium") / "envs" / "mujoco" / "assets" / file).read_text()
