"""Stacked frames kept once each: an observation of four frames shares three with the one before it."""

from __future__ import annotations

import zlib

import numpy as np

from contracts.spaces import ObservationSpace

_LEVEL = 6  # a clip of a game shrinks to a fiftieth, in two milliseconds


def unstack(observation: np.ndarray, stack: int) -> np.ndarray:
    """Every frame once, in order: uint8 [L + stack - 1, C / stack, H, W].

    Args:
        observation: uint8 [L, C, H, W], consecutive ones of one episode.

    Raises:
        ValueError: they are not stacks of consecutive frames.
    """
    steps, channels, *size = observation.shape
    width = channels // stack
    if not np.array_equal(observation[1:, : channels - width], observation[:-1, width:]):
        raise ValueError(f"observations of {stack} stacked frames don't show consecutive ones")
    first = observation[0].reshape(stack, width, *size)
    return np.concatenate((first, observation[1:, channels - width :])) if steps > 1 else first


def restack(frames: np.ndarray, stack: int) -> np.ndarray:
    """The inverse of `unstack`: a read-only view [L, C, H, W] of contiguous frames."""
    count, width, height, columns = frames.shape
    plane = height * columns
    strides = (width * plane, plane, columns, 1)
    shape = (count - stack + 1, stack * width, height, columns)
    return np.lib.stride_tricks.as_strided(frames, shape, strides, writeable=False)


def compress(frames: np.ndarray) -> np.ndarray:
    """Contiguous bytes, uint8 [B]; the same frames give the same ones."""
    return np.frombuffer(zlib.compress(np.ascontiguousarray(frames).tobytes(), _LEVEL), np.uint8)


def expand(data: np.ndarray, space: ObservationSpace, steps: int) -> np.ndarray:
    """The observations [steps, C, H, W] whose frames were compressed, as a read-only view.

    Raises:
        ValueError: the data are damaged, or of other frames.
    """
    channels, height, width = space.shape
    shape = (steps + space.stack - 1, channels // space.stack, height, width)
    try:
        frames = np.frombuffer(zlib.decompress(data.tobytes()), np.uint8)
        return restack(frames.reshape(shape), space.stack)
    except (zlib.error, ValueError) as error:
        raise ValueError(f"not {steps} observations of {space.shape}: {error}") from error
