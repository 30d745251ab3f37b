"""EnvPool's Atari games: four stacked grey frames for policy and reward model, the coloured screen for people."""

from __future__ import annotations

import warnings
from typing import Any

import envpool
import numpy as np
from envpool.registration import registry

from actors.simulators.atari_games import blank, game, goals
from actors.simulators.envpool_engine import scattered
from actors.simulators.protocol import FaultWatch, Transition, UnknownTask
from contracts.clip import Scene
from contracts.spaces import ActionSpace, ObservationSpace, Spaces

_FRAME_SKIP = 4
_STACK = 4
_SIZE = 84
_TIMESTEP = _FRAME_SKIP / 60
_EPISODE_STEPS = 4500  # five minutes of play


def is_atari(task: str) -> bool:
    """Whether EnvPool has a game of this name, or of the name before a colon: ``Enduro-v5:keep-even``."""
    entry = registry.specs.get(task.partition(":")[0])
    return entry is not None and entry[0] == "envpool.atari"


class AtariSimulator:
    """N worlds of an Atari game, in step; see `actors.simulators.protocol.Simulator` and `Draws`.

    As Mnih et al. (2015) have it: an action lasts four frames, an observation is the last four of those, grey,
    84 x 84; a game begins with up to 30 idle frames and is broken off after five minutes. A lost life ends nothing;
    a game that is over does, and the step after it, which only starts the next, is not valid. What counts points
    is blanked (`atari_games`).

    Raises UnknownTask where there is no such goal for a game.
    """

    state_size = 0  # the pictures are drawn as the worlds stand

    def __init__(self, task: str, worlds: int, seed: int, threads: int = 0) -> None:
        if ":" in task and task not in goals():
            raise UnknownTask("envpool", task, goals())
        self._game = game(task)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._pool: Any = envpool.make(
                task.partition(":")[0],
                env_type="gymnasium",
                num_envs=worlds,
                num_threads=min(threads, worlds),
                seed=scattered(seed),
                frame_skip=_FRAME_SKIP,
                stack_num=_STACK,
                img_height=_SIZE,
                img_width=_SIZE,
                gray_scale=True,
                max_episode_steps=_EPISODE_STEPS,
                episodic_life=False,
                reward_clip=False,
                render_mode="rgb_array",
            )
        actions = int(self._pool.action_space.n)
        self.spaces = Spaces(ObservationSpace((_STACK, _SIZE, _SIZE), _STACK), ActionSpace("discrete", actions))
        self.worlds = worlds
        self.control_timestep = _TIMESTEP
        self.episode_steps = _EPISODE_STEPS
        self.odometer_name = self._game.level_name
        self.scene = Scene(task=task, track="frames", timestep=_TIMESTEP, question=self._game.question)
        self.faults = FaultWatch(task, worlds)  # sees none: bytes and points are finite
        self._over = np.zeros(worlds, bool)  # whose next step EnvPool spends on a reset
        self._level = np.zeros(worlds, np.float32)

    def reset(self) -> np.ndarray:
        observation, _ = self._pool.reset()
        self._over[:] = False
        self._level[:] = 0.0
        return self._seen(observation)

    def step(self, action: np.ndarray) -> Transition:
        observation, reward, terminated, truncated, info = self._pool.step(action.astype(np.int32))
        observation = self._seen(observation)
        valid = ~self._over
        memory = info["ram"]
        score = np.where(valid, self._game.score(memory, reward), 0.0).astype(np.float32)
        if self._game.level is not None:
            self._level = np.where(valid, self._level + self._game.level(memory, reward), 0.0).astype(np.float32)
        terminated, truncated = terminated.astype(bool), truncated.astype(bool)
        self._over = terminated | truncated
        return Transition(
            observation=observation,
            final_observation=observation,
            terminated=terminated,
            truncated=truncated,
            valid=valid,
            score=score,
            odometer=self._level.copy(),
        )

    def state(self) -> np.ndarray:
        return np.empty((self.worlds, 0), np.float32)

    def pictures(self, worlds: np.ndarray) -> np.ndarray:
        return self._pool.render(worlds.astype(np.int32))

    def measure(self, state: np.ndarray) -> dict[str, float]:
        """Nothing beyond an episode's length, points and odometer, which evaluation counts for every task."""
        return {}

    def close(self) -> None:
        self._pool.close()

    def _seen(self, screen: np.ndarray) -> np.ndarray:
        """A copy, what counts points blanked: uint8 [N, 4, 84, 84]."""
        return blank(screen.copy(), self._game.blanked)
