"""EnvPool's tasks, all but Atari's, in C++ threads."""

from __future__ import annotations

import warnings
from typing import Any

import envpool
import numpy as np

from actors.simulators.envpool_families import family
from actors.simulators.envpool_tasks import About, about
from actors.simulators.frames import Frames, as_pictures, observing
from actors.simulators.protocol import USUAL_EPISODE_STEPS, FaultWatch, Transition, UnknownTask
from actors.simulators.spaces import Controls, UnsupportedSpace
from contracts.clip import Scene
from contracts.spaces import Spaces

_NO_LIMIT = 2**31 - 1  # what EnvPool says of a task that knows none


_FILMED = {
    "box2d": {"render_width": 300, "render_height": 200},  # a quarter of what it would draw, and of the time for it
    "highway": {},
    "jumanji": {},
    "minigrid": {},
    "pgx": {},
    "vizdoom": {},
}
"""Families that EnvPool draws by itself, and how large. Classic control it would draw too, but we do."""

_OPTIONS = {"mujoco.metaworld": {"partially_observable": False}}
"""MetaWorld would hide goals that differ from one episode to the next: what isn't observed can't be rewarded."""


class EnvPoolSimulator:
    """N worlds of an EnvPool id, in step; see `actors.simulators.protocol.Simulator` and `Draws`.

    EnvPool starts the next episode one step late: the step after an end ignores its action and
    only returns the new episode's first observation, so that transition is not valid here.
    Worlds cannot be started at random elapsed times (EnvPool offers no such thing), so tasks that
    end by time alone end together; the others spread by themselves.

    In board games one policy plays every side: it observes as the player to move does, and the score
    is what the one who moved was paid.

    Clips are filmed where EnvPool draws a family without OpenGL, or where frames are observed; else they
    are observations, or states of a model of ours that looks as observed. Its drawing of MuJoCo families is
    never called: it aborts the process.

    Raises:
        UnknownTask: EnvPool has no such id.
        ValueError: the id's observation or action is not of a kind that this engine takes.
    """

    def __init__(self, task: str, worlds: int, seed: int, threads: int = 0) -> None:
        known = envpool.list_all_envs()
        if task not in known:
            raise UnknownTask("envpool", task, known)
        group = family(task)
        size = _FILMED.get(group)
        drawing = {} if size is None else {"render_mode": "rgb_array"} | size
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gymnasium's remarks on the precision of EnvPool's bounds
            # EnvPool ignores the seed of a later reset.
            self._pool: Any = envpool.make(
                task,
                env_type="gymnasium",
                num_envs=worlds,
                num_threads=min(threads, worlds),
                seed=scattered(seed),
                **_OPTIONS.get(group, {}),
                **drawing,
            )
            space, actions = self._pool.observation_space, self._pool.action_space
        try:
            stack = getattr(self._pool.spec.config, "stack_num", 1)
            self._observe, self._controls = observing(space, stack), Controls(actions)
        except UnsupportedSpace as error:
            raise ValueError(f"envpool task {task} {error}") from None
        self.parts = self._observe.parts
        self.spaces = Spaces(self._observe.space, self._controls.action)
        self._about = about(task)
        self.faults = FaultWatch(task, worlds)
        self.worlds = worlds
        self._draws, filmed = bool(drawing), bool(drawing) or self.spaces.observation.is_frames
        self.control_timestep = self._about.timestep
        limit = int(self._pool.spec.config.max_episode_steps)
        self.episode_steps = limit if limit < _NO_LIMIT else USUAL_EPISODE_STEPS
        self.odometer_name = self._about.odometer_name
        self.scene = _scene(task, self._about, filmed=filmed)
        self._restarting = np.zeros(worlds, bool)  # whose next step EnvPool spends on a reset
        self._observation = np.zeros((worlds, *self.spaces.observation.shape), self.spaces.observation.dtype)
        self.state_size = self.state().shape[1]
        self._reached = np.zeros(worlds)  # by the odometer, in the episode that each world is in
        self._moving = np.zeros(worlds, np.int64)  # which of its players is to move, where there are several
        players = int(self._pool.spec.config.max_num_players)
        if players > 1 and "current_player" not in self._pool.reset()[1]:
            raise ValueError(f"envpool task {task} has {players} players who act at once; one at a time is supported")
        self._players = players

    def reset(self) -> np.ndarray:
        self._observation, self._moving = self._seen(*self._pool.reset())
        self._restarting[:] = False
        self._reached[:] = 0.0
        return self._observation.copy()

    def step(self, action: np.ndarray) -> Transition:
        shown, reward, terminated, truncated, info = self._pool.step(self._native(action))
        reward = reward.reshape(self.worlds, self._players)[np.arange(self.worlds), self._moving]
        observation, self._moving = self._seen(shown, info)
        elapsed = np.asarray(info["elapsed_step"])
        valid = ~self._restarting
        terminated, truncated = terminated.astype(bool), truncated.astype(bool)
        unseen = np.asarray(~np.isfinite(observation.reshape(self.worlds, -1)).all(-1))
        unpaid = ~np.isfinite(reward) & ~unseen
        broken = unseen | unpaid
        if broken.any():
            self.faults.report(np.flatnonzero(unseen), "its observation is not finite")
            self.faults.report(np.flatnonzero(unpaid), "its reward is not finite")
            self._restart(broken, observation)
            valid, terminated, truncated = valid & ~broken, terminated & ~broken, truncated | broken
        score = self._about.score(observation, np.nan_to_num(reward))
        final_observation = observation.copy()
        overdue = (elapsed >= self.episode_steps) & ~(terminated | truncated)
        if overdue.any():  # it has no limit of its own
            self._restart(overdue, observation)
        self._restarting = (terminated | truncated) & ~broken
        self._observation = observation
        odometer = np.where(valid, np.maximum(self._reached, info[self._about.odometer]), 0.0)
        self._reached = np.where(terminated | truncated | overdue, 0.0, odometer)
        return Transition(
            observation=observation.copy(),
            final_observation=final_observation,
            terminated=terminated,
            truncated=truncated | overdue,
            valid=valid,
            score=np.where(valid, score, 0.0).astype(np.float32),
            odometer=(odometer if self.odometer_name else np.zeros(self.worlds)).astype(np.float32),
        )

    def state(self) -> np.ndarray:
        match self.scene.track:
            case "mujoco":
                assert self._about.likeness is not None
                return self._about.likeness.state(self._observation).astype(np.float32)
            case "frames":
                return np.empty((self.worlds, 0), np.float32)
            case "observation":
                return self._observation.copy()

    def pictures(self, worlds: np.ndarray) -> np.ndarray:
        if self._draws:
            return self._pool.render(worlds.astype(np.int32))
        assert isinstance(self._observe, Frames)
        return as_pictures(self._observation[worlds], self._observe.channels)

    def measure(self, state: np.ndarray) -> dict[str, float]:
        """Nothing beyond an episode's length and score, which evaluation counts for every task."""
        return {}

    def close(self) -> None:
        self._pool.close()

    def _native(self, action: np.ndarray) -> np.ndarray:
        """The action as EnvPool wants it."""
        action = self._controls(action)
        return action.astype(np.int32) if action.dtype.kind == "i" else action

    def _seen(self, shown: Any, info: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """What the player to move observes in each of the worlds that are shown, and which player that is."""
        worlds = len(info["env_id"])
        seen = self._observe(shown, (worlds * self._players,))
        if self._players == 1:
            return seen, np.zeros(worlds, np.int64)
        seen = seen.reshape(worlds, self._players, *seen.shape[1:])
        ids = info["players"]["id"].reshape(worlds, self._players)
        moving = np.argmax(ids == info["current_player"][:, None], 1)
        return seen[np.arange(worlds), moving], moving

    def _restart(self, ended: np.ndarray, observation: np.ndarray) -> None:
        """Reset the worlds whose episode ended, and write their first observations into ``observation``."""
        shown, info = self._pool.reset(np.flatnonzero(ended).astype(np.int32))
        observation[info["env_id"]], self._moving[info["env_id"]] = self._seen(shown, info)


def _scene(task: str, known: About, *, filmed: bool) -> Scene:
    """What draws its clips."""
    if known.likeness is None:
        track = "frames" if filmed else "observation"
        return Scene(task=task, track=track, timestep=known.timestep, question=known.question)
    return Scene(
        task=task,
        track="mujoco",
        timestep=known.timestep,
        question=known.question,
        mjcf=known.likeness.mjcf,
        camera=known.likeness.camera,
    )


def scattered(seed: int) -> int:
    """EnvPool gives its i-th world seed + i: neighbouring seeds would share all worlds but one."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0]) % (2**31 - 2**20)
