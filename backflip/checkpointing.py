"""Checkpoints while a run trains: written beside the training, which waits for no disk."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from contracts.files import write_whole
from contracts.status import Status
from learner.checkpoint import checkpoint_bytes, save_checkpoint
from learner.loop import Progress
from learner.ppo import PPO

log = logging.getLogger("backflip.training")

_EVERY_SECONDS = 15.0


class Checkpointer:
    """Writes the newest state now and then, and on leaving the context the last one."""

    def __init__(self, path: Path, ppo: PPO, progress: Progress) -> None:
        self._path = path
        self._ppo = ppo
        self._progress = progress
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._written: Future[None] | None = None
        self._next = time.monotonic() + _EVERY_SECONDS
        self._error: str | None = None

    def __enter__(self) -> Checkpointer:
        return self

    def __exit__(self, *_: object) -> None:
        """Raises OSError where the last state cannot be written."""
        self._writing.shutdown()
        save_checkpoint(self._path, self._ppo, self._progress)

    def after_update(self) -> Status:
        """Hands over a state if it is time for one and the one before is written."""
        if self._written is not None and self._written.done():
            error = self._written.exception()
            if error is not None and self._error is None:
                log.error("the checkpoint cannot be written: %s", error)
            self._error = None if error is None else str(error)
            self._written = None
        now = time.monotonic()
        if self._written is None and now >= self._next:
            self._written = self._writing.submit(write_whole, self._path, checkpoint_bytes(self._ppo, self._progress))
            self._next = now + _EVERY_SECONDS
        if self._error is not None:
            return Status(f"cannot be written: {self._error}", held_up=True)
        late = now - self._next + _EVERY_SECONDS if self._written is not None else 0.0
        return Status(f"being written for {late:.0f} s" if late > 1 else "written", held_up=late > _EVERY_SECONDS)
