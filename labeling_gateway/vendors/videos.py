"""The clips of a task as a vendor wants them: mp4 bytes, or addresses of the labeling page that expire."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from contracts.clip import Clip
from labeling_gateway.client import GatewayClient
from labeling_gateway.films import Films
from labeling_gateway.tickets import Tickets
from labeling_gateway.vendors.interface import Video

_LOOK_SECONDS = 0.05
_DRAW_SECONDS = 10.0  # that a vendor's answers may have to wait meanwhile


class Videos:
    """Draws what is asked for into one folder, which the labeling page serves from. Thread-safe."""

    def __init__(self, folder: Path, client: GatewayClient, tickets: Tickets, public_url: str) -> None:
        self._films = Films(folder, self._load)
        self._client = client
        self._tickets = tickets
        self._public_url = public_url

    def close(self) -> None:
        self._films.close()

    def draw(self, clips: Iterable[str], told: threading.Event) -> tuple[frozenset[str], frozenset[str]]:
        """Has clips drawn, by hash, and waits a moment: those that are there then, and those that cannot be drawn."""
        waiting = set(clips)
        there: set[str] = set()
        never: set[str] = set()
        give_up = time.monotonic() + _DRAW_SECONDS
        while True:
            for clip in waiting:
                try:
                    if self._films.find(clip) is not None:
                        there.add(clip)
                except ValueError:  # it was logged when it was tried
                    never.add(clip)
            waiting -= there | never
            if not waiting or time.monotonic() > give_up or told.wait(_LOOK_SECONDS):
                return frozenset(there), frozenset(never)

    def show(self, clip: str, how: Literal["bytes", "url", "none"], until: float) -> Video:
        """One clip that was drawn; an address is good until then, seconds since the epoch."""
        if how == "none":
            return Video()
        if how == "url":
            end = int(until)
            seal = self._tickets.seal_video(clip, end)
            return Video(url=f"{self._public_url}/api/v1/vendors/videos/{clip}.mp4?until={end}&seal={seal}")
        file = self._films.find(clip)
        assert file is not None, "it was drawn"
        return Video(data=file.read_bytes())

    def _load(self, clip: str) -> tuple[bytes, bytes]:
        data = self._client.clip_data(clip)
        return self._client.scene(Clip.from_bytes(data).scene).to_bytes(), data
