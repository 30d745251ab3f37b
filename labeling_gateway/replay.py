"""The label log with all that it names, from which an archive is written: the same log gives the same records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.encoding import content_hash
from contracts.label import Label, Query
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


def _log(client: GatewayClient) -> Iterator[tuple[str, Label]]:
    offset = ""
    while page := client.read_labels(offset, _PAGE):
        yield from page
        offset = page[-1][0]
