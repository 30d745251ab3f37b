"""Atari as policy, reward model and people see it; what ends a game; the goal that the game doesn't score."""

from __future__ import annotations

import numpy as np
import pytest

from actors.simulators.atari_engine import AtariSimulator
from actors.simulators.atari_games import blank, game, knows_score
from actors.simulators.atari_scores import SCORES
from actors.simulators.envpool_families import families
from actors.simulators.protocol import Draws, UnknownTask
from actors.simulators.registry import make_simulator

SEVEN = ["Pong-v5", "Breakout-v5", "Seaquest-v5", "Enduro-v5", "Qbert-v5", "BeamRider-v5", "SpaceInvaders-v5"]
FIRE, BRAKE = 1, 4


def play(simulator: AtariSimulator, steps: int, seed: int = 0) -> np.ndarray:
    """What random actions show: uint8 [steps + 1, N, 4, 84, 84]."""
    random, shown = np.random.default_rng(seed), [simulator.reset()]
    for _ in range(steps):
        shown.append(simulator.step(random.integers(0, simulator.spaces.action.size, simulator.worlds)).observation)
    return np.stack(shown)


def listen(simulator: AtariSimulator) -> list[dict]:
    """What EnvPool says beside every observation from now on."""
    told: list[dict] = []
    step = simulator._pool.step

    def listening(action: np.ndarray) -> tuple:
        answer = step(action)
        told.append(answer[4])
        return answer

    simulator._pool.step = listening
    return told


@pytest.mark.parametrize("task", [*SEVEN, "Alien-v5", "Boxing-v5", "MsPacman-v5"])
def test_what_counts_points_is_blanked_for_agents_and_shown_to_people(task: str) -> None:
    simulator = make_simulator("envpool", task, worlds=2, seed=1, threads=1)
    assert isinstance(simulator, AtariSimulator) and isinstance(simulator, Draws)
    shown = play(simulator, 150 if task == "Qbert-v5" else 40)  # which shows no score of nothing
    assert (shown.dtype, shown.shape[2:]) == (np.uint8, simulator.spaces.observation.shape)
    blanked = game(task).blanked
    assert blanked
    for rows, columns in blanked:
        assert not shown[..., rows, columns].any()
        screen = simulator.pictures(np.array([1]))[0]
        scale = np.array(screen.shape[:2]) / 84
        region = screen[
            int((rows.start or 0) * scale[0]) : int(rows.stop * scale[0]),
            int((columns.start or 0) * scale[1]) : int((columns.stop or 84) * scale[1]),
        ]
        assert region.std() > 1, "there is something to hide"
    assert shown.std() > 5
    assert simulator.scene.track == "frames" and simulator.scene.question.endswith("?")
    simulator.close()


def test_only_a_small_part_of_a_screen_is_blanked_and_only_of_games_that_are_known() -> None:
    assert set(SCORES) <= set(families()["atari"]) and not set(SCORES) & set(SEVEN)
    for task in SCORES:
        screen = np.ones((84, 84), np.uint8)
        blanked = 1 - blank(screen, game(task).blanked).mean()
        assert 0 < blanked < 0.07, task
    assert knows_score("Enduro-v5:keep-even") and not knows_score("VideoChess-v5")


def test_frames_are_stacked_oldest_first_and_the_seed_decides() -> None:
    first, again, other = (play(AtariSimulator("Pong-v5", 2, seed, 1), 60) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[:, 0], first[:, 1]), "no two worlds alike"
    np.testing.assert_array_equal(first[1:, :, :3], first[:-1, :, 1:])


def test_pictures_are_of_the_worlds_that_were_asked_for() -> None:
    simulator = AtariSimulator("Pong-v5", 3, 0, 1)
    play(simulator, 60)
    together = simulator.pictures(np.arange(3))
    assert together.shape == (3, 210, 160, 3) and together.dtype == np.uint8
    np.testing.assert_array_equal(simulator.pictures(np.array([2, 0])), together[[2, 0]])
    assert not np.array_equal(together[0], together[2])


def test_a_game_that_is_over_ends_and_the_step_after_it_only_starts_the_next() -> None:
    simulator = AtariSimulator("Pong-v5", 1, 0, 1)
    simulator.reset()
    points, over = 0.0, False
    for _ in range(2000):
        transition = simulator.step(np.zeros(1, np.int64))
        assert transition.valid[0]
        points += transition.score[0]
        if over := bool(transition.terminated[0]):
            break
    assert over and points == -21, "who does nothing loses every ball"
    after = simulator.step(np.zeros(1, np.int64))
    assert not after.valid[0] and not after.terminated[0] and after.score[0] == 0
    assert simulator.step(np.zeros(1, np.int64)).valid[0]


def test_a_lost_life_ends_nothing() -> None:
    simulator = AtariSimulator("Breakout-v5", 1, 0, 1)
    simulator.reset()
    told = listen(simulator)
    for _ in range(120):
        transition = simulator.step(np.full(1, FIRE))  # never moves: the ball is lost
        assert not transition.terminated[0] and not transition.truncated[0] and transition.valid[0]
    assert len({int(info["lives"][0]) for info in told}) > 2


def test_keeping_even_is_scored_by_speed_and_company_and_not_by_cars_passed() -> None:
    simulator = AtariSimulator("Enduro-v5:keep-even", 1, 3, 1)
    simulator.reset()
    told = listen(simulator)
    simulator.step(np.full(1, FIRE))

    def drive(steps: int, speed: int) -> tuple[np.ndarray, float]:
        """Scores at about this speed, and level steps so far."""
        scores, level = [], 0.0
        for _ in range(steps):
            now = int(told[-1]["ram"][0, 22])
            action = FIRE if now < speed else BRAKE if now > speed + 2 else 0
            transition = simulator.step(np.full(1, action))
            scores.append(transition.score[0])
            level = float(transition.odometer[0])
        return np.array(scores), level

    fast, level = drive(120, 60)
    assert fast[-1] < 0.1 and level <= 30, "whoever passes the others isn't level with them"
    even, level_then = drive(60, 24)
    assert even[-20:].min() >= 0.4 and even[-20:].mean() > fast[-20:].mean() + 0.4
    assert simulator.odometer_name == "level_steps" and level_then >= level


def test_a_goal_that_nobody_described_is_no_task() -> None:
    with pytest.raises(UnknownTask, match="did you mean Enduro-v5:keep-even"):
        make_simulator("envpool", "Enduro-v5:keep-odd", worlds=1, seed=0)
