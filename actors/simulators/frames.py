"""Observations that are pictures, as channels-first frames that a convolutional network takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from actors.simulators.atari_games import blank, on_screen
from actors.simulators.atari_scores import Box
from actors.simulators.spaces import Flattening, Part, UnsupportedSpace, brief, is_picture
from contracts.spaces import ObservationSpace

_LARGEST_SIDE = 100  # pixels; what is larger is shrunk
_SMALLEST_SIDE = 43  # pixels; the reward model's convolutions need them, and the policy's fewer


class Frames:
    """Pictures uint8 [H, W], [H, W, C] or [C, H, W], or a stack of them, as uint8 (C, H, W).

    Of a stack the channels lie one picture after the other, the newest last. Large pictures are shrunk by a
    whole number, as far as both sides keep the 43 pixels that the networks need; smaller ones get a black margin
    on the right and below.

    Args:
        stack: how many pictures one observation is, where its channels are those of all of them.
        score: where an Atari game shows it, to be blanked where a whole screen is observed.

    Raises:
        UnsupportedSpace: the space is no picture.
    """

    def __init__(self, space: spaces.Space[Any], stack: int = 1, score: Sequence[Box] = ()) -> None:
        if not isinstance(space, spaces.Box) or not is_picture(space):
            raise UnsupportedSpace(f"observes {brief(space)}, which is no picture")
        self._shape = space.shape
        channels, *sides = self._channels_first(np.zeros((1, *space.shape), np.uint8)).shape[1:]
        self._times = max(1, min(-(-max(sides) // _LARGEST_SIDE), min(sides) // _SMALLEST_SIDE))
        height, width = (max(side // self._times, _SMALLEST_SIDE) for side in sides)
        # Not declared as a stack: that only saves bytes, half of a grey clip's and two thirds of a coloured one's, and
        # clips are refused where a wrapper above the stack left frames that don't follow one another.
        self.space = ObservationSpace((channels, height, width))
        in_colour = channels / max(stack, math.prod(space.shape[:-3])) % 3 == 0
        self.channels = 3 if in_colour else 1  # of the newest picture, as people are shown it
        self._blanked = on_screen(score, tuple(sides), self._times)
        self.score_blanked = bool(self._blanked)
        meaning = f"{channels} channels of {height}×{width} pixels" + (", the score blanked" * self.score_blanked)
        self.parts = [Part("frame", self.space.size, meaning)]

    def __call__(self, observation: Any, lead: tuple[int, ...] = ()) -> np.ndarray:
        """As the environment gives them, batched by leading axes ``lead``: uint8 [*lead, C, H, W], ours to keep.

        Raises:
            ValueError: it is not of the shape that the space promises.
        """
        value = np.asarray(observation)
        if value.shape != (*lead, *self._shape) or value.dtype != np.uint8:
            raise ValueError(f"observation is {value.dtype} {value.shape}, and its space uint8 {(*lead, *self._shape)}")
        seen = shrunk(self._channels_first(value.reshape(-1, *self._shape)), self._times)
        frames = np.zeros((len(seen), *self.space.shape), np.uint8)  # an environment may use its own array again
        frames[..., : seen.shape[-2], : seen.shape[-1]] = seen
        blank(frames, self._blanked)
        return frames.reshape(*lead, *self.space.shape)

    def _channels_first(self, frames: np.ndarray) -> np.ndarray:
        """[N, *shape] to [N, C, H, W]."""
        if frames.ndim == 3:
            frames = frames[:, None]
        if frames.shape[-1] < min(frames.shape[-3:-1]):
            frames = np.moveaxis(frames, -1, -3)
        return np.ascontiguousarray(frames.reshape(len(frames), -1, *frames.shape[-2:]))


def observing(space: spaces.Space[Any], stack: int = 1, score: Sequence[Box] = ()) -> Flattening | Frames:
    """What turns observations of a space into what policy and reward model see; the rest as `Frames` takes it.

    Raises UnsupportedSpace.
    """
    return Frames(space, stack, score) if isinstance(space, spaces.Box) and is_picture(space) else Flattening(space)


def shrunk(frames: np.ndarray, times: int) -> np.ndarray:
    """Frames uint8 [..., H, W] made smaller by a whole number, each pixel the mean of those it stands for."""
    if times == 1:
        return frames
    height, width = (side // times for side in frames.shape[-2:])
    blocks = frames[..., : height * times, : width * times].reshape(*frames.shape[:-2], height, times, width, times)
    return blocks.mean((-3, -1)).round().astype(np.uint8)


def as_pictures(frames: np.ndarray, channels: int) -> np.ndarray:
    """Frames uint8 [N, C, H, W] as people can look at them, uint8 [N, H, W, 3]: the newest, of 1 or 3 ``channels``."""
    return np.moveaxis(frames[:, -channels:].repeat(3 // channels, axis=1), 1, -1)
