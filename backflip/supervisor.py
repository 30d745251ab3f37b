"""Starts a run's processes, restarts what dies, and says what is down."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from backflip.errors import UserError
from contracts.lifetime import PARENT

log = logging.getLogger("backflip.supervisor")

_WATCH_SECONDS = 0.2
_LONGEST_PAUSE = 10.0
_STEADY_SECONDS = 30.0  # up this long, a part's next death is a first one again


@dataclass
class Part:
    """One supervised process: `python -m MODULE --config FILE`.

    Args:
        is_up: asks whether it answers; None for a part that nobody calls.
    """

    name: str
    module: str
    config: Path
    log_file: Path
    environment: dict[str, str] = field(default_factory=dict)
    is_up: Callable[[], bool] | None = None
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    retry_at: float = 0.0
    pause: float = 0.5

    def start(self) -> None:
        self.started_at = time.monotonic()
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | self.environment | {PARENT: str(os.getpid())},
                start_new_session=True,  # Ctrl-C is for the launcher, which stops its parts in order
            )

    def alive(self) -> bool:
        process = self.process  # the watching thread may take it away meanwhile
        return process is not None and process.poll() is None

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        lines = self.log_file.read_text(errors="replace").strip().splitlines() if self.log_file.exists() else []
        return lines[-1] if lines else "it said nothing"


class Supervisor:
    """Parts are stopped in the reverse order of their starting; each restart waits twice as long as the last."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._revive: list[tuple[str, Callable[[], bool], Callable[[], None]]] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._deaths: dict[str, int] = {}

    def start(self, part: Part) -> None:
        part.start()
        self._parts.append(part)

    def adopt(self, name: str, alive: Callable[[], bool], revive: Callable[[], None]) -> None:
        """Watch something that is started and stopped elsewhere (the store), and revive it when it dies."""
        self._revive.append((name, alive, revive))

    def wait_up(self, timeout: float = 60.0) -> None:
        """Until every part answers; from then on what dies is restarted.

        Raises:
            UserError: a part ended, or did not answer in time; with the last line of its log.
        """
        give_up = time.monotonic() + timeout
        for part in self._parts:
            while part.is_up is not None and not part.is_up():
                if not part.alive() or time.monotonic() > give_up:
                    raise UserError(f"the {part.name} did not start: {part.last_words()} (see {part.log_file})")
                time.sleep(_WATCH_SECONDS / 2)
            if not part.alive():
                raise UserError(f"the {part.name} did not start: {part.last_words()} (see {part.log_file})")
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def process_ids(self) -> dict[str, int]:
        found = {part.name: part.process for part in self._parts}
        return {name: process.pid for name, process in found.items() if process is not None}

    def down(self) -> dict[str, str]:
        """The parts that are not running just now, and what each said last, "" where nobody knows."""
        parts = {part.name: part.last_words() for part in self._parts if not part.alive()}
        return parts | {name: "" for name, alive, _ in self._revive if not alive()}

    @property
    def deaths(self) -> dict[str, int]:
        """How often each part died, those that never did left out; one that is not alive since died once."""
        return dict(self._deaths)

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()  # what it revives just now would outlive us
        for part in reversed(self._parts):
            if part.process is None or part.process.poll() is not None:
                continue
            part.process.send_signal(signal.SIGTERM)
            try:
                part.process.wait(timeout=10.0)
            except subprocess.TimeoutExpired:
                log.warning("the %s did not end in 10 s and is killed", part.name)
                part.process.kill()
                part.process.wait()

    def _watch(self) -> None:
        dead: set[str] = set()  # of what is adopted: noted, and not alive since
        while not self._stopping.wait(_WATCH_SECONDS):
            for name, alive, revive in self._revive:
                if alive():
                    dead.discard(name)
                    continue
                if name not in dead:
                    dead.add(name)
                    self._note_death(name)
                try:
                    revive()
                    dead.discard(name)
                except Exception as error:  # tried again at the next look; a watch must not end
                    log.error("the %s cannot be restarted: %s", name, error)
                    time.sleep(1.0)
            for part in self._parts:
                if not part.alive():
                    self._restart(part)

    def _restart(self, part: Part) -> None:
        now = time.monotonic()
        if part.process is not None:
            self._note_death(part.name)
            part.process = None
            part.pause = 0.5 if now - part.started_at > _STEADY_SECONDS else min(2 * part.pause, _LONGEST_PAUSE)
            part.retry_at = now + part.pause
        if now >= part.retry_at:
            try:
                part.start()
            except OSError as error:  # tried again at the next look; a watch must not end
                log.error("the %s cannot be restarted: %s", part.name, error)
                part.retry_at = now + part.pause

    def _note_death(self, name: str) -> None:
        self._deaths[name] = self._deaths.get(name, 0) + 1
        log.warning("the %s died; it is restarted", name)
