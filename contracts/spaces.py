"""What an environment shows and what it can be told to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class ObservationSpace:
    """Either a vector, float32 (D,), or frames, uint8 (C, H, W): channels first, the newest frame's last.

    Raises ValueError where the shape is neither, or ``stack`` doesn't divide C.
    """

    shape: tuple[int, ...]
    stack: int = 1
    """Successive frames in one observation, which then has C / stack channels a frame."""

    def __post_init__(self) -> None:
        if len(self.shape) not in (1, 3) or min(self.shape) < 1 or self.shape[0] % self.stack:
            raise ValueError(f"an observation is a vector (D,) or frames (C, H, W), not {self.shape} x {self.stack}")

    @property
    def is_frames(self) -> bool:
        return len(self.shape) == 3

    @property
    def dtype(self) -> type[np.uint8] | type[np.float32]:
        return np.uint8 if self.is_frames else np.float32

    @property
    def size(self) -> int:
        """How many numbers one observation is."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class ActionSpace:
    """Either ``size`` continuous controls in [-1, 1], or one of ``size`` choices, or a choice from each of several.

    Simulators scale continuous controls from [-1, 1] to the actuator's own range.
    """

    kind: Literal["continuous", "discrete", "multi-discrete"]
    size: int  # numbers of an encoded action
    choices: tuple[int, ...] = ()  # of a multi-discrete space, how many there are at each place; ``size`` in all

    @staticmethod
    def of_choices(choices: tuple[int, ...]) -> ActionSpace:
        """Multi-discrete: at place k one of ``choices[k]``."""
        return ActionSpace("multi-discrete", sum(choices), choices)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one action, as a policy chooses it."""
        return {"continuous": (self.size,), "discrete": (), "multi-discrete": (len(self.choices),)}[self.kind]

    @property
    def dtype(self) -> type[np.generic]:
        return np.float32 if self.kind == "continuous" else np.int64

    def encode(self, action: np.ndarray) -> np.ndarray:
        """The action as the reward model sees it, float32 ``[..., size]``.

        Continuous actions are clipped to [-1, 1], as the simulator does before it applies
        them; discrete actions become one-hot, and multi-discrete ones a one-hot beside the other.
        """
        if self.kind == "continuous":
            return np.clip(action, -1.0, 1.0).astype(np.float32, copy=False)
        if self.kind == "discrete":
            action = action[..., None]
        encoded = np.zeros((*action.shape[:-1], self.size), np.float32)
        firsts = np.cumsum((0, *self.choices[:-1]))  # of the one-hot numbers that belong to a place
        np.put_along_axis(encoded, action + firsts, 1.0, -1)
        return encoded


@dataclass(frozen=True)
class Spaces:
    """The observation and action spaces of one task; every world of a run has the same."""

    observation: ObservationSpace
    action: ActionSpace
