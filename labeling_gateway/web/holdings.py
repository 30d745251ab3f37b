"""Which questions each rater holds, so that nobody hoards them; what a dead page held is forgotten."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass

from contracts.label import Lease

LEASE_SECONDS = 60.0
MOST_HELD = 5  # by one rater at once
FORGOTTEN_SECONDS = 25.0  # since it was leased or renewed; a page that is looked at renews more often


@dataclass
class _Held:
    lease: Lease
    touched: float  # on the monotonic clock


class Holdings:
    """Thread-safe. In memory alone: after a restart it knows of no lease, and the store's deadlines still hold."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, dict[str, _Held]] = defaultdict(dict)  # by rater and query
        self._reserved: dict[str, int] = defaultdict(int)  # places of leases that are being asked for

    def hold(self, rater: str, lease: Lease) -> None:
        with self._lock:
            self._held[rater][lease.query.id] = _Held(lease, time.monotonic())

    def let_go(self, rater: str, query: str) -> Lease | None:
        """What was held of it, if it was."""
        with self._lock:
            held = self._held.get(rater, {})
            one = held.pop(query, None)
            if not held:
                self._held.pop(rater, None)
            return None if one is None else one.lease

    def reserve(self, rater: str, wanted: int) -> int:
        """Places for so many more questions, or for as many as this rater may hold.

        `settle` follows once they are held, or were not to be had.
        """
        with self._lock:
            held = self._held.get(rater, {})
            ended = [query for query, one in held.items() if one.touched < time.monotonic() - LEASE_SECONDS]
            for query in ended:
                del held[query]
            places = max(0, min(wanted, MOST_HELD - len(held) - self._reserved.get(rater, 0)))
            if places:
                self._reserved[rater] += places
            return places

    def settle(self, rater: str, places: int) -> None:
        with self._lock:
            self._reserved[rater] -= places
            if not self._reserved[rater]:
                del self._reserved[rater]

    def forgotten(self, rater: str) -> Lease | None:
        """The one longest untouched, if nobody seems to look at it."""
        with self._lock:
            held = self._held.get(rater, {})
            oldest = min(held.values(), key=lambda one: one.touched, default=None)
            if oldest is None or oldest.touched > time.monotonic() - FORGOTTEN_SECONDS:
                return None
            return oldest.lease
