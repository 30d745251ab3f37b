"""Cuts candidate clips from a slab: states and what the reward model sees, never pixels."""

from __future__ import annotations

import numpy as np

from actors.sampler import Track
from contracts.clip import Clip
from contracts.rollout import Rollout
from contracts.spaces import Spaces


def cut_clips(
    rollout: Rollout,
    track: Track,
    spaces: Spaces,
    scene: str,
    *,
    length: int,
    count: int,
    random: np.random.Generator,
) -> list[Clip]:
    """Up to ``count`` clips of ``length`` steps, each within one episode and free of invalid rows.

    Fewer come back where the slab has fewer worlds with such a stretch: no world gives two clips
    of one slab, since those would show much the same.
    """
    whole = _whole_stretches(rollout, length)
    clips = []
    for world in random.permutation(whole.shape[1]):
        starts = np.flatnonzero(whole[:, world])
        if not len(starts):
            continue
        start = int(random.choice(starts))
        rows = slice(start, start + length)
        clips.append(
            Clip(
                observation=rollout.observation[rows, world].copy(),
                action=spaces.action.encode(rollout.action[rows, world]).copy(),
                state=track.state[rows, world].copy(),
                scene=scene,
                policy_version=rollout.policy_version,
                actor=rollout.actor,
                oracle=track.score[rows, world].copy(),
            )
        )
        if len(clips) == count:
            break
    return clips


def _whole_stretches(rollout: Rollout, length: int) -> np.ndarray:
    """Whether ``length`` rows from here on are all valid with no end before the last: bool [T-length+1, N]."""
    steps = len(rollout.valid)
    if steps < length:
        return np.zeros((0, rollout.valid.shape[1]), bool)
    ends = np.cumsum(rollout.terminated | rollout.truncated, 0)
    invalid = np.cumsum(~rollout.valid, 0)
    first, last = slice(0, steps - length + 1), slice(length - 1, steps)
    no_invalid = invalid[last] - invalid[first] + ~rollout.valid[first] == 0
    ends_before_last = ends[last] - (rollout.terminated | rollout.truncated)[last]
    ends_before_first = ends[first] - (rollout.terminated | rollout.truncated)[first]
    return no_invalid & (ends_before_last == ends_before_first)
