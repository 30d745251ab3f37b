"""What every vendor must withstand, tried on one: `backflip check-vendor`.

It submits to the vendor for real, so give it a vendor's sandbox. Each check is one promise of `interface.Vendor`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from labeling_gateway.rendering.video import encode
from labeling_gateway.vendors.interface import (
    Answer,
    Attendance,
    Batch,
    Declined,
    Forged,
    News,
    Seat,
    Settings,
    ShownChoice,
    Task,
    Unavailable,
    Vendor,
    Video,
)
from labeling_gateway.vendors.wire import news_from_json, news_to_json

_DEADLINE_SECONDS = 3600.0
_POLL_SECONDS = 0.5
_SETTLE_SECONDS = 3.0  # in which what was cancelled must not be answered
_RETRIES = 10  # of all checks together, where the vendor is busy: that breaks no promise
_RETRY_SECONDS = (1.0, 10.0)  # before the next try, and at most where the vendor says how long


@dataclass(frozen=True)
class Result:
    """One promise, and what broke it: "" where nothing did."""

    promise: str
    problem: str


@dataclass
class Conformance:
    """
    Args:
        patience: seconds to wait for somebody, or something, to answer a task; 0 checks no answers.
    """

    vendor: Vendor
    settings: Settings
    patience: float = 0.0
    batch: Batch = field(init=False)
    _retries: int = field(init=False, default=_RETRIES)

    def __post_init__(self) -> None:
        self.batch = self._batch()

    def run(self) -> Iterator[Result]:
        """Every check in turn; none keeps the next from being tried."""
        checks: list[tuple[str, Callable[[], None]]] = [
            ("says what it can do, and the same each time", self._capabilities),
            ("costs no more than the owner's price", self._cost),
            ("takes a batch in", self._submit),
            ("takes the same batch again, and knows all of it once", self._submit_again),
            ("says which ids it never got", self._unknown),
            ("tells the same news from the same cursor", self._poll),
            ("refuses webhooks that nobody signed", self._forged),
        ]
        if self.patience:
            checks.append(("answers a task", self._answers))
        checks.append(("gives tasks back, however often it is asked", self._cancel))
        checks.append(("lets what was given back rest", self._rest))
        for promise, check in checks:
            try:
                self._patiently(check)
                problem = ""
            except Exception as error:  # of somebody else's code, which is what is being tried
                problem = " ".join(f"{type(error).__name__}: {error}".removeprefix("AssertionError: ").split())
            yield Result(promise, problem)

    def _patiently(self, check: Callable[[], None]) -> None:
        """One check, from its start again after Unavailable, as the broker would: every call may come twice."""
        while True:
            try:
                return check()
            except Unavailable as busy:
                if not self._retries:
                    raise
                self._retries -= 1
                first, most = _RETRY_SECONDS
                time.sleep(min(most, busy.retry_after or first))

    def _capabilities(self) -> None:
        can = self.vendor.capabilities
        _require(can == self.vendor.capabilities, "capabilities change from one look to the next")
        _require(can.brings in ("answers", "people"), f"brings must be answers or people, not {can.brings!r}")
        _require(can.videos in ("bytes", "url", "none"), f"videos must be bytes, url or none, not {can.videos!r}")
        _require(1 <= can.smallest_batch <= can.batch, "smallest_batch must be from 1 to batch")

    def _cost(self) -> None:
        cost, price = self.vendor.cost(), self.settings.price
        _require(type(cost) is type(price) and 0 <= cost <= price, f"cost() is {cost!r}, and price allows {price}")

    def _submit(self) -> None:
        self.vendor.submit(self.batch, self._key)

    def _submit_again(self) -> None:
        self.vendor.submit(self.batch, self._key)
        found = self.vendor.reconcile(frozenset(self.batch.items))
        _require(not found.unknown, f"it does not know {', '.join(sorted(found.unknown))}, which it took in")

    def _unknown(self) -> None:
        never = self._item("never")
        _require(self.vendor.reconcile(frozenset({never})).unknown == {never}, "reconcile must name an id it never got")

    def _poll(self) -> None:
        first, again = self.vendor.poll(""), self.vendor.poll("")
        told = [_id(one) for one in first.news]
        _require(told == [_id(one) for one in again.news][: len(told)], "poll forgets what it has told")
        for one in first.news:
            _require(news_from_json(news_to_json(one)) == one, f"{_id(one)} does not survive being written down")
        self.vendor.poll(first.cursor)

    def _forged(self) -> None:
        now = str(int(time.time()))
        signed = {"webhook-id": "msg_1", "webhook-timestamp": now, "webhook-signature": "v1,bm8="}
        for headers in ({}, signed, signed | {"webhook-timestamp": "soon"}, {"authorization": "Bearer x"}):
            for body in (b"", b"{}", b'{"news": []}', b"\xff\x00"):
                try:
                    self.vendor.verify_and_parse(headers, body)
                except Forged:
                    continue
                raise AssertionError(f"it took a webhook with the headers {sorted(headers)}")

    def _answers(self) -> None:
        give_up = time.monotonic() + self.patience
        cursor, found = "", list[News]()
        while not found:
            _require(time.monotonic() < give_up, f"nobody answered within {self.patience:.0f} s")
            page = self.vendor.poll(cursor)
            found = [one for one in page.news if _item_of(one) in {*self.batch.items, self.batch.id}]
            cursor = page.cursor
            time.sleep(_POLL_SECONDS)
        (one, *_) = found
        if isinstance(one, Answer):
            _require(one.choice in ShownChoice and bool(one.rater) and one.seconds >= 0, f"it makes no sense: {one}")
        again = {_id(other) for other in self.vendor.reconcile(frozenset(self.batch.items)).news}
        _require(_id(one) in again, "reconcile does not tell an answer that poll told, by the same id")

    def _cancel(self) -> None:
        items, never = frozenset(self.batch.items), self._item("never")
        answered = {_item_of(one) for one in self.vendor.reconcile(items).news}
        gone = self.vendor.cancel(items | {never})
        _require(gone <= items | {never}, "cancel names ids that it was not asked for")
        _require(never in gone, "cancel must confirm an id that it never got")
        _require(not gone & answered, "cancel confirms what was answered already")
        _require(gone <= self.vendor.cancel(items | {never}), "cancelled once, and not the second time")
        self._gone = gone

    def _rest(self) -> None:
        time.sleep(_SETTLE_SECONDS)
        later = {_item_of(one) for one in self.vendor.reconcile(self._gone).news if not isinstance(one, Declined)}
        _require(not later & self._gone, f"it answered {', '.join(sorted(later & self._gone))} after giving it back")

    _gone: frozenset[str] = frozenset()

    @property
    def _key(self) -> str:
        return f"check-{self.batch.id}"

    def _item(self, name: str) -> str:
        people = self.vendor.capabilities.brings == "people"
        return f"{name}{self.batch.id}.1" if people else f"{name}-{self.batch.id}"

    def _batch(self) -> Batch:
        id, deadline = f"check{secrets.token_hex(4)}", time.time() + _DEADLINE_SECONDS
        can = self.vendor.capabilities
        count = max(can.smallest_batch, min(2, can.batch))
        if can.brings == "people":
            page = self.settings.public_url or "https://labels.invalid"
            link = f"{page}/api/v1/vendors/{self.settings.name}/seat?ticket=check"
            return Batch(id, seats=tuple(Seat(f"{id}.{n + 1}", 1, link, "CHECKONLY", deadline) for n in range(count)))
        video = _video(can.videos, self.settings.public_url)
        question = "In which clip is the square brighter? (This is a test.)"
        return Batch(id, tasks=tuple(Task(f"{id}-{n}", question, video, video, deadline) for n in range(count)))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def _id(one: News) -> str:
    return f"declined {one.item}" if isinstance(one, Declined) else one.id


def _item_of(one: News) -> str:
    if isinstance(one, Declined):
        return one.item
    return one.batch if isinstance(one, Attendance) else one.task


def _video(how: str, public_url: str) -> Video:
    """A grey square that grows brighter, or an address where none is."""
    if how == "url":
        return Video(url=f"{public_url or 'https://labels.invalid'}/api/v1/vendors/videos/{'0' * 64}.mp4")
    if how == "none":
        return Video()
    frames = (np.full((64, 64, 3), shade, np.uint8) for shade in range(0, 250, 25))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "clip.mp4"
        encode(file, frames, Fraction(10))
        return Video(data=file.read_bytes())
