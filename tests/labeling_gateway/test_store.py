"""Reaching a store, refusing one that forgets, and the embedded one."""

from __future__ import annotations

import os
import signal
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import EmbeddedStore, start_embedded
from labeling_gateway.store import NotDurable, StoreError, StoreUnreachable, connect, masked
from tests.labeling_gateway.samples import ask, clips


def test_an_unreachable_store_is_one_line_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling_gateway.store.RETRIES", 1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"redis://user:hunter2@127.0.0.1:{probe.getsockname()[1]}/0"
    with pytest.raises(StoreUnreachable) as raised:
        connect(url)
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "REDIS_URL" in str(raised.value)


def test_a_wrong_password_is_refused_without_repeating_it(valkey: EmbeddedStore) -> None:
    with pytest.raises(StoreUnreachable, match="password") as raised:
        connect(f"redis://:hunter2@127.0.0.1:{valkey.port}/0")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://:hunter2@host", "nonsense", "redis://:hunter2@host:port/0", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(StoreUnreachable, match="no store address") as raised:
        connect(url)
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in masked(url)


def test_a_store_that_keeps_nothing_is_refused(own_store: EmbeddedStore) -> None:
    client = GatewayClient(own_store.url, "run")
    redis.Redis.from_url(own_store.url).config_set("appendonly", "no")
    with pytest.raises(NotDurable, match="appendonly yes"):
        client.require_durable()
    with pytest.raises(NotDurable):
        ask(client, 1)


def test_redis_that_may_lose_a_second_is_refused(redis_server: Callable[..., str]) -> None:
    client = GatewayClient(redis_server(appendonly="yes", appendfsync="everysec"), "run")
    version = redis.Redis.from_url(client._session._url).info("server")["redis_version"]
    if tuple(int(part) for part in version.split(".")[:2]) >= (7, 2):
        client.require_durable()  # it has WAITAOF, which waits for that second
    else:
        with pytest.raises(NotDurable, match="appendfsync always"):
            client.require_durable()


def test_a_repeated_answer_is_proven_on_its_own_connection(valkey: EmbeddedStore) -> None:
    """WAITAOF answers at once on a connection that wrote nothing: a repetition must write too."""
    client = GatewayClient(valkey.url, f"run-{uuid.uuid4().hex[:8]}")
    (query,) = ask(client, 1)
    held = client.lease("ann", 60)
    assert held is not None
    for _ in range(3):
        client.answer(held, "ann", "a", 1)  # pyright: ignore[reportArgumentType]
    assert redis.Redis.from_url(valkey.url).hget(client.keys.query(query.id), "repeats") == b"2"


def test_actors_and_learner_never_wait_for_a_dead_store(own_store: EmbeddedStore) -> None:
    client = GatewayClient(own_store.url, "run")
    offered = clips(3)
    client.offer(offered)
    os.kill(own_store.pid, signal.SIGKILL)
    own_store.process.wait()
    started = time.monotonic()
    for _ in range(200):
        client.offer(offered)
        client.report_progress(1, 2)
    assert time.monotonic() - started < 4.0, "10 ms each, on a busy machine too"
    own_store.restart()
    client._hasty._quiet_until = 0.0
    client.report_progress(2, 2)
    progress = client.progress()
    assert progress is not None
    assert progress.share == 1.0


def test_a_stopped_store_delays_them_by_half_a_second_at_most(own_store: EmbeddedStore) -> None:
    client = GatewayClient(own_store.url, "run")
    client.offer(clips(1))
    os.kill(own_store.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        for _ in range(20):
            client.report_progress(1, 2)
        assert time.monotonic() - started < 4.0, "where each waited it would be ten"
    finally:
        os.kill(own_store.pid, signal.SIGCONT)


def test_the_password_is_nowhere_but_in_memory(own_store: EmbeddedStore) -> None:
    assert own_store.password.encode() not in Path(f"/proc/{own_store.pid}/cmdline").read_bytes()
    for path in own_store.directory.rglob("*"):
        assert path.is_dir() or own_store.password.encode() not in path.read_bytes(), path
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=own_store.port, retry=Retry(NoBackoff(), 0)).get("x")


def test_two_stores_never_share_a_folder(own_store: EmbeddedStore) -> None:
    with pytest.raises(StoreError, match=f"process {own_store.pid}"):
        start_embedded(own_store.directory)
    assert own_store.alive()


def test_a_taken_port_is_named(own_store: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"port {own_store.port} .*taken"):
        start_embedded(tmp_path / "other", own_store.port)


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot keep labels in"):
        start_embedded(tmp_path / "file" / "store")


def test_what_was_kept_is_there_again_on_the_same_port(own_store: EmbeddedStore) -> None:
    ask(GatewayClient(own_store.url, "run"), 3)
    own_store.stop()
    again = start_embedded(own_store.directory, own_store.port)
    try:
        assert again.port == own_store.port
        assert GatewayClient(again.url, "run").counts().open == 3
    finally:
        again.stop()
