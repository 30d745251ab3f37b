"""What a vendor tells us becomes labels and payments, once each, however often it is told."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from contracts.encoding import content_hash
from contracts.label import Lease
from labeling_gateway.client import GatewayClient
from labeling_gateway.shown import chosen
from labeling_gateway.vendors.account import Item
from labeling_gateway.vendors.interface import Answer, Attendance, News
from labeling_gateway.vendors.ledger import Ledger
from labeling_gateway.vendors.wire import checked

logger = logging.getLogger("backflip.vendors")

_LONGEST_RATER = 64  # as the labeling page's names


class Intake:
    """The order is label, payment, then whatever makes the vendor forget: each may be repeated after a crash.

    Raises:
        StoreUnreachable, NotDurable: some of it may be kept; take the same news again.
    """

    def __init__(self, client: GatewayClient, ledger: Ledger, vendor: str) -> None:
        self._client = client
        self._ledger = ledger
        self._vendor = vendor

    def take(self, news: Iterable[News]) -> None:
        for told in news:
            try:
                one = checked(told)
            except ValueError as error:
                logger.warning("what %s said is not taken: %s", self._vendor, error)
                task = getattr(told, "task", None)
                if isinstance(task, str):  # nothing better will come of it: it is taken back
                    self._ledger.cancelling(item.id for item in self._ledger.items([task]))
                continue
            if isinstance(one, Answer):
                self._answer(one)
            elif isinstance(one, Attendance):
                self._attendance(one)
            else:
                self.give_back(self._ledger.items([one.item]))

    def give_back(self, items: Iterable[Item]) -> None:
        """These the vendor will neither answer nor bill: they are free for others."""
        given = list(items)
        self._ledger.cancelled(item.id for item in given)
        self.release(given)

    def release(self, items: Iterable[Item]) -> None:
        """Puts questions back into the queue, those that are still ours."""
        for item in items:
            if item.query:
                self._client.release(self.lease_of(item), self._vendor)

    def lease_of(self, item: Item) -> Lease:
        """The lease under which a question was given to the vendor; it may be over."""
        return Lease(self._client.query(item.query), item.fence, deadline=0.0)

    def _answer(self, answer: Answer) -> None:
        found = self._ledger.items([answer.task])
        if not found or not found[0].query:
            logger.warning("%s answered %r, which it was never asked", self._vendor, answer.task)
            return
        (item,) = found
        rater = rater_name(self._vendor, answer.rater)
        choice = chosen(answer.choice, flipped=item.flipped)
        try:
            self._client.answer(self.lease_of(item), rater, choice, answer.seconds, item.flipped, self._vendor)
        except ValueError as error:  # it came too soon
            logger.warning("an answer of %s is neither taken nor paid: %s", self._vendor, error)
            self.give_back([item])
            self._ledger.settle(answer.id, billed=answer.billed)
            return
        self._pay(answer.id, self._ledger.settle(answer.id, item=item.id, billed=answer.billed))

    def _attendance(self, attendance: Attendance) -> None:
        verdict = self._ledger.settle(attendance.id, batch=attendance.batch, billed=attendance.billed)
        self._pay(attendance.id, verdict)

    def _pay(self, id: str, verdict: str) -> None:
        if verdict == "disputed":
            logger.warning("%s bills %s, which is not paid: it had been taken back, or paid already", self._vendor, id)


def rater_name(vendor: str, rater: str) -> str:
    """Under which a vendor's worker is known here: no two workers share one."""
    name = re.sub(r"[^\w .@-]", "_", f"{vendor}-{rater}")
    if name == f"{vendor}-{rater}" and len(name) <= _LONGEST_RATER:
        return name
    mark = content_hash(rater.encode())[:8]
    return f"{name[: _LONGEST_RATER - 1 - len(mark)]}-{mark}"
