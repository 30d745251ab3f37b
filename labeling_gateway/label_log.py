"""The label log as it is read: in pages, newest first, or by question."""

from __future__ import annotations

from contracts.label import READABLE, Choice, Label, Opinion, Query
from labeling_gateway.durable import Command
from labeling_gateway.replies import Answered
from labeling_gateway.run_store import RunStore


def read_labels(store: RunStore, after: str, limit: int) -> list[tuple[str, Label]]:
    start = f"({after}" if after else "-"
    (reply,) = store.session.run(("XRANGE", store.keys.labels, start, "+", "COUNT", limit))
    return [(entry[0].decode(), _label(entry[1])) for entry in reply]


def history(store: RunStore, limit: int, before: str) -> list[Answered]:
    end = f"({before}" if before else "+"
    (reply,) = store.session.run(("XREVRANGE", store.keys.labels, end, "-", "COUNT", limit))
    entries = [(entry[0].decode(), _label(entry[1])) for entry in reply]
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
