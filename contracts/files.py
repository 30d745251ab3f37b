"""Files that are whole and on disk, or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, data: str | bytes) -> None:
    """As `writing_whole`, of what is in memory already."""
    with writing_whole(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def writing_whole(path: Path) -> Iterator[BinaryIO]:
    """Beside first, then renamed: a reader sees the old file or the new one, never a part; at the end it is on disk.

    Raises:
        OSError: it cannot be written; what was there stays, as after any error of whoever writes.
    """
    beside = path.with_name(path.name + ".partial")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name, too
    finally:
        os.close(folder)
