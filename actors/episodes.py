"""Counts the episodes that end in a slab."""

from __future__ import annotations

import numpy as np

from contracts.rollout import Episode, Rollout


class EpisodeBook:
    """What each of N worlds has added up in the episode that it is in, across the slabs of an actor."""

    def __init__(self, worlds: int) -> None:
        self._length = np.zeros(worlds, np.int64)
        self._true_return = np.zeros(worlds)
        self._predicted_return = np.zeros(worlds)

    def count(self, rollout: Rollout, score: np.ndarray, odometer: np.ndarray) -> None:
        """Note the episodes that ended in a slab, which is scored, with what the model thought of them.

        Args:
            score: float32 [T, N], the task's own.
            odometer: float32 [T, N]
        """
        ends = rollout.terminated | rollout.truncated
        for t, valid in enumerate(rollout.valid):
            self._length += valid
            self._true_return += np.where(valid, score[t], 0.0)
            self._predicted_return += np.where(valid, rollout.reward[t], 0.0)
            if not ends[t].any():
                continue
            for world in np.flatnonzero(ends[t]):
                if valid[world]:
                    rollout.episodes.append(
                        Episode(
                            length=int(self._length[world]),
                            true_return=float(self._true_return[world]),
                            predicted_return=float(self._predicted_return[world]),
                            odometer=float(odometer[t, world]),
                        )
                    )
            for sums in (self._length, self._true_return, self._predicted_return):
                sums[ends[t]] = 0
