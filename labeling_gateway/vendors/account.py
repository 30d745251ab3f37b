"""What is kept of one vendor in the label store, and under which keys."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from labeling_gateway.store import Keys

Verdict = Literal["paid", "free", "disputed", "repeated"]
"""What became of an answer's bill; see `ledger_scripts.SETTLE`."""


@dataclass(frozen=True)
class Caps:
    """The most that may ever be spent and set aside together."""

    vendor: Decimal
    total: Decimal  # over all vendors of the run


@dataclass(frozen=True)
class Item:
    """A task or a seat that the vendor has, or may have."""

    id: str
    query: str  # "" for a seat
    fence: int
    flipped: bool
    batch: str
    state: Literal["open", "cancelling", "cancelled", "answered"]
    deadline: float  # seconds since the epoch; 0 where it is not open any more


@dataclass(frozen=True)
class Account:
    """Where one vendor stands."""

    reserved: Decimal
    spent: Decimal
    disputed: int  # billed answers that were not paid, since nobody had asked for them
    given: int  # answers that it was asked for, without those that were taken back
    answered: int
    reservations: int
    cursor: str
    trouble: str  # what the broker last said is wrong with the vendor, "" where nothing is


@dataclass(frozen=True)
class VendorKeys:
    """The keys of one vendor in one run; see `ledger_scripts`."""

    run: str
    vendor: str

    @property
    def prefix(self) -> str:
        return f"{Keys(self.run).prefix}vendor:{self.vendor}:"

    @property
    def totals(self) -> str:
        return f"{Keys(self.run).prefix}vendors"

    @property
    def items(self) -> str:
        return self.prefix + "item:"

    @property
    def account(self) -> str:
        return self.prefix + "account"

    @property
    def open(self) -> str:
        return self.prefix + "open"

    @property
    def batches(self) -> str:
        return self.prefix + "batches"

    @property
    def unsubmitted(self) -> str:
        return self.prefix + "unsubmitted"

    @property
    def inbox(self) -> str:
        return self.prefix + "inbox"

    @property
    def all(self) -> list[str]:
        """In the order of the scripts' KEYS."""
        told, attempts, webhooks = (self.prefix + name for name in ("told", "attempts", "webhooks"))
        known = [self.totals, self.account, self.open, self.batches, self.unsubmitted]
        return [*known, told, attempts, webhooks, self.inbox]
