"""Regions of shared memory: which files may be lent, and nothing that a caller can break with one."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from reward_service import shared_memory
from reward_service.client import RewardClient
from reward_service.server import Serving
from tests.reward_service.shared_memory.lending import call, inputs_at, regions, register, slab, times_open
from tests.reward_service.test_versions import A, D


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "not a key"),
        ("/", "not a key"),
        (".", "not a key"),
        ("..", "not a key"),
        ("//{file}", "not a key"),
        ("/../shm/{file}", "not a key"),
        ("/{file}/", "not a key"),
        ("/{file}\0", "not a key"),
        ("/{file}-missing", "No such file"),
        ("/{link}", "symbolic links"),
        ("/{folder}", "Is a directory"),
        ("/{pipe}", "not a regular file"),
        ("/backflip-" + 300 * "x", "File name too long"),
        ("/other-{file}", "not a key"),
    ],
)
def test_a_key_that_is_no_file_in_shared_memory_is_refused(
    serving: Serving, client: RewardClient, lend: Callable[..., Path], key: str, message: str
) -> None:
    file, link, folder, pipe = (lend() for _ in range(4))
    link.unlink()
    link.symlink_to(file)
    folder.unlink()
    folder.mkdir()
    pipe.unlink()
    os.mkfifo(pipe)
    key = key.format(file=file.name, link=link.name, folder=folder.name, pipe=pipe.name)
    try:
        with pytest.raises(grpc.RpcError, match=message) as caught:
            call(serving, "SystemSharedMemoryRegister", name="mine", key=key, byte_size=4)
    finally:
        folder.rmdir()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "\n" not in str(caught.value.details())
    assert not regions(serving)
    assert client.score(*slab()).version == 1


def test_a_region_that_its_file_cannot_hold_is_refused(
    serving: Serving, lend: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lend()
    for offset, byte_size, message in (
        (0, 0, "0 bytes; expected 1 to"),
        (0, 2**16 + 1, "has 65536 bytes; region 'mine' needs 65537 from 0 on"),
        (1, 2**16, "needs 65536 from 1 on"),
        (2**64 - 1, 1, "needs 1 from 18446744073709551615 on"),
        (0, 2**64 - 1, "expected 1 to 67108864"),
    ):
        with pytest.raises(grpc.RpcError, match=message) as caught:
            register(serving, path, offset=offset, byte_size=byte_size)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError, match="needs a name"):
        register(serving, path, name="")
    register(serving, path)
    with pytest.raises(grpc.RpcError, match="a region 'mine' already") as caught:
        register(serving, path)
    assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS
    monkeypatch.setattr(shared_memory, "REGIONS", 1)
    with pytest.raises(grpc.RpcError, match="all there can be") as caught:
        register(serving, path, name="another")
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert times_open(path) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_user_s_file_is_refused(serving: Serving, lend: Callable[..., Path]) -> None:
    path = lend()
    os.chown(path, 12345, -1)
    with pytest.raises(grpc.RpcError, match="belongs to another user"):
        register(serving, path)


def test_regions_are_listed_and_forgotten(serving: Serving, lend: Callable[..., Path]) -> None:
    first, second = lend(), lend()
    register(serving, first, name="first")
    register(serving, second, name="second", offset=8, byte_size=16)
    assert (times_open(first), times_open(second)) == (1, 1)
    found = regions(serving)["second"]
    assert (found.name, found.key, found.offset, found.byte_size) == ("second", f"/{second.name}", 8, 16)
    assert list(call(serving, "SystemSharedMemoryStatus", name="first").regions) == ["first"]
    for _ in range(2):
        call(serving, "SystemSharedMemoryUnregister", name="first")
        assert list(regions(serving)) == ["second"]
    with pytest.raises(grpc.RpcError, match="no region 'first'") as caught:
        call(serving, "SystemSharedMemoryStatus", name="first")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    register(serving, first, name="first")
    call(serving, "SystemSharedMemoryUnregister")
    assert not regions(serving)
    gc.collect()  # an error that was told may hold what it was about
    assert (times_open(first), times_open(second)) == (0, 0)


def test_a_file_that_changes_meanwhile_breaks_nothing(serving: Serving, lend: Callable[..., Path]) -> None:
    rows = 2**14
    size = 4 * rows * (D + A)
    path = lend(bytes(size))
    register(serving, path, byte_size=size)
    told = threading.Event()

    def meddle() -> None:
        rng = np.random.default_rng(0)
        while not told.is_set():
            os.truncate(path, int(rng.integers(size)))
            path.write_bytes(rng.bytes(size))

    meddler = threading.Thread(target=meddle)
    meddler.start()
    inputs = inputs_at(("mine", 0, 4 * rows * D), ("mine", 4 * rows * D, 4 * rows * A), rows=rows)
    until, give_up = time.monotonic() + 2, time.monotonic() + 60
    said = set()
    while time.monotonic() < until or ("truncated" not in said and time.monotonic() < give_up):
        try:
            call(serving, "ModelInfer", model_name="reward", inputs=inputs)
        except grpc.RpcError as error:
            status: Any = error
            assert status.code() == grpc.StatusCode.INVALID_ARGUMENT
            said.add("truncated" if "truncated" in status.details() else status.details())
    told.set()
    meddler.join()
    assert "truncated" in said
    assert said <= {
        "truncated",
        *(f"input {name!r} has numbers that are not finite" for name in ("observation", "action")),
    }
    path.write_bytes(bytes(size))
    assert len(call(serving, "ModelInfer", model_name="reward", inputs=inputs).outputs) == 2
