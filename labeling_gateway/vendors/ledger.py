"""One vendor's account in the label store: what it holds, what that may cost, what it has told us.

All of it outlives every process; what a method changed is on disk when it returns, and calling it again does no harm.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from contracts.label import Lease
from labeling_gateway.durable import Command, Session, script
from labeling_gateway.store import connect
from labeling_gateway.vendors import ledger_scripts as scripts
from labeling_gateway.vendors.account import Account, Caps, Item, VendorKeys, Verdict
from labeling_gateway.vendors.interface import News
from labeling_gateway.vendors.money import from_micros, to_micros
from labeling_gateway.vendors.wire import news_from_json, news_to_json

_WEBHOOK_SECONDS = 3600.0  # ids are remembered for longer than a signature is good for
_INBOX_PAGE = 100


class Ledger:
    """Thread-safe.

    Raises:
        StoreUnreachable: nothing is known about what was to be changed; call again.
        NotDurable: as `labeling_gateway.durable.Session`.
    """

    def __init__(self, store_url: str, run: str, vendor: str, caps: Caps) -> None:
        self.keys = VendorKeys(run, vendor)
        self._session = Session(connect(store_url), store_url, scripts.ALL)
        self._caps = caps

    def close(self) -> None:
        with self._session.reached() as client:
            client.close()

    def reserve(
        self, batch: str, leases: list[Lease], flipped: list[bool], price: Decimal, deadline: float
    ) -> list[Item]:
        """Sets money aside for questions, and notes them; those that come back are the vendor's until it is settled.

        Questions for which there is no money, or which the vendor has already, are left out.
        """
        words: list[str | int] = []
        for lease, turned in zip(leases, flipped, strict=True):
            words += [lease.query.id, lease.fence, int(turned)]
        return self._reserve(batch, price, deadline, 1, words)

    def reserve_seats(self, batch: str, count: int, answers: int, price: Decimal, deadline: float) -> list[Item]:
        """As `reserve`, for people who shall give so many answers each."""
        return self._reserve(batch, price, deadline, answers, ["", 0, 0] * count)

    def submitted(self, batch: str) -> None:
        """The vendor has it."""
        self._commit(scripts.SUBMITTED, batch)

    def unsubmitted(self) -> dict[str, list[Item]]:
        """Batches that may not have reached the vendor, with their items that are still open."""
        (batches,) = self._session.run(("SMEMBERS", self.keys.unsubmitted))
        found: dict[str, list[Item]] = {}
        for batch in sorted(name.decode() for name in batches):
            (kept,) = self._session.run(("HGET", self.keys.batches, batch))
            found[batch] = [item for item in self.items(json.loads(kept)) if item.state == "open"]
        return found

    def open(self) -> list[Item]:
        """Everything that is not settled, the most urgent first."""
        (ids,) = self._session.run(("ZRANGE", self.keys.open, 0, -1))
        return self.items(id.decode() for id in ids)

    def open_count(self) -> int:
        (count,) = self._session.run(("ZCARD", self.keys.open))
        return count

    def items(self, ids: Iterable[str]) -> list[Item]:
        """Those of the ids that are known here, in their order."""
        asked = list(ids)
        commands: list[Command] = []
        for id in asked:
            commands.append(("HMGET", self.keys.items + id, "query", "fence", "flipped", "batch", "state"))
            commands.append(("ZSCORE", self.keys.open, id))
        replies = self._session.run(*commands) if commands else []
        found: list[Item] = []
        for id, fields, deadline in zip(asked, replies[::2], replies[1::2], strict=True):
            if fields[0] is not None:
                query, fence, flipped, batch, state = (value.decode() for value in fields)
                found.append(Item(id, query, int(fence), flipped == "1", batch, state, float(deadline or 0.0)))
        return found

    def cancelling(self, items: Iterable[str]) -> None:
        """We want these back; their money stays set aside until the vendor has confirmed it."""
        self._commit_all(scripts.CANCELLING, items)

    def cancelled(self, items: Iterable[str]) -> None:
        """The vendor will neither do nor bill these: their money is free again."""
        self._commit_all(scripts.CANCELLED, items)

    def settle(self, answer: str, *, item: str = "", batch: str = "", billed: bool) -> Verdict:
        """Pays for one answer, by the vendor's own id of it; never twice, and never above a cap."""
        words = (item, batch, answer, int(billed), to_micros(self._caps.vendor), to_micros(self._caps.total))
        return self._commit(scripts.SETTLE, *words).decode()

    def receive(self, webhook: str, news: Iterable[News]) -> bool:
        """Keeps a webhook's news for the broker; whether this webhook is the first of its id."""
        words = [news_to_json(one) for one in news]
        return bool(self._commit(scripts.RECEIVE, webhook, repr(time.time()), _WEBHOOK_SECONDS, *words))

    def seated(self, batch: str, rater: str, answered: int) -> int:
        """How many answers somebody had given when they first took a seat of this batch: so many, if that is now."""
        key, field = self.keys.prefix + "seated", f"{batch} {rater}"
        *_, before = self._session.commit(("HSETNX", key, field, answered), ("HGET", key, field))
        return int(before)

    def inbox(self) -> dict[str, News]:
        """The oldest news that came by webhook, by their places; `drop` follows once they are done with."""
        (found,) = self._session.run(("XRANGE", self.keys.inbox, "-", "+", "COUNT", _INBOX_PAGE))
        return {entry[0].decode(): news_from_json(entry[1][b"news"]) for entry in found}

    def drop(self, places: Iterable[str]) -> None:
        self._session.run(("XDEL", self.keys.inbox, *places))

    def set_cursor(self, cursor: str) -> None:
        """Everything before it has been settled."""
        self._session.commit(("HSET", self.keys.account, "cursor", cursor))

    def say(self, trouble: str) -> None:
        """What is wrong with the vendor, for people to read."""
        self._session.run(("HSET", self.keys.account, "trouble", trouble))

    def account(self) -> Account:
        names = ("reserved", "spent", "disputed", "given", "answered", "reservations", "cursor", "trouble")
        (found,) = self._session.run(("HMGET", self.keys.account, *names))
        reserved, spent, disputed, given, answered, reservations = (int(value or 0) for value in found[:-2])
        cursor, trouble = ((value or b"").decode() for value in found[-2:])
        amounts = from_micros(reserved), from_micros(spent)
        return Account(*amounts, disputed, given, answered, reservations, cursor, trouble)

    def room(self) -> Decimal:
        """How much may still be set aside."""
        keys = (self.keys.account, self.keys.totals)
        found = self._session.run(*(("HMGET", key, "reserved", "spent") for key in keys))
        held = [from_micros(sum(int(value or 0) for value in pair)) for pair in found]
        return min(self._caps.vendor - held[0], self._caps.total - held[1])

    def _reserve(self, batch: str, price: Decimal, deadline: float, answers: int, words: list[str | int]) -> list[Item]:
        caps = (to_micros(self._caps.vendor), to_micros(self._caps.total))
        reply = self._commit(scripts.RESERVE, batch, to_micros(price), *caps, repr(deadline), answers, *words)
        return self.items(id.decode() for id in reply)

    def _commit(self, source: str, *words: str | bytes | float) -> Any:
        (reply,) = self._session.commit(script(source, self.keys.all, self.keys.items, *words))
        return reply

    def _commit_all(self, source: str, items: Iterable[str]) -> None:
        commands = [script(source, self.keys.all, self.keys.items, item) for item in items]
        if commands:
            self._session.commit(*commands)
