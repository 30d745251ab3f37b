"""Candidate clips: the newest, in memory, as bytes until somebody looks at them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import numpy as np

from contracts.clip import Clip
from contracts.encoding import content_hash

POOL_CLIPS = 2000

Candidate = tuple[str, bytes, Clip]
"""A clip with its hash and its bytes."""


class Pool:
    """The newest clips that nobody has been asked about."""

    def __init__(self, asked: Iterable[str] = (), size: int = POOL_CLIPS) -> None:
        self._size = size
        self._asked = set(asked)  # by hash
        self._clips: OrderedDict[str, bytes] = OrderedDict()  # by hash, oldest first

    def __len__(self) -> int:
        return len(self._clips)

    def add(self, data: bytes) -> None:
        """Raises ValueError where the bytes are not a clip that can be compared."""
        clip = Clip.from_bytes(data)
        if not len(clip):
            raise ValueError("a candidate clip has no steps")
        if not (np.isfinite(clip.observation).all() and np.isfinite(clip.action).all()):
            raise ValueError(f"a candidate clip of actor {clip.actor} holds numbers that are not finite")
        name = content_hash(data)
        if name in self._asked:
            return
        self._clips[name] = data
        self._clips.move_to_end(name)
        if len(self._clips) > self._size:
            self._clips.popitem(last=False)

    def newest(self, count: int) -> list[Candidate]:
        """Up to ``count`` clips with hash and bytes, newest first, all of the newest one's scene."""
        found: list[Candidate] = []
        for name, data in reversed(self._clips.items()):
            clip = Clip.from_bytes(data)
            if not found or clip.scene == found[0][2].scene:
                found.append((name, data, clip))
            if len(found) == count:
                break
        return found

    def remove(self, names: Iterable[str]) -> None:
        """For good: an asked clip that is offered again stays out."""
        for name in names:
            self._asked.add(name)
            self._clips.pop(name, None)
