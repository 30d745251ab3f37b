"""Observations that are pictures, whatever order of axes an environment has them in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete

from actors.simulators.atari_games import ale_scores
from actors.simulators.frames import Frames, as_pictures, observing, shrunk
from actors.simulators.gymnasium_engine import GymnasiumSimulator
from actors.simulators.spaces import Flattening, UnsupportedSpace
from contracts.spaces import ObservationSpace
from learner.networks import encoder
from reward_service.ensemble import forward, initial_convolutions, initial_layers
from tests.actors import own_environments

OWN = "tests.actors.own_environments"


def picture(*shape: int) -> Box:
    return Box(0, 255, shape, np.uint8)


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ((84, 84), (1, 84, 84)),
        ((40, 50, 3), (3, 43, 50)),
        ((36, 36), (1, 43, 43)),
        ((80, 120, 3), (3, 80, 120)),
        ((64, 128, 3), (3, 64, 128)),
        ((40, 400), (1, 43, 400)),
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
    # Both networks can be laid over them.
    layers, features = encoder("nature", seen)
    assert layers(torch.from_numpy(found)).shape == (2, features)
    kernels, width = initial_convolutions(3, seen, seed=0)
    inputs = torch.from_numpy(found.astype(np.float32))
    assert forward(initial_layers(3, (width, 1), seed=0), inputs, kernels).shape == (2, 3)


@pytest.mark.parametrize("shape", [(50, 60), (2, 50, 60), (50, 60, 3), (240, 320)])
def test_they_are_ours_to_keep(shape: tuple[int, ...]) -> None:
    shown = np.zeros(shape, np.uint8)
    seen = Frames(picture(*shape))(shown)
    shown += 1
    assert not seen.any()


def test_the_pixels_stay_where_they_were() -> None:
    shown = np.zeros((2, 40, 50, 3), np.uint8)
    shown[1, 7, 9] = 1, 2, 3
    seen = Frames(picture(2, 40, 50, 3))(shown)
    assert seen[3:, 7, 9].tolist() == [1, 2, 3] and not seen[:3].any(), "the newest last"
    assert seen[:3, 7, 9].tolist() == [0, 0, 0] and not seen[:, 40:].any(), "and a margin below"


@pytest.mark.parametrize(
    ("shape", "stack", "channels"),
    [
        ((84, 84), 1, 1),
        ((84, 84, 3), 1, 3),
        ((3, 84, 84), 1, 3),
        ((3, 84, 84), 3, 1),  # three grey ones
        ((3, 84, 84, 1), 1, 1),
        ((3, 84, 84, 1), 3, 1),
        ((2, 84, 84, 3), 1, 3),
        ((12, 84, 84), 4, 3),
        ((4, 84, 84), 1, 1),
    ],
)
def test_people_are_shown_the_newest_in_colour_if_it_has_any(shape: tuple[int, ...], stack: int, channels: int) -> None:
    frames = Frames(picture(*shape), stack)
    assert frames.channels == channels
    seen = frames(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))
    shown = as_pictures(seen[None], frames.channels)
    assert shown.shape == (1, 84, 84, 3)
    for colour in range(3):
        np.testing.assert_array_equal(shown[0, ..., colour], seen[-1 if channels == 1 else colour - 3])


def test_a_shrunk_pixel_is_the_mean_of_those_it_stands_for() -> None:
    frame = np.array([[0, 2, 100], [4, 6, 100], [9, 9, 9]], np.uint8)
    np.testing.assert_array_equal(shrunk(frame, 2), [[3]])


@pytest.mark.parametrize(
    ("shape", "top"),  # rows of what is seen that show no score any more
    [((84, 84), 9), ((4, 84, 84), 9), ((210, 160), 8), ((210, 160, 3), 8), ((250, 160, 3), 9), ((90, 90), 0)],
)
def test_the_score_of_a_game_by_gymnasium_is_blanked(shape: tuple[int, ...], top: int) -> None:
    frames = Frames(picture(*shape), score=ale_scores("ale_py:ALE/Pong-v5"))
    seen = frames(np.full((2, *shape), 200, np.uint8), (2,))
    assert not seen[..., :top, :].any() and (seen[..., top:, :] == 200).all()
    assert ("the score blanked" in frames.parts[0].meaning) == bool(top)


def test_it_is_blanked_where_it_is() -> None:
    frames = Frames(picture(210, 160), score=ale_scores("ALE/Seaquest-v5"))
    [seen] = frames(np.full((210, 160), 200, np.uint8))
    hidden = np.argwhere(seen == 0)
    assert (hidden.min(0).tolist(), hidden.max(0).tolist()) == ([1, 15], [6, 38])
    assert ale_scores("Pong-v5") == ale_scores("ALE/Pong-ram") == (), "what is not ALE's, or not known, stays whole"


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
    simulator = GymnasiumSimulator(f"{OWN}:Screen", 2, 0, stagger=False)
    observation = simulator.reset()
    assert simulator.spaces.observation == ObservationSpace((3, 43, 50))
    for step in range(1, 9):
        assert simulator.scene.track == "frames" and simulator.state().shape == (2, 0)
        np.testing.assert_array_equal(simulator.pictures(np.array([1]))[0, ..., 0], observation[1, 0])
        transition = simulator.step(np.zeros(2, np.int64))
        observation = transition.observation
        assert observation.dtype == np.uint8 and (transition.final_observation[:, 0, 0, 0] == (step - 1) % 7 + 1).all()


def test_the_last_frame_of_an_episode_is_kept_although_the_next_one_is_drawn_over_it() -> None:
    simulator = GymnasiumSimulator(f"{OWN}:Canvas", 2, 0, stagger=False)
    simulator.reset()
    for step in range(1, 9):
        transition = simulator.step(np.zeros(2, np.int64))
        assert (transition.final_observation[:, 0, 0, 0] == (step - 1) % 7 + 1).all()
        assert (transition.observation[:, 0, 0, 0] == step % 7).all()


def test_three_grey_frames_are_no_picture_in_colour() -> None:
    simulator = GymnasiumSimulator(f"{OWN}:three_sheets", 1, 0, stagger=False)
    simulator.reset()
    for step in range(1, 4):
        simulator.step(np.zeros(1, np.int64))
        assert simulator.pictures(np.array([0]))[0, 0, 0].tolist() == [step] * 3


def test_every_world_that_is_made_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_environments.Lent, "out", 0)
    for name, action in (("Lent", Discrete(2)), ("LentAnyhow", Discrete(2)), ("Lent", Box(-np.inf, np.inf, (1,)))):
        monkeypatch.setattr(own_environments.Lent, "action_space", action)
        try:
            GymnasiumSimulator(f"{OWN}:{name}", 2, 0).close()
        except ValueError as error:
            assert "only choices and bounded controls" in str(error)
        assert own_environments.Lent.out == 0
