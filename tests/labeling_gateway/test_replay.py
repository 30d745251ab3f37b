"""The same log gives the same archive, byte for byte."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis

from contracts.clip import Scene
from contracts.label import Choice
from labeling_gateway.archive import export_labels
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.replay import replay
from tests.labeling_gateway.samples import ask

SCENE = Scene(task="hopper", track="observation", timestep=0.02, question="Which is better?")


def exported(client: GatewayClient, folder: Path) -> tuple[int, bytes]:
    file = folder / "labels.parquet"
    return export_labels(client, file), file.read_bytes()


def answer_all(client: GatewayClient, rater: str = "ann") -> None:
    while (held := client.lease(rater, 60)) is not None:
        client.answer(held, rater, Choice.B, 0.1 + 0.2)


def test_a_replay_is_byte_identical_also_after_a_restart(own_store: EmbeddedStore, tmp_path: Path) -> None:
    client = GatewayClient(own_store.url, "run")
    ask(client, 10, scene=client.put_scene(SCENE))
    answer_all(client)
    first = exported(client, tmp_path)
    assert first[0] == 10
    assert exported(client, tmp_path) == first
    own_store.stop()
    own_store.restart()
    assert exported(client, tmp_path) == first


def test_a_log_that_was_begun_by_an_older_release_is_read_on(client: GatewayClient) -> None:
    ask(client, 2)
    answer_all(client)
    before = list(replay(client))
    run = client._session.run
    (entries,) = run(("XRANGE", client.keys.labels, "-", "+"))
    run(("DEL", client.keys.labels))
    for (offset, fields), record in zip(entries, before, strict=True):
        old = fields | {b"schema": b"2"}
        body = record.query.to_bytes().replace(b'"opinions":1,', b"").replace(b'"schema":3', b'"schema":2')
        run(("XADD", client.keys.labels, offset, *(word for pair in old.items() for word in pair)))
        run(("HSET", client.keys.query(record.query.id), "body", body))
    assert list(replay(client)) == before
    run(("XADD", client.keys.labels, "*", "schema", 1))
    with pytest.raises(ValueError, match="schema 2 or 3, found schema 1"):
        list(replay(client))


def test_superseded_labels_stay_in_the_log(client: GatewayClient) -> None:
    ask(client, 2)
    old = client.lease("ann", 0.02)
    assert old is not None
    time.sleep(0.03)
    other = client.lease("bob", 60)
    assert other is not None
    client.answer(old, "ann", Choice.A, 9)
    client.release(other, "bob")
    answer_all(client)
    labels = [record.label for record in replay(client)]
    assert len(labels) == 3
    assert sum(bool(label.supersedes) for label in labels) == 1


def test_a_damaged_clip_is_named(client: GatewayClient, store_url: str) -> None:
    (query,) = ask(client, 1)
    answer_all(client)
    redis.Redis.from_url(store_url).set(client.keys.clip(query.clip_b), b"something else")
    with pytest.raises(ValueError, match=f"{query.clip_b} .*damaged"):
        list(replay(client))
