"""A vendor on loopback that speaks the signed HTTP protocol, and does to it whatever a network and a company can do."""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from labeling_gateway.vendors.interface import Forged
from labeling_gateway.vendors.signatures import key_of, sign, verify
from tests.labeling_gateway.vendors.loopback import answering

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1mYWtlLXZlbmRvcg=="
KEY = key_of(SECRET)


@dataclass(frozen=True)
class Faults:
    """Chances of what may go wrong, of each request, answer, or webhook."""

    busy: float = 0.0  # 409, 429, 500 or 503 instead of an answer
    hang: float = 0.0  # no answer within the caller's patience
    torn: float = 0.0  # done, but the connection breaks before the answer
    twice: float = 0.0  # told again under the same id
    shuffled: float = 0.0  # news of a piece out of order
    forged: float = 0.0  # a webhook that somebody else signed
    stale: float = 0.0  # a webhook signed ten minutes ago
    replayed: float = 0.0  # a webhook sent again as it was
    silent: float = 0.0  # a task that nobody answers
    undead: float = 0.0  # a task answered, and billed, after its cancellation was confirmed
    stubborn: float = 0.0  # a cancellation that is not confirmed at first
    hang_seconds: float = 1.5
    answer_seconds: tuple[float, float] = (0.0, 0.3)


@dataclass
class _Task:
    due: float  # when a worker answers it, on the monotonic clock
    batch: str
    left: bytes
    cancelled: bool = False
    answered: bool = False


@dataclass
class FakeVendor:
    """What it was asked and what it said, for tests to compare with the label log."""

    faults: Faults
    webhook_url: str = ""
    seed: int = 0
    tasks: dict[str, _Task] = field(default_factory=dict)
    news: list[dict[str, Any]] = field(default_factory=list)  # the feed, told from a cursor on
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the vendor's own id
    keys: dict[str, str] = field(default_factory=dict)  # batches by idempotency key
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)  # what our page said to each kind of webhook
    requests: Counter[str] = field(default_factory=Counter)
    unsigned: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.random = random.Random(self.seed)  # of requests
        self.workers = random.Random(self.seed)  # apart: when they answer must not decide which request goes wrong
        self._ended = threading.Event()
        self._working = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def chance(self, share: float) -> bool:
        """Of a request."""
        with self.lock:
            return self.random.random() < share

    # What it is asked.

    def handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        try:
            verify(KEY, headers, body if method == "POST" else path.removeprefix("/v1").encode())
        except Forged as error:
            self.unsigned += 1
            return 401, {"error": str(error)}
        parts = urlsplit(path)
        name = parts.path.rpartition("/")[2]
        self.requests[name] += 1
        if self.chance(self.faults.busy):
            return self.random.choice([409, 429, 500, 503]), {"error": "later"}
        if self.chance(self.faults.hang):
            self._ended.wait(self.faults.hang_seconds)
        with self.lock:
            if name == "price":
                return 404, {}
            if name == "news":
                return 200, self._tell(parse_qs(parts.query).get("after", [""])[0])
            fields = json.loads(body)
            if name == "batches":
                return 200, self._take(headers["idempotency-key"], fields)
            if name == "cancellations":
                return 200, {"cancelled": [id for id in fields["items"] if self._cancel(id)]}
            return 200, self._look_up(fields["items"])

    def _take(self, key: str, fields: dict[str, Any]) -> dict[str, Any]:
        if key in self.keys:
            assert self.keys[key] == fields["batch"], "one key, one batch"
            return {}
        self.keys[key] = fields["batch"]
        for task in fields["tasks"]:
            assert task["id"] not in self.tasks, f"{task['id']} was asked twice"
            silent = self.chance(self.faults.silent)
            after = 1e9 if silent else self.random.uniform(*self.faults.answer_seconds)
            data = task["left"].get("mp4") or task["left"]["url"]
            self.tasks[task["id"]] = _Task(time.monotonic() + after, fields["batch"], data.encode())
        return {}

    def _cancel(self, id: str) -> bool:
        task = self.tasks.get(id)
        if task is None:
            return True
        if task.answered or (not task.cancelled and self.chance(self.faults.stubborn)):
            return False
        if not task.cancelled:
            task.cancelled = True
            task.due = time.monotonic() + 0.2 if self.chance(self.faults.undead) else 1e9
        return True

    def _look_up(self, items: list[str]) -> dict[str, Any]:
        told = [answer for answer in self.answers.values() if answer["task"] in items]
        return {"news": told, "unknown": [id for id in items if id not in self.tasks]}

    def _tell(self, after: str) -> dict[str, Any]:
        start = int(after or 0)
        piece = self.news[start : start + 10]
        if self.chance(self.faults.shuffled):
            self.random.shuffle(piece)
        end = start + len(piece)
        return {"news": piece, "cursor": str(end), "more": end < len(self.news)}

    # What it does by itself.

    def work(self) -> None:
        """Its workers, until it is closed."""
        while not self._ended.wait(0.02):
            with self._working:
                with self.lock:
                    now = time.monotonic()
                    due = [id for id, task in self.tasks.items() if not task.answered and task.due < now]
                    fresh = [self._answer(id) for id in due]
                if fresh and self.webhook_url:
                    self._send(fresh)

    def at_rest(self) -> bool:
        """Whether its workers will answer nothing more of what they were asked, and every webhook was sent."""
        with self._working, self.lock:
            return not any(task.due < 1e9 and not task.answered for task in self.tasks.values())

    def _answer(self, id: str) -> dict[str, Any]:
        self.tasks[id].answered = True
        number = len(self.answers)
        answer = {
            "kind": "answer",
            "task": id,
            "id": f"answer-{number}",
            "rater": f"worker {number % 5}",
            "choice": self.workers.choice(["left", "right", "equal", "cant_tell"]),
            "seconds": round(self.workers.uniform(1, 20), 1),
            "answered_at": time.time(),
            "billed": True,
        }
        self.answers[answer["id"]] = answer
        self.news.append(answer)
        if self.workers.random() < self.faults.twice:
            self.news.insert(self.workers.randrange(len(self.news), len(self.news) + 1), answer)
        return answer

    def _send(self, answers: list[dict[str, Any]]) -> None:
        body = json.dumps({"news": answers}).encode()
        id = f"msg_{secrets.token_hex(8)}"
        genuine = sign(KEY, id, body)
        other = key_of("whsec_" + "c29tZWJvZHkgZWxzZSdzIHNlY3JldCBrZXk=")
        self.post("genuine", genuine, body)
        if self.befalls("replayed", self.faults.replayed):
            self.post("replayed", genuine, body)
        if self.befalls("forged", self.faults.forged):
            lie = json.dumps(
                {"news": [answers[0] | {"choice": "left", "rater": "mallory", "id": f"lie-{id}"}]}
            ).encode()
            self.post("forged", sign(other, f"{id}-forged", lie), lie)
            self.post("forged", genuine, lie)
        if self.befalls("stale", self.faults.stale):
            lie = json.dumps({"news": [answers[0] | {"rater": "yesterday", "id": f"stale-{id}"}]}).encode()
            self.post("stale", sign(KEY, f"{id}-stale", lie, time.time() - 600), lie)

    def befalls(self, kind: str, share: float) -> bool:
        """Each fault once at least, however few webhooks there are: on a busy machine answers come many at once."""
        return share > 0 and (self.workers.random() < share or not any(seen == kind for seen, _ in self.statuses))

    def post(self, kind: str, headers: dict[str, str], body: bytes) -> None:
        try:
            typed = headers | {"content-type": "application/json"}
            self.statuses[kind, httpx.post(self.webhook_url, content=body, headers=typed, timeout=60).status_code] += 1
        except httpx.HTTPError:
            self.statuses[kind, 0] += 1

    def close(self) -> None:
        self._ended.set()


@contextmanager
def fake_vendor(faults: Faults, *, webhook_url: str = "", seed: int = 0) -> Iterator[FakeVendor]:
    vendor = FakeVendor(faults, webhook_url, seed)

    with answering(vendor.handle, torn=lambda: vendor.chance(vendor.faults.torn)) as vendor.port:
        threading.Thread(target=vendor.work, daemon=True).start()
        try:
            yield vendor
        finally:
            vendor.close()
