"""Where handlers get what they need: the store, asked from threads, and what was asked before."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

from contracts.clip import Clip, Scene
from contracts.label import Lease, Query
from labeling_gateway.client import GatewayClient
from labeling_gateway.films import Films
from labeling_gateway.leasing import Taken, Turn
from labeling_gateway.rendering.geometry import prepare
from labeling_gateway.replies import Counts, Rules
from labeling_gateway.store import StoreError
from labeling_gateway.tickets import Tickets
from labeling_gateway.web.batches import Batches
from labeling_gateway.web.config import WebConfig
from labeling_gateway.web.errors import MOST_WAITING, too_much
from labeling_gateway.web.holdings import LEASE_SECONDS, Holdings
from labeling_gateway.web.limits import Buckets
from labeling_gateway.web.models import ClipRef
from labeling_gateway.web.tally import Tally

logger = logging.getLogger("backflip.labeling_page")

Result = TypeVar("Result")
Value = TypeVar("Value")

_THREADS = 16  # each has a connection of its own to the store, which groups their commits
_QUERIES, _SCENES = 50_000, 64  # kept in memory
_CLIP_BYTES = 256 * 2**20  # of clips in memory: one of a robot has some kilobytes, one of a game a quarter of a million
_RULES_SECONDS = 1.0
_CATCH_UP_SECONDS = 0.02  # between two readings of the log, which many answers then share


class Desk:
    """One run's store as handlers see it. Every method may be awaited by many at once."""

    def __init__(self, config: WebConfig, client: GatewayClient, tickets: Tickets) -> None:
        self.config = config
        self.client = client
        self.tickets = tickets
        self.tally = Tally(client)
        self.sessions = Buckets(config.limits.session_rate, config.limits.session_burst)
        self.strangers = Buckets(config.limits.stranger_rate, config.limits.stranger_burst)
        self.holdings = Holdings()
        self.films = Films(config.videos, self._film_bytes)
        self._rules: asyncio.Task[Rules] | None = None
        self._rules_from = 0.0  # on the monotonic clock, when their reading began
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self._waiting = 0
        self.turns = Batches(self.call, self._take_turns)
        self._queries: Newest[Query] = Newest(_QUERIES)
        self._clips: Newest[Clip] = Newest(_CLIP_BYTES, _bytes_of)
        self._scenes: Newest[Scene] = Newest(_SCENES)
        self._catching_up: asyncio.Task[None] | None = None
        self._caught_up_at = 0.0  # on the monotonic clock, when the last reading began
        self._catch_up_next: asyncio.Task[None] | None = None

    def close(self) -> None:
        self.films.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Runs a call of the store, or anything else that takes long, in a thread. Raises Refusal where too many do."""
        if self._waiting >= MOST_WAITING:
            raise too_much()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        finally:
            self._waiting -= 1

    def _take_turns(self, turns: list[Turn]) -> list[Taken]:
        """In a thread: everything that raters who came together want of the store."""
        taken = self.client.take_turns(turns, LEASE_SECONDS)
        try:
            if any(one.receipt for one in taken):
                self.tally.catch_up()
            self.remember(lease for one in taken for lease in one.leases)
        except (StoreError, ValueError) as error:  # what is saved is saved; the rest can be looked up again
            logger.warning("after answers were saved: %s", error)
        return taken

    async def caught_up(self) -> Counts:
        """Once the tally has everything that is in the log now. Callers that wait together share one reading."""
        if self._catch_up_next is None:
            self._catch_up_next = asyncio.create_task(self._catch_up(self._catching_up))
        await asyncio.shield(self._catch_up_next)
        return self.tally.counts

    async def _catch_up(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(max(0.0, self._caught_up_at + _CATCH_UP_SECONDS - time.monotonic()))
        self._caught_up_at = time.monotonic()
        self._catching_up, self._catch_up_next = self._catch_up_next, None  # who comes now needs the next reading
        await self.call(self.tally.catch_up)

    async def rules(self) -> Rules:
        """What the owner has decided, at most a second old; whoever asks meanwhile shares one reading."""
        now = time.monotonic()
        failed = self._rules is not None and self._rules.done() and self._rules.exception() is not None
        if self._rules is None or failed or self._rules_from < now - _RULES_SECONDS:
            self._rules, self._rules_from = asyncio.create_task(self.call(self.client.rules)), now
        return await asyncio.shield(self._rules)

    def forget_rules(self) -> None:
        """The owner has just decided something."""
        self._rules = None

    def waiting(self) -> str:
        """What new questions wait for, as of the last `caught_up`; "" where they wait for nothing."""
        if self.config.training:
            return self.tally.counts.waiting
        return "the run to go on: it is not being trained now"

    # What is kept never changes: questions, clips and scenes are named by what is in them.

    async def query(self, id: str) -> Query:
        """Raises LookupError where no such question was asked."""
        return self._queries.peek(id) or await self.call(self.read_query, id)

    def read_query(self, id: str) -> Query:
        """In a thread. Raises LookupError where no such question was asked."""
        return self._queries.get(id, lambda: self.client.query(id))

    def clip(self, hash: str) -> Clip:
        """In a thread, unless it is at hand. Raises LookupError where there is no such clip."""
        return self._clips.get(hash, lambda: Clip.from_bytes(self.client.clip_data(hash)))

    def at_hand(self, *hashes: str) -> bool:
        """Whether these clips and their scenes are here, so that nobody has to wait for the store or for a thread."""
        clips = [self._clips.peek(hash) for hash in hashes]
        return all(clip is not None and self._scenes.has(clip.scene) for clip in clips)

    def scene(self, hash: str) -> Scene:
        """In a thread, unless it is at hand. Raises LookupError where there is no such scene."""
        return self._scenes.get(hash, lambda: self._read_scene(hash))

    def _read_scene(self, hash: str) -> Scene:
        scene = self.client.scene(hash)
        prepare(scene)  # here, or whoever asks for poses first would let everybody wait
        return scene

    def remember(self, leases: Iterable[Lease]) -> None:
        """In a thread: questions that were just leased, and their clips in one round trip."""
        queries = [lease.query for lease in leases]
        for query in queries:
            self._queries.put(query.id, query)
        names = {name for query in queries for name in (query.clip_a, query.clip_b)}
        data = self.client.clips_data([name for name in names if not self._clips.has(name)])
        for name, found in data.items():
            self._clips.put(name, Clip.from_bytes(found))
        for scene in {query.scene for query in queries}:
            self.scene(scene)

    def keep_clip(self, hash: str, clip: Clip) -> None:
        """One that nobody was asked about, so that it can be shown."""
        self._clips.put(hash, clip)

    def prepare(self, *clips: ClipRef) -> None:
        """Has those that are shown as videos drawn, before a page asks for them."""
        for ref in clips:
            if ref.draw == "video":
                with suppress(ValueError):  # whoever asks for it is told
                    self.films.find(ref.clip)

    def _film_bytes(self, hash: str) -> tuple[bytes, bytes]:
        clip = self.clip(hash)
        return self.scene(clip.scene).to_bytes(), clip.to_bytes()

    async def revoked(self, *ids: str) -> bool:
        """Whether an invitation or a session was revoked, here or a second ago by another page of the run."""
        return not (await self.rules()).revoked.isdisjoint(ids)

    async def revoke(self, id: str) -> None:
        """From now on, for good."""
        await self.call(self.client.revoke_invitation, id)
        self.forget_rules()


def _bytes_of(clip: Clip) -> int:
    # A frame is in the observations of several steps, and in memory once.
    arrays = clip.observation.nbytes // clip.stack + clip.action.nbytes + clip.state.nbytes
    return arrays + len(clip.film)


class Newest(Generic[Value]):
    """Values by name, the longest unused dropped. Threads may share it.

    Args:
        size: what all of them may weigh; the newest is kept whatever it weighs.
    """

    def __init__(self, size: int, weigh: Callable[[Value], int] = lambda value: 1) -> None:
        self._size = size
        self._weigh = weigh
        self._weight = 0
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._putting = threading.Lock()

    def has(self, name: str) -> bool:
        return name in self._values

    def peek(self, name: str) -> Value | None:
        return self._values.get(name)

    def get(self, name: str, make: Callable[[], Value]) -> Value:
        value = self._values.get(name)
        if value is None:
            value = make()
        self.put(name, value)
        return value

    def put(self, name: str, value: Value) -> None:
        with self._putting:
            if name not in self._values:
                self._weight += self._weigh(value)
                self._values[name] = value
            self._values.move_to_end(name)
            while self._weight > self._size and len(self._values) > 1:
                _, dropped = self._values.popitem(last=False)
                self._weight -= self._weigh(dropped)
