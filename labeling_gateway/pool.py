"""Candidate clips: the newest, in memory, as bytes until somebody looks at them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from contracts.clip import Clip
from contracts.encoding import content_hash

POOL_CLIPS = 2000


@dataclass(frozen=True)
class Candidate:
    """A clip as its bytes, and what is often asked of it. Decoded, one of frames is a hundred times as large."""

    name: str  # the hash of the bytes
    data: bytes
    scene: str
    policy_version: int
    length: int  # steps

    @staticmethod
    def of(data: bytes, clip: Clip) -> Candidate:
        """Of a clip that was read from ``data``."""
        return Candidate(content_hash(data), data, clip.scene, clip.policy_version, len(clip))

    def clip(self) -> Clip:
        """Decoded anew: whoever asks lets go of it before the next."""
        return Clip.from_bytes(self.data)


class Pool:
    """The newest clips that nobody has been asked about."""

    def __init__(self, asked: Iterable[str] = (), size: int = POOL_CLIPS) -> None:
        self._size = size
        self._asked = set(asked)  # by hash
        self._clips: OrderedDict[str, Candidate] = OrderedDict()  # by hash, oldest first

    def __len__(self) -> int:
        return len(self._clips)

    def add(self, data: bytes) -> None:
        """Raises ValueError where the bytes are not a clip that can be compared."""
        clip = Clip.from_bytes(data)
        if not len(clip):
            raise ValueError("a candidate clip has no steps")
        if not (np.isfinite(clip.observation).all() and np.isfinite(clip.action).all()):
            raise ValueError(f"a candidate clip of actor {clip.actor} holds numbers that are not finite")
        candidate = Candidate.of(data, clip)
        if candidate.name in self._asked:
            return
        self._clips[candidate.name] = candidate
        self._clips.move_to_end(candidate.name)
        if len(self._clips) > self._size:
            self._clips.popitem(last=False)

    def newest(self, count: int) -> list[Candidate]:
        """Up to ``count`` clips, newest first, all of the newest one's scene."""
        if not self._clips:
            return []
        scene = next(reversed(self._clips.values())).scene
        return list(islice((one for one in reversed(self._clips.values()) if one.scene == scene), count))

    def remove(self, names: Iterable[str]) -> None:
        """For good: an asked clip that is offered again stays out."""
        for name in names:
            self._asked.add(name)
            self._clips.pop(name, None)
