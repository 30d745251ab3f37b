"""A labeling page in a process of its own, with real clips to ask about, and how tests talk to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import httpx
import numpy as np

from actors.tasks.runners import HOPPER
from contracts.clip import Clip, Scene
from contracts.encoding import content_hash
from contracts.label import Query
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import free_port
from labeling_gateway.tickets import Tickets, open_tickets
from labeling_gateway.web.config import Limits, WebConfig

STEPS = 12
UNHURRIED = Limits(session_rate=1e5, session_burst=10**6, stranger_rate=1e5, stranger_burst=10**6)
CART_POLE = Scene(task="CartPole-v1", track="observation", timestep=0.02, question="Which keeps its pole upright?")


@dataclass
class Server:
    """One page's process, and the run that it is of."""

    config: WebConfig
    store_url: str
    file: Path
    gateway: GatewayClient
    tickets: Tickets
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.config.tls else ''}://{self.config.address}"

    def start(self) -> None:
        self.file.write_text(json.dumps(asdict(self.config)))
        environment = os.environ | {"BACKFLIP_STORE_URL": self.store_url, "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-m", "labeling_gateway.web", "--config", str(self.file)]
        with self.file.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
        give_up = time.monotonic() + 90
        while True:
            assert self.process.poll() is None and time.monotonic() < give_up, self.said()
            try:
                httpx.get(f"{self.url}/api/v1/openapi.json", verify=False)
                return
            except httpx.TransportError:
                time.sleep(0.05)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        return self.file.with_suffix(".log").read_text()

    def invitation(self, rater: str, hours: float = 1.0) -> str:
        return self.tickets.write_invitation(self.tickets.invite(rater, hours))

    def labeler(self, rater: str = "ann") -> httpx.Client:
        """A browser that is logged in by an invitation."""
        client = self.stranger()
        client.post("sessions", json={"invitation": self.invitation(rater)}).raise_for_status()
        return client

    def owner(self) -> httpx.Client:
        client = self.stranger()
        client.post("sessions", json={"owner_token": self.tickets.owner_token}).raise_for_status()
        return client

    def stranger(self) -> httpx.Client:
        return httpx.Client(base_url=f"{self.url}/api/v1/", timeout=60, verify=False)


@contextmanager
def serving(store_url: str, folder: Path, **changes: object) -> Iterator[Server]:
    """A server of a new run. ``changes`` are fields of its config."""
    config = WebConfig(
        run=f"run-{uuid.uuid4().hex[:8]}",
        task="hopper-backflip",
        question=HOPPER.question,
        budget=900,
        folder=str(folder / "page"),
        address=f"127.0.0.1:{free_port()}",
        limits=UNHURRIED,
    )
    config = replace(config, **changes)
    gateway = GatewayClient(store_url, config.run)
    server = Server(config, store_url, folder / "page.json", gateway, open_tickets(config.run, config.secrets_file))
    try:
        server.start()
        yield server
    finally:
        server.kill()
        gateway.close()


def hopper_clip(number: int) -> Clip:
    rng = np.random.default_rng(number)
    state = np.zeros((STEPS, 12), np.float32)
    state[:, 0] = number
    state[:, 1] = 1.25
    state[:, 2:6] = rng.uniform(-0.5, 0.5, (STEPS, 4))
    return _clip(state, HOPPER.scene(), number)


def cart_pole_clip(number: int) -> Clip:
    state = np.zeros((STEPS, 4), np.float32)
    state[:, 0] = np.linspace(-1.0, 1.0, STEPS)
    state[:, 2] = number / 100
    return _clip(state, CART_POLE, number)


def ask(server: Server, count: int, *, cart_pole: bool = False, opinions: int = 1) -> list[Query]:
    """Puts questions about real clips in the queue."""
    make = cart_pole_clip if cart_pole else hopper_clip
    first = server.gateway.counts().asked
    pairs = [(make(2 * number), make(2 * number + 1)) for number in range(first, first + count)]
    return ask_about(server, CART_POLE if cart_pole else HOPPER.scene(), pairs, opinions)


def ask_about(server: Server, scene: Scene, pairs: Sequence[tuple[Clip, Clip]], opinions: int = 1) -> list[Query]:
    """Puts a question about each pair of clips of a scene in the queue."""
    name = server.gateway.put_scene(scene)
    first = server.gateway.counts().asked
    queries: list[Query] = []
    clips: dict[str, bytes] = {}
    for number, pair in enumerate(pairs, first):
        a, b = (clip.to_bytes() for clip in pair)
        names = content_hash(a), content_hash(b)
        clips |= {names[0]: a, names[1]: b}
        queries.append(Query(f"{number:06d}-{names[0][:12]}", *names, name, "uniform", 0.0, 0, 0, opinions))
    assert server.gateway.ask(queries, clips, 10**6) == len(pairs)
    return queries


def _clip(state: np.ndarray, scene: Scene, number: int) -> Clip:
    return Clip(
        observation=state[:, 1:],
        action=np.zeros((len(state), 3), np.float32),
        state=state,
        scene=scene.hash,
        policy_version=number,
        actor=0,
    )
