"""Who is given how many of the open questions: by priority first, then by share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stand:
    """One who can answer, as it stands now."""

    name: str
    share: float
    priority: int  # lower is asked first
    given: int  # questions that it was asked so far
    room: int  # how many more it can take


def share_out(questions: int, stands: Sequence[Stand]) -> Counter[str]:
    """How many of the open questions each is to get.

    Those of the lowest priority take all that they have room for. Among equals each question goes to whoever is
    furthest behind its share of what was given so far.
    """
    shares: Counter[str] = Counter()
    for _ in range(questions):
        able = [stand for stand in stands if shares[stand.name] < stand.room]
        if not able:
            break
        first = min(stand.priority for stand in able)
        among = (stand for stand in able if stand.priority == first)
        shares[min(among, key=lambda one: ((one.given + shares[one.name]) / one.share, one.name)).name] += 1
    return shares
