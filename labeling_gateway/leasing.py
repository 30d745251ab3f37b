"""What labelers do: lease a question, keep it, give it back, answer it, take the answer back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from contracts.label import SCHEMA, Choice, Lease, Opinion, Query
from labeling_gateway import answer_scripts, queue_scripts
from labeling_gateway.durable import Command
from labeling_gateway.replies import Receipt
from labeling_gateway.run_store import RunStore

REPEAT_AFTER = 20
"""Answers between one and its repeat, where the rater gave twice as many: by then the first is hardly remembered."""


@dataclass(frozen=True)
class Given:
    """An answer, on its way to the log."""

    held: Lease
    choice: Choice
    seconds: float  # from showing to answer
    flipped: bool = False  # clip b was shown on the left
    leased_to: str = ""  # the vendor whose worker answers; "" where the lease is the rater's own


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
    hasty: str = ""  # why the answer was refused, where it came sooner than `Checks.minimum_seconds`


def lease(store: RunStore, rater: str, seconds: float, draw: Callable[[], float]) -> Lease | None:
    _require_lease(rater, seconds)
    (reply,) = store.session.run(_ask_for(store, rater, seconds, draw))
    return None if reply is None else _lease(reply)


def renew(store: RunStore, held: Lease, rater: str, seconds: float) -> Lease | None:
    _require_lease(rater, seconds)
    (deadline,) = store.session.run(store.script(queue_scripts.RENEW, held.query.id, held.fence, rater, seconds))
    return None if deadline is None else replace(held, deadline=float(deadline))


def release(store: RunStore, held: Lease, rater: str) -> bool:
    (reply,) = store.session.run(store.script(queue_scripts.RELEASE, held.query.id, held.fence, rater))
    return bool(reply)


def answer(store: RunStore, rater: str, given: Given) -> Receipt:
    (reply,) = store.session.commit(_answer(store, rater, given))
    if reply is None:
        raise LookupError(f"run {store.keys.run} has no question {given.held.query.id}")
    if isinstance(reply, bytes):
        raise ValueError(_hasty(given, reply))
    return _receipt(reply)


def take_turns(store: RunStore, turns: list[Turn], seconds: float, draw: Callable[[], float]) -> list[Taken]:
    answers = [_answer(store, turn.rater, turn.given) for turn in turns if turn.given is not None]
    leases = [_ask_for(store, turn.rater, seconds, draw) for turn in turns for _ in range(turn.further)]
    replies = store.session.commit(*answers, optional=leases)
    answered, leased = iter(replies[: len(answers)]), iter(replies[len(answers) :])
    taken: list[Taken] = []
    for turn in turns:
        reply = None if turn.given is None else next(answered)
        found = [_lease(one) for one in islice(leased, turn.further) if one is not None]
        if turn.given is not None and isinstance(reply, bytes):
            taken.append(Taken(None, found, _hasty(turn.given, reply)))
        else:
            taken.append(Taken(None if reply is None else _receipt(reply), found))
    return taken


def undo(store: RunStore, rater: str, query_id: str, seconds: float, offset: str) -> Lease:
    _require_lease(rater, seconds)
    (reply,) = store.session.commit(store.script(answer_scripts.UNDO, query_id, rater, seconds, SCHEMA, offset))
    if reply is None:
        raise LookupError(f"run {store.keys.run} has no such answer of {rater} to {query_id} that stands")
    return _lease(reply)


def _ask_for(store: RunStore, rater: str, seconds: float, draw: Callable[[], float]) -> Command:
    return store.script(queue_scripts.LEASE, rater, seconds, draw(), draw(), REPEAT_AFTER)


def _hasty(given: Given, minimum: bytes) -> str:
    return f"answered after {given.seconds:.1f} s; look at both clips for {float(minimum):g} s at least"


def _answer(store: RunStore, rater: str, given: Given) -> Command:
    chosen = Choice(given.choice)
    if chosen is Choice.WITHDRAWN:
        raise ValueError("withdrawn is no answer; an answer is taken back by undo or withdraw")
    return store.script(
        answer_scripts.ANSWER,
        given.held.query.id,
        rater,
        chosen.value,
        given.held.fence,
        repr(float(given.seconds)),
        SCHEMA,
        int(given.flipped),
        given.leased_to or rater,
    )


def _receipt(reply: list[bytes]) -> Receipt:
    return Receipt(offset=reply[0].decode(), opinion=Opinion(reply[1].decode()), repeated=bool(reply[2]))


def _lease(reply: list[bytes]) -> Lease:
    body, fence, deadline, side = reply
    flipped = None if side == b"-" else side == b"1"
    return Lease(Query.from_bytes(body), int(fence), float(deadline), flipped)


def _require_lease(rater: str, seconds: float) -> None:
    if not (rater and seconds > 0):
        raise ValueError(f"a lease needs a rater and a positive time, not {rater!r} and {seconds} s")
