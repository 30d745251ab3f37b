"""What labelers do: lease a question, keep it, give it back, answer it, take the answer back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from contracts.label import SCHEMA, Choice, Lease, Opinion, Query
from labeling_gateway import scripts
from labeling_gateway.durable import Command
from labeling_gateway.replies import Receipt
from labeling_gateway.run_store import RunStore


@dataclass(frozen=True)
class Given:
    """An answer, on its way to the log."""

    held: Lease
    choice: Choice
    seconds: float  # from showing to answer
    flipped: bool = False  # clip b was shown on the left


@dataclass(frozen=True)
class Turn:
    """What a rater does in one go: gives an answer, then is leased further questions. Either may be left out."""

    rater: str
    given: Given | None = None
    further: int = 0


@dataclass(frozen=True)
class Taken:
    """What became of a turn."""

    receipt: Receipt | None  # None where no answer was given, or no such question was asked
    leases: list[Lease]  # fewer than asked for where there are no more


def lease(store: RunStore, rater: str, seconds: float) -> Lease | None:
    _require_lease(rater, seconds)
    (reply,) = store.session.run(store.script(scripts.LEASE, rater, seconds))
    return None if reply is None else _lease(reply)


def renew(store: RunStore, held: Lease, rater: str, seconds: float) -> Lease | None:
    _require_lease(rater, seconds)
    (deadline,) = store.session.run(store.script(scripts.RENEW, held.query.id, held.fence, rater, seconds))
    return None if deadline is None else Lease(held.query, held.fence, float(deadline))


def release(store: RunStore, held: Lease) -> bool:
    (reply,) = store.session.run(store.script(scripts.RELEASE, held.query.id, held.fence))
    return bool(reply)


def answer(store: RunStore, rater: str, given: Given) -> Receipt:
    (reply,) = store.session.commit(_answer(store, rater, given))
    if reply is None:
        raise LookupError(f"run {store.keys.run} has no question {given.held.query.id}")
    return _receipt(reply)


def take_turns(store: RunStore, turns: list[Turn], seconds: float) -> list[Taken]:
    answers = [_answer(store, turn.rater, turn.given) for turn in turns if turn.given is not None]
    leases = [store.script(scripts.LEASE, turn.rater, seconds) for turn in turns for _ in range(turn.further)]
    replies = store.session.commit(*answers, optional=leases)
    answered, leased = iter(replies[: len(answers)]), iter(replies[len(answers) :])
    taken: list[Taken] = []
    for turn in turns:
        reply = None if turn.given is None else next(answered)
        found = [_lease(one) for one in islice(leased, turn.further) if one is not None]
        taken.append(Taken(None if reply is None else _receipt(reply), found))
    return taken


def undo(store: RunStore, rater: str, query_id: str, seconds: float, offset: str) -> Lease:
    _require_lease(rater, seconds)
    (reply,) = store.session.commit(store.script(scripts.UNDO, query_id, rater, seconds, SCHEMA, offset))
    if reply is None:
        raise LookupError(f"run {store.keys.run} has no such answer of {rater} to {query_id} that stands")
    return _lease(reply)


def _answer(store: RunStore, rater: str, given: Given) -> Command:
    chosen = Choice(given.choice)
    if chosen is Choice.WITHDRAWN:
        raise ValueError("withdrawn is no answer; an answer is taken back by undo or withdraw")
    return store.script(
        scripts.ANSWER,
        given.held.query.id,
        rater,
        chosen.value,
        given.held.fence,
        repr(float(given.seconds)),
        SCHEMA,
        int(given.flipped),
    )


def _receipt(reply: list[bytes]) -> Receipt:
    return Receipt(offset=reply[0].decode(), opinion=Opinion(reply[1].decode()), repeated=bool(reply[2]))


def _lease(reply: list[bytes]) -> Lease:
    return Lease(query=Query.from_bytes(reply[0]), fence=int(reply[1]), deadline=float(reply[2]))


def _require_lease(rater: str, seconds: float) -> None:
    if not (rater and seconds > 0):
        raise ValueError(f"a lease needs a rater and a positive time, not {rater!r} and {seconds} s")
