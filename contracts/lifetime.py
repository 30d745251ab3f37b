"""A process of a run ends with the launcher that started it, however the launcher ended."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time

PARENT = "BACKFLIP_PARENT"
"""Environment variable by which the launcher tells a process its own id."""

_LOOK_SECONDS = 0.5
_ORDERLY_SECONDS = 10.0

log = logging.getLogger("backflip.lifetime")


def end_with_parent() -> None:
    """From now on this process ends, as SIGTERM would end it, once its launcher is gone.

    Nobody else would end it: a launcher that was killed stops nothing. Does nothing in a process
    that was started by hand.
    """
    parent = os.environ.get(PARENT)
    if parent is not None:
        threading.Thread(target=_watch, args=(int(parent),), name="lifetime", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    log.warning("the launcher (process %d) is gone; ending", parent)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORDERLY_SECONDS)
    log.error("no orderly end in %.0f s", _ORDERLY_SECONDS)
    os._exit(1)
