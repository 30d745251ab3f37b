"""Batches by shared memory: the same numbers as by the wire, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from reward_service.client import RewardClient, RewardRequestError, RewardServiceUnavailable
from reward_service.fitting import FitReport
from reward_service.segment import Segment
from reward_service.server import Serving
from reward_service.versions import RewardModel
from tests.reward_service.shared_memory.lending import ROWS, call, exists, regions, slab, start
from tests.reward_service.test_versions import SPACE, A, D, K, ensemble

SERVER = """
import sys
from contracts.spaces import ObservationSpace
from reward_service.config import RewardServiceConfig
from reward_service.server import serve
from reward_service.versions import RewardModel
members, observation, action = map(int, sys.argv[2:])
config = RewardServiceConfig("test", "127.0.0.1:0", sys.argv[1], 0, ObservationSpace((observation,)), action)
serving = serve(config, RewardModel(members, config.observation, action, sys.argv[1]))
print(serving.address, flush=True)
sys.stdin.read()
"""
CLIENT = """
import os, signal, sys
import numpy as np
from reward_service.client import RewardClient
rows, observation, action = map(int, sys.argv[2:])
client = RewardClient(sys.argv[1])
client.score(np.ones((rows, observation)), np.ones((rows, action)))
print("scored", flush=True)
sys.stdin.read()
"""


def test_a_slab_scores_as_by_the_wire_and_as_in_process(
    client: RewardClient, serving: Serving, model: RewardModel, reads: list[str]
) -> None:
    observation, action = slab()
    reward, member_reward, _ = model.score(observation, action)
    by_wire = RewardClient(serving.address, shared_memory=False).score(observation, action, members=True)
    assert not reads
    by_memory = client.score(observation, action, members=True)
    assert len(reads) == 2
    for scores in (by_wire, by_memory):
        assert scores.version == 1
        assert (scores.reward == reward).all()
        assert scores.member_reward is not None
        assert (scores.member_reward == member_reward).all()

    assert client.score(observation, action, version=0).reward.tolist() == [0] * ROWS
    strided = client.score(np.repeat(observation, 2, axis=1)[:, ::2].astype(np.float64), np.asfortranarray(action))
    assert (strided.reward == reward).all()
    larger, smaller = slab(5 * ROWS), slab(ROWS - 1)
    assert (client.score(*larger).reward == model.score(*larger)[0]).all()
    assert (client.score(*smaller).reward == model.score(*smaller)[0]).all()
    assert len(reads) == 10
    assert set(reads) == set(regions(serving)), "one segment serves all"

    client.score(*slab(100))
    assert len(reads) == 10, "a small batch goes by the wire"


def test_wrong_requests_are_named_as_by_the_wire(client: RewardClient, serving: Serving, reads: list[str]) -> None:
    observation, action = slab()
    for _ in range(2):
        with pytest.raises(RewardRequestError, match=rf"expected \[{ROWS}, {D}\]"):
            client.score(observation.reshape(-1, 2 * D).repeat(2, axis=0), action)
        with pytest.raises(RewardRequestError, match="'action' has numbers that are not finite"):
            client.score(observation, np.full_like(action, np.nan))
    assert len(regions(serving)) == len(set(reads)) == 1
    with pytest.raises(RewardRequestError, match="no version 99; its newest is 1"):
        client.score(observation, action, version=99)


def test_threads_share_a_client(client: RewardClient, serving: Serving, model: RewardModel) -> None:
    batches = [slab(seed=seed) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: client.score(*batch).reward, batches))
    for batch, reward in zip(batches, found, strict=True):
        assert (reward == model.score(*batch)[0]).all()
    assert 1 <= len(regions(serving)) <= 4


def test_a_call_that_was_given_up_does_not_harm_the_next(tmp_path: Path, model: RewardModel) -> None:
    leave = threading.Event()

    class Slow(RewardModel):
        def score(self, *arguments: Any, **named: Any) -> tuple[np.ndarray, np.ndarray, int]:
            leave.wait(60)
            return super().score(*arguments, **named)

    slow = Slow(K, SPACE, A, tmp_path)
    slow.publish(ensemble(1), FitReport(version=1))
    serving = start(slow)
    client = RewardClient(serving.address, timeout=3)  # of the next call too, on a busy machine
    with pytest.raises(RewardServiceUnavailable, match="DEADLINE_EXCEEDED"):
        client.score(*slab())
    leave.set()
    other = slab(seed=8)
    assert (client.score(*other).reward == model.score(*other)[0]).all()
    client.close()
    serving.stop(0)


def test_a_restarted_service_is_told_anew(model: RewardModel, reads: list[str]) -> None:
    first = start(model)
    client = RewardClient(first.address, timeout=2)
    reward = client.score(*slab()).reward
    first.stop(0)
    early = RewardClient(first.address, timeout=2)
    for one in (client, early):
        with pytest.raises(RewardServiceUnavailable):
            one.score(*slab())
    second = start(model, first.address)
    early.wait_ready(60)
    reads.clear()
    assert (early.score(*slab()).reward == reward).all()
    assert len(reads) == 2, "it asks at once"
    early.close()
    client.wait_ready(60)
    reads.clear()
    for _ in range(2):
        assert (client.score(*slab()).reward == reward).all()
    assert len(reads) == 2, "the second call registered"
    assert list(regions(second)) == [reads[0]]
    client.close()
    assert not regions(second)
    second.stop(0)


def test_the_wire_serves_where_the_service_listens_beyond_this_machine(model: RewardModel, reads: list[str]) -> None:
    serving = start(model, "0.0.0.0:0", allow_remote=True)
    client = RewardClient(serving.address.replace("0.0.0.0", "127.0.0.1"))
    assert (client.score(*slab()).reward == model.score(*slab())[0]).all()
    assert not reads
    assert not call(serving, "ServerMetadata").extensions
    with pytest.raises(grpc.RpcError, match="listens on loopback") as caught:
        call(serving, "SystemSharedMemoryRegister", name="mine", key="/mine", byte_size=4)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    serving.stop(0)


def test_another_machine_is_offered_nothing(made: list[str]) -> None:
    with pytest.raises(RewardServiceUnavailable):
        RewardClient("192.0.2.1:1", timeout=0.2).score(*slab())  # an address of nobody's
    assert not made


@pytest.mark.parametrize("part", ["__init__", "write"])
def test_the_wire_serves_where_this_machine_has_no_shared_memory_left(
    client: RewardClient, model: RewardModel, reads: list[str], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Segment, part, fail)
    for _ in range(2):
        assert (client.score(*slab()).reward == model.score(*slab())[0]).all()
    assert not reads


def test_what_a_killed_client_shared_is_freed(serving: Serving, client: RewardClient) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, serving.address, *map(str, (ROWS, D, A))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"scored\n"
    (theirs,) = regions(serving)
    assert not exists(theirs), "its file has a name no longer than until it is registered"
    client.score(*slab())
    (mine,) = regions(serving).keys() - {theirs}

    process.send_signal(signal.SIGKILL)
    process.communicate()
    another = RewardClient(serving.address)
    another.score(*slab())
    found = set(regions(serving))
    assert theirs not in found
    assert mine in found
    assert len(found) == 2
    another.close()


def test_a_killed_service_leaves_no_file(tmp_path: Path, made: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), *map(str, (K, D, A))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    address = process.stdout.readline().decode().strip()
    client = RewardClient(address, timeout=2)
    client.wait_ready(60)
    assert client.score(*slab()).version == 0
    process.kill()
    process.communicate()
    another = RewardClient(address, timeout=2)
    for one in (client, another):
        with pytest.raises(RewardServiceUnavailable):
            one.score(*slab())
        one.close()
    assert len(made) == 2
    assert not any(map(exists, made))
