"""What client and server agree on beside `inference.proto`: names, limits, and how arrays travel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import Message

from contracts.loopback import is_loopback
from reward_service import inference_pb2 as pb

SERVICE = "inference.GRPCInferenceService"
MODEL = "reward"
OBSERVATION, ACTION = "observation", "action"
REWARD, MEMBER_REWARD = "reward", "member_reward"
DATATYPE = "FP32"

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

_WIRE = np.dtype("<f4")


def to_wire(array: np.ndarray) -> bytes:
    """Float32, little-endian, row-major."""
    return as_wire(array).tobytes()


def as_wire(array: np.ndarray) -> np.ndarray:
    """As `to_wire` has it, yet an array; the same one where it is so already."""
    return np.ascontiguousarray(array, dtype=_WIRE)


def from_wire(data: bytes, shape: Sequence[int]) -> np.ndarray:
    """A read-only view. Raises ValueError where the bytes are not as many as the shape asks for."""
    return np.frombuffer(data, dtype=_WIRE).reshape(shape)


def set_place(parameters: Any, region: str, offset: int, byte_size: int) -> None:
    """Says in a tensor's parameters where in shared memory its contents are."""
    parameters[REGION].string_param = region
    parameters[OFFSET].int64_param = offset
    parameters[BYTE_SIZE].int64_param = byte_size


def is_near(address: str) -> bool:
    """Whether HOST:PORT is reached from this machine alone."""
    return is_loopback(address.rpartition(":")[0].strip("[]"))
