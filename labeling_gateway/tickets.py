"""Signed tickets: invitations, sessions, the owner's token, and which side of a lease a clip is shown on.

A ticket is JSON and its HMAC-SHA256, both in URL-safe base64. Whoever holds one can read it; nobody
without the run's secret can make or change one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from contracts.files import write_whole

SESSION_SECONDS = 12 * 3600.0
OWNER = "owner"
"""Name of the rater who answers with the owner's token alone."""

Role = Literal["labeler", "owner"]


@dataclass(frozen=True)
class Invitation:
    """Lets one rater in until it expires, as often as they like."""

    id: str
    rater: str
    expires_at: float  # seconds since the epoch


@dataclass(frozen=True)
class Session:
    """Who somebody is, for a while."""

    id: str
    role: Role
    rater: str
    invitation: str  # id of the invitation that it came from; "" for the owner's token
    expires_at: float


@dataclass(frozen=True)
class SeatTicket:
    """Lets the people whom a vendor sends answer questions, each under the name that the vendor gives them."""

    vendor: str
    batch: str
    answers: int  # that each shall give
    expires_at: float


class Refused(ValueError):
    """A ticket is not ours, or over; one line says which."""


class Tickets:
    """Makes and reads what one run signs."""

    def __init__(self, run: str, key: bytes, owner_token: str) -> None:
        self._run = run
        self._key = key
        self.owner_token = owner_token

    def invite(self, rater: str, hours: float) -> Invitation:
        return Invitation(secrets.token_hex(8), rater, time.time() + hours * 3600)

    def write_invitation(self, invitation: Invitation) -> str:
        return self._write("invitation", asdict(invitation))

    def read_invitation(self, ticket: str) -> Invitation:
        """Raises Refused."""
        return Invitation(**self._read("invitation", ticket))

    def new_session(self, role: Role, rater: str, invitation: str, until: float) -> Session:
        return Session(secrets.token_hex(8), role, rater, invitation, min(until, time.time() + SESSION_SECONDS))

    def write_session(self, session: Session) -> str:
        return self._write("session", asdict(session))

    def read_session(self, ticket: str) -> Session:
        """Raises Refused."""
        return Session(**self._read("session", ticket))

    def is_owner_token(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.owner_token.encode())

    def seal_fence(self, query: str, fence: int, rater: str, *, flipped: bool) -> str:
        """The fence as a labeler gets it: only who was leased the question can answer under it.

        It also says, to us alone, whether clip b is shown on the left.
        """
        return f"{fence}-{self._mac('fence', query, str(fence), rater, str(flipped)).hex()[:32]}"

    def open_fence(self, query: str, sealed: str, rater: str) -> tuple[int, bool]:
        """The fence, and whether clip b is on the left. Raises Refused where this rater was never leased it so."""
        fence = int(sealed.partition("-")[0])
        for flipped in (False, True):
            if hmac.compare_digest(sealed.encode(), self.seal_fence(query, fence, rater, flipped=flipped).encode()):
                return fence, flipped
        raise Refused("this question was not given to you under that fence")

    def flipped(self, query: str, fence: int, rater: str) -> bool:
        """Where either side will do, whether clip b is shown on the left: even odds, and the same for a lease."""
        return bool(self._mac("side", query, str(fence), rater)[-1] & 1)

    def seal_video(self, clip: str, until: int) -> str:
        """Lets whoever has it watch one clip until then, seconds since the epoch."""
        return self._mac("video", clip, str(until)).hex()[:32]

    def opens_video(self, clip: str, until: int, seal: str) -> bool:
        genuine = hmac.compare_digest(seal.encode(), self.seal_video(clip, until).encode())
        return genuine and until > time.time()

    def write_seat(self, seat: SeatTicket) -> str:
        return self._write("seat", asdict(seat))

    def read_seat(self, ticket: str) -> SeatTicket:
        """Raises Refused."""
        return SeatTicket(**self._read("seat", ticket))

    def completion_code(self, batch: str) -> str:
        """What proves to a vendor that a person it sent is done; nobody can guess it from the ticket."""
        return base64.b32encode(self._mac("completion", batch)).decode()[:10]

    def _write(self, kind: str, fields: dict[str, Any]) -> str:
        body = _encode(json.dumps(fields, separators=(",", ":")).encode())
        return f"{body}.{_encode(self._mac(kind, body))}"

    def _read(self, kind: str, ticket: str) -> dict[str, Any]:
        body, _, mac = ticket.partition(".")
        try:
            genuine = hmac.compare_digest(_decode(mac), self._mac(kind, body))
        except ValueError:
            genuine = False
        if not genuine:
            raise Refused(f"this {kind} is not of this run")
        fields = json.loads(_decode(body))
        if fields["expires_at"] <= time.time():
            raise Refused(f"this {kind} is over")
        return fields

    def _mac(self, *words: str) -> bytes:
        message = b"".join(len(part).to_bytes(4, "big") + part for part in (w.encode() for w in (self._run, *words)))
        return hmac.new(self._key, message, hashlib.sha256).digest()


def open_tickets(run: str, file: Path) -> Tickets:
    """The run's secrets, made where there are none yet; nobody but this user may read the file.

    Raises:
        OSError: it cannot be read or written.
        ValueError: it holds something else.
    """
    with suppress(FileNotFoundError):
        return _load(run, file)
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file.with_name(file.name + ".partial"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    write_whole(file, json.dumps({"key": secrets.token_hex(32), "owner_token": secrets.token_urlsafe(24)}) + "\n")
    return _load(run, file)


def _load(run: str, file: Path) -> Tickets:
    text = file.read_text()
    try:
        fields = json.loads(text)
        return Tickets(run, bytes.fromhex(fields["key"]), str(fields["owner_token"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} does not hold this run's secrets; delete it to have new ones made") from error


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
