"""What client and server agree on beside `inference.proto`: names, limits, and how arrays travel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import Message

from contracts.address import is_loopback, split_address
from reward_service import inference_pb2 as pb

SERVICE = "inference.GRPCInferenceService"
MODEL = "reward"
OBSERVATION, ACTION = "observation", "action"
REWARD, MEMBER_REWARD = "reward", "member_reward"
DATATYPE = "FP32"
"""Of every tensor but frames that are observed, which are `FRAMES`."""

FRAMES = "UINT8"

MESSAGE_LIMIT = 64 * 2**20
"""Bytes; gRPC's own limit of 4 MiB is less than a large slab."""

MESSAGE_OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
)

METHODS: dict[str, tuple[type[Message], type[Message]]] = {
    "ServerLive": (pb.ServerLiveRequest, pb.ServerLiveResponse),
    "ServerReady": (pb.ServerReadyRequest, pb.ServerReadyResponse),
    "ModelReady": (pb.ModelReadyRequest, pb.ModelReadyResponse),
    "ServerMetadata": (pb.ServerMetadataRequest, pb.ServerMetadataResponse),
    "ModelMetadata": (pb.ModelMetadataRequest, pb.ModelMetadataResponse),
    "ModelInfer": (pb.ModelInferRequest, pb.ModelInferResponse),
    "SystemSharedMemoryStatus": (pb.SystemSharedMemoryStatusRequest, pb.SystemSharedMemoryStatusResponse),
    "SystemSharedMemoryRegister": (pb.SystemSharedMemoryRegisterRequest, pb.SystemSharedMemoryRegisterResponse),
    "SystemSharedMemoryUnregister": (pb.SystemSharedMemoryUnregisterRequest, pb.SystemSharedMemoryUnregisterResponse),
}
"""Request and response of every method of the service; all are unary."""

SHARED_MEMORY = "/dev/shm"
"""Folder of POSIX shared memory; a region's key is the name of a file in it."""

KEY_PREFIX = "backflip-"
"""How a key must begin: whoever can connect can have outputs written into the file, and other programs of the
same user keep theirs in that folder, too."""

REGION, OFFSET, BYTE_SIZE = "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size"
"""Parameters of a tensor whose contents lie in shared memory."""

_WIRE = {DATATYPE: np.dtype("<f4"), FRAMES: np.dtype("u1")}


def datatype(array: np.ndarray) -> str:
    """The protocol's name for what `as_wire` makes of an array's numbers."""
    return FRAMES if array.dtype == np.uint8 else DATATYPE


def to_wire(array: np.ndarray) -> bytes:
    """Bytes as they are, all else as float32, little-endian; row-major."""
    return as_wire(array).tobytes()


def as_wire(array: np.ndarray) -> np.ndarray:
    """As `to_wire` has it, yet an array; the same one where it is so already."""
    return np.ascontiguousarray(array, dtype=_WIRE[datatype(array)])


def from_wire(data: bytes | np.ndarray, shape: Sequence[int], datatype: str = DATATYPE) -> np.ndarray:
    """A read-only view. Raises ValueError where the bytes are not as many as the shape asks for."""
    return np.frombuffer(data, dtype=_WIRE[datatype]).reshape(shape)


def set_place(parameters: Any, region: str, offset: int, byte_size: int) -> None:
    """Says in a tensor's parameters where in shared memory its contents are."""
    parameters[REGION].string_param = region
    parameters[OFFSET].int64_param = offset
    parameters[BYTE_SIZE].int64_param = byte_size


def is_near(address: str) -> bool:
    """Whether HOST:PORT is reached from this machine alone."""
    return is_loopback(split_address(address)[0])
