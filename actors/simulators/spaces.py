"""Gymnasium's spaces as the one vector and the one action that policies and reward models know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from contracts.spaces import ActionSpace

_LARGEST_ONE_HOT = 512  # choices; beyond, a number stands for itself
_SMALLEST_FRAME = 36  # pixels a side; smaller arrays of bytes are taken as numbers


class UnsupportedSpace(ValueError):
    """A space that is no vector, or an action that is no choice and no bounded control; the message says which."""


@dataclass(frozen=True)
class Part:
    """A stretch of the flat observation that has a name of its own."""

    name: str
    size: int
    meaning: str  # what its numbers are


@dataclass(frozen=True)
class _Leaf:
    path: tuple[str | int, ...]  # keys of dicts and places in tuples, from the outside in
    shape: tuple[int, ...]  # of the array found there
    size: int  # numbers that it becomes
    meaning: str
    encode: Callable[[np.ndarray], np.ndarray]  # [*lead, *shape] -> [*lead, size] or [*lead, *shape]

    @property
    def name(self) -> str:
        return ".".join(map(str, self.path)) or "observation"


class Flattening:
    """Observations of any vector-like space as float32 vectors, their parts in the space's own order.

    Boxes and bits are numbers as they are; a choice is one-hot up to 512 choices. Text is left out.

    Raises:
        UnsupportedSpace: something in the space is no vector.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self._leaves = list(_leaves(space, ()))
        self.size = sum(leaf.size for leaf in self._leaves)
        if not self.size:
            raise UnsupportedSpace(f"observes {brief(space)}, in which there is no number")
        self.parts = [Part(leaf.name, leaf.size, leaf.meaning) for leaf in self._leaves]

    def __call__(self, observation: Any, lead: tuple[int, ...] = ()) -> np.ndarray:
        """Observations as the environment gives them, batched by leading axes ``lead``: float32 [*lead, size].

        Raises:
            ValueError: a part is missing, or not of the shape that the space promises.
        """
        flat = np.empty((*lead, self.size), np.float32)
        start = 0
        for leaf in self._leaves:
            value = np.asarray(_at(observation, leaf))
            if value.shape != (*lead, *leaf.shape):
                raise ValueError(f"{leaf.name} has shape {value.shape}, and its space {(*lead, *leaf.shape)}")
            flat[..., start : start + leaf.size] = leaf.encode(value).reshape(*lead, leaf.size)
            start += leaf.size
        return flat


class Controls:
    """Actions of a policy as an environment wants them, and back.

    Whole-numbered boxes and bits are choices; other boxes are scaled from [-1, 1] to their bounds.

    Raises:
        UnsupportedSpace: the space is neither of choices nor of bounded controls.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        dtype = space.dtype
        if isinstance(space, spaces.Discrete):
            first = int(space.start)
            self.action = ActionSpace("discrete", int(space.n))
            self._native: Callable[[np.ndarray], np.ndarray] = lambda action: (action + first).astype(dtype)
            self._ours: Callable[[np.ndarray], np.ndarray] = lambda native: native.astype(np.int64) - first
        elif isinstance(space, spaces.MultiDiscrete):
            self._choose(np.asarray(space.nvec), np.asarray(space.start), dtype)
        elif isinstance(space, spaces.MultiBinary):
            self._choose(np.full(space.shape, 2), np.zeros(space.shape, int), dtype)
        elif isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.integer):
            choices = space.high.astype(np.int64) - space.low + 1
            if choices.sum() > _LARGEST_ONE_HOT:
                raise UnsupportedSpace(f"acts by {brief(space)}, of {choices.sum():,} choices; 512 are the most")
            self._choose(choices, space.low, dtype)
        elif isinstance(space, spaces.Box) and np.isfinite(half := space.high / 2 - space.low / 2).all():
            if half.max() > 1e6:
                raise UnsupportedSpace(f"acts by {brief(space)} without bounds; give the space of its actions bounds")
            middle, shape = space.low + half, space.shape
            self.action = ActionSpace("continuous", middle.size)
            self._native = lambda action: (
                middle + half * np.clip(action, -1.0, 1.0).reshape(len(action), *shape)
            ).astype(dtype)
            width = np.where(half > 0, half, 1.0)  # what has one value alone is 0
            self._ours = lambda native: ((native - middle) / width).reshape(len(native), -1).astype(np.float32)
        else:
            raise UnsupportedSpace(
                f"acts by {brief(space)}; only choices and bounded controls are supported, and no mixture of both"
            )

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """Actions of N worlds, see `ActionSpace`, as the environment's own: [N, *its shape]."""
        return self._native(action)

    def ours(self, native: np.ndarray) -> np.ndarray:
        """Actions of N worlds that somebody else chose, as a policy of ours would have; see `ActionSpace`."""
        return self._ours(np.asarray(native))

    def _choose(self, choices: np.ndarray, first: np.ndarray, dtype: Any) -> None:
        self.action = ActionSpace.of_choices(tuple(map(int, choices.ravel())))
        self._native = lambda action: (action.reshape(len(action), *choices.shape) + first).astype(dtype)
        self._ours = lambda native: (native.astype(np.int64) - first).reshape(len(native), -1)


def brief(space: spaces.Space[Any]) -> str:
    """A space in a few words, for messages."""
    if isinstance(space, spaces.Dict):
        return f"a Dict of {', '.join(space.spaces)}"
    if isinstance(space, spaces.Tuple):
        return f"a Tuple of {len(space.spaces)}"
    return f"{type(space).__name__}{space.shape or ''}"


def _leaves(space: spaces.Space[Any], path: tuple[str | int, ...]) -> list[_Leaf]:
    if isinstance(space, spaces.Dict):
        return [leaf for key, inner in space.spaces.items() for leaf in _leaves(inner, (*path, key))]
    if isinstance(space, spaces.Tuple):
        return [leaf for place, inner in enumerate(space.spaces) for leaf in _leaves(inner, (*path, place))]
    if space.dtype is not None and space.dtype.kind == "U":
        return []
    where = f" at {'.'.join(map(str, path))}" if path else ""
    if isinstance(space, spaces.Discrete):
        return [_choice(path, (), np.array([space.n]), np.array([space.start]))]
    if isinstance(space, spaces.MultiDiscrete):
        return [_choice(path, space.nvec.shape, space.nvec.ravel(), np.asarray(space.start).ravel())]
    if isinstance(space, spaces.MultiBinary):
        return [_Leaf(path, space.shape, int(np.prod(space.shape)), "bits", _as_it_is)]
    if not isinstance(space, spaces.Box):
        raise UnsupportedSpace(f"observes {brief(space)}{where}; only vectors, and dicts and tuples of them, are known")
    if space.dtype == np.uint8 and sum(side >= _SMALLEST_FRAME for side in space.shape) >= 2:
        raise UnsupportedSpace(f"observes frames, {brief(space)}{where}; only vectors are supported so far")
    meaning = "whole numbers" if np.issubdtype(space.dtype, np.integer) else "numbers"
    bounded = space.low.size and max(-float(space.low.min()), float(space.high.max())) < 1e6
    bounds = f" from {space.low.min():g} to {space.high.max():g}" if bounded else ""
    return [_Leaf(path, space.shape, int(np.prod(space.shape)), meaning + bounds, _as_it_is)]


def _choice(path: tuple[str | int, ...], shape: tuple[int, ...], counts: np.ndarray, first: np.ndarray) -> _Leaf:
    """One-hot, a stretch for each of the counts; choices too many for that are shares of their count."""
    total = int(counts.sum())

    def chosen(value: np.ndarray) -> np.ndarray:
        lead = value.shape[: value.ndim - len(shape)]
        return value.reshape(*lead, -1) - first

    if total > _LARGEST_ONE_HOT:
        meaning = f"share of {total:,}" if len(counts) == 1 else "shares of their counts"
        return _Leaf(path, shape, len(counts), meaning, lambda value: chosen(value) / counts)
    space = ActionSpace.of_choices(tuple(map(int, counts)))
    meaning = f"one of {total}" if len(counts) == 1 else f"one of each of {', '.join(map(str, counts))}"
    return _Leaf(path, shape, total, meaning, lambda value: space.encode(chosen(value)))


def _as_it_is(value: np.ndarray) -> np.ndarray:
    return value


def _at(observation: Any, leaf: _Leaf) -> Any:
    for key in leaf.path:
        try:
            observation = observation[key]
        except (KeyError, IndexError, TypeError):
            raise ValueError(f"{leaf.name} is missing") from None
    return observation
