"""What a part of a run says of itself, for people to read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """``held_up`` where it waits for something that should not let it wait: a part that is down, a full disk."""

    doing: str
    held_up: bool = False
