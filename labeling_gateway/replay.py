"""The data set, replayed from the label log: the same log gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from contracts.encoding import content_hash
from contracts.label import Choice, Label, Query
from labeling_gateway.client import GatewayClient

_PAGE = 256


@dataclass(frozen=True)
class Record:
    """One label with all that it names; the clips as they were put."""

    offset: str
    label: Label
    query: Query
    clip_a: bytes
    clip_b: bytes

    def to_bytes(self) -> bytes:
        """Offset, label, query and both clips, each after its length (8 bytes, little-endian)."""
        parts = (self.offset.encode(), self.label.to_bytes(), self.query.to_bytes(), self.clip_a, self.clip_b)
        return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def replay(client: GatewayClient) -> Iterator[Record]:
    """Every label of the log, in its order, superseded ones too.

    Raises:
        LookupError: the log names a question or a clip that the store does not have.
        ValueError: a clip is not the one that its question names.
    """
    for offset, label in _log(client):
        query = client.query(label.query)
        clips = client.clip_bytes(query)
        for name, data in zip((query.clip_a, query.clip_b), clips, strict=True):
            if content_hash(data) != name:
                raise ValueError(f"clip {name} of question {query.id} is damaged in the store")
        yield Record(offset, label, query, *clips)


def standing(client: GatewayClient) -> Iterator[Record]:
    """As `replay`, but only answers that no later label supersedes."""
    replaced = {label.supersedes for _, label in _log(client)}
    for record in replay(client):
        if record.offset not in replaced and record.label.choice is not Choice.WITHDRAWN:
            yield record


def export(client: GatewayClient, file: BinaryIO) -> int:
    """Writes the standing records, one after the other; returns how many."""
    count = 0
    for count, record in enumerate(standing(client), 1):  # noqa: B007
        file.write(record.to_bytes())
    return count


def _log(client: GatewayClient) -> Iterator[tuple[str, Label]]:
    offset = ""
    while page := client.read_labels(offset, _PAGE):
        yield from page
        offset = page[-1][0]
