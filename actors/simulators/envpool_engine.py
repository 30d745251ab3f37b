"""EnvPool's tasks that observe a flat vector: classic control and its relatives, in C++ threads."""

from __future__ import annotations

import warnings
from typing import Any

import envpool
import numpy as np

from actors.simulators.envpool_tasks import about
from actors.simulators.protocol import FaultWatch, Transition, UnknownTask
from contracts.clip import Scene
from contracts.spaces import ActionSpace, ObservationSpace, Spaces


class EnvPoolSimulator:
    """N worlds of an EnvPool id, in step; see `actors.simulators.protocol.Simulator`.

    EnvPool starts the next episode one step late: the step after an end ignores its action and
    only returns the new episode's first observation, so that transition is not valid here.
    Worlds cannot be started at random elapsed times (EnvPool offers no such thing), so tasks that
    end by time alone end together; the others spread by themselves.

    Clips are observations. EnvPool's own drawing is never called: for its MuJoCo families it
    aborts the process.

    Raises:
        UnknownTask: EnvPool has no such id.
        ValueError: the id's observation or action is not of a kind that this engine takes.
    """

    def __init__(self, task: str, worlds: int, seed: int, threads: int = 0) -> None:
        known = envpool.list_all_envs()
        if task not in known:
            raise UnknownTask("envpool", task, known)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gymnasium's remarks on the precision of EnvPool's bounds
            # EnvPool ignores the seed of a later reset.
            self._pool: Any = envpool.make(
                task,
                env_type="gymnasium",
                num_envs=worlds,
                num_threads=min(threads, worlds),
                seed=scattered(seed),
            )
            self.spaces, self._middle, self._half_range = _spaces(
                task, self._pool.observation_space, self._pool.action_space
            )
        self._about = about(task)
        self._faults = FaultWatch(task)
        self.worlds = worlds
        self.state_size = self.spaces.observation.size
        self.control_timestep = self._about.timestep
        self.episode_steps = int(self._pool.spec.config.max_episode_steps)
        self.odometer_name = self._about.odometer_name
        self.scene = Scene(task=task, track="observation", timestep=self._about.timestep, question=self._about.question)
        self._restarting = np.zeros(worlds, bool)  # whose next step EnvPool spends on a reset
        self._observation = np.zeros((worlds, self.state_size), np.float32)

    def reset(self) -> np.ndarray:
        observation, _ = self._pool.reset()
        self._observation = observation.astype(np.float32)
        self._restarting[:] = False
        return self._observation.copy()

    def step(self, action: np.ndarray) -> Transition:
        observation, reward, terminated, truncated, info = self._pool.step(self._native(action))
        observation = observation.astype(np.float32)
        valid = ~self._restarting
        terminated, truncated = terminated.astype(bool), truncated.astype(bool)
        broken = ~np.isfinite(observation).all(-1)
        if broken.any():
            self._restart(broken, observation)
            valid, terminated, truncated = valid & ~broken, terminated & ~broken, truncated | broken
        score = self._about.score(observation, np.nan_to_num(reward))
        self._restarting = (terminated | truncated) & ~broken
        self._observation = observation
        elapsed = info["elapsed_step"] if self._about.odometer_name else np.zeros(self.worlds)
        return Transition(
            observation=observation.copy(),
            final_observation=observation.copy(),
            terminated=terminated,
            truncated=truncated,
            valid=valid,
            score=np.where(valid, score, 0.0).astype(np.float32),
            odometer=np.where(valid, elapsed, 0.0).astype(np.float32),
        )

    def state(self) -> np.ndarray:
        return self._observation.copy()

    def measure(self, state: np.ndarray) -> dict[str, float]:
        """Nothing beyond an episode's length and score, which evaluation counts for every task."""
        return {}

    def close(self) -> None:
        self._pool.close()

    def _native(self, action: np.ndarray) -> np.ndarray:
        """The action as EnvPool wants it."""
        if self.spaces.action.kind == "discrete":
            return action.astype(np.int32)
        scaled = self._middle + self._half_range * np.clip(action, -1.0, 1.0)
        return scaled.astype(self._pool.action_space.dtype)

    def _restart(self, broken: np.ndarray, observation: np.ndarray) -> None:
        """Reset the broken worlds and write their first observations into ``observation``."""
        ids = np.flatnonzero(broken)
        self._faults.report(ids, "its observation is not finite")
        first, info = self._pool.reset(ids.astype(np.int32))
        observation[info["env_id"]] = first


def scattered(seed: int) -> int:
    """EnvPool gives its i-th world seed + i: neighbouring seeds would share all worlds but one."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0]) % (2**31 - 2**20)


def _spaces(task: str, observation: Any, action: Any) -> tuple[Spaces, np.ndarray, np.ndarray]:
    """What the policy sees, and the middle and half range of each control."""
    shape = getattr(observation, "shape", None)
    if shape is None or len(shape) != 1:
        raise ValueError(f"envpool task {task} observes {_brief(observation)}; only flat vectors are supported")
    if hasattr(action, "n"):
        nothing = np.zeros(0)
        return Spaces(ObservationSpace(shape), ActionSpace("discrete", int(action.n))), nothing, nothing
    low, high = getattr(action, "low", None), getattr(action, "high", None)
    if low is None or high is None or low.ndim != 1 or not np.isfinite([low, high]).all():
        raise ValueError(
            f"envpool task {task} acts by {_brief(action)}; only choices and bounded vectors are supported"
        )
    return Spaces(ObservationSpace(shape), ActionSpace("continuous", len(low))), (low + high) / 2, (high - low) / 2


def _brief(space: Any) -> str:
    if hasattr(space, "spaces"):
        return f"a {type(space).__name__} of {', '.join(space.spaces)}"
    return f"{type(space).__name__}{getattr(space, 'shape', '')}"
