"""What a vendor is: whoever answers questions, or brings people who do. All that a vendor's author imports.

A vendor is a package of its own that names a factory in the entry-point group ``backflip.vendors``:

    [project.entry-points."backflip.vendors"]
    acme = "acme_backflip:open_vendor"

The factory is called with `Settings` and returns a `Vendor`. `docs/write-a-vendor.md` walks through a whole one,
and ``backflip check-vendor`` runs it through what it must withstand.

Two kinds of vendors are told apart by `Capabilities.brings`. One brings **answers**: it is given `Task`s, two videos
each, and shows them to its own workers. The other brings **people**: it is given `Seat`s and sends somebody to our
labeling page for each.

Money is a Decimal, in the one currency that the owner's caps are in, and never a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from labeling_gateway.shown import ShownChoice

__all__ = [
    "GROUP",
    "Answer",
    "Attendance",
    "Batch",
    "Capabilities",
    "Declined",
    "Forged",
    "News",
    "Page",
    "Reconciled",
    "Seat",
    "Settings",
    "ShownChoice",
    "Task",
    "Unavailable",
    "Vendor",
    "VendorRefused",
    "Video",
]

GROUP = "backflip.vendors"


class Unavailable(Exception):
    """The vendor did not answer, or said that it is busy: whether it did what it was asked is unknown.

    The same call comes again later, with the same idempotency key.

    Args:
        retry_after: seconds, where the vendor said how long to wait.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class VendorRefused(Exception):
    """The vendor will not do this, and did nothing: the same call would be refused again."""


class Forged(Exception):
    """A webhook that this vendor did not send, or sent too long ago."""


@dataclass(frozen=True)
class Settings:
    """What the owner's vendors.toml says of one vendor, and where the labeling page is."""

    name: str  # as the owner calls it; unique in a run
    run: str
    price: Decimal  # the most that the owner pays for an answer, or for a seat
    options: Mapping[str, object]  # the vendor's own table, unchecked
    secrets: Mapping[str, str] = field(repr=False)  # by the names of the vendor's `secrets` table
    public_url: str = ""  # of the labeling page, as the vendor reaches it; "" where it cannot


@dataclass(frozen=True)
class Capabilities:
    """What a vendor can do; it must be the same each time."""

    brings: Literal["answers", "people"] = "answers"
    videos: Literal["bytes", "url", "none"] = "bytes"  # how it wants the clips of a task
    webhooks: bool = False  # whether `verify_and_parse` is of any use
    batch: int = 20  # tasks or seats in one `submit`, at most
    smallest_batch: int = 1  # fewer wait for others
    completion_url: str = ""  # where people hand their code in; the code is put at its end


@dataclass(frozen=True)
class Video:
    """One clip, as `Capabilities.videos` wants it: exactly one of the two is there."""

    data: bytes = b""  # an mp4, H.264
    url: str = ""  # an https address that expires; whoever has it can watch


@dataclass(frozen=True)
class Task:
    """One question. Which clip is left was drawn by lot; show them so.

    The id is ours. It begins with the question's id; the same question asked of a vendor again has another.
    """

    id: str
    question: str  # in plain words
    left: Video
    right: Video
    deadline: float  # seconds since the epoch; later answers are of no use


@dataclass(frozen=True)
class Seat:
    """One person's work on our labeling page."""

    id: str
    answers: int  # that the person shall give
    link: str  # opens the page; the vendor appends who the person is, as ``&worker=…&session=…``
    code: str  # that the page gives to whoever is done; the same for all seats of a batch
    deadline: float


@dataclass(frozen=True)
class Batch:
    """What is submitted at once: tasks, or seats. The id is unique in the run."""

    id: str
    tasks: tuple[Task, ...] = ()
    seats: tuple[Seat, ...] = ()

    @property
    def items(self) -> tuple[str, ...]:
        """Ids of the tasks or seats."""
        return tuple(one.id for one in (*self.tasks, *self.seats))


@dataclass(frozen=True)
class Answer:
    """One worker's answer to a task."""

    task: str
    id: str  # the vendor's own, the same each time it is told; another answer has another
    rater: str  # the vendor's name of the worker, the same for all that this worker answers
    choice: ShownChoice  # by the sides that the clips were shown on
    seconds: float  # from showing to answer
    answered_at: float  # seconds since the epoch
    billed: bool = True  # whether the vendor asks to be paid for it


@dataclass(frozen=True)
class Attendance:
    """Somebody took a seat of a batch and is done."""

    batch: str
    id: str  # the vendor's own, the same each time it is told
    rater: str  # as the vendor's link named the person
    billed: bool = True


@dataclass(frozen=True)
class Declined:
    """A task or seat that the vendor will not do, nor bill."""

    item: str


News = Answer | Attendance | Declined


@dataclass(frozen=True)
class Page:
    """A piece of the vendor's news, in order; and from where the next piece is to be asked for."""

    news: tuple[News, ...]
    cursor: str
    more: bool = False  # whether there is a next piece already


@dataclass(frozen=True)
class Reconciled:
    """What a vendor knows of some tasks or seats."""

    news: tuple[News, ...]  # all of it, however often it was told before
    unknown: frozenset[str] = frozenset()  # ids that it never got


class Vendor(Protocol):
    """Every call ends within half a minute or so, raises `Unavailable` where it could not be made, and may come twice.

    All but `verify_and_parse` are called by one thread of one process, the broker; that one is called in the labeling
    page's process.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    def cost(self) -> Decimal:
        """What an answer, or a seat, costs from now on, all included; it is set aside before anything is submitted."""
        ...

    def submit(self, batch: Batch, idempotency_key: str) -> None:
        """Hands a batch over. The same key means the same batch, which must not be taken in twice.

        Raises:
            VendorRefused: nothing of it was taken in.
            Unavailable: some or all of it may have been.
        """
        ...

    def poll(self, cursor: str) -> Page:
        """News after ``cursor``; "" for the very first. Told again what it has heard, the broker changes nothing."""
        ...

    def verify_and_parse(self, headers: Mapping[str, str], body: bytes) -> tuple[str, tuple[News, ...]]:
        """A webhook's own id and its news; an id that came before is not looked at again.

        Args:
            headers: names in lower case.

        Raises:
            Forged: it is not the vendor's, or too old.
        """
        ...

    def cancel(self, items: frozenset[str]) -> frozenset[str]:
        """Takes tasks or seats back; those of the ids that will be neither answered nor billed, unknown ones included.

        Of seats only the number counts, since any person can take any seat of a batch.
        """
        ...

    def reconcile(self, items: frozenset[str]) -> Reconciled:
        """What the vendor knows of our ids, looked up by them: after a restart, or where news may have been lost."""
        ...
