"""Questions that a vendor is about to be asked: they are its own from the queue on, while their clips are drawn."""

from __future__ import annotations

import threading

from contracts.label import Lease
from labeling_gateway.client import GatewayClient
from labeling_gateway.vendors.videos import Videos


class Gathering:
    """Of one vendor. Nothing here outlives the process: leases run out by themselves.

    Args:
        videos: None where the vendor wants to see none.
        smallest: how many the vendor must be given at once, or more.
        told: set when nothing is to be waited for any more.
    """

    def __init__(
        self,
        client: GatewayClient,
        videos: Videos | None,
        vendor: str,
        smallest: int,
        lease_seconds: float,
        told: threading.Event,
    ) -> None:
        self._client = client
        self._videos = videos
        self._vendor = vendor
        self._smallest = smallest
        self._lease_seconds = lease_seconds
        self._told = told
        self._waiting: list[Lease] = []

    @property
    def waiting(self) -> int:
        """How many questions wait for clips, their own or each other's."""
        return len(self._waiting)

    def gather(self, more: int) -> list[Lease]:
        """Those that can be asked now, of what waited and so many from the queue, each leased anew.

        None, where fewer can be asked than the vendor takes at once.
        """
        leases = list(self._waiting)
        for _ in range(more):
            # No gold question and no repeat: these check a rater, and which of its workers will answer isn't known.
            lease = self._client.lease(self._vendor, self._lease_seconds, draw=lambda: 1.0)
            if lease is None:
                break
            leases.append(lease)
        clips = {lease.query.id: {lease.query.clip_a, lease.query.clip_b} for lease in leases}
        wanted = set[str]().union(*clips.values())
        there, never = self._videos.draw(wanted, self._told) if self._videos else (wanted, set[str]())
        # Meanwhile one may have been answered after all, late, or gone to others.
        renewed = (self._client.renew(one, self._vendor, self._lease_seconds) for one in leases)
        leases = [one for one in renewed if one is not None]
        usable = [one for one in leases if not clips[one.query.id] & never]
        drawn = [one for one in usable if clips[one.query.id] <= there]
        undrawn = [one for one in usable if one not in drawn]
        enough = len(drawn) >= self._smallest
        self._waiting = undrawn if enough else usable if undrawn else []
        self.put_back([one for one in leases if one not in self._waiting and not (enough and one in drawn)])
        return drawn if enough else []

    def put_back(self, leases: list[Lease]) -> None:
        """These are for others."""
        for lease in leases:
            self._client.release(lease, self._vendor)

    def disband(self) -> None:
        """What waits is for others."""
        waiting, self._waiting = self._waiting, []
        self.put_back(waiting)
