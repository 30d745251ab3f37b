"""One log style for every process of a run."""

from __future__ import annotations

import logging
import sys


def setup(part: str, level: int = logging.INFO) -> None:
    """Lines on standard error: time, part, level, message."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level,
        format=f"%(asctime)s {part} %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
