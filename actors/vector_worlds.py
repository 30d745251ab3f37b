"""A gymnasium vector environment in our nouns: its spaces, its scene, and what its worlds are like just now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from actors.simulators.atari_games import ale_scores
from actors.simulators.envpool_tasks import About, about, own_reward
from actors.simulators.frames import Frames, as_pictures, observing
from actors.simulators.gymnasium_physics import edited_by, physics_of, require_physics, scene_of
from actors.simulators.gymnasium_worlds import as_picture, one_line, stacked
from actors.simulators.saved_model import SavedModel, save
from actors.simulators.spaces import Controls, UnsupportedSpace
from contracts.clip import Scene
from contracts.spaces import Spaces

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(observation [N, D] or [N, C, H, W] after the step, the environment's reward [N]) -> [N]."""


class VectorWorlds:
    """The worlds of a vector environment, which somebody else steps.

    Where they lie in this process and show their MuJoCo ``model`` and ``data``, a state is qpos and qvel, and
    can be drawn. Elsewhere clips are films, of what they render or else of the frames that they observe; where
    there is neither, a state is the observation. Observations and actions become what our own engines make of them.

    Worlds that render are reset and drawn once, to see that they do; the first of those on MuJoCo is reset some times,
    below its wrappers, to find what resets move by hand, such as goals.

    Args:
        question: what people are asked about two clips; "" takes the one that is known for the task.
        score: what a scripted teacher judges by; None takes the task's own, in a form that varies from step to step.

    Raises:
        ValueError: observations or actions are of a kind that is not supported, they cannot be reset, render no
            pictures although they were made to, or nothing says how episodes restart.
    """

    def __init__(self, envs: VectorEnv, question: str = "", score: Score | None = None) -> None:
        self.name = _name(envs)
        known = about(self.name).beside(envs.metadata)
        try:
            self._observe = observing(envs.single_observation_space, _stacked(envs), ale_scores(self.name))
            self._controls = Controls(envs.single_action_space)
        except UnsupportedSpace as error:
            raise ValueError(f"{self.name} {error}") from None
        self.spaces = Spaces(self._observe.space, self._controls.action)
        observed = self.spaces.observation
        self._envs, self.count = envs, envs.num_envs
        self.autoreset = _autoreset(self.name, envs)
        known_score = own_reward if observed.is_frames else known.score  # which knows what it finds in a vector
        self.score = known_score if score is None else score
        self._worlds = _mujoco_worlds(envs)
        self._saved = _saved(self.name, self._worlds)
        self._renders = self._saved is None and envs.render_mode == "rgb_array"
        filmed = self._saved is None and (self._renders or observed.is_frames)
        self.scene = _scene(self.name, self._worlds, self._saved, known, question or known.question, filmed=filmed)
        self.state_size = self._saved.size if self._saved is not None else 0 if filmed else observed.size
        if self._renders:
            envs.reset()
            self._rendered(np.arange(1))

    def observed(self, observation: Any) -> np.ndarray:
        """As the reward model sees it, [N, D] or [N, C, H, W], ours to keep; see `contracts.spaces.ObservationSpace`.

        Raises:
            ValueError: it is not finite, or not of the shape that its space promises.
        """
        observed = self._observe(observation, (self.count,))
        broken = np.flatnonzero(~np.isfinite(observed.reshape(len(observed), -1)).all(-1))
        if len(broken):
            raise ValueError(f"{self.name}: world {broken[0]} observes numbers that are not finite")
        return observed

    def observed_last(self, observations: Sequence[Any]) -> np.ndarray:
        """Single observations that some of the worlds showed last: [n, ...]. Raises as `observed`."""
        observed = np.stack([self._observe(observation) for observation in observations])
        if not np.isfinite(observed).all():
            raise ValueError(f"{self.name}: a world observed numbers that are not finite as its episode ended")
        return observed

    def acted(self, action: np.ndarray) -> np.ndarray:
        """As a policy of ours would have chosen it: int64 [N] or [N, K], or float32 [N, A] from [-1, 1]."""
        return self._controls.back(action)

    def state(self, observation: np.ndarray) -> np.ndarray:
        """float32 [N, S], see `contracts.clip.Track`; ``observation`` is what the worlds show just now."""
        if self._saved is not None:
            return np.stack([self._saved.state(*require_physics(world)) for world in self._worlds])
        return observation if self.state_size else np.empty((len(observation), 0), np.float32)

    def pictures(self, worlds: np.ndarray, observation: np.ndarray) -> Sequence[np.ndarray]:
        """What some of the worlds look like just now, as ``observation`` of all shows them: uint8 [H, W, 3] each.

        Raises:
            ValueError: they were to be rendered, and what came is no picture.
        """
        if not len(worlds):
            return ()
        if self._renders:
            return self._rendered(worlds)
        assert isinstance(self._observe, Frames)
        return list(as_pictures(observation[worlds], self._observe.channels))

    def _rendered(self, worlds: np.ndarray) -> list[np.ndarray]:
        base = self._envs.unwrapped
        try:
            if isinstance(base, SyncVectorEnv):  # the others need not be drawn
                return [as_picture(base.envs[world].render()) for world in worlds]
            drawn = self._envs.render() or ()
            return [as_picture(drawn[world]) for world in worlds]
        except Exception as error:
            raise ValueError(
                f"{self.name}: it was made with render_mode rgb_array, and its render gives {one_line(error)}; "
                "without a render mode nothing is rendered"
            ) from None


def _name(envs: VectorEnv) -> str:
    """The id that it was made by, else the class."""
    first: Any = envs.unwrapped.envs[0] if isinstance(envs.unwrapped, SyncVectorEnv) else envs
    spec = envs.spec or first.spec
    return type(first.unwrapped).__name__ if spec is None else spec.id


def _stacked(envs: VectorEnv) -> int:
    """See `stacked`; worlds that cannot be looked into may be of any."""
    base = envs.unwrapped
    return stacked(base.envs[0]) if isinstance(base, SyncVectorEnv) else 1


def _autoreset(name: str, envs: VectorEnv) -> AutoresetMode:
    try:
        return AutoresetMode(envs.metadata["autoreset_mode"])
    except (KeyError, ValueError):
        raise ValueError(
            f"{name} does not say how its episodes restart: set envs.metadata['autoreset_mode'] "
            "to a gymnasium.vector.AutoresetMode"
        ) from None


def _mujoco_worlds(envs: VectorEnv) -> list[gymnasium.Env]:
    """The worlds, if their MuJoCo states can be read."""
    base = envs.unwrapped
    worlds = list(base.envs) if isinstance(base, SyncVectorEnv) else []
    return worlds if all(physics_of(world) is not None for world in worlds) else []


def _saved(name: str, worlds: list[gymnasium.Env]) -> SavedModel | None:
    """The model that draws them. Raises ValueError where the first cannot be reset."""
    if not worlds:
        return None
    models = [require_physics(world)[0] for world in worlds]
    if len({(model.nq, model.nv, model.nbody) for model in models}) > 1:
        return None  # as many models as worlds
    try:
        edited = edited_by(worlds[0].unwrapped)  # wrappers may count episodes, or film them
    except Exception as error:
        raise ValueError(f"{name}: it cannot be reset: {one_line(error)}") from None
    return save(require_physics(worlds[0])[0], edited)


def _scene(
    name: str, worlds: list[gymnasium.Env], saved: SavedModel | None, known: About, question: str, *, filmed: bool
) -> Scene:
    if saved is None:
        track = "frames" if filmed else "observation"
        return Scene(task=name, track=track, timestep=known.timestep, question=question)
    model, _ = require_physics(worlds[0])
    timestep = float(getattr(worlds[0].unwrapped, "dt", known.timestep))
    return scene_of(name, model, saved, timestep=timestep, question=question)
