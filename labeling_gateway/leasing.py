"""What labelers do: lease a question, keep it, give it back, answer it, take the answer back."""

from __future__ import annotations

from collections.abc import Callable

from contracts.label import SCHEMA, Choice, Lease, Opinion, Query
from labeling_gateway import answer_scripts, queue_scripts
from labeling_gateway.replies import Receipt
from labeling_gateway.run_store import RunStore

REPEAT_AFTER = 20
"""Answers between one and its repeat, where the rater gave twice as many: by then the first is hardly remembered."""


def lease(store: RunStore, rater: str, seconds: float, draw: Callable[[], float]) -> Lease | None:
    _require_lease(rater, seconds)
    command = store.script(queue_scripts.LEASE, rater, seconds, draw(), draw(), REPEAT_AFTER)
    (reply,) = store.session.run(command)
    return None if reply is None else _lease(reply)


def renew(store: RunStore, held: Lease, rater: str, seconds: float) -> Lease | None:
    _require_lease(rater, seconds)
    (deadline,) = store.session.run(store.script(queue_scripts.RENEW, held.query.id, held.fence, rater, seconds))
    return None if deadline is None else Lease(held.query, held.fence, float(deadline))


def release(store: RunStore, held: Lease, rater: str) -> bool:
    (reply,) = store.session.run(store.script(queue_scripts.RELEASE, held.query.id, held.fence, rater))
    return bool(reply)


def answer(store: RunStore, held: Lease, rater: str, choice: Choice, seconds: float, flipped: bool) -> Receipt:
    chosen = Choice(choice)
    if chosen is Choice.WITHDRAWN:
        raise ValueError("withdrawn is no answer; an answer is taken back by undo or withdraw")
    command = store.script(
        answer_scripts.ANSWER,
        held.query.id,
        rater,
        chosen.value,
        held.fence,
        repr(float(seconds)),
        SCHEMA,
        int(flipped),
    )
    (reply,) = store.session.commit(command)
    if reply is None:
        raise LookupError(f"run {store.keys.run} has no question {held.query.id}")
    if isinstance(reply, bytes):
        raise ValueError(f"answered after {seconds:.1f} s; look at both clips for {float(reply):g} s at least")
    return Receipt(offset=reply[0].decode(), opinion=Opinion(reply[1].decode()), repeated=bool(reply[2]))


def undo(store: RunStore, rater: str, query_id: str, seconds: float) -> Lease:
    _require_lease(rater, seconds)
    (reply,) = store.session.commit(store.script(answer_scripts.UNDO, query_id, rater, seconds, SCHEMA))
    if reply is None:
        raise LookupError(f"run {store.keys.run} has no answer of {rater} to {query_id} that stands")
    return _lease(reply)


def _lease(reply: list[bytes]) -> Lease:
    body, fence, deadline, side = reply
    flipped = None if side == b"-" else side == b"1"
    return Lease(Query.from_bytes(body), int(fence), float(deadline), flipped)


def _require_lease(rater: str, seconds: float) -> None:
    if not (rater and seconds > 0):
        raise ValueError(f"a lease needs a rater and a positive time, not {rater!r} and {seconds} s")
