"""Counts what an episode amounts to, world by world, as its steps go by."""

from __future__ import annotations

import numpy as np

from contracts.rollout import Episode, Rollout


class EpisodeCounter:
    """Lengths and returns of the episode that each of N worlds is in."""

    def __init__(self, worlds: int) -> None:
        self._length = np.zeros(worlds, np.int64)
        self._true_return = np.zeros(worlds)
        self._predicted_return = np.zeros(worlds)

    def step(
        self, valid: np.ndarray, ended: np.ndarray, score: np.ndarray, reward: np.ndarray, odometer: np.ndarray
    ) -> list[Episode]:
        """Takes in one step of every world; the episodes that ended by it.

        Args:
            valid, ended: bool [N]. A step that is not valid counts for nothing.
            score: float32 [N], the task's own.
            reward: float32 [N], the model's.
            odometer: float32 [N], of the episode so far.
        """
        self._length += valid
        self._true_return += np.where(valid, score, 0.0)
        self._predicted_return += np.where(valid, reward, 0.0)
        if not ended.any():
            return []
        episodes = [
            Episode(
                length=int(self._length[world]),
                true_return=float(self._true_return[world]),
                predicted_return=float(self._predicted_return[world]),
                odometer=float(odometer[world]),
            )
            for world in np.flatnonzero(ended & valid)
        ]
        self.forget(ended)
        return episodes

    def slab(self, rollout: Rollout, score: np.ndarray, odometer: np.ndarray) -> list[Episode]:
        """Takes in the steps of a slab that is scored; ``score`` and ``odometer`` are [T, N]."""
        ended = rollout.terminated | rollout.truncated
        return [
            episode
            for row in zip(rollout.valid, ended, score, rollout.reward, odometer, strict=True)
            for episode in self.step(*row)
        ]

    def forget(self, worlds: np.ndarray) -> None:
        """These begin anew, and what they had done so far is no episode: bool [N]."""
        for sums in (self._length, self._true_return, self._predicted_return):
            sums[worlds] = 0
