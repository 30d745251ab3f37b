"""What the members of the ensemble make of clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.rollout import UNFITTED
from labeling_gateway.pool import Candidate
from labeling_gateway.selection import clip_sums

Score = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, int] | None]
"""observation [B, ...] and action [B, A] to member_reward [B, K] and the version that scored; None
where the reward service does not answer."""

FRAMES_STRIDE = 5
"""Which steps of a clip of frames are looked at: neighbours look alike, and each costs a thousand times a vector's."""

_BYTES_AT_ONCE = 16 * 2**20  # of observations; thousands of clips of frames would be gigabytes


@dataclass(frozen=True)
class ClipScores:
    """Rewards of some steps of M clips, all by one version; of no steps by version 0, which knows nothing."""

    member_reward: np.ndarray  # [B, K], the steps of all clips one after the other
    steps: list[int]  # how many there are of each clip
    lengths: list[int]  # of the whole clips
    version: int

    @property
    def sums(self) -> np.ndarray:
        """Each member's reward for each whole clip, as far as the steps tell: float64 [M, K]."""
        return clip_sums(self.member_reward, self.steps) * np.divide(self.lengths, self.steps)[:, None]


def score_clips(candidates: Sequence[Candidate], score: Score) -> ClipScores | None:
    """None where the reward service does not answer. At least one clip; all observe the same.

    No more clips are decoded at once than are scored at once.
    """
    lengths = [candidate.length for candidate in candidates]
    steps: list[int] = []
    parts: list[np.ndarray] = []
    by = UNFITTED
    while len(steps) < len(candidates):
        part = _part(candidates, len(steps))
        scored = score(*(np.concatenate(column) for column in zip(*part, strict=True)))
        if scored is None:
            return None
        member_reward, version = scored
        if version == UNFITTED:
            return ClipScores(np.empty((0, member_reward.shape[1])), [], [], version)
        if parts and version != by:  # it was published meanwhile: all by that one
            steps, parts = [], []
            continue
        parts.append(member_reward)
        by, steps = version, steps + [len(observation) for observation, _ in part]
    return ClipScores(np.concatenate(parts), steps, lengths, by)


def _part(candidates: Sequence[Candidate], first: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Observations and actions of as many clips as are scored at once, at least one: of the steps looked at."""
    part: list[tuple[np.ndarray, np.ndarray]] = []
    size = 0
    for candidate in candidates[first:]:
        if part and size >= _BYTES_AT_ONCE:
            break
        clip = candidate.clip()
        stride = FRAMES_STRIDE if clip.observation.ndim > 2 else 1
        part.append((clip.observation[::stride].copy(), clip.action[::stride]))
        size += part[-1][0].nbytes
    return part
