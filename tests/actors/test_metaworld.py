"""MetaWorld on EnvPool: scripted hands do the tasks, and what is drawn of it shows that they did."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
import pytest

from actors.simulators.envpool_engine import EnvPoolSimulator
from actors.simulators.protocol import Transition
from contracts.clip import Scene

Hand = Callable[[np.ndarray], np.ndarray]
"""What one world shows, [39], to how its hand moves (three numbers) and grips: [4]."""

HAND, OPENING, THING, GOAL = slice(0, 3), 3, slice(4, 7), slice(36, 39)
LOW = np.array((0.0, 0.0, 0.02))
HIGH = np.array((0.0, 0.0, 0.3))


def move(seen: np.ndarray, to: np.ndarray, grip: float, gain: float = 10.0) -> np.ndarray:
    return np.append(np.clip(gain * (to - seen[HAND]), -1.0, 1.0), grip).astype(np.float32)


def reach(seen: np.ndarray) -> np.ndarray:
    return move(seen, seen[GOAL], 0.0)


def pick_place(seen: np.ndarray) -> np.ndarray:
    """Over the puck, down, closed, and to the goal."""
    away = seen[THING] - seen[HAND]
    if np.linalg.norm(away[:2]) > 0.02:
        return move(seen, seen[THING] + HIGH / 3, 0.0)
    if away[2] < -0.05 and seen[THING][2] < 0.04:
        return move(seen, seen[THING] + LOW, 0.0)
    return move(seen, seen[HAND] if seen[OPENING] > 0.73 else seen[GOAL], 1.0)


def drawer_open(seen: np.ndarray) -> np.ndarray:
    """Over the handle, down with a finger behind it, and back."""
    handle = seen[THING] - LOW
    away = handle - seen[HAND]
    if np.linalg.norm(away[:2]) > 0.06:
        return move(seen, handle + HIGH, -1.0)
    if abs(away[2]) > 0.04:
        return move(seen, handle, -1.0)
    return move(seen, handle - (0.0, 0.06, 0.0), -1.0, gain=50.0)


def button_press(seen: np.ndarray) -> np.ndarray:
    """In front of the button, a palm above the fingers, and forward."""
    button = seen[THING] - (0.0, 0.0, 0.07)
    aligned = np.abs(button - seen[HAND])[[0, 2]].max() < 0.02
    depth = button[1] + 0.02 if aligned else seen[HAND][1] - 0.1
    return move(seen, np.array((button[0], depth, button[2])), 0.0, gain=25.0)


HANDS: dict[str, Hand] = {
    "Reach": reach,
    "PickPlace": pick_place,
    "DrawerOpen": drawer_open,
    "ButtonPress": button_press,
}


class Shown:
    """The scene's model, posed as a state says."""

    def __init__(self, scene: Scene) -> None:
        self.model = mujoco.MjModel.from_xml_string(scene.mjcf)
        self.data = mujoco.MjData(self.model)

    def __call__(self, state: np.ndarray) -> None:
        assert state.shape == (self.model.nq + self.model.nv,)
        self.data.qpos[:] = state[: self.model.nq]
        mujoco.mj_kinematics(self.model, self.data)

    def __getitem__(self, body: str) -> np.ndarray:
        return self.data.body(body).xpos

    @property
    def fingertips(self) -> np.ndarray:
        return (self["left finger"] + self["right finger"]) / 2 - (0.0, 0.0, 0.045)


def is_done(task: str, shown: Shown) -> bool:
    """As far as the drawing tells."""
    match task:
        case "Reach":  # within 5 cm, and some for how the hand tilts
            return bool(np.linalg.norm(shown.fingertips - shown["goal"]) < 0.06)
        case "PickPlace":
            return bool(np.linalg.norm(shown["puck"] - shown["goal"]) <= 0.07 + 1e-6)
        case "DrawerOpen":
            return bool((shown["drawer"] - shown["case"])[1] <= -0.01 - 0.16 + 1e-6)
        case _:
            return bool((shown["button"] - shown["box"])[1] >= 0.073 - 1e-6)


@pytest.mark.parametrize("task", HANDS)
def test_a_hand_that_does_the_task_is_paid_counted_and_drawn_doing_it(task: str) -> None:
    simulator = EnvPoolSimulator(f"MetaWorld/{task}-v3", 4, 0, threads=1)
    shown, hand = Shown(simulator.scene), HANDS[task]
    observation = simulator.reset()
    before, transitions, drawn = observation, [], []
    for _ in range(80):
        transition = simulator.step(np.stack([hand(world) for world in observation]))
        observation = transition.observation
        transitions.append(transition)
        done = []
        for state in simulator.state():
            shown(state)
            done.append(is_done(task, shown))
        drawn.append(done)
    succeeded = np.stack([transition.odometer for transition in transitions])
    assert not succeeded[0].any() and succeeded[-1].all(), "each of them does it, in the end"
    assert (np.diff(succeeded, axis=0) >= 0).all(), "and has then done it"
    first = succeeded.argmax(0)
    assert np.array(drawn)[first, range(4)].all() and not np.array(drawn)[0].any()
    score = np.stack([transition.score for transition in transitions])
    assert (score[first, range(4)] > 2 * score[0]).all()
    assert len(np.unique(before[:, GOAL], axis=0)) == 4, "goals differ, and are seen"


@pytest.mark.parametrize("task", HANDS)
def test_the_hand_and_what_it_handles_are_drawn_where_they_are(task: str) -> None:
    simulator = EnvPoolSimulator(f"MetaWorld/{task}-v3", 2, 3, threads=1)
    shown = Shown(simulator.scene)
    observation = simulator.reset()
    if task in ("Reach", "PickPlace"):
        shown(simulator.state()[0])
        np.testing.assert_allclose(shown.data.body("puck").xquat, (1, 0, 0, 0), atol=1e-2)  # it stands as it was put
    random = np.random.default_rng(0)
    for _ in range(20):
        observation = simulator.step(random.uniform(-1, 1, (2, 4)).astype(np.float32)).observation
    for seen, state in zip(observation, simulator.state(), strict=True):
        shown(state)
        np.testing.assert_allclose(shown["hand"], seen[HAND], atol=1e-6)
        span = np.linalg.norm(shown["left finger"] - shown["right finger"])
        assert span == pytest.approx(0.1 * seen[OPENING], abs=1e-6)
        body, handle = {"DrawerOpen": ("drawer", (0.0, -0.16, 0.0)), "ButtonPress": ("button", (0.0, -0.193, 0.0))}.get(
            task, ("puck", (0.0, 0.0, 0.0))
        )
        np.testing.assert_allclose(shown[body] + handle, seen[THING], atol=1e-6)
    assert simulator.scene.question.endswith("?") and simulator.scene.timestep == simulator.control_timestep == 0.0125


def test_an_episode_ends_by_time_and_the_next_has_not_succeeded_yet() -> None:
    simulator = EnvPoolSimulator("MetaWorld/Reach-v3", 2, 0, threads=1)
    observation, transitions = simulator.reset(), list[Transition]()
    for _ in range(502):
        transitions.append(simulator.step(np.stack([reach(world) for world in observation])))
        observation = transitions[-1].observation
    last, between, first = transitions[499:]
    assert last.truncated.all() and (last.odometer == 1).all() and last.valid.all()
    assert not between.valid.any() and not between.odometer.any()
    assert first.valid.all() and not first.odometer.any()
