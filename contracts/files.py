"""Files that are whole and on disk, or not there at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: str | bytes) -> None:
    """Beside first, then renamed: a reader sees the old file or the new one, never a part; on return it is on disk.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    beside = path.with_name(path.name + ".partial")
    with beside.open("wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name, too
    finally:
        os.close(folder)
