"""One world of a gymnasium environment: found by its id or class, and fenced so that its failures stay its own."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.wrappers import FrameStackObservation, TimeLimit

from actors.simulators.frames import Frames, shrunk
from actors.simulators.protocol import USUAL_EPISODE_STEPS, SimulationFault, UnknownTask
from actors.simulators.spaces import Flattening

log = logging.getLogger("backflip.actors")

Maker = Callable[..., gymnasium.Env]
"""Makes an environment, with the arguments of its constructor by name."""

_LARGEST_PICTURE = 360  # pixels a side; larger ones are shrunk, since a film takes time to encode


def find(task: str) -> Maker:
    """What makes an environment: by ``ID``, ``module:ID`` as gymnasium writes it, or ``package.module:Class``.

    Modules are looked for in the current folder too. A class may also be a function that makes an environment.

    Raises:
        UnknownTask: gymnasium has no such id, and the module no such class.
        ValueError: the module cannot be imported; the message says why.
    """
    module_name, _, name = task.rpartition(":")
    if module_name:
        module = _import(module_name, task)
        found = getattr(module, name, None)
        if callable(found):
            return found  # pyright: ignore[reportReturnType]
    if name not in gymnasium.registry:
        known = [f"{module_name}:{other}" for other in vars(sys.modules[module_name])] if module_name else []
        raise UnknownTask("gymnasium", task, [*known, *gymnasium.registry])
    options = _without_early_ends(name)
    # The time limit is ours to keep, see `World`.
    return partial(gymnasium.make, name, max_episode_steps=-1, disable_env_checker=True, **options)


def filming(task: str, env: gymnasium.Env, maker: Maker) -> Maker:
    """What makes environments like ``env`` whose `render` gives pictures.

    Raises:
        ValueError: it draws none, or not here; the message says why.
    """
    if "rgb_array" not in env.metadata.get("render_modes", ()):
        raise ValueError("it has no render mode rgb_array")
    filmed = maker if env.render_mode == "rgb_array" else partial(maker, render_mode="rgb_array")
    drawing, _ = make(task, filmed)
    try:
        drawing.reset(seed=0)
        picture_of(drawing)
    except Exception as error:
        raise ValueError(f"its render raises {one_line(error)}") from None
    finally:
        drawing.close()
    return filmed


def picture_of(env: gymnasium.Env) -> np.ndarray:
    """What its `render` draws, see `as_picture`."""
    return as_picture(env.render())


def as_picture(drawn: Any) -> np.ndarray:
    """What a `render` gave, shrunk by a whole number, uint8 [H, W, 3]. Raises ValueError where it is no picture."""
    picture = np.asarray(drawn)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"an array {picture.dtype} {picture.shape}, not a picture uint8 [H, W, 3]")
    times = -(-max(picture.shape[:2]) // _LARGEST_PICTURE)
    return np.moveaxis(shrunk(np.moveaxis(picture, -1, 0), times), 0, -1)


def make(task: str, maker: Maker) -> tuple[gymnasium.Env, int]:
    """A new environment and its time limit in steps. Raises ValueError where it cannot be made, saying why."""
    mujoco.set_mju_user_warning(log.debug)  # else it writes them to standard error and to a file, once a world
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on versions and precision
            env = maker()
    except Exception as error:
        raise ValueError(f"gymnasium cannot make {task}: {one_line(error)}") from None
    if not isinstance(env, gymnasium.Env):
        raise ValueError(f"{task} makes a {type(env).__name__}, which is no gymnasium.Env")
    return env, _time_limit(env, task)


def stacked(env: gymnasium.Env) -> int:
    """How many observations gymnasium's own wrapper makes one of; 1 where there is no such wrapper."""
    sizes = (wrapper.stack_size for wrapper in _wrappers(env) if isinstance(wrapper, FrameStackObservation))
    return next(sizes, 1)


class World(gymnasium.Wrapper):
    """Observations as policy and reward model see them, a time limit, and no exception from a step.

    A step that raises, whose reward is not finite, or whose observation is not finite or not of the promised
    shape, ends its episode; ``fault`` says then what was wrong, and is empty otherwise.

    Args:
        elapsed: steps that the first episode is taken to have done already.
    """

    def __init__(
        self, env: gymnasium.Env, name: str, observe: Flattening | Frames, episode_steps: int, elapsed: int = 0
    ) -> None:
        super().__init__(env)
        shape, dtype = observe.space.shape, observe.space.dtype
        low, high = (0, 255) if observe.space.is_frames else (-np.inf, np.inf)
        self.observation_space = gymnasium.spaces.Box(low, high, shape, dtype)
        self.fault = ""
        self._name = name
        self._observe = observe
        self._episode_steps = episode_steps
        self._elapsed = 0
        self._first_elapsed = elapsed
        self._last = np.zeros(shape, dtype)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Raises SimulationFault where the environment cannot be reset: there is nothing to go on with."""
        try:
            observation, _ = self.env.reset(seed=seed, options=options)
            self._last = self._sound(observation)
        except Exception as error:
            raise SimulationFault(f"{self._name}: it cannot be reset: {one_line(error)}") from None
        self._elapsed, self._first_elapsed = self._first_elapsed, 0
        return self._last, {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.fault = ""
        try:
            observation, reward, terminated, truncated, _ = self.env.step(action)
            observation, reward = self._sound(observation), _finite(reward)
        except Exception as error:
            self.fault = one_line(error)
            return self._last, 0.0, False, True, {}
        self._last = observation
        self._elapsed += 1
        truncated = bool(truncated) or self._elapsed >= self._episode_steps
        return observation, reward, bool(terminated), truncated, {}

    def picture(self) -> np.ndarray:
        """See `picture_of`. Raises SimulationFault: a clip without its picture would mislead whoever judges it."""
        try:
            return picture_of(self.env)
        except Exception as error:
            raise SimulationFault(f"{self._name}: its render raises {one_line(error)}") from None

    def _sound(self, observation: Any) -> np.ndarray:
        seen = self._observe(observation)
        if not np.isfinite(seen).all():
            raise ValueError("its observation is not finite")
        return seen


def _finite(reward: Any) -> float:
    number = float(reward)
    if not np.isfinite(number):
        raise ValueError("its reward is not finite")
    return number


def one_line(error: Exception) -> str:
    """The kind of an exception and the last line of what it says; of our own checks, what they say."""
    lines = str(error).strip().splitlines()
    said = lines[-1] if lines else ""
    if type(error) is ValueError:
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _import(module: str, task: str) -> Any:
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"{task}: there is no module {error.name}; looked in {here} and what is installed") from None
    except Exception as error:
        raise ValueError(f"{task}: module {module} cannot be imported: {one_line(error)}") from None


def _without_early_ends(name: str) -> dict[str, bool]:
    """Gymnasium's own robots can be told to go on after a fall: an end would say what people are to say."""
    option = "terminate_when_unhealthy"
    entry_point = gymnasium.registry[name].entry_point
    try:
        creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
        known = option in inspect.signature(creator).parameters if creator is not None else False
    except (ImportError, AttributeError, TypeError, ValueError):
        return {}  # what is wrong with it is said when it is made
    return {option: False} if known else {}


def _time_limit(env: gymnasium.Env, task: str) -> int:
    """The registered one, or that of a `TimeLimit` among the wrappers."""
    for wrapper in _wrappers(env):
        if isinstance(wrapper, TimeLimit):
            return wrapper._max_episode_steps
    registered = gymnasium.registry.get(task.rpartition(":")[2])
    return (registered and registered.max_episode_steps) or USUAL_EPISODE_STEPS


def _wrappers(env: gymnasium.Env) -> Iterator[gymnasium.Wrapper]:
    """From the outside in."""
    while isinstance(env, gymnasium.Wrapper):
        yield env
        env = env.env
