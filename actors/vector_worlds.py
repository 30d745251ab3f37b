"""A gymnasium vector environment in our nouns: its spaces, its scene, and what its worlds are like just now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from actors.simulators.envpool_tasks import About, about
from actors.simulators.gymnasium_physics import require_physics
from actors.simulators.gymnasium_scene import about_environment, scene_of
from actors.simulators.saved_model import SavedModel
from actors.simulators.spaces import Controls, Flattening, UnsupportedSpace
from contracts.clip import Scene
from contracts.spaces import ObservationSpace, Spaces

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(observation [N, D] after the step, the environment's reward [N]) -> [N]."""


class VectorWorlds:
    """The worlds of a vector environment, which somebody else steps.

    Where they lie in this process and show their MuJoCo ``model`` and ``data``, a state is what that has
    of positions and velocities, and can be drawn; elsewhere it is the observation.

    Args:
        question: what people are asked about two clips; "" takes the one that is known for the task.
        score: what a scripted teacher judges by; None takes the task's own, in a form that varies from step to step.

    Raises:
        ValueError: observations or actions are of a kind that is not supported, or nothing says how episodes restart.
    """

    def __init__(self, envs: VectorEnv, question: str = "", score: Score | None = None) -> None:
        base: Any = envs.unwrapped
        here = base.envs if isinstance(base, SyncVectorEnv) else []
        self._worlds: list[gymnasium.Env] = [world.unwrapped for world in here]
        self._count = envs.num_envs
        self.name = _name(envs, self._worlds)
        try:
            self._flatten = Flattening(envs.single_observation_space)
            self._controls = Controls(envs.single_action_space)
        except UnsupportedSpace as error:
            raise ValueError(f"{self.name} {error}") from None
        self.spaces = Spaces(ObservationSpace((self._flatten.size,)), self._controls.action)
        self.autoreset = _autoreset(self.name, envs)
        known = about_environment(self.name, self._worlds[0]) if self._worlds else about(self.name)
        self.score = known.score if score is None else score
        self.scene, self._saved = _scene(self.name, replace(known, question=question or known.question), self._worlds)

    @property
    def state_size(self) -> int:
        """S, the width of a state."""
        return self.spaces.observation.size if self._saved is None else self._saved.size

    def observed(self, observation: Any) -> np.ndarray:
        """As the reward model sees it, float32 [N, D], ours to keep. Raises ValueError where it is not finite."""
        observed = self._flatten(observation, (self._count,))
        broken = np.flatnonzero(~np.isfinite(observed).all(-1))
        if len(broken):
            raise ValueError(f"{self.name}: world {broken[0]} observes numbers that are not finite")
        return observed

    def last_observed(self, observed: np.ndarray, finals: dict[int, Any]) -> np.ndarray:
        """``observed`` with the last observations of the worlds whose episodes ended; raises as `observed`."""
        shown = observed.copy()
        for world, final in finals.items():
            shown[world] = self._flatten(final)
            if not np.isfinite(shown[world]).all():
                raise ValueError(f"{self.name}: world {world} observes numbers that are not finite")
        return shown

    def acted(self, action: np.ndarray) -> np.ndarray:
        """As a policy of ours would act; see `contracts.spaces.ActionSpace`."""
        return self._controls.ours(action)

    def state(self, observation: np.ndarray) -> np.ndarray:
        """float32 [N, S], see `contracts.clip.Track`; ``observation`` is what the worlds show just now."""
        if self._saved is None:
            return observation
        return np.stack([self._saved.state(*require_physics(world)) for world in self._worlds])


def _name(envs: VectorEnv, worlds: list[gymnasium.Env]) -> str:
    """The id that it was made by, else the class."""
    first: Any = worlds[0] if worlds else envs
    spec = envs.spec or first.spec
    return type(first.unwrapped).__name__ if spec is None else spec.id


def _autoreset(name: str, envs: VectorEnv) -> AutoresetMode:
    try:
        return AutoresetMode(envs.metadata["autoreset_mode"])
    except (KeyError, ValueError):
        raise ValueError(
            f"{name} does not say how its episodes restart: set envs.metadata['autoreset_mode'] "
            "to a gymnasium.vector.AutoresetMode"
        ) from None


def _scene(name: str, known: About, worlds: list[gymnasium.Env]) -> tuple[Scene, SavedModel | None]:
    if not worlds:
        return Scene(task=name, track="observation", timestep=known.timestep, question=known.question), None
    return scene_of(name, known, worlds[0])
