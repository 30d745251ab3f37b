"""What EnvPool and gymnasium don't say about their tasks: time step, a score that varies, what to ask people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

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

    def beside(self, metadata: Mapping[str, Any]) -> About:
        """With what an environment's own ``metadata`` says: its question, and its pace where none is known."""
        rate = metadata.get("render_fps") if self.timestep == About.timestep else None
        known = replace(self, timestep=1 / rate) if rate else self
        return replace(known, question=metadata.get("question", self.question))


def _metaworld(question: str, likeness: metaworld.Likeness) -> About:
    """Whether an episode succeeds at any time is what MetaWorld counts, too."""
    return About(0.0125, question, odometer_name="successes", odometer="success", likeness=likeness)


_POLE = "In which clip is the pole balanced better?"
_VALLEY = "In which clip does the car get closer to leaving the valley?"
_LANDER = "In which clip does the lander fly and land better?"
_WALKER = "In which clip does the robot walk forward better?"

_ABOUT = (
    dict.fromkeys(
        ("CartPole-v0", "CartPole-v1", "phys2d/CartPole-v0", "phys2d/CartPole-v1"),
        About(0.02, _POLE, cart_pole, "steps"),
    )
    | dict.fromkeys(
        ("InvertedPendulum-v2", "InvertedPendulum-v4", "InvertedPendulum-v5"),
        About(0.04, _POLE, inverted_pendulum, "steps"),
    )
    | dict.fromkeys(
        ("InvertedDoublePendulum-v2", "InvertedDoublePendulum-v4", "InvertedDoublePendulum-v5"),
        About(0.05, "In which clip are the two poles balanced better?"),
    )
    | dict.fromkeys(
        ("Pendulum-v0", "Pendulum-v1", "phys2d/Pendulum-v0"),
        About(0.05, "In which clip is the pendulum held up better?"),
    )
    | {"Acrobot-v1": About(0.2, "In which clip does the tip swing up higher?", acrobot)}
    | dict.fromkeys(("MountainCar-v0", "MountainCarContinuous-v0"), About(1 / 30, _VALLEY, mountain_car))
    | dict.fromkeys(
        ("LunarLander-v2", "LunarLander-v3", "LunarLanderContinuous-v2", "LunarLanderContinuous-v3"),
        About(0.02, _LANDER),
    )
    | dict.fromkeys(("BipedalWalker-v3", "BipedalWalkerHardcore-v3"), About(0.02, _WALKER))
    | {
        "MetaWorld/Reach-v3": _metaworld("In which clip does the hand reach the green ball better?", metaworld.REACH),
        "MetaWorld/PickPlace-v3": _metaworld(
            "In which clip is the red puck better grasped and brought to the green ball?", metaworld.PICK_PLACE
        ),
        "MetaWorld/DrawerOpen-v3": _metaworld("In which clip is the drawer opened better?", metaworld.DRAWER_OPEN),
        "MetaWorld/ButtonPress-v3": _metaworld(
            "In which clip is the red button pressed better?", metaworld.BUTTON_PRESS
        ),
    }
)
"""By the ids of EnvPool and gymnasium; scores pick numbers out of what exactly these observe."""


def about(task: str) -> About:
    """What is known of an id. ``mine/CartPole-v0`` is somebody else's, of which nothing is."""
    return _ABOUT.get(task, About())
