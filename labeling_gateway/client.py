"""The gateway's face: what actors, the learner, labelers and the reward service do with questions and labels.

Everything goes through the label store; no call needs the gateway's process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from redis.client import PubSub

from contracts.clip import Clip, Scene
from contracts.encoding import content_hash
from contracts.label import SCHEMA, Choice, Label, Lease, Opinion, Query
from labeling_gateway import scripts
from labeling_gateway.durable import Command, Session, script
from labeling_gateway.hasty import Hasty
from labeling_gateway.store import Keys, StoreError, connect

_PAGE = 500  # questions looked up in one round trip
_SOURCES = [scripts.COUNTS, scripts.EXPIRE, scripts.ASK, scripts.LEASE, scripts.RELEASE, scripts.ANSWER]


@dataclass(frozen=True)
class Receipt:
    """An answer is on disk, once."""

    offset: str  # its place in the label log
    opinion: Opinion
    repeated: bool  # this rater had answered before, and that answer stands


@dataclass(frozen=True)
class Counts:
    """Where the questions of a run are."""

    asked: int  # open, leased and answered together
    open: int
    leased: int
    used: int  # first opinions, which is what the budget counts
    later: int  # other opinions committed
    candidates: int  # clips that were offered, as the gateway last said
    waiting: str  # what the gateway waits for, "" where it does not


@dataclass(frozen=True)
class Progress:
    """How far the run is, as the learner last said."""

    env_steps: int
    total_steps: int

    @property
    def share(self) -> float:
        return min(1.0, self.env_steps / self.total_steps)


class GatewayClient:
    """One run's questions and labels. Thread-safe; reconnects by itself.

    Every method but `offer` and `report_progress` waits up to about five seconds for a store that
    restarts, then raises StoreUnreachable; those two drop what they cannot deliver at once.

    Raises:
        StoreUnreachable: nothing at ``store_url`` speaks the Redis protocol.
    """

    def __init__(self, store_url: str, run: str) -> None:
        self.keys = Keys(run)
        self._session = Session(connect(store_url), store_url, _SOURCES)
        self._hasty = Hasty(lambda: connect(store_url, patient=False))

    def close(self) -> None:
        self._hasty.close()
        with self._session.reached() as client:
            client.close()

    # What actors and the learner do; neither ever waits.

    def offer(self, clips: list[Clip]) -> None:
        """Candidate clips, which the gateway may ask about. Nobody keeps them until it does."""
        channel = self.keys.candidates
        self._hasty.send([("PUBLISH", channel, clip.to_bytes()) for clip in clips])

    def report_progress(self, env_steps: int, total_steps: int) -> None:
        """How many of the run's steps are done; the schedule of questions follows it."""
        self._hasty.send([("HSET", self.keys.progress, "env_steps", env_steps, "total_steps", total_steps)])

    def put_scene(self, scene: Scene) -> str:
        """Keeps what draws this run's clips; returns its hash."""
        data = scene.to_bytes()
        name = content_hash(data)
        self._session.commit(("SET", self.keys.scene(name), data))
        return name

    # What labelers do.

    def lease(self, rater: str, seconds: float) -> Lease | None:
        """The oldest open question, for ``seconds``; None where none is open."""
        if not (rater and seconds > 0):
            raise ValueError(f"a lease needs a rater and a positive time, not {rater!r} and {seconds} s")
        (reply,) = self._session.run(self._script(scripts.LEASE, rater, seconds))
        if reply is None:
            return None
        return Lease(query=Query.from_bytes(reply[0]), fence=int(reply[1]), deadline=float(reply[2]))

    def release(self, lease: Lease) -> bool:
        """Gives a question back unanswered; False where the lease had already ended."""
        (reply,) = self._session.run(self._script(scripts.RELEASE, lease.query.id, lease.fence))
        return bool(reply)

    def answer(self, lease: Lease, rater: str, choice: Choice, seconds: float) -> Receipt:
        """Commits an answer and returns once it is on disk; a repetition gets the first one's receipt.

        An answer to a question that somebody else has answered, or has been leased meanwhile, is
        kept as a later opinion.

        Args:
            seconds: from showing to answer.

        Raises:
            LookupError: no such question.
            NotDurable, StoreUnreachable: it may or may not be kept; answer again.
        """
        command = self._script(
            scripts.ANSWER, lease.query.id, rater, Choice(choice).value, lease.fence, repr(float(seconds)), SCHEMA
        )
        (reply,) = self._session.commit(command)
        if reply is None:
            raise LookupError(f"run {self.keys.run} has no question {lease.query.id}")
        return Receipt(offset=reply[0].decode(), opinion=Opinion(reply[1].decode()), repeated=bool(reply[2]))

    # What follows the log and looks questions up.

    def read_labels(self, after: str, limit: int) -> list[tuple[str, Label]]:
        """Up to ``limit`` labels with their offsets, in log order, after an offset ("" for the first)."""
        start = f"({after}" if after else "-"
        (reply,) = self._session.run(("XRANGE", self.keys.labels, start, "+", "COUNT", limit))
        return [(entry[0].decode(), _label(entry[1])) for entry in reply]

    def query(self, id: str) -> Query:
        """Raises LookupError where no such question was asked."""
        (body,) = self._session.run(("HGET", self.keys.query(id), "body"))
        if body is None:
            raise LookupError(f"run {self.keys.run} has no question {id}")
        return Query.from_bytes(body)

    def clips(self, query: Query, *, with_oracle: bool = False) -> tuple[Clip, Clip]:
        """Both clips; the oracle is for scripted teachers and evaluation only."""
        a, b = (Clip.from_bytes(data, with_oracle=with_oracle) for data in self.clip_bytes(query))
        return a, b

    def clip_bytes(self, query: Query) -> tuple[bytes, bytes]:
        """Both clips as they were put. Raises LookupError where one is missing."""
        names = (query.clip_a, query.clip_b)
        found = self._session.run(*(("GET", self.keys.clip(name)) for name in names))
        for name, data in zip(names, found, strict=True):
            if data is None:
                raise LookupError(f"run {self.keys.run} has no clip {name}, which question {query.id} names")
        return found[0], found[1]

    def clip_data(self, hash: str) -> bytes:
        """One clip as it was put. Raises LookupError where there is none."""
        (data,) = self._session.run(("GET", self.keys.clip(hash)))
        if data is None:
            raise LookupError(f"run {self.keys.run} has no clip {hash}")
        return data

    def scene(self, hash: str) -> Scene:
        """Raises LookupError where no such scene was put."""
        (data,) = self._session.run(("GET", self.keys.scene(hash)))
        if data is None:
            raise LookupError(f"run {self.keys.run} has no scene {hash}")
        return Scene.from_bytes(data)

    def counts(self) -> Counts:
        """All at one moment, but for what the gateway says of itself."""
        (open, leased, asked, first, later), (candidates, waiting) = self._session.run(
            self._script(scripts.COUNTS), ("HMGET", self.keys.gateway, "candidates", "waiting")
        )
        return Counts(
            asked=asked,
            open=open,
            leased=leased,
            used=int(first or 0),
            later=int(later or 0),
            candidates=int(candidates or 0),
            waiting=(waiting or b"").decode(),
        )

    # What only the gateway does.

    def require_durable(self) -> None:
        """Raises NotDurable where the store cannot promise to keep labels."""
        self._session.require_durable()

    def expire_leases(self) -> int:
        """Puts questions whose lease has ended back into the queue; returns how many."""
        (reply,) = self._session.run(self._script(scripts.EXPIRE))
        return reply

    def progress(self) -> Progress | None:
        """None as long as the learner has said nothing."""
        (found,) = self._session.run(("HMGET", self.keys.progress, "env_steps", "total_steps"))
        return Progress(int(found[0]), int(found[1])) if None not in found else None

    def ask(self, queries: list[Query], clips: dict[str, bytes], budget: int) -> int:
        """Keeps the clips (by hash), then queues the questions; returns how many the budget allowed.

        On return all is on disk. The clips are there before any of the questions can be leased.
        """
        self._session.commit(*(("SET", self.keys.clip(name), data) for name, data in clips.items()))
        commands: list[Command] = []
        for query in queries:
            names = (self.keys.clip(query.clip_a), self.keys.clip(query.clip_b))
            commands.append(self._script(scripts.ASK, query.id, query.to_bytes(), budget, *names))
        replies = self._session.commit(*commands)
        if b"clips" in replies:
            lost = queries[replies.index(b"clips")].id
            raise StoreError(f"the store has lost a clip of question {lost} right after it was put")
        return replies.count(b"asked")

    def asked(self) -> Iterator[Query]:
        """All questions, in the order they were asked."""
        (ids,) = self._session.run(("LRANGE", self.keys.asked, 0, -1))
        for start in range(0, len(ids), _PAGE):
            page = [("HGET", self.keys.query(id.decode()), "body") for id in ids[start : start + _PAGE]]
            yield from map(Query.from_bytes, self._session.run(*page))

    def subscribe(self) -> PubSub:
        """Candidate clips as they are offered."""
        with self._session.reached() as client:
            channel = client.pubsub(ignore_subscribe_messages=True)
            channel.subscribe(self.keys.candidates)
            return channel

    def receive(self, channel: PubSub, seconds: float) -> bytes | None:
        """The next candidate's bytes, or None after ``seconds`` without one."""
        with self._session.reached():
            message = channel.get_message(timeout=seconds)
        return message["data"] if message else None

    def report_gateway(self, candidates: int, waiting: str) -> None:
        """What the gateway says of itself, for `counts`."""
        self._session.run(("HSET", self.keys.gateway, "candidates", candidates, "waiting", waiting))

    def _script(self, source: str, *arguments: str | bytes | float) -> Command:
        keys = self.keys
        return script(source, [keys.queue, keys.leases, keys.totals, keys.asked, keys.labels], keys.prefix, *arguments)


def _label(entry: dict[bytes, bytes]) -> Label:
    fields = {name.decode(): value.decode() for name, value in entry.items()}
    if fields["schema"] != str(SCHEMA):
        raise ValueError(f"expected a label of schema {SCHEMA}, found schema {fields['schema']}")
    return Label(
        query=fields["query"],
        rater=fields["rater"],
        choice=Choice(fields["choice"]),
        opinion=Opinion(fields["opinion"]),
        fence=int(fields["fence"]),
        answered_at=float(fields["answered_at"]),
        seconds=float(fields["seconds"]),
        supersedes=fields["supersedes"],
    )
