"""How many people one labeling page serves at once: `python -m benchmarks.labelers`.

A thousand people, each with a page of their own, answer for a minute; `benchmarks.browsers` says what their pages ask.
They share one process and the machine's cores with the page and its store. What is measured, from each answer, is the
time until it is said to be saved and the next question is here with all that draws it: one request. (The page shows a
question that it has fetched before; that takes no request at all.) Afterwards every answer that was said to be saved
must be in the log exactly once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from actors.tasks.runners import HOPPER
from benchmarks.browsers import HELD, Browser, Labeler, Tally
from contracts.clip import Clip
from contracts.encoding import content_hash
from contracts.label import Opinion, Query
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import EmbeddedStore, free_port, start_embedded
from labeling_gateway.tickets import Tickets, open_tickets
from labeling_gateway.web.config import WebConfig

STEPS = 50  # of a clip
RAMP_SECONDS = 15.0  # people don't all come at once
_BATCH = 200  # questions put at once


async def label(labeler: Labeler, invitation: str, rng: random.Random, pace: float, until: float) -> None:
    """One person: about ``pace`` seconds an answer, until the time is over."""
    await asyncio.sleep(rng.uniform(0, RAMP_SECONDS))
    await labeler.open(invitation)
    while time.monotonic() < until:
        seconds = rng.uniform(0.5 * pace, 1.5 * pace)
        await asyncio.sleep(seconds)
        if labeler.questions:
            await labeler.answer(rng.choice(("left", "right")), round(seconds, 3))
        else:
            await labeler.fill()
        await labeler.keep_up()
    labeler.close()


async def crowd(config: WebConfig, tickets: Tickets, tally: Tally, labelers: int, seconds: float, pace: float) -> None:
    until = time.monotonic() + RAMP_SECONDS + seconds
    people: list[Coroutine[None, None, None]] = []
    for number in range(labelers):
        rater = f"labeler {number}"
        labeler = Labeler(Browser(config.host, config.port, tally), rater)
        invitation = tickets.write_invitation(tickets.invite(rater, 1))
        people.append(label(labeler, invitation, random.Random(rater), pace, until))
    await asyncio.gather(*people)


async def killing(page: Page, store: EmbeddedStore, seconds: float) -> None:
    """The page a third of the way, the store at two thirds: kill -9, and started again."""
    await asyncio.sleep(RAMP_SECONDS + seconds / 3)
    page.kill()
    page.start()
    await asyncio.sleep(seconds / 3)
    os.kill(store.pid, signal.SIGKILL)
    store.process.wait()
    await asyncio.to_thread(store.restart)


class Page:
    """The labeling page's process."""

    def __init__(self, config: WebConfig, file: Path, store_url: str) -> None:
        file.write_text(json.dumps(asdict(config)))
        self._words = [sys.executable, "-m", "labeling_gateway.web", "--config", str(file)]
        self._environment = os.environ | {"BACKFLIP_STORE_URL": store_url, "OMP_NUM_THREADS": "1"}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self._words, env=self._environment)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def cpu_seconds(self) -> float:
        """Of this process since it was started."""
        assert self.process is not None
        ticks = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def put_questions(client: GatewayClient, count: int) -> None:
    """``count`` questions about Hopper clips, each clip in one question."""
    scene = client.put_scene(HOPPER.scene())
    rng = np.random.default_rng(0)
    for start in range(0, count, _BATCH):
        queries: list[Query] = []
        clips: dict[str, bytes] = {}
        for number in range(start, min(start + _BATCH, count)):
            a, b = (_clip(rng, scene).to_bytes() for _ in "ab")
            name_a, name_b = content_hash(a), content_hash(b)
            clips |= {name_a: a, name_b: b}
            queries.append(Query(f"{number:06d}-{name_a[:12]}", name_a, name_b, scene, "uniform", 0.0, 0, 0))
        client.ask(queries, clips, count)


def _clip(rng: np.random.Generator, scene: str) -> Clip:
    state = rng.uniform(-0.3, 0.3, (STEPS, 12)).astype(np.float32)
    return Clip(state[:, 1:], state[:, :3], state, scene, policy_version=0, actor=0)


def measure(labelers: int, seconds: float, pace: float, *, kill: bool) -> dict[str, float]:
    """Milliseconds from answer to saved and to the next question, and what the log has afterwards."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        store = start_embedded(Path(folder) / "store")
        page = None
        try:
            client = GatewayClient(store.url, "bench")
            put_questions(client, round(labelers * (HELD + 1 + 1.3 * (seconds + RAMP_SECONDS) / pace)))
            config = WebConfig(
                run="bench",
                task="hopper",
                question=HOPPER.question,
                budget=10**6,
                folder=folder,
                address=f"127.0.0.1:{free_port()}",
            )
            tickets = open_tickets("bench", config.secrets_file)
            page = Page(config, Path(folder) / "page.json", store.url)
            page.start()
            gc.collect()
            gc.freeze()  # the crowd shares a process: while it looked for garbage, everybody would seem to wait
            uvloop.run(_run(config, tickets, tally, page, store, labelers, seconds, pace, kill))
            cpu = page.cpu_seconds()
            lost, doubled = audit(client, tally)
        finally:
            if page is not None:
                page.kill()
            store.stop()
    saved, following = np.array(tally.saved_ms), np.array(tally.next_ms)
    return {
        "labelers": labelers,
        "answers": len(tally.acknowledged),
        "answers_per_second": len(tally.acknowledged) / (seconds + RAMP_SECONDS),
        "saved_ms_median": float(np.median(saved)),
        "saved_ms_p99": float(np.percentile(saved, 99)),
        "next_ms_median": float(np.median(following)),
        "next_ms_p99": float(np.percentile(following, 99)),
        "refused": tally.refused.total(),
        "broken_connections": tally.broken,
        "acknowledged_and_lost": lost,
        "counted_twice": doubled,
        "page_cpu_ms_per_request": 0.0 if kill else 1e3 * cpu / max(tally.requests, 1),
    }


async def _run(
    config: WebConfig,
    tickets: Tickets,
    tally: Tally,
    page: Page,
    store: EmbeddedStore,
    labelers: int,
    seconds: float,
    pace: float,
    kill: bool,
) -> None:
    while True:  # until it listens
        with suppress(OSError):
            (await asyncio.open_connection(config.host, config.port))[1].close()
            break
        await asyncio.sleep(0.1)
    killer = asyncio.create_task(killing(page, store, seconds)) if kill else None
    await crowd(config, tickets, tally, labelers, seconds, pace)
    if killer is not None:
        await killer


def audit(client: GatewayClient, tally: Tally) -> tuple[int, int]:
    """How many acknowledged answers the log lacks, and how many it has more than once."""
    kept = Counter((label.query, label.rater, offset) for offset, label in _log(client))
    answers = Counter((query, rater) for query, rater, _ in kept)
    firsts = Counter(label.query for _, label in _log(client) if label.opinion is Opinion.FIRST)
    lost = len(set(tally.acknowledged) - set(kept))
    doubled = sum(count > 1 for count in (*answers.values(), *firsts.values()))
    return lost, doubled


def _log(client: GatewayClient) -> Iterator[tuple[str, Any]]:
    offset = ""
    while page := client.read_labels(offset, 5000):
        yield from page
        offset = page[-1][0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of labeling, after everybody came")
    parser.add_argument("--pace", type=float, default=4.0, help="seconds that a labeler takes for an answer")
    parser.add_argument("--kill", action="store_true", help="kill -9 the page and the store in the middle")
    arguments = parser.parse_args()
    result = measure(arguments.labelers, arguments.seconds, arguments.pace, kill=arguments.kill)
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))
    return int(result["acknowledged_and_lost"] > 0 or result["counted_twice"] > 0)


if __name__ == "__main__":
    sys.exit(main())
