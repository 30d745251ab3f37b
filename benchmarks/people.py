"""What people cost the training: `python -m benchmarks.people`.

A whole training run with its labeling page, in turns: with people who answer over HTTP as the page's own code does and
an owner who watches the dashboard; with a program that gives as many answers straight to the store, as the scripted
teacher does; and with nobody there. People over program is what the page costs; people over nobody is that and what
learning from the answers takes. Neighbouring phases are compared, and the medians of their ratios are given, since the
speed of a training drifts as the policy learns.

A fit of the reward model that falls into one phase and not into the next moves their ratio by more than the page does.
So the time that page, painter and label store take of the machine's cores is counted as well: `page_takes` is their
share of it with people there, less that with the program.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from statistics import median

from rich.console import Console

from backflip.phases import training_of
from backflip.presets import PRESETS
from benchmarks.browsers import Browser, Labeler, Tally
from contracts.label import Choice
from labeling_gateway.client import GatewayClient
from labeling_gateway.tickets import Tickets, open_tickets
from labeling_gateway.web.config import WebConfig

PRESET = "hopper-backflip"
LEASE_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_PHASE_SECONDS = 10.0
_OF_THE_PAGE = ("labeling page", "label store")


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
        labeler = Labeler(Browser(self._page.host, self._page.port, self.tally), rater)
        invitation = self._tickets.write_invitation(self._tickets.invite(rater, 1))
        await labeler.open(invitation)
        while await self._present():
            await asyncio.sleep(self._pace)
            if labeler.questions:
                await labeler.answer("left", self._pace)
            else:
                await labeler.fill()
            await labeler.keep_up()
        labeler.close()

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


class Program:
    """Gives as many answers as the labelers do, without a page; only while ``there`` is set."""

    def __init__(self, gateway: GatewayClient, seconds: float) -> None:
        self.there = threading.Event()
        self._gateway = gateway
        self._seconds = seconds  # between two answers
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def leave(self) -> None:
        self._gone.set()
        self._thread.join()

    def _answer(self) -> None:
        while not self._gone.wait(self._seconds):
            if self.there.is_set() and (lease := self._gateway.lease("program", LEASE_SECONDS)) is not None:
                self._gateway.answer(lease, "program", Choice.A, self._seconds)


async def _together(work: list[Coroutine[None, None, None]]) -> None:
    await asyncio.gather(*work)


def measure(rounds: int, labelers: int, pace: float) -> dict[str, float]:
    """Steps a second in each kind of phase, medians of the rounds, and the medians of the rounds' ratios."""
    say = Console(file=sys.stderr).print
    rates: dict[str, list[float]] = {"people": [], "program": [], "nobody": []}
    shares: dict[str, list[float]] = {name: [] for name in rates}
    preset = PRESETS[PRESET].config
    labels = replace(preset.labels, source="web", address="127.0.0.1:0", open=False)
    say("starting every part of a training run")
    with training_of(replace(preset, labels=labels)) as training:
        system, there = training.system, dict[str, People | Program]()
        assert system.page is not None and system.gateway is not None
        try:
            tickets = open_tickets(training.run, system.page.secrets_file)
            there["people"] = People(system.page, tickets, labelers, pace)
            there["program"] = Program(system.gateway, pace / labelers)
            say("training until the first answers are fitted")
            for answering in there.values():
                answering.there.set()
            training.warm_up(1)
            for number in range(rounds):
                names = list(rates)[number % 3 :] + list(rates)[: number % 3]
                for name in names if number % 2 else names[::-1]:
                    for kind, answering in there.items():
                        (answering.there.set if kind == name else answering.there.clear)()
                    phase = training.phase(_PHASE_SECONDS, answers=True)
                    rates[name].append(phase.steps / phase.seconds)
                    spent = sum(phase.cpu_seconds[part] for part in _OF_THE_PAGE) / phase.seconds
                    shares[name].append(spent / (os.cpu_count() or 1))
                say(f"round {number + 1} of {rounds}: " + ", ".join(f"{n} {r[-1]:,.0f}" for n, r in rates.items()))
            answers = system.facts().labels_used
        finally:
            for answering in there.values():
                answering.leave()
    kept = {
        f"kept_of_{name}": sorted(a / b for a, b in zip(rates["people"], rates[name], strict=True))
        for name in ("program", "nobody")
    }
    return (
        {name: median(found) for name, found in rates.items()}
        | {name: median(ratios) for name, ratios in kept.items()}
        | {f"{name}_lowest": ratios[0] for name, ratios in kept.items()}
        | {f"{name}_highest": ratios[-1] for name, ratios in kept.items()}
        | {"page_takes": median(a - b for a, b in zip(shares["people"], shares["program"], strict=True))}
        | {"answers": answers}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--labelers", type=int, default=2)
    parser.add_argument("--pace", type=float, default=4.0, help="seconds that a labeler takes for an answer")
    arguments = parser.parse_args()
    result = measure(arguments.rounds, arguments.labelers, arguments.pace)
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
