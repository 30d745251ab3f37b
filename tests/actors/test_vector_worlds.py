"""Gymnasium's vector environments in our nouns."""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiDiscrete
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from actors.vector_worlds import VectorWorlds


class Spaced(gymnasium.Env):
    """Has spaces, and nothing more."""

    def __init__(self, observation: gymnasium.Space, action: gymnasium.Space) -> None:
        self.observation_space, self.action_space = observation, action


def vector(observation: gymnasium.Space, action: gymnasium.Space) -> SyncVectorEnv:
    return SyncVectorEnv([lambda: Spaced(observation, action)] * 2)


VECTOR = Box(-1, 1, (3,))


def test_mujoco_worlds_in_this_process_give_states_and_a_scene_that_draws_them() -> None:
    envs = gymnasium.make_vec("Hopper-v5", num_envs=2, vectorization_mode="sync")
    worlds = VectorWorlds(envs, "Which hops better?")
    first, _ = envs.reset(seed=0)
    state = worlds.state(worlds.observed(first))
    model = mujoco.MjModel.from_xml_string(worlds.scene.mjcf)
    assert state.shape == (2, worlds.state_size) == (2, model.nq + model.nv)
    np.testing.assert_allclose(state[:, 1:], first, rtol=1e-6)  # Hopper observes all but where it is
    after = envs.step(np.ones((2, 3), np.float32))[0]
    np.testing.assert_allclose(worlds.state(worlds.observed(after))[:, 1:6], after[:, :5], rtol=1e-6)
    scene = worlds.scene
    assert (scene.track, scene.timestep, scene.question) == ("mujoco", 0.008, "Which hops better?")
    assert scene.camera.follow == "torso"
    envs.close()


def test_worlds_that_cannot_be_looked_into_give_what_they_show() -> None:
    envs = gymnasium.make_vec("Hopper-v5", num_envs=2, vectorization_mode="async")
    assert isinstance(envs, AsyncVectorEnv)
    worlds = VectorWorlds(envs)
    observation = worlds.observed(envs.reset(seed=0)[0])
    assert worlds.scene.track == "observation"
    np.testing.assert_array_equal(worlds.state(observation), observation)
    envs.close()


def test_a_score_that_never_varies_is_replaced_where_a_better_one_is_known() -> None:
    worlds = VectorWorlds(gymnasium.make_vec("CartPole-v1", num_envs=2))
    upright, fallen = np.zeros(4), np.array([0, 0, 0.21, 0])
    np.testing.assert_allclose(worlds.score(np.stack((upright, fallen)), np.ones(2)), [0, -1])
    assert worlds.scene.question == "In which clip is the pole balanced better?"


def test_actions_come_in_our_range() -> None:
    scaled = VectorWorlds(vector(VECTOR, Box(np.array([0, -2], np.float32), np.array([10, 2], np.float32))))
    np.testing.assert_allclose(scaled.acted(np.array([[0, 0], [10, 1]])), [[-1, 0], [1, 0.5]])
    counted = VectorWorlds(vector(VECTOR, Discrete(3, start=5)))
    np.testing.assert_array_equal(counted.acted(np.array([5, 7])), [0, 2])


@pytest.mark.parametrize(
    ("observation", "action", "said"),
    [
        (Box(0, 255, (84, 84, 3), np.uint8), Discrete(2), "observes frames"),
        (Graph(VECTOR, None), Discrete(2), "only vectors, and dicts and tuples of them"),
        (VECTOR, Box(-np.inf, np.inf, (2,)), "without bounds|only choices and bounded controls"),
    ],
)
def test_what_is_not_supported_is_named(observation: Any, action: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"Spaced .*({said})"):
        VectorWorlds(vector(observation, action))


def test_a_dict_is_one_vector_also_of_a_single_world() -> None:
    parts = Dict({"near": VECTOR, "sign": Discrete(2)})
    worlds = VectorWorlds(vector(parts, MultiDiscrete([2, 3])))
    observed = worlds.observed({"near": np.zeros((2, 3)), "sign": np.array([0, 1])})
    np.testing.assert_array_equal(observed, [[0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])
    last = worlds.last_observed(observed, {1: {"near": np.ones(3), "sign": 0}})
    np.testing.assert_array_equal(last, [[0, 0, 0, 1, 0], [1, 1, 1, 1, 0]])
    assert observed[1, 0] == 0, "what it was given is left as it is"
    np.testing.assert_array_equal(worlds.acted(np.array([[1, 2], [0, 1]])), [[1, 2], [0, 1]])


def test_an_environment_must_say_how_it_restarts() -> None:
    envs = vector(VECTOR, Discrete(2))
    assert VectorWorlds(envs).autoreset is AutoresetMode.NEXT_STEP
    del envs.metadata["autoreset_mode"]
    with pytest.raises(ValueError, match="does not say how its episodes restart"):
        VectorWorlds(envs)


def test_numbers_that_are_not_finite_are_told_with_their_world() -> None:
    worlds = VectorWorlds(vector(VECTOR, Discrete(2)))
    with pytest.raises(ValueError, match="world 1 observes numbers that are not finite"):
        worlds.observed(np.array([[0, 0, 0], [0, np.nan, 0]]))
