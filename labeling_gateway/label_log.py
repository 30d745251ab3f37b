"""The label log as it is read: in pages, newest first, or with where the questions are."""

from __future__ import annotations

from typing import Any

from contracts.label import READABLE, Choice, Label, Opinion, Query
from labeling_gateway import queue_scripts
from labeling_gateway.durable import Command
from labeling_gateway.replies import Answered, Counts
from labeling_gateway.run_store import RunStore


def read_labels(store: RunStore, after: str, limit: int) -> list[tuple[str, Label]]:
    (reply,) = store.session.run(_page(store, after, limit))
    return [_entry(entry) for entry in reply]


def counts(store: RunStore) -> Counts:
    return _counts(store.session.run(*_counting(store)))


def growth(store: RunStore, after: str, limit: int) -> tuple[list[tuple[str, Label]], Counts]:
    page, *found = store.session.run(_page(store, after, limit), *_counting(store))
    return [_entry(entry) for entry in page], _counts(found)


def history(store: RunStore, limit: int, before: str) -> list[Answered]:
    end = f"({before}" if before else "+"
    (reply,) = store.session.run(("XREVRANGE", store.keys.labels, end, "-", "COUNT", limit))
    entries = [_entry(entry) for entry in reply]
    commands: list[Command] = [
        ("HMGET", store.keys.query(label.query), "body", f"answer:{label.rater}", f"repeat:{label.rater}")
        for _, label in entries
    ]
    found: list[Answered] = []
    for (offset, label), (body, *newest) in zip(entries, store.session.run(*commands), strict=True):
        if body is None:
            raise LookupError(f"run {store.keys.run} has no question {label.query}, which label {offset} names")
        stands = label.choice is not Choice.WITHDRAWN and offset.encode() in [
            said.split()[0] for said in newest if said
        ]
        found.append(Answered(offset, label, Query.from_bytes(body), stands))
    return found


def _page(store: RunStore, after: str, limit: int) -> Command:
    return ("XRANGE", store.keys.labels, f"({after}" if after else "-", "+", "COUNT", limit)


def _counting(store: RunStore) -> tuple[Command, Command]:
    return store.script(queue_scripts.COUNTS), ("HMGET", store.keys.gateway, "candidates", "waiting")


def _counts(replies: list[Any]) -> Counts:
    (open, leased, asked, first, later, imported, labels, wanting, ahead), (candidates, waiting) = replies
    return Counts(
        asked=asked,
        open=open,
        leased=leased,
        used=int(first or 0),
        later=int(later or 0),
        candidates=int(candidates or 0),
        waiting=(waiting or b"").decode(),
        imported=int(imported or 0),
        labels=labels,
        wanting=wanting,
        ahead=int(ahead or 0),
    )


def _entry(reply: tuple[bytes, dict[bytes, bytes]]) -> tuple[str, Label]:
    return reply[0].decode(), _label(reply[1])


def _label(entry: dict[bytes, bytes]) -> Label:
    fields = {name.decode(): value.decode() for name, value in entry.items()}
    if fields["schema"] not in [str(schema) for schema in READABLE]:
        readable = " or ".join(map(str, READABLE))
        raise ValueError(f"expected a label of schema {readable}, found schema {fields['schema']}")
    return Label(
        query=fields["query"],
        rater=fields["rater"],
        choice=Choice(fields["choice"]),
        opinion=Opinion(fields["opinion"]),
        fence=int(fields["fence"]),
        answered_at=float(fields["answered_at"]),
        seconds=float(fields["seconds"]),
        supersedes=fields["supersedes"],
        flipped=fields["flipped"] == "1",
    )
