"""Real stores for this room's tests: the embedded Valkey, and the system's Redis where there is one."""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import EmbeddedStore, free_port, start_embedded


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """One server for all tests that do not harm it."""
    store = start_embedded(tmp_path_factory.mktemp("valkey"))
    yield store
    store.stop()


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A server that a test may kill."""
    store = start_embedded(tmp_path / "store")
    yield store
    store.stop()


RunServer = Callable[..., str]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunServer]:
    """Starts the system's Redis with the given options and returns its URL."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on this machine")
    started: list[subprocess.Popen[bytes]] = []

    def start(**options: str) -> str:
        port = free_port()
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        directory = tmp_path_factory.mktemp("redis")
        process = subprocess.Popen(
            [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "", *words],
            stdout=subprocess.DEVNULL,
        )
        started.append(process)
        url = f"redis://127.0.0.1:{port}/0"
        give_up = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < give_up:
            try:
                redis.Redis.from_url(url).ping()
                return url
            except redis.ConnectionError:
                time.sleep(0.02)
        raise RuntimeError("redis-server did not start")

    yield start
    for process in started:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def redis_url(redis_server: RunServer) -> str:
    return redis_server(appendonly="yes", appendfsync="always")


@pytest.fixture(params=["valkey", "redis"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Each kind of store that labels may be kept in."""
    if request.param == "redis":
        return request.getfixturevalue("redis_url")
    return request.getfixturevalue("valkey").url


@pytest.fixture
def client(store_url: str) -> Iterator[GatewayClient]:
    """A run of its own in each kind of store."""
    opened = GatewayClient(store_url, f"run-{uuid.uuid4().hex[:8]}")
    yield opened
    opened.close()
