"""People in front of labeling pages, as the gateway sees them: what the page's own code asks, without a browser.

A page holds four questions: the one on the screen and three ahead. Each answer is one request, which also leases as
many questions as are missing, poses and all. Questions held for long are renewed, and how far the run is is asked for
now and then. What a page asks once, when it is opened, is asked too, except for its files.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_COOKIE = re.compile(rb"(?i)^set-cookie: ([^;]+)", re.MULTILINE)
_LENGTH = re.compile(rb"(?i)^content-length: (\d+)", re.MULTILINE)

HELD = 4  # questions that a page holds
RENEW_AFTER = 18.0  # seconds since a question was leased or renewed
TASK_EVERY = 30.0  # seconds


@dataclass
class Tally:
    saved_ms: list[float] = field(
        default_factory=list
    )  # from an answer to its receipt, with or without a next question
    next_ms: list[float] = field(default_factory=list)  # of these, where the next question came with it
    acknowledged: list[tuple[str, str, str]] = field(default_factory=list)  # query, rater, offset
    requests: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    broken: int = 0  # connections that ended; none do unless something is killed


class Browser:
    """One person's connection: HTTP/1.1, as little as it takes."""

    def __init__(self, host: str, port: int, tally: Tally) -> None:
        self.tally = tally
        self._host, self._port = host, port
        self._cookie = ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Status and body; asks again, on another connection, until it is answered and not told to come back."""
        while True:
            try:
                status, content = await self._once(method, path, body)
            except (OSError, asyncio.IncompleteReadError):
                self.tally.broken += 1
                self.close()
                await asyncio.sleep(0.2)
                continue
            if status in (429, 503):
                self.tally.refused[status] += 1
                await asyncio.sleep(0.5)
                continue
            return status, content

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def _once(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} /api/v1/{path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        if self._cookie:
            lines.append(f"Cookie: {self._cookie}")
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        head = await reader.readuntil(b"\r\n\r\n")
        if not self._cookie and (cookie := _COOKIE.search(head)):
            self._cookie = cookie[1].decode()
        length = _LENGTH.search(head)
        content = await reader.readexactly(int(length[1])) if length else b""
        self.tally.requests += 1
        return int(head.split(maxsplit=2)[1]), content


@dataclass
class _Question:
    pair: dict[str, Any]
    touched: float  # on the monotonic clock, when it was leased or renewed


class Labeler:
    """One person and the page in front of them."""

    def __init__(self, browser: Browser, rater: str) -> None:
        self.questions: list[_Question] = []
        self._browser = browser
        self._tally = browser.tally
        self._rater = rater
        self._task_from = 0.0

    async def open(self, invitation: str) -> None:
        """The page is opened by its link."""
        status, said = await self._browser.ask("POST", "sessions", {"invitation": invitation})
        assert status == 201, said
        await self.keep_up()
        await self.fill()
        for scene in {question.pair["left"]["scene"] for question in self.questions}:
            await self._browser.ask("GET", f"scenes/{scene}")

    async def fill(self) -> None:
        """Leases what is missing, without an answer."""
        count = HELD - len(self.questions)
        status, said = await self._browser.ask("POST", "leases", {"count": count, "poses": True})
        assert status == 200, said
        self._hold(json.loads(said)["pairs"])

    async def answer(self, choice: str, seconds: float) -> None:
        """The question on the screen is answered."""
        pair = self.questions.pop(0).pair
        body = {"query": pair["query"], "fence": pair["fence"], "choice": choice, "seconds": seconds}
        started = time.perf_counter()
        status, said = await self._browser.ask(
            "POST", "answers", body | {"next": HELD - len(self.questions), "poses": True}
        )
        took = 1e3 * (time.perf_counter() - started)
        assert status == 201, said
        saved = json.loads(said)
        self._tally.saved_ms.append(took)
        self._tally.acknowledged.append((pair["query"], self._rater, saved["offset"]))
        if saved["next"]:
            self._tally.next_ms.append(took)
        self._hold(saved["next"])

    async def keep_up(self) -> None:
        """What the page does by itself, now and then."""
        now = time.monotonic()
        for question in self.questions:
            if now - question.touched > RENEW_AFTER:
                question.touched = now
                pair = question.pair
                await self._browser.ask("POST", f"leases/{pair['query']}/renew", {"fence": pair["fence"]})
        if now >= self._task_from:
            self._task_from = now + TASK_EVERY
            await self._browser.ask("GET", "task")

    def close(self) -> None:
        self._browser.close()

    def _hold(self, pairs: list[dict[str, Any]]) -> None:
        for pair in pairs:
            assert pair["left"]["poses"] and pair["right"]["poses"], "all that draws it"
            self.questions.append(_Question(pair, time.monotonic()))
