"""Observations that are pictures, as channels-first frames that a convolutional network takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from actors.simulators.spaces import Flattening, Part, UnsupportedSpace, brief, is_picture
from contracts.spaces import ObservationSpace

_LARGEST_SIDE = 100  # pixels; what is larger is shrunk


class Frames:
    """Pictures uint8 [H, W], [H, W, C] or [C, H, W], or a stack of them, as uint8 (C, H, W).

    Of a stack the channels lie one picture after the other, the newest last. Large pictures are
    shrunk by a whole number.

    Raises:
        UnsupportedSpace: the space is no picture, or so narrow that nothing would remain of it.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        if not isinstance(space, spaces.Box) or not is_picture(space):
            raise UnsupportedSpace(f"observes {brief(space)}, which is no picture")
        self._shape = space.shape
        seen = self._channels_first(np.zeros((1, *space.shape), np.uint8))
        self._times = -(-max(seen.shape[2:]) // _LARGEST_SIDE)
        self.space = ObservationSpace(self(np.zeros(space.shape, np.uint8)).shape)
        channels, height, width = self.space.shape
        self.parts = [Part("frame", self.space.size, f"{channels} channels of {height}×{width} pixels")]

    def __call__(self, observation: Any, lead: tuple[int, ...] = ()) -> np.ndarray:
        """As the environment gives them, batched by leading axes ``lead``: uint8 [*lead, C, H, W].

        Raises:
            ValueError: it is not of the shape that the space promises.
        """
        value = np.asarray(observation)
        if value.shape != (*lead, *self._shape) or value.dtype != np.uint8:
            raise ValueError(f"observation is {value.dtype} {value.shape}, and its space uint8 {(*lead, *self._shape)}")
        frames = shrunk(self._channels_first(value.reshape(-1, *self._shape)), self._times)
        return frames.reshape(*lead, *frames.shape[1:])

    def _channels_first(self, frames: np.ndarray) -> np.ndarray:
        """[N, *shape] to [N, C, H, W]."""
        if frames.ndim == 3:
            frames = frames[:, None]
        if frames.shape[-1] < min(frames.shape[-3:-1]):
            frames = np.moveaxis(frames, -1, -3)
        return np.ascontiguousarray(frames.reshape(len(frames), -1, *frames.shape[-2:]))


def observing(space: spaces.Space[Any]) -> Flattening | Frames:
    """What turns observations of a space into what policy and reward model see. Raises UnsupportedSpace."""
    return Frames(space) if isinstance(space, spaces.Box) and is_picture(space) else Flattening(space)


def shrunk(frames: np.ndarray, times: int) -> np.ndarray:
    """Frames uint8 [..., H, W] made smaller by a whole number, each pixel the mean of those it stands for."""
    if times == 1:
        return frames
    height, width = (side // times for side in frames.shape[-2:])
    blocks = frames[..., : height * times, : width * times].reshape(*frames.shape[:-2], height, times, width, times)
    return blocks.mean((-3, -1)).round().astype(np.uint8)


def as_pictures(frames: np.ndarray) -> np.ndarray:
    """Frames uint8 [N, C, H, W] as people can look at them, uint8 [N, H, W, 3]: the newest, in colour if it has any."""
    channels = frames.shape[1]
    newest = frames[:, -3:] if channels % 3 == 0 else frames[:, -1:].repeat(3, axis=1)
    return np.moveaxis(newest, 1, -1)
