"""Gymnasium's spaces as one vector and one action, against what the spaces themselves sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from actors.simulators.spaces import Controls, Flattening, UnsupportedSpace
from contracts.spaces import ActionSpace

NESTED = spaces.Dict(
    arm=spaces.Box(-1.0, 1.0, (2, 3)),
    goal=spaces.Tuple((spaces.Discrete(3, start=1), spaces.MultiDiscrete([2, 4]))),
    lamps=spaces.MultiBinary((2, 2)),
    steps=spaces.Discrete(4000),
    words=spaces.Text(5),
)


def test_a_nested_observation_becomes_one_vector_whose_parts_have_names() -> None:
    flatten = Flattening(NESTED)
    observation = {
        "arm": np.arange(6).reshape(2, 3) / 10,
        "goal": (2, np.array([1, 3])),
        "lamps": np.array([[1, 0], [0, 1]]),
        "steps": 1000,
        "words": "up",
    }
    expected = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0.25]
    flat = flatten(observation)
    assert flat.dtype == np.float32
    np.testing.assert_allclose(flat, expected, rtol=1e-6)
    assert [(part.name, part.size) for part in flatten.parts] == [
        ("arm", 6),
        ("goal.0", 3),
        ("goal.1", 6),
        ("lamps", 4),
        ("steps", 1),
    ]
    assert flatten.size == len(expected)


def test_a_batch_is_flattened_as_its_members_are() -> None:
    space = spaces.Dict({name: inner for name, inner in NESTED.spaces.items() if name != "words"})
    batched = batch_space(space, 4)
    batched.seed(3)
    batch = batched.sample()
    flatten = Flattening(space)
    members = [
        {
            "arm": batch["arm"][world],
            "goal": (batch["goal"][0][world], batch["goal"][1][world]),
            "lamps": batch["lamps"][world],
            "steps": batch["steps"][world],
        }
        for world in range(4)
    ]
    np.testing.assert_array_equal(flatten(batch, (4,)), np.stack([flatten(member) for member in members]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arm": np.zeros((3, 2))}, r"arm has shape \(3, 2\), and its space \(2, 3\)"),
        ({"goal": (1,)}, "goal.1 is missing"),
        ({"lamps": None}, "lamps has shape"),
        ({"steps": np.zeros(2)}, "steps has shape"),
    ],
)
def test_an_observation_that_breaks_its_promise_is_a_value_error(change: dict[str, Any], said: str) -> None:
    NESTED.seed(0)
    with pytest.raises(ValueError, match=said):
        Flattening(NESTED)(NESTED.sample() | change)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (spaces.Box(0, 255, (84, 84, 3), np.uint8), r"observes frames, Box\(84, 84, 3\)"),
        (spaces.Dict(eye=spaces.Box(0, 255, (4, 36, 36), np.uint8)), r"Box\(4, 36, 36\) at eye"),
        (spaces.Sequence(spaces.Discrete(2)), "observes Sequence"),
        (spaces.Text(5), "no number"),
    ],
)
def test_an_observation_that_is_no_vector_is_refused_by_name(space: spaces.Space[Any], said: str) -> None:
    with pytest.raises(UnsupportedSpace, match=said):
        Flattening(space)


ACTIONS = {
    "choice": (spaces.Discrete(3, start=2), ActionSpace("discrete", 3)),
    "choices": (spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])), ActionSpace.of_choices((2, 3, 4, 5))),
    "bits": (spaces.MultiBinary(3), ActionSpace.of_choices((2, 2, 2))),
    "whole numbers": (spaces.Box(np.array([-1, 0]), np.array([1, 4]), dtype=np.int32), ActionSpace.of_choices((3, 5))),
    "controls": (
        spaces.Box(np.array([-1.0, 0.0], np.float32), np.array([3.0, 2.0], np.float32)),
        ActionSpace("continuous", 2),
    ),
}


@pytest.mark.parametrize(("space", "expected"), ACTIONS.values(), ids=ACTIONS)
def test_every_action_of_a_policy_is_one_of_the_environments(space: spaces.Space[Any], expected: ActionSpace) -> None:
    controls = Controls(space)
    assert controls.action == expected
    random = np.random.default_rng(0)
    if expected.kind == "continuous":
        actions = random.normal(size=(2000, *expected.shape)).astype(np.float32)
    else:
        actions = random.integers(0, expected.choices or expected.size, (2000, *expected.shape))
    native = controls(actions)
    for action in native:
        assert action in space, action
    if expected.kind != "continuous":
        assert len(np.unique(native.reshape(2000, -1), axis=0)) == np.prod(expected.choices or (expected.size,))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3, start=5),
        spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])),
        spaces.MultiBinary(3),
        spaces.Box(0, 3, (2,), np.int8),
        spaces.Box(-2.0, 2.0, (2, 2)),
        spaces.Box(np.array([0, -2, 1], np.float32), np.array([10, 2, 1], np.float32)),
    ],
)
def test_what_somebody_else_chose_is_an_action_of_ours(space: spaces.Space[Any]) -> None:
    controls = Controls(space)
    space.seed(0)
    native = np.stack([space.sample() for _ in range(20)])
    ours = controls.ours(native)
    assert (ours.shape, ours.dtype) == ((20, *controls.action.shape), controls.action.dtype)
    np.testing.assert_allclose(controls(ours), native, atol=1e-5)


def test_controls_reach_from_bound_to_bound() -> None:
    controls = Controls(ACTIONS["controls"][0])
    np.testing.assert_allclose(
        controls(np.array([[-1, -1], [1, 1], [0, 0.5], [9, -9]])), [[-1, 0], [3, 2], [1, 1.5], [3, 0]]
    )


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (spaces.Box(-np.inf, np.inf, (3,)), "only choices and bounded controls"),
        (spaces.Box(2.2e-308, 1.79e308, (3,), np.float64), "without bounds"),
        (spaces.Dict(grip=spaces.Discrete(2)), "a Dict of grip"),
        (spaces.Box(0, 1000, (3,), np.int32), "3,003 choices"),
    ],
)
def test_an_action_of_another_kind_is_refused(space: spaces.Space[Any], said: str) -> None:
    with pytest.raises(UnsupportedSpace, match=said):
        Controls(space)
