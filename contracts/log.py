"""One log style for every process of a run."""

from __future__ import annotations

import logging
import sys
from pathlib import Path


def setup(part: str, level: int = logging.INFO, file: Path | None = None) -> None:
    """Lines on standard error, or at the end of ``file``: time, part, level, message."""
    logging.basicConfig(
        handlers=[logging.StreamHandler(sys.stderr) if file is None else logging.FileHandler(file)],
        level=level,
        format=f"%(asctime)s {part} %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
