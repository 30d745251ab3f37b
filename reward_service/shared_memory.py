"""Regions of POSIX shared memory that callers on this machine have registered: the service's end.

Nothing is mapped. A caller may truncate its file at any time, and a process that touches a mapped page
beyond the end is killed; read and written as a file, the same memory answers with fewer bytes. What is
read is a copy, which nobody changes while it is scored.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import weakref
from dataclasses import dataclass

import grpc
import numpy as np

from reward_service import protocol
from reward_service.refusal import Refused, invalid

REGIONS = 256
"""Regions at most; each costs a file descriptor."""


@dataclass(frozen=True)
class Region:
    """``byte_size`` bytes of a file in shared memory, from ``offset`` on."""

    name: str
    key: str
    offset: int
    byte_size: int
    file: int  # descriptor, open for reading and writing

    def __post_init__(self) -> None:
        # Closed with the last reference: a call in another thread may still be reading what was unregistered.
        weakref.finalize(self, os.close, self.file)

    def read(self, offset: int, byte_size: int) -> np.ndarray:
        """A copy, uint8 [byte_size]. Raises `Refused` where the region or its file ends before."""
        start = self._start(offset, byte_size)
        copy = np.empty(byte_size, np.uint8)
        found = os.preadv(self.file, [copy.data], start)
        if found < byte_size:
            raise self._truncated(start + found)
        return copy

    def write(self, offset: int, data: bytes) -> None:
        """Raises `Refused` where the region or its file ends before, or memory does."""
        start = self._start(offset, len(data))
        end = start + len(data)
        size = os.fstat(self.file).st_size
        if size < end:  # writing would make it longer, which is not ours to do
            raise self._truncated(size)
        try:
            written = os.pwrite(self.file, data, start)
        except OSError as error:
            raise self._full(str(error.strerror)) from None
        if written < len(data):
            raise self._full(f"{written} of {len(data)} bytes were written")

    def abandoned(self) -> bool:
        """Whether nobody else can reach the file: it has no name, and no other process has it open or mapped."""
        if os.fstat(self.file).st_nlink > 0:
            return False
        try:
            # The kernel lends a file to write only to one that has it alone.
            fcntl.fcntl(self.file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            return False
        fcntl.fcntl(self.file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return True

    def _start(self, offset: int, byte_size: int) -> int:
        if offset < 0 or byte_size < 0 or offset + byte_size > self.byte_size:
            raise invalid(
                f"{byte_size} bytes from {offset} on do not lie within the {self.byte_size} of region {self.name!r}"
            )
        return self.offset + offset

    def _truncated(self, size: int) -> Refused:
        return invalid(f"shared memory {self.key!r} of region {self.name!r} was truncated to {size} bytes")

    def _full(self, why: str) -> Refused:
        return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, f"region {self.name!r} cannot be written: {why}")


class Regions:
    """The regions by name. Threads may share it."""

    def __init__(self) -> None:
        self._regions: dict[str, Region] = {}
        self._lock = threading.Lock()

    def register(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Opens a region; forgets those that nobody can reach any more.

        Raises:
            Refused: the name is empty or taken, the key is not a name in shared memory, the file is not a regular
                one of this process's user or ends before the region, or there are too many regions.
        """
        if not name:
            raise invalid("a region needs a name")
        if not 0 < byte_size <= protocol.MESSAGE_LIMIT:
            raise invalid(f"region {name!r} has {byte_size} bytes; expected 1 to {protocol.MESSAGE_LIMIT}")
        file = _open(key)
        try:
            size = _size(file, key)
            if size < offset + byte_size:
                raise invalid(
                    f"shared memory {key!r} has {size} bytes; region {name!r} needs {byte_size} from {offset} on"
                )
            with self._lock:
                self._make_room(name)
                self._regions[name] = Region(name, key, offset, byte_size, file)
        except Refused:
            os.close(file)
            raise

    def unregister(self, name: str) -> None:
        """Forgets a region, all of them where the name is empty; one that is not there is forgotten already."""
        with self._lock:
            if name:
                self._regions.pop(name, None)
            else:
                self._regions.clear()

    def registered(self) -> list[Region]:
        with self._lock:
            return list(self._regions.values())

    def region(self, name: str) -> Region:
        """Raises `Refused` where there is none of that name."""
        with self._lock:
            region = self._regions.get(name)
        if region is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"there is no region {name!r}: register it first")
        return region

    def _make_room(self, name: str) -> None:
        self._regions = {name: region for name, region in self._regions.items() if not region.abandoned()}
        if name in self._regions:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"there is a region {name!r} already: unregister it first")
        if len(self._regions) >= REGIONS:
            raise Refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{REGIONS} regions are registered, which is all there can be: unregister one",
            )


def _open(key: str) -> int:
    """The file of a key, which stays within the folder of shared memory. Raises `Refused`."""
    file = key.removeprefix("/")
    if not file.startswith(protocol.KEY_PREFIX) or "/" in file or "\0" in file:
        raise invalid(
            f"{key!r} is not a key of shared memory; expected one name, such as '/{protocol.KEY_PREFIX}batch'"
        )
    try:
        # Not through a symbolic link, and not waiting for the other end of a pipe.
        return os.open(f"{protocol.SHARED_MEMORY}/{file}", os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise invalid(f"shared memory {key!r} cannot be opened: {error.strerror}") from None


def _size(file: int, key: str) -> int:
    """Bytes of an open file; raises `Refused` where it is none to share."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise invalid(f"shared memory {key!r} is not a regular file")
    if found.st_uid != os.geteuid():
        raise invalid(f"shared memory {key!r} belongs to another user than this service's")
    return found.st_size
