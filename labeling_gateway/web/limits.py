"""Token buckets: how much one session, or one address, may ask."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_KEPT = 20_000  # buckets; those longest untouched are dropped, and would be nearly full


class Buckets:
    """One bucket a name. A new one is full: ``burst`` requests at once, then ``rate`` a second."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, at that time

    def take(self, name: str) -> float:
        """Seconds to wait until the next request is let in; 0 where this one is."""
        now = self._clock()
        tokens, at = self._buckets.pop(name, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._buckets[name] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
        return wait

    def give_back(self, name: str) -> None:
        """The last request of this name was no burden."""
        if name in self._buckets:
            tokens, at = self._buckets[name]
            self._buckets[name] = (min(float(self._burst), tokens + 1), at)
