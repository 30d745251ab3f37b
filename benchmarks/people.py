"""What people cost the training: `python -m benchmarks.people`.

A whole training run with its labeling page, in turns: with people who answer over HTTP as the page's browser does and
an owner who watches the dashboard, and with nobody there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from rich.console import Console

from backflip.bench import Training
from backflip.distributed import DistributedSystem
from backflip.presets import PRESETS
from backflip.run_folder import create_run_folder
from backflip.system import probe_task
from benchmarks.labelers import HELD, Browser, Tally, fetch
from contracts.memory import keep_freed_memory
from labeling_gateway.web.config import WebConfig
from labeling_gateway.web.tickets import Tickets, open_tickets
from learner.policy import PolicySpec
from learner.ppo import PPO

PRESET = "hopper-backflip"
_LOOK_SECONDS = 0.1


class People:
    """Labelers and an owner, in a thread of their own; they do something only while ``there`` is set."""

    def __init__(self, page: WebConfig, tickets: Tickets, labelers: int, pace: float) -> None:
        self.there = threading.Event()
        self.tally = Tally()
        self._page = page
        self._tickets = tickets
        self._pace = pace
        self._gone = threading.Event()
        work: list[Coroutine[None, None, None]] = [
            self._own(),
            *(self._label(f"labeler {number}") for number in range(labelers)),
        ]
        self._thread = threading.Thread(target=lambda: asyncio.run(_together(work)), daemon=True)
        self._thread.start()

    def leave(self) -> None:
        self._gone.set()
        self._thread.join()

    async def _label(self, rater: str) -> None:
        browser = Browser(self._page.host, self._page.port, self.tally)
        invitation = self._tickets.write_invitation(self._tickets.invite(rater, 1))
        await browser.ask("POST", "sessions", {"invitation": invitation})
        while await self._present():
            for pair in await fetch(browser, HELD):
                await asyncio.sleep(self._pace)
                body = {"query": pair["query"], "fence": pair["fence"], "choice": "left", "seconds": self._pace}
                await browser.ask("POST", "answers", body)
            await asyncio.sleep(_LOOK_SECONDS)
        browser.close()

    async def _own(self) -> None:
        """Reads the dashboard's events as they come."""
        while await self._present():
            reader, writer = await asyncio.open_connection(self._page.host, self._page.port)
            host = f"{self._page.host}:{self._page.port}"
            token = self._tickets.owner_token
            writer.write(
                f"GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            )
            while self.there.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(2**16), _LOOK_SECONDS)
            writer.close()

    async def _present(self) -> bool:
        """Waits until they are there; False once they have left for good."""
        while not self.there.is_set() and not self._gone.is_set():
            await asyncio.sleep(_LOOK_SECONDS)
        return not self._gone.is_set()


async def _together(work: list[Coroutine[None, None, None]]) -> None:
    await asyncio.gather(*work)


def measure(rounds: int, labelers: int, pace: float) -> dict[str, float]:
    """Steps a second with people and without, medians of the rounds, and the median of the rounds' ratios."""
    say = Console(file=sys.stderr).print
    torch.set_num_threads(1)
    keep_freed_memory()
    rates: dict[str, list[float]] = {"with_people": [], "without": []}
    with tempfile.TemporaryDirectory() as folder:
        preset = PRESETS[PRESET].config
        labels = replace(preset.labels, source="web", address="127.0.0.1:0", open=False)
        config = replace(preset, labels=labels, out=Path(folder), name="bench")
        run = create_run_folder(config)
        task = probe_task(config)
        ppo = PPO(PolicySpec(task.spaces, config.learner.hidden), config.learner, config.seed)
        say("starting every part of a training run")
        system = DistributedSystem(config, run, task.spaces, task.scene)
        people = None
        try:
            assert system.page is not None
            people = People(system.page, open_tickets(run.run, system.page.secrets_file), labelers, pace)
            training = Training(system, ppo, config.steps)
            say("training until the first answers are fitted")
            people.there.set()
            training.warm_up(1)
            for number in range(rounds):
                for name in ("with_people", "without") if number % 2 else ("without", "with_people"):
                    (people.there.set if name == "with_people" else people.there.clear)()
                    rates[name].append(training.rate(answers=True))
                say(f"round {number + 1} of {rounds}: " + ", ".join(f"{n} {r[-1]:,.0f}" for n, r in rates.items()))
            answers = system.facts().labels_used
        finally:
            if people is not None:
                people.leave()
            system.stop()
    ratios = [a / b for a, b in zip(rates["with_people"], rates["without"], strict=True)]
    return {name: median(found) for name, found in rates.items()} | {
        "kept": median(ratios),
        "lowest_kept": min(ratios),
        "highest_kept": max(ratios),
        "answers": answers,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--labelers", type=int, default=2)
    parser.add_argument("--pace", type=float, default=4.0, help="seconds that a labeler takes for an answer")
    arguments = parser.parse_args()
    result = measure(arguments.rounds, arguments.labelers, arguments.pace)
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
