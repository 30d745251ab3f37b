"""The clips of labelled queries in memory: vectors as they are, frames compressed."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from contracts.clip import Clip
from contracts.frames import compress, expand, unstack
from contracts.spaces import ObservationSpace


class ClipStore(Protocol):
    """What the reward networks are shown of each query's two clips, by the query's row."""

    def put(self, clips: tuple[Clip, Clip]) -> None:
        """As the next row; clips of one length and of the store's space."""
        ...

    def inputs(self, queries: np.ndarray, first: int, stride: int) -> np.ndarray:
        """Every ``stride``-th step of both clips, from the ``first``: [n, 2, l, ...]."""
        ...

    def statistics(self, queries: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of the inputs, float64, over these queries' transitions."""
        ...


class VectorStore:
    """Observation and action side by side, float32 [D + A] a step."""

    def __init__(self, steps: int, width: int) -> None:
        self._count = 0
        self._inputs = np.empty((0, 2, steps, width), np.float32)
        self._moments = np.empty((0, 2, width))

    def put(self, clips: tuple[Clip, Clip]) -> None:
        if self._count == len(self._inputs):
            self._inputs, self._moments = (grown(array, self._count) for array in (self._inputs, self._moments))
        pair = np.stack([np.concatenate([clip.observation, clip.action], axis=1) for clip in clips])
        self._inputs[self._count] = pair
        wide = pair.astype(np.float64)
        self._moments[self._count] = wide.mean(axis=(0, 1)), (wide**2).mean(axis=(0, 1))
        self._count += 1

    def inputs(self, queries: np.ndarray, first: int, stride: int) -> np.ndarray:
        return self._inputs[queries, :, first::stride]

    def statistics(self, queries: list[int]) -> tuple[np.ndarray, np.ndarray]:
        mean, square = self._moments[queries].mean(axis=0)
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0))


class FrameStore:
    """Stacks of frames, uint8 [C, H, W] a step; actions are left out, as in Christiano et al. 2017.

    A clip of a game is a few kilobytes compressed and some hundred as it is scored: thousands of them fit into
    memory only so, and to expand a minibatch costs next to nothing beside its convolutions.
    """

    def __init__(self, steps: int, space: ObservationSpace) -> None:
        self._steps = steps
        self._space = space
        self._frames: list[tuple[np.ndarray, np.ndarray]] = []
        # Of the frames of every clip that was ever labelled; whole numbers, so that their order doesn't matter.
        self._sum = np.zeros((space.shape[0] // space.stack, *space.shape[1:]), np.int64)
        self._square_sum = 0
        self._count = 0

    def put(self, clips: tuple[Clip, Clip]) -> None:
        a, b = (unstack(clip.observation, clip.stack) for clip in clips)
        self._frames.append((compress(a), compress(b)))
        for frames in (a, b):
            wide = frames.astype(np.int64)
            self._sum += wide.sum(axis=0)
            self._square_sum += int((wide**2).sum())
            self._count += len(frames)

    def inputs(self, queries: np.ndarray, first: int, stride: int) -> np.ndarray:
        steps = len(range(first, self._steps, stride))
        found = np.empty((len(queries), 2, steps, *self._space.shape), np.uint8)
        for row, query in enumerate(queries):
            for side, frames in enumerate(self._frames[query]):
                found[row, side] = expand(frames, self._space, self._steps)[first::stride]
        return found

    def statistics(self, queries: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """The mean picture, [C, H, W], and one deviation from it for all pixels; of every query there ever was.

        Most pixels hardly vary: each by its own deviation, noise would be as loud as the ball.
        """
        mean = self._sum / self._count
        variance = self._square_sum / (self._count * mean.size) - (mean**2).mean()
        return np.tile(mean, (self._space.stack, 1, 1)), np.sqrt(np.maximum(variance, 0.0))


def grown(array: np.ndarray, used: int) -> np.ndarray:
    """The first ``used`` rows of an array, and room for as many again."""
    new = np.empty((max(64, 2 * used), *array.shape[1:]), array.dtype)
    new[:used] = array[:used]
    return new
