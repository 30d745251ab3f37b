from __future__ import annotations

import logging

import mujoco
import numpy as np
import pytest

from actors.simulators.gymnasium_engine import GymnasiumSimulator
from actors.simulators.protocol import Draws, SimulationFault, Transition, UnknownTask
from contracts.spaces import ActionSpace

OWN = "tests.actors.own_environments"


def play(task: str, steps: int, worlds: int = 3, seed: int = 1) -> tuple[np.ndarray, list[Transition]]:
    simulator = GymnasiumSimulator(task, worlds, seed, stagger=False)
    first = simulator.reset()
    return first, [simulator.step(np.zeros(worlds, np.int64)) for _ in range(steps)]


def test_the_same_seed_gives_the_same_episodes_and_another_seed_does_not() -> None:
    def seen(seed: int) -> np.ndarray:
        first, transitions = play("CartPole-v1", 30, seed=seed)
        return np.stack([first, *(transition.observation for transition in transitions)])

    np.testing.assert_array_equal(seen(1), seen(1))
    assert not np.array_equal(seen(1), seen(2))


def test_no_two_worlds_start_alike_nor_those_of_neighbouring_seeds() -> None:
    simulators = [GymnasiumSimulator("CartPole-v1", 8, seed) for seed in (5000, 5001)]
    starts = np.concatenate([simulator.reset() for simulator in (*simulators, simulators[0])])
    assert len(np.unique(starts, axis=0)) == 24


def test_an_end_and_the_next_start_are_told_apart() -> None:
    _, transitions = play(f"{OWN}:Counter", 20)
    for number, transition in enumerate(transitions):
        step = number % 7 + 1
        assert transition.valid.all() and not transition.truncated.any()
        assert (transition.terminated == (step == 7)).all()
        assert (transition.final_observation[:, 0] == step).all(), "the last of the episode that ended"
        assert (transition.observation[:, 0] == step % 7).all(), "the first of the next one"
        assert (transition.score == 10 * step).all()


def test_a_time_limit_is_found_and_kept() -> None:
    simulator = GymnasiumSimulator(f"{OWN}:limited", 2, 0, stagger=False)
    assert simulator.episode_steps == 4
    simulator.reset()
    ends = [simulator.step(np.zeros(2, np.int64)).truncated.tolist() for _ in range(8)]
    assert ends == [[step % 4 == 3] * 2 for step in range(8)]


def test_worlds_that_end_by_time_do_not_all_end_together() -> None:
    simulator = GymnasiumSimulator("Pendulum-v1", 6, 0)
    simulator.reset()
    ends = np.array([simulator.step(np.zeros((6, 1), np.float32)).truncated for _ in range(400)])
    assert (ends.sum(0) == 2).all(), "each episode after the first has its 200 steps"
    assert len(set(ends.argmax(0))) > 3
    assert (np.diff(np.nonzero(ends.T)[1].reshape(6, 2)) == 200).all()


def test_what_a_users_class_says_of_itself_is_used() -> None:
    simulator = GymnasiumSimulator(f"{OWN}:Counter", 2, 0)
    assert simulator.scene.question == "Which counts better?"
    assert simulator.control_timestep == simulator.scene.timestep == 0.1
    assert simulator.episode_steps == 1000
    assert [part.name for part in simulator.parts] == ["count", "noise"]
    assert simulator.spaces.action == ActionSpace("discrete", 2)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Raising", "KeyError: "),
        ("NotANumber", "its observation is not finite"),
        ("Unpaid", "its reward is not finite"),
        ("OtherShape", "count has shape (2,), and its space (1,)"),
    ],
)
def test_a_step_that_fails_is_named_left_out_and_its_world_reset(
    name: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "backflip.actors"):
        first, transitions = play(f"{OWN}:{name}", 60, worlds=5)
    failed = np.array([~transition.valid for transition in transitions])
    assert 2 < failed.sum() < 30
    for row, world in np.argwhere(failed).tolist():
        transition = transitions[row]
        assert transition.truncated[world] and not transition.terminated[world]
        assert transition.observation[world, 0] == 0, "its next episode has begun"
        assert transition.score[world] == 0
        others = np.arange(5) != world
        assert transition.valid[others].all() or failed[row, others].any()
    message = caplog.records[0].getMessage()
    world = int(np.argwhere(failed)[0, 1])
    assert message.startswith(f"{OWN}:{name}: world {world}: {said}") and "\n" not in message
    shown = np.stack([first] + [transition.observation for transition in transitions])
    assert np.isfinite(shown).all() and shown[:, :, 0].max() == 6


def test_an_environment_of_a_known_name_in_anothers_namespace_scores_as_it_pays() -> None:
    simulator = GymnasiumSimulator(f"{OWN}:mine/Acrobot-v1", 2, 0, stagger=False)
    simulator.reset()
    assert simulator.step(np.zeros(2, np.int64)).score.tolist() == [10, 10]
    simulator = GymnasiumSimulator("mine/Acrobot-v1", 2, 0, stagger=False)  # registered by now
    simulator.reset()
    assert simulator.step(np.zeros(2, np.int64)).score.tolist() == [10, 10]


def test_an_environment_that_never_works_is_given_up_by_name() -> None:
    with pytest.raises(SimulationFault, match=rf"{OWN}:NeverRight: .*world \d+: RuntimeError: the motor is off"):
        play(f"{OWN}:NeverRight", 60)
    with pytest.raises(SimulationFault, match=f"{OWN}:NoStart: world 0: it cannot be reset: RuntimeError: no battery"):
        play(f"{OWN}:NoStart", 1)


@pytest.mark.parametrize(
    ("task", "kind", "said"),
    [
        ("CartPole-v7", UnknownTask, "no task 'CartPole-v7'; did you mean CartPole-v"),
        (f"{OWN}:Countre", UnknownTask, f"did you mean {OWN}:Counter"),
        ("no_such_module:Thing", ValueError, "there is no module no_such_module; looked in "),
        (f"{OWN}:NotMade", ValueError, "cannot make .*NotMade: OSError: no robot found"),
        (f"{OWN}:nothing", ValueError, "makes a int, which is no gymnasium.Env"),
    ],
)
def test_what_is_no_environment_is_said_in_one_line(task: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        GymnasiumSimulator(task, 1, 0)
    assert "\n" not in str(caught.value)


def test_what_it_draws_is_filmed_as_its_worlds_stand() -> None:
    simulator = GymnasiumSimulator(f"{OWN}:Drawn", 3, 0, stagger=False)
    observation = simulator.reset()
    assert simulator.scene.track == "frames" and isinstance(simulator, Draws)
    assert simulator.state_size == 0 and simulator.state().shape == (3, 0)
    for _ in range(10):
        pictures = simulator.pictures(np.array([2, 0]))
        assert pictures.shape == (2, 200, 300, 3) and pictures.dtype == np.uint8, "larger ones are shrunk"
        assert (pictures[:, 0, 0, 0] == 10 * observation[[2, 0], 0]).all()
        observation = simulator.step(np.zeros(3, np.int64)).observation


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Counter", "it has no render mode rgb_array"),
        ("Undrawn", "its render raises ImportError: no module named brush"),
    ],
)
def test_what_cannot_be_filmed_says_why_and_is_trained_all_the_same(name: str, said: str) -> None:
    simulator = GymnasiumSimulator(f"{OWN}:{name}", 2, 0)
    assert (simulator.scene.track, simulator.unfilmed) == ("observation", said)
    np.testing.assert_array_equal(simulator.reset(), simulator.state())


def test_a_picture_that_fails_is_not_shown_to_people() -> None:
    simulator = GymnasiumSimulator(f"{OWN}:Smeared", 2, 0, stagger=False)
    simulator.reset()
    for _ in range(3):
        simulator.pictures(np.array([1]))
        simulator.step(np.zeros(2, np.int64))
    with pytest.raises(SimulationFault, match=f"{OWN}:Smeared: world 1: its render raises an array float64"):
        simulator.pictures(np.array([1]))


@pytest.mark.parametrize("task", ["Hopper-v5", "Reacher-v5", "Pusher-v5"])
def test_clips_of_mujoco_environments_are_states_that_their_scene_can_draw(task: str) -> None:
    simulator = GymnasiumSimulator(task, 2, 0, stagger=False)
    simulator.reset()
    model = mujoco.MjModel.from_xml_string(simulator.scene.mjcf)
    data = mujoco.MjData(model)
    assert simulator.scene.track == "mujoco"
    for _ in range(20):
        simulator.step(np.ones((2, simulator.spaces.action.size), np.float32))
        for state, world in zip(simulator.state(), simulator._worlds, strict=True):
            data.qpos[:], data.qvel[:] = np.split(state, [model.nq])
            mujoco.mj_kinematics(model, data)
            theirs = world.unwrapped
            mujoco.mj_kinematics(theirs.model, theirs.data)  # pyright: ignore[reportAttributeAccessIssue]
            np.testing.assert_allclose(data.xpos, theirs.data.xpos, atol=1e-5)  # pyright: ignore[reportAttributeAccessIssue]


def test_what_is_moved_by_hand_is_drawn_where_it_is() -> None:
    """A shelf and a goal that a reset moves, a hand that steps move: without them nobody could judge a clip."""
    simulator = GymnasiumSimulator(f"{OWN}:Table", 3, 0, stagger=False)
    simulator.reset()
    model = mujoco.MjModel.from_xml_string(simulator.scene.mjcf)
    data = mujoco.MjData(model)
    assert model.ngeom == 5, "what cannot be seen is left out"
    shown: list[np.ndarray] = []
    for _ in range(30):
        simulator.step(np.ones((3, 3), np.float32))
        for state, world in zip(simulator.state(), simulator._worlds, strict=True):
            data.qpos[:], data.qvel[:] = np.split(state, [model.nq])
            mujoco.mj_kinematics(model, data)
            theirs, physics = world.unwrapped.model, world.unwrapped.data  # pyright: ignore[reportAttributeAccessIssue]
            mujoco.mj_kinematics(theirs, physics)
            for name in ("shelf", "drawer", "hand", "ball"):
                np.testing.assert_allclose(data.body(name).xpos, physics.body(name).xpos, atol=1e-5)
                np.testing.assert_allclose(data.body(name).xmat, physics.body(name).xmat, atol=1e-5)
            np.testing.assert_allclose(data.geom_xpos[-1], physics.site("goal").xpos, atol=1e-5)
            shown.append(data.geom_xpos[[0, 2, 4]].copy())
    assert np.ptp(np.stack(shown), axis=0).min() > 0.1, "all three did move, or differ between worlds"
    assert simulator.control_timestep == 0.05


def test_a_robot_that_falls_goes_on() -> None:
    simulator = GymnasiumSimulator("Hopper-v5", 2, 0, stagger=False)
    simulator.reset()
    for _ in range(150):
        transition = simulator.step(np.ones((2, 3), np.float32))
        assert not transition.terminated.any()
    assert simulator.state()[:, 1].max() < 0.7, "it lies on the ground"


def test_the_score_of_a_game_is_blanked() -> None:
    simulator = GymnasiumSimulator(f"{OWN}:ALE/Pong-v5", 2, 0)
    for seen in (simulator.reset(), simulator.step(np.zeros(2, np.int64)).observation):
        assert not seen[..., :9, :].any() and (seen[..., 9:, :] == 200).all()
    assert simulator.score_blanked
    simulator.close()
