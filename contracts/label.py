"""The question that people are asked, and what they answer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from contracts.encoding import canonical_json, content_hash, reading, require_schema

SCHEMA = 3
READABLE = (2, SCHEMA)
"""What was written as schema 2 had one rater a question, and no gold questions or repeats."""

HELD_OUT_SHARE = 0.1
"""The share of queries that no member of the reward ensemble ever trains on."""

ALARM = "alarm"
"""`Query.chosen_by` of a question that is asked because the reward model may be fooled."""

CHECK = "check"
"""`Query.chosen_by` of a question that checks what the reward model is sure of. Look at both from every side."""


class Choice(StrEnum):
    """Which clip is better. Ties count one half; "can't tell" teaches nothing but was answered."""

    A = "a"
    B = "b"
    EQUAL = "equal"
    CANT_TELL = "cant_tell"
    WITHDRAWN = "withdrawn"  # no answer: takes back the label that it supersedes


class Opinion(StrEnum):
    """Only first opinions count against the budget. Gold answers and repeats only say how good a rater is."""

    FIRST = "first"
    LATER = "later"  # a second rater, or a late answer to a query that was leased to another
    IMPORTED = "imported"  # given in another run
    GOLD = "gold"  # to a question whose right answer the owner gave
    REPEAT = "repeat"  # of the same rater again, the sides swapped


@dataclass(frozen=True)
class Query:
    """Two durable clips to be compared, by content hash."""

    id: str
    clip_a: str
    clip_b: str
    scene: str
    chosen_by: str  # "disagreement", "uniform", CHECK or ALARM
    disagreement: float  # std over members of P(a is better), by their scaled rewards when it was chosen
    policy_version: int  # the newer of the two clips' policies
    reward_version: int  # the model that chose it
    opinions: int = 1  # how many raters shall answer it

    def to_bytes(self) -> bytes:
        return canonical_json({"kind": "query", "schema": SCHEMA} | asdict(self))

    @staticmethod
    def from_bytes(data: bytes) -> Query:
        """Raises ValueError where the bytes are not a query of a readable schema."""
        with reading("query"):
            return Query(**_fields(data, "query"))


@dataclass(frozen=True)
class Label:
    """One committed answer, or its withdrawal; its position in the log is the log's, not its own.

    A label stands as long as none supersedes it, unless it is a withdrawal.
    """

    query: str
    rater: str
    choice: Choice
    opinion: Opinion
    fence: int  # the lease under which it was given
    answered_at: float  # seconds since the epoch, by the gateway's clock
    seconds: float  # from showing to answer, as the labeler measured it
    supersedes: str = ""  # log offset of the label that this one replaces
    flipped: bool = False  # clip b was shown on the left

    def to_bytes(self) -> bytes:
        return canonical_json({"kind": "label", "schema": SCHEMA} | asdict(self))

    @staticmethod
    def from_bytes(data: bytes) -> Label:
        """Raises ValueError where the bytes are not a label of a readable schema."""
        with reading("label"):
            fields = _fields(data, "label")
            return Label(**fields | {"choice": Choice(fields["choice"]), "opinion": Opinion(fields["opinion"])})


@dataclass(frozen=True)
class Lease:
    """The right to answer a query until ``deadline``; a later lease of it has a higher fence."""

    query: Query
    fence: int
    deadline: float  # seconds since the epoch, by the gateway's clock
    flipped: bool | None = None  # whether clip b must be shown on the left; None where either will do


def is_held_out(query: str) -> bool:
    """Whether a query belongs to the held-out split: a pure function of its id."""
    return int(content_hash(query.encode())[:8], 16) / 0xFFFFFFFF < HELD_OUT_SHARE


def _fields(data: bytes, kind: str) -> dict:
    fields = json.loads(data)
    require_schema(fields, kind, *READABLE)
    return {name: value for name, value in fields.items() if name not in ("kind", "schema")}
