"""Clips as videos: drawn by a process of its own, one after the other, and kept in the page's folder."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from contracts.lifetime import PARENT
from labeling_gateway.store import StoreError

logger = logging.getLogger("backflip.labeling_page")

_QUEUE = 200  # clips waiting to be drawn; beyond that, whoever asks is told to ask again
_TRIES = 2


class Films:
    """Videos of clips by hash. No method waits for one to be drawn.

    Args:
        folder: made when the first one is drawn.
        load: scene and clip of a hash, as bytes; called in this object's own thread. Raises LookupError.
    """

    def __init__(self, folder: Path, load: Callable[[str], tuple[bytes, bytes]]) -> None:
        self._folder = folder
        self._load = load
        self._queue: OrderedDict[str, None] = OrderedDict()
        self._problems: dict[str, str] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._painter: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def find(self, hash: str) -> Path | None:
        """The file; None where it will be drawn from now on. Raises ValueError where it cannot be."""
        file = self._folder / f"{hash}.mp4"
        if file.exists():
            return file
        with self._changed:
            if hash in self._problems:
                raise ValueError(self._problems[hash])
            if hash not in self._queue and len(self._queue) < _QUEUE and not self._closed:
                self._queue[hash] = None
                self._changed.notify()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._draw_all, name="films", daemon=True)
                    self._thread.start()
        return None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._painter is not None:
            self._painter.kill()

    def _draw_all(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                hash = next(iter(self._queue))
            try:
                problem = self._draw(hash)
            except Exception as error:  # of one clip; the others' films are still waited for
                problem = f"{type(error).__name__}: {error}"
            with self._changed:
                del self._queue[hash]
                if problem:
                    logger.warning("clip %s cannot be drawn: %s", hash, problem)
                    self._problems[hash] = problem

    def _draw(self, hash: str) -> str:
        """What is wrong with it for good; "" where the file is there, or may be another time."""
        try:
            scene, clip = self._load(hash)
            self._folder.mkdir(parents=True, exist_ok=True)
        except LookupError as error:
            return str(error)
        except (StoreError, OSError) as error:
            logger.warning("clip %s is not drawn now: %s", hash, error)
            return ""
        sizes = {"scene": len(scene), "clip": len(clip), "file": str(self._folder / f"{hash}.mp4")}
        request = json.dumps(sizes).encode() + b"\n" + scene + clip
        for _ in range(_TRIES):
            answer = self._ask(request)
            if answer:
                return json.loads(answer)["error"]
        return "" if self._closed else "whatever draws it dies of it"

    def _ask(self, request: bytes) -> bytes:
        """The painter's answer; empty where it died."""
        if self._painter is None or self._painter.poll() is not None:
            self._painter = subprocess.Popen(
                [sys.executable, "-m", "labeling_gateway.rendering.painter"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {PARENT: str(os.getpid())},
            )
        painter = self._painter
        assert painter.stdin is not None and painter.stdout is not None
        try:
            painter.stdin.write(request)
            painter.stdin.flush()
            answer = painter.stdout.readline()
        except OSError:
            answer = b""
        if not answer:
            painter.kill()
            painter.wait()  # so that the next try starts another
        return answer
