from __future__ import annotations

import logging

import numpy as np
import pytest

from actors.simulators.envpool_engine import EnvPoolSimulator
from actors.simulators.protocol import Transition, UnknownTask


def falling(steps: int, seed: int = 1) -> tuple[EnvPoolSimulator, list[Transition], np.ndarray]:
    """CartPoles always pushed to the right fall after about ten steps."""
    simulator = EnvPoolSimulator("CartPole-v1", 3, seed, threads=1)
    first = simulator.reset()
    return simulator, [simulator.step(np.ones(3, np.int64)) for _ in range(steps)], first


def test_the_same_seed_gives_the_same_episodes_and_another_seed_does_not() -> None:
    def play(seed: int) -> np.ndarray:
        _, transitions, first = falling(30, seed)
        return np.stack([first, *(transition.observation for transition in transitions)])

    np.testing.assert_array_equal(play(1), play(1))
    assert not np.array_equal(play(1), play(2))


def test_neighbouring_seeds_share_no_world() -> None:
    first, second = (EnvPoolSimulator("CartPole-v1", 8, seed, threads=1).reset() for seed in (5000, 5001))
    assert len(np.unique(np.concatenate((first, second)), axis=0)) == 16


def test_worlds_differ_after_a_reset() -> None:
    simulator = EnvPoolSimulator("CartPole-v1", 2, 0, threads=1)
    first, second = simulator.reset(), simulator.reset()
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, second)


def test_the_step_after_an_end_is_not_valid_and_shows_the_next_episodes_start() -> None:
    _, transitions, _ = falling(60)
    ends = 0
    for row, world in np.ndindex(len(transitions) - 2, 3):
        transition, after = transitions[row], transitions[row + 1]
        assert not (transition.terminated[world] and not transition.valid[world])
        if transition.terminated[world]:
            ends += 1
            assert abs(transition.final_observation[world, 2]) > 0.2, "the pole as it fell"
            assert not after.valid[world] and not after.terminated[world] and not after.truncated[world]
            assert after.score[world] == after.odometer[world] == 0.0
            assert np.abs(after.observation[world]).max() <= 0.05, "a fresh start"
            assert transitions[row + 2].valid[world] and transitions[row + 2].odometer[world] == 1.0
    assert ends > 9
    invalid = sum(int((~transition.valid).sum()) for transition in transitions)
    assert invalid == sum(int(transition.terminated.sum()) for transition in transitions[:-1])


def test_a_pole_that_is_balanced_ends_by_time_having_counted_its_steps() -> None:
    simulator = EnvPoolSimulator("CartPole-v1", 2, 0, threads=1)
    observation = simulator.reset()
    transition = None
    for step in range(1, 501):
        push = observation @ np.array([1.0, 1.5, 20.0, 4.0])  # towards where it leans and drifts
        transition = simulator.step((push > 0).astype(np.int64))
        observation = transition.observation
        assert (transition.truncated == (step == 500)).all() and not transition.terminated.any()
    assert transition is not None and (transition.odometer == 500).all()
    assert simulator.odometer_name == "steps"


def test_the_score_of_cart_pole_says_how_well_it_stands() -> None:
    _, transitions, _ = falling(5)
    for transition in transitions:
        x, angle = transition.observation[:, 0], transition.observation[:, 2]
        np.testing.assert_allclose(transition.score, -((angle / 0.21) ** 2) - (x / 2.4) ** 2, rtol=1e-5)


@pytest.mark.parametrize(
    "task",
    [
        "CartPole-v1",
        "phys2d/CartPole-v1",
        "Acrobot-v1",
        "MountainCar-v0",
        "MountainCarContinuous-v0",
        "Pendulum-v1",
        "InvertedPendulum-v4",
    ],
)
def test_every_task_has_a_score_that_varies_and_a_question(task: str) -> None:
    simulator = EnvPoolSimulator(task, 4, 0, threads=1)
    simulator.reset()
    random, scores = np.random.default_rng(0), []
    for _ in range(20):
        size = simulator.spaces.action.size
        discrete = simulator.spaces.action.kind == "discrete"
        action = random.integers(0, size, 4) if discrete else random.uniform(-1, 1, (4, size)).astype(np.float32)
        scores.append(simulator.step(action).score)
    assert np.isfinite(scores).all() and np.std(scores) > 1e-4
    assert simulator.scene.track == "observation" and simulator.scene.question.endswith("?")
    assert simulator.state().shape == (4, simulator.state_size)
    assert simulator.scene.timestep == simulator.control_timestep > 0


def test_continuous_actions_are_scaled_to_the_tasks_own_bounds() -> None:
    def speed_after(action: float) -> float:
        simulator = EnvPoolSimulator("Pendulum-v1", 1, 0, threads=1)
        before = simulator.reset()[0]
        after = simulator.step(np.array([[action]], np.float32)).observation[0]
        # Gymnasium's dynamics: 3/2 g/l sin, and 3 times the torque, over 0.05 s.
        return float((after[2] - before[2] - 0.05 * 15 * before[1]) / (0.05 * 3))

    assert speed_after(1.0) == pytest.approx(2.0, abs=1e-3), "1 is the largest torque, 2"
    assert speed_after(-0.5) == pytest.approx(-1.0, abs=1e-3)
    assert speed_after(7.0) == pytest.approx(2.0, abs=1e-3), "and no more than that"


@pytest.mark.parametrize("what", ["observation", "reward"])
def test_what_is_not_finite_is_named_and_its_world_is_reset(
    what: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = EnvPoolSimulator("CartPole-v1", 3, 0, threads=1)
    simulator.reset()
    step = simulator._pool.step

    def broken_step(action: np.ndarray) -> tuple:
        observation, reward, *rest = step(action)
        {"observation": observation[:, 0], "reward": reward}[what][1] = np.nan
        return observation, reward, *rest

    monkeypatch.setattr(simulator, "_pool", Patched(simulator._pool, broken_step))
    with caplog.at_level(logging.WARNING, "backflip.actors"):
        transition = simulator.step(np.zeros(3, np.int64))
    assert f"CartPole-v1: world 1: its {what} is not finite" in caplog.text
    assert transition.valid.tolist() == [True, False, True]
    assert transition.truncated.tolist() == [False, True, False]
    assert np.isfinite(transition.observation).all() and np.isfinite(transition.score).all()
    assert np.isfinite(simulator.state()).all()
    monkeypatch.undo()
    assert simulator.step(np.zeros(3, np.int64)).valid.all(), "the reset has been done already"


class Patched:
    """A pool whose ``step`` is another."""

    def __init__(self, pool: object, step: object) -> None:
        self._pool = pool
        self.step = step

    def __getattr__(self, name: str) -> object:
        return getattr(self._pool, name)


def test_an_unknown_id_names_its_neighbours() -> None:
    with pytest.raises(UnknownTask, match=r"no task 'CartPole-v7'; did you mean CartPole-v"):
        EnvPoolSimulator("CartPole-v7", 1, 0)


@pytest.mark.parametrize(
    ("task", "what"),
    [
        ("Basic-v1", r"acts by Box\(3,\) without bounds"),
        ("IntersectionMultiAgent-v0", "has 2 players who act at once"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(task: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"envpool task {task} {what}"):
        EnvPoolSimulator(task, 1, 0)


def test_a_dict_is_one_vector_whose_parts_are_named() -> None:
    simulator = EnvPoolSimulator("BinPack-v2", 3, 0, threads=1)
    assert [part.name for part in simulator.parts][:2] == ["ems.x1", "ems.x2"]
    sizes = {part.name: part.size for part in simulator.parts}
    assert sizes["action_mask"] == 800 and sum(sizes.values()) == simulator.spaces.observation.size
    assert simulator.spaces.action.choices == (40, 20)
    observation = simulator.reset()
    mask = observation[:, -800:].reshape(3, 40, 20)
    allowed = np.array([np.argwhere(world)[0] for world in mask])
    transition = simulator.step(allowed)
    assert transition.valid.all() and not transition.terminated.any(), "an allowed choice packs an item"
    first = sum(part.size for part in simulator.parts[: list(sizes).index("items_placed")])
    assert (transition.observation[:, first : first + 20].sum(1) == 1).all()


def test_a_task_without_a_time_limit_gets_one() -> None:
    simulator = EnvPoolSimulator("CliffWalking-v1", 2, 0, threads=1)
    start = simulator.reset()
    assert simulator.episode_steps == 1000
    up, ends = np.zeros(2, np.int64), []
    for step in range(1, 2003):
        transition = simulator.step(up)  # along the wall, where nothing ever ends
        ended = transition.terminated | transition.truncated
        if ended.any():
            ends.append(step)
            assert ended.all() and transition.valid.all() and not transition.terminated.any()
            np.testing.assert_array_equal(transition.observation, start)
            assert not np.array_equal(transition.final_observation, start)
    assert ends == [1000, 2000]


def test_in_a_board_game_the_player_to_move_is_the_one_that_observes_and_is_paid() -> None:
    simulator = EnvPoolSimulator("TicTacToe-v1", 4, 0, threads=1)
    observation = simulator.reset()
    random, ended, wins = np.random.default_rng(0), np.zeros(4, bool), 0
    for _ in range(300):
        mine, theirs = observation.reshape(4, 3, 3, 2).transpose(3, 0, 1, 2)
        ahead = mine.sum((1, 2)) - theirs.sum((1, 2))
        assert np.isin(ahead[~ended], (0, -1)).all(), "whoever is to move has as many marks as the other, or one fewer"
        free = [np.flatnonzero(board == 0) for board in (mine + theirs).reshape(4, 9)]
        transition = simulator.step(np.array([random.choice(places) if len(places) else 0 for places in free]))
        np.testing.assert_array_equal(transition.valid, ~ended)
        assert (transition.score >= 0).all(), "a legal move never loses at once"
        wins += int((transition.score == 1).sum())
        observation, ended = transition.observation, transition.terminated
    assert wins > 10


@pytest.mark.parametrize(
    "task", ["LunarLander-v3", "MiniGrid-Empty-5x5-v0", "ConnectFour-v1", "Highway-v0", "Snake-v1"]
)
def test_what_envpool_draws_is_filmed(task: str) -> None:
    simulator = EnvPoolSimulator(task, 3, 0, threads=1)
    simulator.reset()
    assert simulator.scene.track == "frames" and simulator.state().shape == (3, simulator.state_size) == (3, 0)
    random = np.random.default_rng(0)
    before = simulator.pictures(np.arange(3))
    assert before.dtype == np.uint8 and before.shape[3] == 3
    for _ in range(3):
        simulator.step(random.integers(0, simulator.spaces.action.size, 3))
    after = simulator.pictures(np.arange(3))
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(simulator.pictures(np.array([2, 0])), after[[2, 0]])
