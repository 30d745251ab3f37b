"""Gymnasium's vector environments in our nouns."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from actors.vector_worlds import VectorWorlds
from contracts.spaces import ObservationSpace
from tests.actors.own_environments import Table, three_sheets


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


def test_what_is_moved_by_hand_is_drawn_where_it_is_in_each_world() -> None:
    resets: list[int | None] = []

    class Watched(gymnasium.Wrapper):
        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            resets.append(seed)
            return super().reset(seed=seed, options=options)

    envs = SyncVectorEnv([lambda: Watched(Table()), Table])
    envs.reset(seed=7)
    expected = deepcopy(envs.envs[0].unwrapped.np_random)
    worlds = VectorWorlds(envs)
    assert resets == [7], "a wrapper may count episodes, or film them"
    assert envs.envs[0].unwrapped.np_random.random() == expected.random(), "its random numbers go on"
    model = mujoco.MjModel.from_xml_string(worlds.scene.mjcf)
    data, goals = mujoco.MjData(model), set()
    for _ in range(3):
        observation, _ = envs.reset()
        envs.step(np.ones((2, 3), np.float32))
        for state, world in zip(worlds.state(worlds.observed(observation)), envs.envs, strict=True):
            data.qpos[:] = state[: model.nq]
            mujoco.mj_kinematics(model, data)
            theirs: Any = world.unwrapped
            mujoco.mj_kinematics(theirs.model, theirs.data)
            for name in ("shelf", "hand", "ball"):
                np.testing.assert_allclose(data.body(name).xpos, theirs.data.body(name).xpos, atol=1e-5)
            np.testing.assert_allclose(data.geom_xpos[-1], theirs.data.site("goal").xpos, atol=1e-5)
            goals.add(tuple(data.geom_xpos[-1]))
    assert len(goals) == 6, "it lies elsewhere in each world, after each reset"


def test_a_world_that_cannot_be_reset_is_said_in_a_line() -> None:
    class Locked(Table):
        def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
            raise OSError("the door is locked")

    with pytest.raises(ValueError, match=r"^Locked: it cannot be reset: OSError: the door is locked$"):
        VectorWorlds(SyncVectorEnv([Locked] * 2))


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


def test_what_only_has_the_name_of_a_known_task_scores_as_it_pays() -> None:
    class Acrobot(Spaced): ...

    for envs in (
        gymnasium.make_vec("tests.actors.own_environments:mine/Acrobot-v1", num_envs=2, vectorization_mode="sync"),
        SyncVectorEnv([lambda: Acrobot(VECTOR, Discrete(2))] * 2),
    ):
        worlds = VectorWorlds(envs)
        assert worlds.name in ("mine/Acrobot-v1", "Acrobot")
        np.testing.assert_array_equal(worlds.score(np.ones((2, 3)), np.array([3.0, 4.0])), [3, 4])


def test_actions_come_in_our_range() -> None:
    scaled = VectorWorlds(vector(VECTOR, Box(np.array([0, -2], np.float32), np.array([10, 2], np.float32))))
    np.testing.assert_allclose(scaled.acted(np.array([[0, 0], [10, 1]])), [[-1, 0], [1, 0.5]])
    several = VectorWorlds(vector(VECTOR, MultiDiscrete([2, 3])))
    np.testing.assert_array_equal(several.acted(np.array([[1, 0], [0, 2]])), [[1, 0], [0, 2]])
    assert several.spaces.action.choices == (2, 3)
    counted = VectorWorlds(vector(VECTOR, Discrete(3, start=5)))
    np.testing.assert_array_equal(counted.acted(np.array([5, 7])), [0, 2])


def test_a_dict_is_one_vector_also_where_an_episode_has_ended() -> None:
    space = Dict(where=Box(-1, 1, (2,)), lamp=Discrete(2))
    worlds = VectorWorlds(vector(space, Discrete(2)))
    batch = {"where": np.array([[0.1, 0.2], [0.3, 0.4]]), "lamp": np.array([1, 0])}
    expected = [[0.1, 0.2, 0, 1], [0.3, 0.4, 1, 0]]
    np.testing.assert_allclose(worlds.observed(batch), expected, rtol=1e-6)
    last = [{"where": np.array([0.3, 0.4]), "lamp": 0}]
    np.testing.assert_allclose(worlds.observed_last(last), expected[1:], rtol=1e-6)


class Drawn(Spaced):
    """Is drawn as a picture whose one bright row is the number of its steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, observation: gymnasium.Space, render_mode: str | None) -> None:
        super().__init__(observation, Discrete(2))
        self.render_mode, self.moment = render_mode, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.moment = 0
        return self._seen(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.moment += 1
        return self._seen(), 1.0, False, False, {}

    def render(self) -> Any:
        picture = np.zeros((60, 80, 3), np.uint8)
        picture[self.moment] = 255
        return picture

    def _seen(self) -> np.ndarray:
        return np.full(self.observation_space.shape or (), self.moment, self.observation_space.dtype)


def drawn(observation: gymnasium.Space, render_mode: str | None = "rgb_array", asynchronous: bool = False) -> VectorEnv:
    worlds = [lambda: Drawn(observation, render_mode)] * 3
    return AsyncVectorEnv(worlds) if asynchronous else SyncVectorEnv(worlds)


def pixels(*shape: int) -> Box:
    return Box(0, 255, shape, np.uint8)


@pytest.mark.parametrize(
    ("shape", "seen"), [((84, 84, 4), (4, 84, 84)), ((4, 84, 84), (4, 84, 84)), ((2, 60, 80, 3), (6, 60, 80))]
)
def test_pictures_are_frames_whatever_the_order_of_their_axes(shape: tuple[int, ...], seen: tuple[int, ...]) -> None:
    envs = drawn(pixels(*shape), None)
    worlds = VectorWorlds(envs)
    assert worlds.spaces.observation == ObservationSpace(seen) and worlds.scene.track == "frames"
    shown = envs.reset()[0]
    observation = worlds.observed(shown)
    shown[:] = 9
    assert observation.shape == (3, *seen) and not observation.any(), "ours to keep"
    assert worlds.state(observation).shape == (3, 0)
    assert worlds.observed_last([np.zeros(shape, np.uint8)]).shape == (1, *seen)
    (picture,) = worlds.pictures(np.array([1]), np.arange(3, dtype=np.uint8)[:, None, None, None] + observation)
    assert picture.shape == (*seen[1:], 3) and (picture == 1).all()
    assert len(worlds.pictures(np.array([], int), observation)) == 0


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("observation", [VECTOR, pixels(84, 84)])
def test_what_renders_is_filmed_as_it_is_just_now(observation: Box, asynchronous: bool) -> None:
    envs = drawn(observation, asynchronous=asynchronous)
    worlds = VectorWorlds(envs)
    assert (worlds.scene.track, worlds.scene.timestep, worlds.state_size) == ("frames", 1 / 20, 0)
    seen = worlds.observed(envs.reset()[0])
    for _ in range(3):
        seen = worlds.observed(envs.step(np.zeros(3, int))[0])
    pictures = worlds.pictures(np.array([2, 0]), seen)
    assert [picture.shape for picture in pictures] == [(60, 80, 3)] * 2
    assert all(picture[3].all() and picture.sum() == picture[3].sum() for picture in pictures)
    envs.close()


def test_a_score_that_reads_a_vector_is_not_asked_about_pictures() -> None:
    def seen(env: gymnasium.Env) -> gymnasium.Wrapper:
        space = pixels(64, 64)
        return gymnasium.wrappers.TransformObservation(env, lambda _: np.zeros(space.shape, np.uint8), space)

    envs = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="sync", wrappers=[seen])
    worlds = VectorWorlds(envs)
    observation = worlds.observed(envs.reset()[0])
    np.testing.assert_array_equal(worlds.score(observation, np.ones(2)), [1, 1])
    assert worlds.scene.timestep == 0.02


@pytest.mark.parametrize(
    ("observation", "action", "said"),
    [
        (Dict(eye=Box(0, 255, (84, 84, 3), np.uint8)), Discrete(2), "frames are supported alone"),
        (VECTOR, Box(-np.inf, np.inf, (2,)), "only choices and bounded controls"),
    ],
)
def test_what_is_not_supported_is_named(observation: Any, action: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"Spaced .*{said}"):
        VectorWorlds(vector(observation, action))


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


def test_three_grey_frames_are_shown_as_the_newest_of_them() -> None:
    envs = SyncVectorEnv([three_sheets] * 2)
    worlds = VectorWorlds(envs)
    first = worlds.observed(envs.reset()[0])
    second = worlds.observed(envs.step(np.zeros(2, np.int64))[0])
    assert not first.any() and (second[:, 2] == 1).all()
    [picture] = worlds.pictures(np.array([1]), second)
    assert picture.shape == (50, 60, 3) and (picture == 1).all()


def test_the_score_of_a_game_is_blanked() -> None:
    worlds = VectorWorlds(SyncVectorEnv([lambda: gymnasium.make("ALE/Pong-v5")] * 2))
    seen = worlds.observed(np.full((2, 84, 84), 200, np.uint8))
    assert not seen[..., :9, :].any() and (seen[..., 9:, :] == 200).all()
