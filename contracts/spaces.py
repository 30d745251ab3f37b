"""What an environment shows and what it can be told to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class ActionSpace:
    """Either ``size`` continuous controls in [-1, 1], or one of ``size`` choices.

    Simulators scale continuous controls from [-1, 1] to the actuator's own range.
    """

    kind: Literal["continuous", "discrete"]
    size: int

    def encode(self, action: np.ndarray) -> np.ndarray:
        """The action as the reward model sees it, float32 ``[..., size]``.

        Continuous actions are clipped to [-1, 1], as the simulator does before it applies
        them; discrete actions become one-hot.
        """
        if self.kind == "continuous":
            return np.clip(action, -1.0, 1.0).astype(np.float32, copy=False)
        return np.eye(self.size, dtype=np.float32)[action]


@dataclass(frozen=True)
class Spaces:
    """The observation and action spaces of one task; every world of a run has the same."""

    observation_size: int
    action: ActionSpace
