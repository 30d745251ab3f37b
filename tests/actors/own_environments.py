"""Environments as a user might write them: sound ones, and ones that break what they promise."""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FrameStackObservation, TimeLimit


class Counter(gymnasium.Env):
    """Shows how many steps its episode has had, and which episode it is; ends after seven."""

    observation_space = spaces.Dict(count=spaces.Box(0, 100, (1,)), noise=spaces.Box(0, 1, (1,)))
    action_space = spaces.Discrete(2)
    metadata = {"render_fps": 10, "question": "Which counts better?"}  # noqa: RUF012

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return self.observe(), 10.0 * self.count, self.count == 7, False, {"count": self.count}

    def observe(self) -> Any:
        return {"count": np.array([self.count], np.float32), "noise": self.np_random.random(1, np.float32)}


class Drawn(Counter):
    """Its picture is as bright as its count, 400 x 600."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def render(self) -> Any:
        assert self.render_mode == "rgb_array"
        return np.full((400, 600, 3), 10 * self.count, np.uint8)


class Undrawn(Drawn):
    def render(self) -> Any:
        raise ImportError("no module named brush")


class Smeared(Drawn):
    def render(self) -> Any:
        return np.zeros((4, 4)) if self.count == 3 else super().render()


class Screen(Counter):
    """Its observation is a picture as bright as its count."""

    observation_space = spaces.Box(0, 255, (40, 50, 3), np.uint8)

    def observe(self) -> Any:
        return np.full((40, 50, 3), self.count, np.uint8)


class Arcade(Counter):
    """A screen that is bright all over, of a game of ALE's that it isn't."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.observation_space = spaces.Box(0, 255, (side, side), np.uint8)

    def observe(self) -> Any:
        return np.full((self.side, self.side), 200, np.uint8)


class Canvas(Counter):
    """Grey, and drawn into one array for ever."""

    observation_space = spaces.Box(0, 255, (50, 60), np.uint8)

    def __init__(self) -> None:
        self.canvas = np.zeros((50, 60), np.uint8)

    def observe(self) -> Any:
        self.canvas[:] = self.count
        return self.canvas


class Sheets(Canvas):
    """A new array for each picture."""

    def observe(self) -> Any:
        return super().observe().copy()


class Lent(Drawn):
    """Counts how many of it nobody has closed."""

    out = 0

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        Lent.out += 1

    def close(self) -> None:
        Lent.out -= 1


class LentAnyhow(Lent):
    def __init__(self) -> None:
        super().__init__("rgb_array")


class Breaking(Counter):
    """At the fifth step of an episode, one world in a while, something goes wrong."""

    def wrong(self) -> Any:
        raise NotImplementedError

    def observe(self) -> Any:
        return self.wrong() if self.count == 5 and self.np_random.random() < 0.3 else super().observe()


class Raising(Breaking):
    def wrong(self) -> Any:
        raise KeyError("the arm\nis stuck")


class NotANumber(Breaking):
    def wrong(self) -> Any:
        return {"count": np.array([np.nan], np.float32), "noise": np.zeros(1, np.float32)}


class Unpaid(Counter):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        wrong = self.count == 5 and self.np_random.random() < 0.3
        return observation, np.inf if wrong else reward, terminated, truncated, info


class OtherShape(Breaking):
    def wrong(self) -> Any:
        return {"count": np.zeros(2, np.float32), "noise": np.zeros(1, np.float32)}


class NeverRight(Counter):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        raise RuntimeError("the motor is off")


class NoStart(Counter):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        raise RuntimeError("no battery")


class Crowded(Counter):
    """There is room for fifteen."""

    made = 0

    def __init__(self) -> None:
        Crowded.made += 1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if Crowded.made > 15:
            raise RuntimeError("no room is left")
        return super().reset(seed=seed)


class NotMade(Counter):
    def __init__(self) -> None:
        raise OSError("no robot found")


_TABLE = """
<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <body name="shelf" pos="1 0 0"><geom type="box" size=".2 .2 .1"/>
      <body name="drawer"><joint type="slide" axis="1 0 0"/><geom type="box" size=".1 .1 .05" mass="1"/></body></body>
    <body name="hand" mocap="true"><geom type="sphere" size=".05" contype="0" conaffinity="0"/></body>
    <body name="ball" pos="0 0 2"><freejoint/><geom type="sphere" size=".05" mass="1"/>
      <geom type="sphere" size=".2" rgba="1 0 0 0" mass="0"/><geom type="sphere" size=".3" group="4" mass="0"/></body>
    <site name="goal" pos=".1 0 0" size=".1" rgba="0 1 0 .5"/>
    <site name="secret" size=".1" group="4"/>
  </worldbody>
</mujoco>
"""


class Table(gymnasium.Env):
    """MuJoCo, and a shelf, a goal and a hand that are moved by hand."""

    observation_space = spaces.Box(-np.inf, np.inf, (8,))
    action_space = spaces.Box(-1.0, 1.0, (3,))
    dt = 0.05

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(_TABLE)
        self.data = mujoco.MjData(self.model)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        shelf = self.model.body("shelf")
        shelf.pos[:] = self.np_random.uniform(-1, 1, 3)
        angle = self.np_random.uniform(0, 3)
        shelf.quat[:] = np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)
        for name in ("goal", "secret"):
            self.model.site(name).pos[:] = self.np_random.uniform(-1, 1, 3)
        return self.data.qpos.astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.data.mocap_pos[0] += 0.05 * action
        self.data.qfrc_applied[0] = action[0]
        mujoco.mj_step(self.model, self.data, 5)
        return self.data.qpos.astype(np.float32), 0.0, False, False, {}


def limited() -> gymnasium.Env:
    return TimeLimit(Counter(), 4)


def three_sheets() -> gymnasium.Env:
    return FrameStackObservation(Sheets(), 3)


def nothing() -> int:
    return 3


gymnasium.register("mine/Acrobot-v1", "tests.actors.own_environments:Counter")
for game, side in (("Pong-v5", 84), ("Breakout-v5", 90), ("VideoChess-v5", 84)):
    gymnasium.register(f"ALE/{game}", "tests.actors.own_environments:Arcade", kwargs={"side": side})
