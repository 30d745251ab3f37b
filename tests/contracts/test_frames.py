"""Frames are kept once each, and come back as they were observed; films show what was filmed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clip import Clip
from contracts.encoding import unpack
from contracts.film import decode_film, encode_film
from contracts.frames import compress, expand, restack, unstack
from contracts.spaces import ObservationSpace


def frames(count: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, channels, 6, 5)).astype(np.uint8)


def stacks(steps: int, stack: int, channels: int = 1) -> np.ndarray:
    """What a simulator that stacks would show, one step after the other."""
    shown = frames(steps + stack - 1, channels)
    return np.stack([shown[step : step + stack].reshape(-1, 6, 5) for step in range(steps)])


@given(steps=st.integers(1, 9), stack=st.integers(1, 5), channels=st.integers(1, 3))
def test_stacks_come_back_from_frames_that_are_kept_once(steps: int, stack: int, channels: int) -> None:
    observation = stacks(steps, stack, channels)
    kept = unstack(observation, stack)
    np.testing.assert_array_equal(kept, frames(steps + stack - 1, channels))
    np.testing.assert_array_equal(restack(kept, stack), observation)
    space = ObservationSpace(observation.shape[1:], stack)
    np.testing.assert_array_equal(expand(compress(kept), space, steps), observation)


def test_observations_that_skip_a_frame_are_no_stacks() -> None:
    with pytest.raises(ValueError, match="consecutive"):
        unstack(stacks(6, 4)[::2], 4)


def clip_of(observation: np.ndarray, stack: int) -> Clip:
    nothing = np.zeros((len(observation), 2), np.float32)
    return Clip(observation, nothing, nothing[:, :0], "scene", 1, 0, nothing[:, 0], stack=stack, film=b"film")


def test_a_clip_of_frames_round_trips_and_holds_each_frame_once() -> None:
    clip = clip_of(stacks(50, 4), 4)
    data = clip.to_bytes()
    read = Clip.from_bytes(data, with_oracle=True)
    np.testing.assert_array_equal(read.observation, clip.observation)
    assert (read.observation.dtype, read.stack, read.film) == (np.uint8, 4, b"film")
    assert read.to_bytes() == data
    assert len(data) < clip.observation.nbytes / 2, "even of noise, which cannot be compressed"
    header, _ = unpack(data)
    assert header["schema"] == 2


def test_every_field_of_frames_is_in_the_bytes() -> None:
    clip = clip_of(stacks(5, 4), 4)
    changes = [{"film": b"other"}, {"film": b""}, {"observation": clip.observation[:, :, ::-1]}, {"stack": 1}]
    assert len({clip.to_bytes()} | {replace(clip, **change).to_bytes() for change in changes}) == 5  # pyright: ignore[reportArgumentType]


def test_damaged_frames_are_a_value_error() -> None:
    space = ObservationSpace((4, 6, 5), 4)
    kept = compress(unstack(stacks(5, 4), 4))
    for data, steps in ((kept[:-9], 5), (kept, 6), (np.zeros(4, np.uint8), 5)):
        with pytest.raises(ValueError, match="observations of"):
            expand(data, space, steps)


@pytest.mark.parametrize(("shape", "stack"), [((), 1), ((4, 84), 1), ((4, 84, 84), 3), ((0,), 1)])
def test_what_is_neither_vector_nor_frames_is_no_observation(shape: tuple[int, ...], stack: int) -> None:
    with pytest.raises(ValueError, match="an observation is a vector"):
        ObservationSpace(shape, stack)


def test_a_film_shows_its_pictures_in_order_and_in_colour() -> None:
    pictures = np.zeros((12, 210, 160, 3), np.uint8)
    pictures[:] = (144, 72, 17)
    for step, picture in enumerate(pictures):
        picture[100:104, 10 * step : 10 * step + 2] = (236, 236, 236)  # a ball of eight pixels
    film = encode_film(pictures, 1 / 15)
    assert encode_film(pictures, 1 / 15) == film
    assert len(film) < pictures.nbytes / 100
    shown = decode_film(film)
    assert shown.shape == pictures.shape
    assert np.abs(shown.astype(int) - pictures).mean() < 3
    brightest = shown[:, 102].sum(-1).argmax(-1)
    assert (np.abs(brightest - 10 * np.arange(12)) <= 1).all()
    with pytest.raises(ValueError, match="not a film"):
        decode_film(film[:100])
