"""What a run's owner sets and takes back; all of it outlives every process."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from contracts.encoding import canonical_json
from contracts.label import SCHEMA, Choice, Label, Query
from labeling_gateway import answer_scripts, queue_scripts
from labeling_gateway.durable import Command
from labeling_gateway.label_log import read_labels
from labeling_gateway.replies import Checks, Control, Rules
from labeling_gateway.run_store import RunStore

_PAGE = 1000  # labels read in one round trip
_BATCH = 100  # answers taken back in one


_CONTROLS = ("paused", "budget", *(field.name for field in fields(Checks)))


def control(store: RunStore) -> Control:
    (found,) = store.session.run(("HMGET", store.keys.control, *_CONTROLS))
    return _control(found)


def rules(store: RunStore) -> Rules:
    controls, paused, revoked = store.session.run(
        ("HMGET", store.keys.control, *_CONTROLS), ("HGETALL", store.keys.paused), ("HKEYS", store.keys.revoked)
    )
    return Rules(_control(controls), _paused(paused), frozenset(id.decode() for id in revoked))


def _control(found: list[bytes | None]) -> Control:
    paused, budget, *checks = found
    return Control(
        paused=paused == b"1",
        budget=None if budget is None else int(budget),
        checks=Checks(*(float(value or 0) for value in checks)),
    )


def set_paused(store: RunStore, paused: bool) -> None:
    store.session.commit(("HSET", store.keys.control, "paused", int(paused)))


def set_budget(store: RunStore, budget: int) -> None:
    if budget < 0:
        raise ValueError(f"a budget must be 0 or more, not {budget}")
    store.session.commit(("HSET", store.keys.control, "budget", budget))


def set_checks(store: RunStore, checks: Checks) -> None:
    words = [word for name, value in asdict(checks).items() for word in (name, repr(value))]
    store.session.commit(("HSET", store.keys.control, *words))


def mark_gold(store: RunStore, query_id: str, right: Choice) -> None:
    if right not in (Choice.A, Choice.B):
        raise ValueError(f"the right answer to a gold question is a or b, not {right}")
    (found,) = store.session.commit(store.script(queue_scripts.MARK_GOLD, query_id, right.value))
    if not found:
        raise LookupError(f"run {store.keys.run} asked no question {query_id}")


def unmark_gold(store: RunStore, query_id: str) -> None:
    record = store.keys.query(query_id)
    (found,) = store.session.run(("HEXISTS", record, "body"))
    if not found:
        raise LookupError(f"run {store.keys.run} asked no question {query_id}")
    store.session.commit(("ZREM", store.keys.golds, query_id), ("HSET", record, "right", ""))


def golds(store: RunStore) -> dict[str, Choice]:
    (ids,) = store.session.run(("ZRANGE", store.keys.golds, 0, -1))
    right = store.session.run(*(("HGET", store.keys.query(id.decode()), "right") for id in ids))
    # One whose mark was taken off since the first reading has none.
    return {id.decode(): Choice(choice.decode()) for id, choice in zip(ids, right, strict=True) if choice}


def pause_rater(store: RunStore, rater: str, reason: str) -> None:
    if not (rater and reason):
        raise ValueError(f"to pause a rater takes a name and a reason, not {rater!r} and {reason!r}")
    store.session.commit(("HSET", store.keys.paused, rater, reason))


def pause_rater_once(store: RunStore, rater: str, reason: str) -> bool:
    (new,) = store.session.commit(("HSETNX", store.keys.paused, rater, reason))
    return bool(new)


def resume_rater(store: RunStore, rater: str) -> None:
    store.session.commit(("HSET", store.keys.paused, rater, ""))


def paused_raters(store: RunStore) -> dict[str, str]:
    (found,) = store.session.run(("HGETALL", store.keys.paused))
    return _paused(found)


def _paused(found: dict[bytes, bytes]) -> dict[str, str]:
    return {rater.decode(): reason.decode() for rater, reason in sorted(found.items()) if reason}


def withdraw(store: RunStore, rater: str) -> int:
    standing: dict[str, Label] = {}  # of this rater, by offset
    offset, taken_back = "", 0
    while True:
        while page := read_labels(store, offset, _PAGE):
            offset = page[-1][0]
            for place, label in page:
                if label.rater == rater:
                    standing.pop(label.supersedes, None)
                    if label.choice is not Choice.WITHDRAWN:
                        standing[place] = label
        if not standing:
            return taken_back
        batch = [standing.pop(place) for place in list(standing)[:_BATCH]]
        commands = [
            store.script(answer_scripts.WITHDRAW, label.query, rater, SCHEMA, label.opinion.value) for label in batch
        ]
        taken_back += sum(store.session.commit(*commands))
        # What the rater answers meanwhile is in the log by now, and found in the next round.


def import_answers(store: RunStore, answers: list[tuple[Query, Label]], clips: dict[str, bytes]) -> int:
    puts: list[Command] = [("SET", store.keys.clip(name), data) for name, data in clips.items()]
    commands = [
        store.script(
            answer_scripts.IMPORT,
            query.id,
            query.to_bytes(),
            label.rater,
            SCHEMA,
            label.choice.value,
            repr(label.answered_at),
            repr(label.seconds),
            int(label.flipped),
        )
        for query, label in answers
    ]
    return sum(store.session.commit(*puts, *commands)[len(puts) :])


def note_invitation(store: RunStore, fields: dict[str, Any]) -> None:
    store.session.commit(("HSET", store.keys.invitations, fields["id"], canonical_json(fields)))


def invitations(store: RunStore) -> list[dict[str, Any]]:
    noted, revoked = store.session.run(("HGETALL", store.keys.invitations), ("HKEYS", store.keys.revoked))
    return [json.loads(data) | {"revoked": id in revoked} for id, data in sorted(noted.items())]


def revoke_invitation(store: RunStore, id: str) -> None:
    store.session.commit(("HSET", store.keys.revoked, id, 1))
