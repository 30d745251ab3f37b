"""Stable-Baselines3 has a vector environment of its own: a gymnasium one, in its terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv

from backflip.errors import UserError


class BaselinesVecEnv(VecEnv):
    """Steps a gymnasium vector environment, whose episodes must restart in the step that ends them.

    Its worlds cannot be told apart: an attribute is that of all, and none can be called or set alone.

    Raises:
        UserError: they restart otherwise.
    """

    def __init__(self, envs: VectorEnv) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise UserError(
                "Stable-Baselines3 needs episodes that restart in the step that ends them: make the environment with "
                'vectorization_mode="sync", vector_kwargs={"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}'
            )
        self.envs = envs
        self._actions: np.ndarray | None = None
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> np.ndarray:
        observation, infos = self.envs.reset(seed=self._seeds[0])
        self.reset_infos = [_of_world(infos, world) for world in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        observation, reward, terminated, truncated, infos = self.envs.step(self._actions)
        by_world = [_of_world(infos, world) for world in range(self.num_envs)]
        for world in np.flatnonzero(terminated | truncated):
            by_world[world] |= {
                "terminal_observation": infos["final_obs"][world],
                "TimeLimit.truncated": bool(truncated[world] and not terminated[world]),
            }
        return observation, np.asarray(reward, np.float32), terminated | truncated, by_world

    def close(self) -> None:
        self.envs.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        frames: Any = self.envs.render() if self.render_mode == "rgb_array" else None
        return [None] * self.num_envs if frames is None else list(frames)

    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        return [getattr(self.envs, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: int | Iterable[int] | None = None) -> None:
        raise NotImplementedError(f"{attr_name} cannot be set in single worlds of a gymnasium vector environment")

    def env_method(
        self, method_name: str, *args: Any, indices: int | Iterable[int] | None = None, **kwargs: Any
    ) -> list[Any]:
        raise NotImplementedError(f"{method_name} cannot be called in single worlds of a gymnasium vector environment")

    def env_is_wrapped(self, wrapper_class: Any, indices: int | Iterable[int] | None = None) -> list[bool]:
        return [False for _ in self._get_indices(indices)]


def _of_world(infos: dict[str, Any], world: int) -> dict[str, Any]:
    """Of gymnasium's infos, an array a name, what concerns one world; what ``_name`` says is not there is left out."""
    found: dict[str, Any] = {}
    for name, values in infos.items():
        mask = infos.get(f"_{name}")
        if (name.startswith("_") and name[1:] in infos) or (mask is not None and not mask[world]):
            continue
        found[name] = _of_world(values, world) if isinstance(values, dict) else values[world]
    return found
