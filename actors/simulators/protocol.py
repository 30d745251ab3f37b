"""What every engine offers: N worlds of one task, stepped together."""

from __future__ import annotations

import difflib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from contracts.clip import Scene
from contracts.spaces import Spaces

log = logging.getLogger("backflip.actors")

_FAULTS_A_MINUTE = 100  # or as many as there are worlds: thousands of them take as many more steps

USUAL_EPISODE_STEPS = 1000
"""The time limit of a task that has none of its own: whatever ends by time alone must end."""


@dataclass
class Transition:
    """One step of all N worlds; every array is the caller's to keep."""

    observation: np.ndarray  # [N, ...] of the space's type, what to act on next: a new episode's first where one ended
    final_observation: np.ndarray  # [N, ...], the ended episode's last; equals observation elsewhere
    terminated: np.ndarray  # bool [N]
    truncated: np.ndarray  # bool [N]
    valid: np.ndarray  # bool [N], False where the simulator ignored the action
    score: np.ndarray  # float32 [N], the task's own score: teachers and evaluation only
    odometer: np.ndarray  # float32 [N], what the episode has covered so far (turns, metres); 0 if the task has none


class Simulator(Protocol):
    """Seeded at construction. ``step`` releases the GIL, so that a policy can think meanwhile."""

    spaces: Spaces
    worlds: int
    scene: Scene
    state_size: int
    control_timestep: float  # simulated seconds a step
    episode_steps: int  # the longest episode
    odometer_name: str  # what `Transition.odometer` counts, "" if nothing
    faults: FaultWatch  # counts the steps that fail, and gives up where there are too many

    def reset(self) -> np.ndarray:
        """Start every world anew: the first observations, [N, ...]. No two worlds alike."""
        ...

    def step(self, action: np.ndarray) -> Transition:
        """Act in every world: float32 [N, A] in [-1, 1] (clipped), or int64 [N] or [N, K]."""
        ...

    def state(self) -> np.ndarray:
        """The state that the last observation shows, float32 [N, S]; see `contracts.clip.Track`."""
        ...

    def measure(self, state: np.ndarray) -> dict[str, float]:
        """What evaluation reports of one whole episode, given the states it went through, float32 [L, S]."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Draws(Protocol):
    """What a simulator whose scene's track is "frames" does: it draws what people see, since no state would."""

    def pictures(self, worlds: np.ndarray) -> np.ndarray:
        """What the last observation of these worlds looks like, uint8 [n, H, W, 3]. Called between two steps."""
        ...


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint to append, "; did you mean A or B?", of the nearest of what is known; "" where nothing is near."""
    near = difflib.get_close_matches(name, dict.fromkeys(known), n=3, cutoff=0.4)
    return f"; did you mean {' or '.join(near)}?" if near else ""


class UnknownTask(ValueError):
    """The engine has no such task; the message names the nearest ones."""

    def __init__(self, engine: str, task: str, known: Iterable[str]) -> None:
        super().__init__(
            f"engine {engine} has no task {task!r}{did_you_mean(task, known)} (`backflip list` shows them all)"
        )


class SimulationFault(RuntimeError):
    """Worlds fail so often that going on would train on rubbish."""


@dataclass
class FaultWatch:
    """Says which world handed over a state that is not finite, and gives up when it never ends."""

    name: str
    worlds: int  # that are watched
    total: int = 0  # steps that failed so far
    _recent: list[float] = field(default_factory=list)

    def report(self, worlds: np.ndarray, what: str) -> None:
        """Raises SimulationFault past a fault a world, but a hundred in all, within the last minute."""
        if not len(worlds):
            return
        self.total += len(worlds)
        now = time.monotonic()
        self._recent = [then for then in self._recent if now - then < 60.0] + [now] * len(worlds)
        shown = ", ".join(str(world) for world in worlds[:8])
        log.warning("%s: world %s: %s; reset, and the transition is left out", self.name, shown, what)
        if len(self._recent) > max(_FAULTS_A_MINUTE, self.worlds):
            raise SimulationFault(
                f"{self.name}: {len(self._recent)} worlds failed within a minute (last: world {shown}: {what}); "
                "check the task's model, time step and action range"
            )
