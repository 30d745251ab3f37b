"""The life of a process that works on the label store until it is told to end."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable

from labeling_gateway.store import NotDurable, StoreError, StoreUnreachable

logger = logging.getLogger("backflip.labeling_gateway")

_BACKOFF = (0.2, 5.0)  # seconds, first and longest


def store_url() -> str:
    """Where the label store is; by environment, since it may hold a password. Raises StoreError."""
    url = os.environ.get("BACKFLIP_STORE_URL", "")
    if not url:
        raise StoreError("BACKFLIP_STORE_URL names no label store")
    return url


def told_to_end() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    return told


def poll(work: Callable[[], bool], told: threading.Event, idle_seconds: float) -> None:
    """Calls ``work`` until told to end, pausing where it had nothing to do.

    A store that went away is waited for: said once, tried ever more rarely.
    """
    pause = 0.0
    while not told.is_set():
        try:
            busy = work()
        except (StoreUnreachable, NotDurable) as error:
            if not pause:
                logger.warning("waiting for the label store: %s", error)
            pause = min(_BACKOFF[1], max(_BACKOFF[0], 2 * pause))
            told.wait(pause)
            continue
        if pause:
            logger.info("the label store is back")
        pause = 0.0
        if not busy:
            told.wait(idle_seconds)
