"""A run with real clips to ask vendors about, and a broker process that a test may kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

from labeling_gateway.client import GatewayClient
from labeling_gateway.tickets import open_tickets
from labeling_gateway.vendors.account import Caps
from labeling_gateway.vendors.config import BrokerConfig
from labeling_gateway.vendors.ledger import Ledger
from labeling_gateway.web.config import WebConfig
from tests.labeling_gateway.vendors.fake_vendor import SECRET, FakeVendor
from tests.labeling_gateway.web.server import Server

ENVIRONMENT = {"FAKE_SIGNING": SECRET}


@dataclass
class BrokerProcess:
    config: BrokerConfig
    store_url: str
    file: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.file.write_text(json.dumps(asdict(self.config)))
        environment = os.environ | ENVIRONMENT | {"BACKFLIP_STORE_URL": self.store_url, "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-m", "labeling_gateway.vendors", "--config", str(self.file)]
        with self.file.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """As kill -9 would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        return self.file.with_suffix(".log").read_text()


def write_vendors(path: Path, vendor: FakeVendor, **changes: object) -> Path:
    """A vendors.toml that names the fake one."""
    values: dict[str, object] = {"price": "0.05", "spend_cap": "100", "poll_seconds": 0.1, "deadline_hours": 1.0}
    total = changes.pop("total", "100")
    lines = [f"{name} = {json.dumps(value)}" for name, value in (values | changes).items()]
    path.write_text(
        f'spend_cap = "{total}"\n[vendors.fake]\nkind = "http"\n' + "\n".join(lines) + "\n"
        '[vendors.fake.secrets]\nsigning = "FAKE_SIGNING"\n'
        f'[vendors.fake.options]\nurl = "{vendor.url}"\nbatch = 5\ntimeout = 1\n'
    )
    return path


def broker_of(server: Server, vendors: Path, folder: Path, budget: int = 10**6, **changes: object) -> BrokerProcess:
    page = server.config
    values = {"lease_seconds": 30.0, "idle_seconds": 0.05} | changes
    config = BrokerConfig(page.run, str(vendors), page.folder, server.url, budget, **values)  # pyright: ignore[reportArgumentType]
    return BrokerProcess(config, server.store_url, folder / "broker.json")


@contextmanager
def unserved(store_url: str, folder: Path) -> Iterator[Server]:
    """A run whose labeling page nobody has started."""
    run = f"run-{uuid.uuid4().hex[:8]}"
    config = WebConfig(run, "cartpole", "Which?", 900, str(folder / "page"))
    gateway = GatewayClient(store_url, run)
    yield Server(config, store_url, folder / "page.json", gateway, open_tickets(run, config.secrets_file))
    gateway.close()


def ledger_of(server: Server, cap: str = "100", total: str = "100") -> Ledger:
    return Ledger(server.store_url, server.config.run, "fake", Caps(Decimal(cap), Decimal(total)))


def until(condition: Callable[[], bool], broker: BrokerProcess, seconds: float = 90.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        died = broker.process is not None and broker.process.poll()
        assert not died and time.monotonic() < give_up, broker.said()[-3000:]
        time.sleep(0.02)
