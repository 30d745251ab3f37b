"""A reward service, and what tests lend it in shared memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from reward_service import inference_pb2 as pb
from reward_service import protocol
from reward_service.config import RewardServiceConfig
from reward_service.server import Serving, serve
from reward_service.versions import RewardModel
from tests.reward_service.test_versions import SPACE, A, D

ROWS = 4096  # large enough for shared memory


def start(model: RewardModel, address: str = "127.0.0.1:0", allow_remote: bool = False) -> Serving:
    config = RewardServiceConfig("test", address, str(model.directory), 0, SPACE, A, allow_remote=allow_remote)
    return serve(config, model)


def slab(rows: int = ROWS, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, D)).astype(np.float32), rng.normal(size=(rows, A)).astype(np.float32)


def call(serving: Serving, method: str, **fields: object) -> Any:
    asked, answered = protocol.METHODS[method]
    with grpc.insecure_channel(serving.address) as channel:
        ask = channel.unary_unary(
            f"/{protocol.SERVICE}/{method}",
            request_serializer=asked.SerializeToString,
            response_deserializer=answered.FromString,
        )
        return ask(asked(**fields), timeout=60)


def register(serving: Serving, path: Path, name: str = "mine", offset: int = 0, byte_size: int = 2**16) -> None:
    call(serving, "SystemSharedMemoryRegister", name=name, key=f"/{path.name}", offset=offset, byte_size=byte_size)


def regions(serving: Serving) -> dict[str, Any]:
    return dict(call(serving, "SystemSharedMemoryStatus").regions)


def inputs_at(*places: tuple[str, int, int], rows: int = 3) -> list[pb.ModelInferRequest.InferInputTensor]:
    tensors = [
        pb.ModelInferRequest.InferInputTensor(name=name, datatype="FP32", shape=[rows, width])
        for name, width in (("observation", D), ("action", A))
    ]
    for tensor, place in zip(tensors, places, strict=False):
        protocol.set_place(tensor.parameters, *place)
    return tensors


def exists(name: str) -> bool:
    return (Path(protocol.SHARED_MEMORY) / name).exists()


def times_open(path: Path) -> int:
    """In this process, in which the service runs as well."""
    count = 0
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            count += os.path.samefile(file, path)
    return count
