"""Memory that a client shares with a service on the same machine: the client's end."""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Sequence

import numpy as np

from reward_service import protocol

SIZE = protocol.MESSAGE_LIMIT
"""Bytes that can be addressed; memory is taken only for what has been written."""


class Segment:
    """A file in shared memory that loses its name once the service has it open, so that no death leaves it behind.

    It is written as a file and not mapped: where the machine has no memory left for it, writing
    fails, while touching a mapped page would end the process.

    Raises:
        OSError: there is no shared memory here.
    """

    def __init__(self) -> None:
        self.name = f"{protocol.KEY_PREFIX}{uuid.uuid4().hex}"
        self._path = f"{protocol.SHARED_MEMORY}/{self.name}"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self._file)
        try:
            os.ftruncate(self._file, SIZE)
        except OSError:
            self.drop_name()
            raise

    @property
    def key(self) -> str:
        return f"/{self.name}"

    def drop_name(self) -> None:
        """Nobody else can open it from now on, and it ends with the last process that has it open."""
        os.unlink(self._path)

    def write(self, arrays: Sequence[np.ndarray]) -> None:
        """Puts contiguous arrays one behind the other, from the start on. Raises OSError where memory runs out."""
        size = sum(array.nbytes for array in arrays)
        if os.pwritev(self._file, [array.data for array in arrays], 0) < size:
            raise OSError(f"no memory left for {size} bytes in {protocol.SHARED_MEMORY}")
