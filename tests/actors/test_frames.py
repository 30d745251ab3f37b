"""Observations that are pictures, whatever order of axes an environment has them in."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete

from actors.simulators.frames import Frames, as_pictures, observing, shrunk
from actors.simulators.gymnasium_engine import GymnasiumSimulator
from actors.simulators.spaces import Flattening, UnsupportedSpace
from contracts.spaces import ObservationSpace


def picture(*shape: int) -> Box:
    return Box(0, 255, shape, np.uint8)


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ((84, 84), (1, 84, 84)),
        ((40, 50, 3), (3, 40, 50)),
        ((4, 84, 84), (4, 84, 84)),
        ((4, 60, 80, 3), (12, 60, 80)),
        ((240, 320, 3), (3, 60, 80)),
    ],
)
def test_frames_come_channels_first_and_no_larger_than_is_of_use(shape: tuple[int, ...], seen: tuple[int, ...]) -> None:
    frames = observing(picture(*shape))
    assert isinstance(frames, Frames) and frames.space == ObservationSpace(seen)
    random = np.random.default_rng(0)
    batch = random.integers(0, 256, (2, *shape)).astype(np.uint8)
    found = frames(batch, (2,))
    assert found.dtype == np.uint8 and found.shape == (2, *seen)
    np.testing.assert_array_equal(found[1], frames(batch[1]))


def test_the_pixels_stay_where_they_were() -> None:
    shown = np.zeros((2, 40, 50, 3), np.uint8)
    shown[1, 7, 9] = 1, 2, 3
    seen = Frames(picture(2, 40, 50, 3))(shown)
    assert seen[3:, 7, 9].tolist() == [1, 2, 3] and not seen[:3].any(), "the newest last"
    np.testing.assert_array_equal(as_pictures(seen[None])[0], shown[1])
    grey = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)[:, :2]
    np.testing.assert_array_equal(as_pictures(grey)[0, ..., 0], grey[0, 1])


def test_a_shrunk_pixel_is_the_mean_of_those_it_stands_for() -> None:
    frame = np.array([[0, 2, 100], [4, 6, 100], [9, 9, 9]], np.uint8)
    np.testing.assert_array_equal(shrunk(frame, 2), [[3]])


def test_small_arrays_of_bytes_are_numbers() -> None:
    assert isinstance(observing(picture(7, 7, 3)), Flattening)
    assert isinstance(observing(Box(0, 1, (84, 84), np.float32)), Flattening)


def test_a_picture_that_is_not_the_promised_one_is_a_value_error() -> None:
    frames = Frames(picture(40, 50, 3))
    for wrong in (np.zeros((50, 40, 3), np.uint8), np.zeros((40, 50, 3), np.float32)):
        with pytest.raises(ValueError, match="its space uint8"):
            frames(wrong)
    with pytest.raises(UnsupportedSpace, match="frames are supported alone"):
        observing(Dict(eye=picture(40, 50, 3), hand=Discrete(2)))


def test_an_environment_that_observes_pictures_runs_and_is_filmed_by_them() -> None:
    simulator = GymnasiumSimulator("tests.actors.own_environments:Screen", 2, 0, stagger=False)
    observation = simulator.reset()
    assert simulator.spaces.observation == ObservationSpace((3, 40, 50))
    for step in range(1, 9):
        assert simulator.scene.track == "frames" and simulator.state().shape == (2, 0)
        np.testing.assert_array_equal(simulator.pictures(np.array([1]))[0, ..., 0], observation[1, 0])
        transition = simulator.step(np.zeros(2, np.int64))
        observation = transition.observation
        assert observation.dtype == np.uint8 and (transition.final_observation[:, 0, 0, 0] == (step - 1) % 7 + 1).all()
