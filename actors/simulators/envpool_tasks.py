"""What EnvPool and gymnasium don't say about their tasks: time step, a score that varies, what to ask people."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from actors.simulators import metaworld

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(observation [N, D] after the step, the environment's own reward [N]) -> [N]."""


def own_reward(observation: np.ndarray, reward: np.ndarray) -> np.ndarray:
    return reward


def cart_pole(observation: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """How far from upright and from the middle, in shares of the limits. EnvPool pays 1 at every step."""
    return -((observation[:, 2] / 0.21) ** 2) - (observation[:, 0] / 2.4) ** 2


def inverted_pendulum(observation: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """As `cart_pole`, for MuJoCo's: x, angle, and their velocities. EnvPool pays 1 at every step."""
    return -((observation[:, 1] / 0.2) ** 2) - observation[:, 0] ** 2


def acrobot(observation: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Height of the tip over the pivot, -2 to 2. EnvPool pays -1 until it swings over the bar."""
    cos1, sin1, cos2, sin2 = observation[:, :4].T
    return -cos1 - (cos1 * cos2 - sin1 * sin2)


def mountain_car(observation: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Mechanical energy, in units of the hill's height above its middle: what the car must gather to get out.

    Gravity along the slope is 0.0025 cos(3x), so the potential is (0.0025 / 3) sin(3x).
    """
    position, velocity = observation[:, 0], observation[:, 1]
    return np.sin(3 * position) + velocity**2 / 2 / (0.0025 / 3)


@dataclass(frozen=True)
class About:
    """How a task is shown and scored."""

    timestep: float = 1 / 30  # simulated seconds a step; where a task has no clock, the pace it is shown at
    question: str = "In which clip does the agent do better?"
    score: Score = own_reward
    odometer_name: str = ""  # what the odometer counts, where that means something
    odometer: str = "elapsed_step"  # what EnvPool tells of every step; its highest value in an episode is counted
    likeness: metaworld.Likeness | None = None  # what draws its observations, where they can be drawn as MuJoCo states


def _metaworld(question: str, likeness: metaworld.Likeness) -> About:
    """Whether an episode succeeds at any time is what MetaWorld counts, too."""
    return About(0.0125, question, odometer_name="successes", odometer="success", likeness=likeness)


_ABOUT = {
    "CartPole": About(0.02, "In which clip is the pole balanced better?", cart_pole, "steps"),
    "InvertedPendulum": About(0.04, "In which clip is the pole balanced better?", inverted_pendulum, "steps"),
    "InvertedDoublePendulum": About(0.05, "In which clip are the two poles balanced better?"),
    "Pendulum": About(0.05, "In which clip is the pendulum held up better?"),
    "Acrobot": About(0.2, "In which clip does the tip swing up higher?", acrobot),
    "MountainCar": About(1 / 30, "In which clip does the car get closer to leaving the valley?", mountain_car),
    "MountainCarContinuous": About(
        1 / 30, "In which clip does the car get closer to leaving the valley?", mountain_car
    ),
    "LunarLander": About(0.02, "In which clip does the lander fly and land better?"),
    "LunarLanderContinuous": About(0.02, "In which clip does the lander fly and land better?"),
    "BipedalWalker": About(0.02, "In which clip does the robot walk forward better?"),
    "BipedalWalkerHardcore": About(0.02, "In which clip does the robot walk forward better?"),
    "MetaWorld/Reach": _metaworld("In which clip does the hand reach the green ball better?", metaworld.REACH),
    "MetaWorld/PickPlace": _metaworld(
        "In which clip is the red puck better grasped and brought to the green ball?", metaworld.PICK_PLACE
    ),
    "MetaWorld/DrawerOpen": _metaworld("In which clip is the drawer opened better?", metaworld.DRAWER_OPEN),
    "MetaWorld/ButtonPress": _metaworld("In which clip is the red button pressed better?", metaworld.BUTTON_PRESS),
}


def about(task: str) -> About:
    """By family: ``phys2d/CartPole-v1`` and ``CartPole-v0`` are both CartPole."""
    name = re.sub(r"-v\d+$", "", task)
    return _ABOUT.get(name) or _ABOUT.get(name.rsplit("/", maxsplit=1)[-1], About())
