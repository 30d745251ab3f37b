"""Environments as a user might write them: sound ones, and ones that break what they promise."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit


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


class OtherShape(Breaking):
    def wrong(self) -> Any:
        return {"count": np.zeros(2, np.float32), "noise": np.zeros(1, np.float32)}


class NeverRight(Counter):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        raise RuntimeError("the motor is off")


class NoStart(Counter):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        raise RuntimeError("no battery")


class NotMade(Counter):
    def __init__(self) -> None:
        raise OSError("no robot found")


def limited() -> gymnasium.Env:
    return TimeLimit(Counter(), 4)


def nothing() -> int:
    return 3
