"""What passes through somebody else's training loop, gathered into slabs that clips can be cut from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from actors.episodes import EpisodeCounter
from actors.sampler import Shot, Track
from contracts.rollout import UNFITTED, Rollout
from contracts.spaces import Spaces


@dataclass(frozen=True)
class Step:
    """One step of all N worlds; ``observation``, ``state`` and ``pictures`` are from before it."""

    observation: np.ndarray  # [N, ...], see `contracts.spaces.ObservationSpace`
    action: np.ndarray  # see `contracts.spaces.ActionSpace`
    state: np.ndarray  # float32 [N, S]
    score: np.ndarray  # float32 [N], the task's own
    reward: np.ndarray  # float32 [N], the model's
    terminated: np.ndarray  # bool [N]
    truncated: np.ndarray  # bool [N]
    valid: np.ndarray  # bool [N], False where the environment ignored the action
    pictures: Sequence[np.ndarray] = ()  # uint8 [H, W, 3], one of each world that is filmed


class PassingSlabs:
    """Fills one slab after the other with the steps it is shown.

    Nothing is known of the policy that acts: its probabilities stay zero, and its version is counted in slabs.

    Args:
        steps: T, the rows of a slab.
        worlds: N.
        state_size: S.
        shots: what the slab that begins shall be filmed for.
    """

    def __init__(
        self,
        steps: int,
        worlds: int,
        spaces: Spaces,
        state_size: int,
        shots: Callable[[], list[Shot]] = list,
    ) -> None:
        self._shape = (steps, worlds)
        self._spaces = spaces
        self._state_size = state_size
        self._shots = shots
        self._counter = EpisodeCounter(worlds)
        self._slabs = 0
        self._begin()

    def filmed(self) -> np.ndarray:
        """The worlds whose pictures the next step brings, in that order."""
        return np.array([shot.world for shot in self._rolling()], np.int64)

    def add(self, step: Step, reward_version: int) -> tuple[Rollout, Track] | None:
        """Takes in a step; the slab that it makes whole, with the episodes that ended in it."""
        rollout, track, row = self._rollout, self._track, self._rows
        for name in ("observation", "action", "reward", "terminated", "truncated", "valid"):
            getattr(rollout, name)[row] = getattr(step, name)
        track.state[row], track.score[row] = step.state, step.score
        for shot, picture in zip(self._rolling(), step.pictures, strict=True):
            track.films[shot].append(picture)
        rollout.reward_version = reward_version
        ended = step.terminated | step.truncated
        nothing = np.zeros(self._shape[1], np.float32)
        rollout.episodes += self._counter.step(step.valid, ended, step.score, step.reward, nothing)
        self._rows += 1
        if self._rows < self._shape[0]:
            return None
        self._slabs += 1
        self._begin()
        return rollout, track

    def interrupt(self, worlds: np.ndarray) -> None:
        """These were reset before their episode ended: no clip goes on beyond it, bool [N]."""
        if self._rows:
            self._rollout.valid[self._rows - 1, worlds] = False
        self._counter.forget(worlds)

    def _rolling(self) -> list[Shot]:
        """The shots that the next row belongs to."""
        return [shot for shot in self._track.films if shot.start <= self._rows < shot.start + shot.length]

    def _begin(self) -> None:
        shape, spaces = self._shape, self._spaces
        observed = spaces.observation
        self._rows = 0
        self._rollout = Rollout(
            observation=np.empty((*shape, *observed.shape), observed.dtype),
            action=np.empty((*shape, *spaces.action.shape), spaces.action.dtype),
            log_prob=np.zeros(shape, np.float32),
            reward=np.empty(shape, np.float32),
            terminated=np.empty(shape, bool),
            truncated=np.empty(shape, bool),
            valid=np.empty(shape, bool),
            final_row=np.empty(0, np.int64),
            final_observation=np.empty((0, *observed.shape), observed.dtype),
            last_observation=np.empty((shape[1], *observed.shape), observed.dtype),
            policy_version=self._slabs,
            reward_version=UNFITTED,
        )
        self._track = Track(
            state=np.empty((*shape, self._state_size), np.float32),
            score=np.empty(shape, np.float32),
            odometer=np.zeros(shape, np.float32),  # nobody knows what the task counts
            films={shot: [] for shot in self._shots()},
        )
