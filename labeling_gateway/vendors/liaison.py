"""Deals with one vendor: gives it questions, takes its answers, takes questions back.

Everything that matters is in the store before the vendor is told, and only forgotten after the vendor has told us.
A liaison that is killed is followed by one that goes on from there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from contracts.encoding import content_hash
from labeling_gateway.client import GatewayClient
from labeling_gateway.vendors.account import Item
from labeling_gateway.vendors.config import BrokerConfig, VendorConfig
from labeling_gateway.vendors.gathering import Gathering
from labeling_gateway.vendors.intake import Intake
from labeling_gateway.vendors.interface import (
    Batch,
    Page,
    Reconciled,
    Seat,
    Task,
    Unavailable,
    Vendor,
    VendorRefused,
)
from labeling_gateway.vendors.ledger import Ledger
from labeling_gateway.vendors.money import shown
from labeling_gateway.vendors.patience import Patience
from labeling_gateway.vendors.seats import Seats
from labeling_gateway.vendors.videos import Videos

logger = logging.getLogger("backflip.vendors")

_RECONCILE_SECONDS = 600.0
_REST_SECONDS = 5.0  # after there was nothing that this vendor could be given


class Liaison:
    """One vendor of one run. `step` is called over and over, by one thread."""

    def __init__(
        self,
        config: BrokerConfig,
        settings: VendorConfig,
        vendor: Vendor,
        client: GatewayClient,
        ledger: Ledger,
        videos: Videos,
        seats: Seats,
        told: threading.Event,
    ) -> None:
        self.settings = settings
        self.vendor = vendor
        self.ledger = ledger
        self.capabilities = vendor.capabilities
        self.price = settings.price
        self._config = config
        self._client = client
        self._intake = Intake(client, ledger, settings.name)
        self._videos = videos
        self._seats = seats
        can = self.capabilities
        drawn = None if can.videos == "none" else videos
        self._gathering = Gathering(client, drawn, settings.name, can.smallest_batch, config.lease_seconds, told)
        self._told = told
        self._patience = Patience(settings.name)
        self._poll_at = self._renew_at = self._reconcile_at = self._rest_until = 0.0  # all on the monotonic clock

    @property
    def ready(self) -> bool:
        """Whether it can be given anything just now."""
        return not self._patience.away and time.monotonic() >= self._rest_until

    @property
    def waiting(self) -> int:
        """How many questions it will be given once their clips are drawn."""
        return self._gathering.waiting

    def step(self, wanted: Callable[[], int], over: bool) -> bool:
        """One round; whether there was anything to do.

        Args:
            wanted: how many questions the vendor shall be given now.
            over: nothing more is to be asked, and what is out is to be taken back.

        Raises:
            StoreUnreachable, NotDurable: step again later.
        """
        busy = self._take_inbox()
        self._renew()
        if not self._patience.begin():
            return busy
        # What brings answers home comes first, and keeps nothing else from being tried.
        attempt = self._patience.attempt
        attempt(self._reconcile)
        busy |= bool(attempt(self._poll))
        attempt(lambda: self._cancel(over))
        if attempt(self._submit_again) and not over:
            busy |= bool(attempt(lambda: self._give(wanted)))
        if self._patience.end():
            self.ledger.say(self._patience.trouble)
        if over or self._patience.away:
            self._gathering.disband()
        return busy

    def _take_inbox(self) -> bool:
        inbox = self.ledger.inbox()
        if inbox:
            self._intake.take(inbox.values())
            self.ledger.drop(inbox)
        return bool(inbox)

    def _renew(self) -> None:
        """The heartbeat of what the vendor has; what is not ours any more is taken back from it."""
        if time.monotonic() < self._renew_at:
            return
        self._renew_at = time.monotonic() + self._config.lease_seconds / 3
        lost: list[str] = []
        for item in self.ledger.open():
            if item.query and item.state == "open":
                lease = self._intake.lease_of(item)
                if self._client.renew(lease, self.settings.name, self._config.lease_seconds) is None:
                    lost.append(item.id)
        self.ledger.cancelling(lost)

    def _reconcile(self) -> None:
        """After a start, and now and then: what we and the vendor think of the same ids."""
        if time.monotonic() < self._reconcile_at:
            return
        unsure = {item.id for items in self.ledger.unsubmitted().values() for item in items}
        items = self.ledger.open()
        if items:
            found = self._patience.ask(self.vendor.reconcile, frozenset(item.id for item in items))
            _require(isinstance(found, Reconciled), found)
            self._intake.take(found.news)
            # One that was never submitted is not lost: it is submitted next.
            self._intake.give_back(item for item in items if item.id in found.unknown - unsure)
        self._reconcile_at = time.monotonic() + _RECONCILE_SECONDS

    def _submit_again(self) -> bool:
        """What was reserved and may not have reached the vendor: the same batch under the same key."""
        for batch, items in self.ledger.unsubmitted().items():
            self._submit(batch, items)
        return True

    def _poll(self) -> bool:
        if time.monotonic() < self._poll_at:
            return False
        page = self._patience.ask(self.vendor.poll, self.ledger.account().cursor)
        _require(isinstance(page, Page) and isinstance(page.news, tuple) and isinstance(page.cursor, str), page)
        self._intake.take(page.news)
        self.ledger.set_cursor(page.cursor)
        if not page.more:
            self._poll_at = time.monotonic() + self.settings.poll_seconds
        return bool(page.news)

    def _cancel(self, over: bool) -> None:
        now = time.time()
        items = self.ledger.open()
        late = [item for item in items if item.state == "open" and (over or item.deadline < now)]
        self.ledger.cancelling(item.id for item in late)
        self._intake.release(late)
        wanted = frozenset(item.id for item in items if item.state == "cancelling") | {item.id for item in late}
        if wanted:
            confirmed = self._patience.ask(self.vendor.cancel, wanted)
            _require(isinstance(confirmed, frozenset | set), confirmed)
            self._intake.give_back(item for item in items if item.id in confirmed & wanted)

    def _check_price(self) -> None:
        self.price = self._patience.ask(self.vendor.cost)
        if self.price > self.settings.price:
            raise VendorRefused(f"it asks {shown(self.price)} an answer, and price allows {shown(self.settings.price)}")

    def _give(self, wanted: Callable[[], int]) -> bool:
        count = wanted() if self.ready else 0
        if not count and not self.waiting:
            return False
        self._check_price()
        if self.capabilities.brings == "people":
            return self._give_seats(count // self.settings.answers)
        leases = self._gathering.gather(min(count, self.capabilities.batch - self.waiting))
        if not leases:
            if not self.waiting:
                self._rest()
            return False
        batch = content_hash(" ".join(f"{one.query.id}:{one.fence}" for one in leases).encode())[:16]
        flipped = [bool(int(content_hash(f"{batch}/{one.query.id}".encode())[0], 16) & 1) for one in leases]
        items = self.ledger.reserve(batch, leases, flipped, self.price, self._deadline())
        kept = {item.query for item in items}
        unpaid = [lease for lease in leases if lease.query.id not in kept]
        if unpaid:
            self._gathering.put_back(unpaid)
            self._rest()
        if items:
            self._submit(batch, items)
        return bool(items)

    def _give_seats(self, count: int) -> bool:
        count = min(count, self.capabilities.batch)
        if count < self.capabilities.smallest_batch:
            return False
        number = self.ledger.account().reservations
        batch = content_hash(f"{self._config.run}/{self.settings.name}/{number}".encode())[:16]
        items = self.ledger.reserve_seats(batch, count, self.settings.answers, self.price, self._deadline())
        if items:
            self._submit(batch, items)
        return bool(items)

    def _submit(self, batch: str, items: list[Item]) -> None:
        if items:
            key = content_hash(f"{self._config.run}/{self.settings.name}/{batch}".encode())
            try:
                self._patience.ask(self.vendor.submit, self._batch(batch, items), key)
            except VendorRefused:
                self._intake.give_back(items)
                self.ledger.submitted(batch)
                self._rest()
                raise
        self.ledger.submitted(batch)

    def _batch(self, batch: str, items: list[Item]) -> Batch:
        if self.capabilities.brings == "people":
            seat = self._seats.of(self.settings, batch, items[0].deadline)
            return Batch(batch, seats=tuple(Seat(item.id, *seat) for item in items))
        return Batch(batch, tasks=tuple(self._task(item) for item in items))

    def _task(self, item: Item) -> Task:
        query = self._client.query(item.query)
        left, right = (query.clip_b, query.clip_a) if item.flipped else (query.clip_a, query.clip_b)
        how = self.capabilities.videos
        if how != "none" and not {left, right} <= self._videos.draw((left, right), self._told)[0]:
            raise Unavailable("the clips of what it is to be asked are not drawn yet")
        return Task(
            id=item.id,
            question=self._client.scene(query.scene).question,
            left=self._videos.show(left, how, item.deadline),
            right=self._videos.show(right, how, item.deadline),
            deadline=item.deadline,
        )

    def _rest(self) -> None:
        """Asks for no other questions for a moment: those that were given back would be the first."""
        self._rest_until = time.monotonic() + _REST_SECONDS

    def _deadline(self) -> float:
        return time.time() + 3600 * self.settings.deadline_hours


def _require(holds: bool, found: object) -> None:
    """A vendor's own code returns what it likes."""
    if not holds:
        raise Unavailable(f"its code returned {' '.join(repr(found)[:80].split())}, which makes no sense here")
