"""What a run's owner sets and takes back; all of it outlives every process."""

from __future__ import annotations

import json
from typing import Any

from contracts.encoding import canonical_json
from contracts.label import SCHEMA, Choice, Label, Query
from labeling_gateway import scripts
from labeling_gateway.durable import Command
from labeling_gateway.label_log import read_labels
from labeling_gateway.replies import Control
from labeling_gateway.run_store import RunStore

_PAGE = 1000  # labels read in one round trip
_BATCH = 100  # answers taken back in one


def control(store: RunStore) -> Control:
    (found,) = store.session.run(("HMGET", store.keys.control, "paused", "budget"))
    paused, budget = found
    return Control(paused=paused == b"1", budget=None if budget is None else int(budget))


def set_paused(store: RunStore, paused: bool) -> None:
    store.session.commit(("HSET", store.keys.control, "paused", int(paused)))


def set_budget(store: RunStore, budget: int) -> None:
    if budget < 0:
        raise ValueError(f"a budget must be 0 or more, not {budget}")
    store.session.commit(("HSET", store.keys.control, "budget", budget))


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
        commands = [store.script(scripts.WITHDRAW, label.query, rater, SCHEMA) for label in batch]
        taken_back += sum(store.session.commit(*commands))
        # What the rater answers meanwhile is in the log by now, and found in the next round.


def import_answers(store: RunStore, answers: list[tuple[Query, Label]], clips: dict[str, bytes]) -> int:
    puts: list[Command] = [("SET", store.keys.clip(name), data) for name, data in clips.items()]
    commands = [
        store.script(
            scripts.IMPORT,
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


def invitation_revoked(store: RunStore, id: str) -> bool:
    (found,) = store.session.run(("HEXISTS", store.keys.revoked, id))
    return bool(found)
