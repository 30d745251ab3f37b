"""Many worlds of one task on MuJoCo's own batch of C++ threads."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from actors.simulators.protocol import FaultWatch, Transition
from actors.tasks.task import State, Task
from contracts.spaces import ActionSpace, ObservationSpace, Spaces

_DERIVED = ("act", "xpos", "xmat", "sensordata")  # the fields of `State` beyond qpos and qvel
_STAGE = {False: mujoco.mjtStage.mjSTAGE_NONE, True: mujoco.mjtStage.mjSTAGE_VEL}
"""What to compute at the new state, by whether the task reads it."""
LARGEST = 1e6  # no state of a sound simulation comes near; it is caught before it spreads


class MujocoSimulator:
    """N worlds of a task; see `actors.simulators.protocol.Simulator`.

    Args:
        stagger: start worlds at random elapsed times, so that the ends of their episodes are
            spread over time and a slab holds every part of an episode. Evaluation wants False.
    """

    def __init__(self, task: Task, worlds: int, seed: int, threads: int = 0, stagger: bool = True) -> None:
        model = task.model()
        # MuJoCo would reset a diverged world by itself, unseen: we want to be told.
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self.task = task
        self.worlds = worlds
        self.scene = task.scene()
        self.control_timestep = task.control_timestep
        self.episode_steps = task.episode_steps
        self.odometer_name = task.odometer_name
        self.state_size = model.nq + model.nv
        # A persistent batch goes on from what it computed for the task; otherwise it would compute that twice.
        self._batch = Batch(model, nsim=worlds, nthread=min(threads, worlds), persistent=task.derived)
        self._qpos, self._qvel, self._ctrl = (self._batch.bind(name) for name in ("qpos", "qvel", "ctrl"))
        self._derived = tuple(self._batch.bind(name) for name in _DERIVED) if task.derived else ()
        low, high = model.actuator_ctrlrange.T
        self._middle, self._half_range = (low + high) / 2, (high - low) / 2
        self._model = model
        self._random = np.random.default_rng(seed)
        self._stagger = stagger
        self._elapsed = np.zeros(worlds, np.int64)
        self._odometer_start = np.zeros(worlds)
        self.faults = FaultWatch(task.name, worlds)
        observation = task.observe(np, self.read())
        self.spaces = Spaces(ObservationSpace(observation.shape[-1:]), ActionSpace("continuous", model.nu))

    def reset(self) -> np.ndarray:
        self._restart(np.arange(self.worlds))
        if self._stagger:
            self._elapsed[:] = self._random.integers(0, self.episode_steps, self.worlds)
        return self._observe()

    def step(self, action: np.ndarray) -> Transition:
        before = State(self._qpos.copy(), self._qvel.copy())
        action = np.clip(action, -1.0, 1.0)
        self._ctrl[:] = self._middle + self._half_range * action
        broken = self._advance()
        after = self.read()
        self._elapsed += 1
        truncated = (self._elapsed >= self.episode_steps) | broken
        final_observation = self._observe()
        score = self.task.score(np, before, action, after).astype(np.float32)
        odometer = (self._read_odometer() - self._odometer_start).astype(np.float32)
        observation = final_observation
        if truncated.any():
            self._restart(np.flatnonzero(truncated))
            observation = self._observe()
        if broken.any():
            final_observation = np.where(broken[:, None], observation, final_observation)
            score[broken] = odometer[broken] = 0.0
        return Transition(
            observation=observation,
            final_observation=final_observation,
            terminated=np.zeros(self.worlds, bool),
            truncated=truncated,
            valid=~broken,
            score=score,
            odometer=odometer,
        )

    def read(self) -> State:
        """The present state of every world, as live views."""
        if not self._derived:
            return State(self._qpos, self._qvel)
        act, xpos, xmat, sensordata = self._derived
        return State(self._qpos, self._qvel, act, xpos, xmat.reshape(*xmat.shape[:2], 3, 3), sensordata)

    def state(self) -> np.ndarray:
        return np.concatenate((self._qpos, self._qvel), -1, dtype=np.float32)

    def measure(self, state: np.ndarray) -> dict[str, float]:
        return self.task.measure(self._model, state)

    def close(self) -> None:
        """Nothing to give back: the batch's threads end with it."""

    def _advance(self) -> np.ndarray:
        """One control step of every world; which of them came out broken, bool [N]."""
        broken = np.zeros(self.worlds, bool)
        try:
            self._batch.step(nstep=self.task.frame_skip, stage=_STAGE[self.task.derived])
        except SimulationError as error:
            broken[error.ids] = True
        for values in (self._qpos, self._qvel):
            # One comparison catches NaN, infinity and divergence alike.
            broken |= ~(np.abs(values) < LARGEST).all(-1)
        self.faults.report(np.flatnonzero(broken), "its state is not finite")
        return broken

    def _restart(self, ids: np.ndarray) -> None:
        self._batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE)
        self._qpos[ids], self._qvel[ids] = self.task.draw_starts(self._model, self._random, len(ids))
        if self.task.derived:
            self._batch.forward(ids)
        self._elapsed[ids] = 0
        self._odometer_start[ids] = self._read_odometer()[ids]

    def _observe(self) -> np.ndarray:
        return self.task.observe(np, self.read()).astype(np.float32)

    def _read_odometer(self) -> np.ndarray:
        if self.task.odometer is None:
            return np.zeros(self.worlds)
        return self.task.odometer(np, self.read())
