"""What the members of the ensemble make of clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.clip import Clip
from contracts.rollout import UNFITTED
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


def score_clips(clips: Sequence[Clip], score: Score) -> ClipScores | None:
    """None where the reward service does not answer. At least one clip; all observe the same."""
    stride = FRAMES_STRIDE if clips[0].observation.ndim > 2 else 1
    steps, lengths = [-(-len(clip) // stride) for clip in clips], [len(clip) for clip in clips]
    parts: list[np.ndarray] = []
    by, done = UNFITTED, 0
    while done < len(clips):
        part = _part(clips, done)
        scored = score(
            np.concatenate([clip.observation[::stride] for clip in part]),
            np.concatenate([clip.action[::stride] for clip in part]),
        )
        if scored is None:
            return None
        member_reward, version = scored
        if version == UNFITTED:
            return ClipScores(np.empty((0, member_reward.shape[1])), [], [], version)
        if parts and version != by:  # it was published meanwhile: all by that one
            parts, done = [], 0
            continue
        parts.append(member_reward)
        by, done = version, done + len(part)
    return ClipScores(np.concatenate(parts), steps, lengths, by)


def _part(clips: Sequence[Clip], first: int) -> Sequence[Clip]:
    """As many as are scored at once, at least one."""
    size, end = 0, first
    while end < len(clips) and (end == first or size < _BYTES_AT_ONCE):
        size += clips[end].observation.nbytes
        end += 1
    return clips[first:end]
