"""What client and server agree on beside `inference.proto`: names, limits, and how arrays travel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from google.protobuf.message import Message

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
}
"""Request and response of every method of the service; all are unary."""

_WIRE = np.dtype("<f4")


def to_wire(array: np.ndarray) -> bytes:
    """Float32, little-endian, row-major."""
    return np.ascontiguousarray(array, dtype=_WIRE).tobytes()


def from_wire(data: bytes, shape: Sequence[int]) -> np.ndarray:
    """A read-only view. Raises ValueError where the bytes are not as many as the shape asks for."""
    return np.frombuffer(data, dtype=_WIRE).reshape(shape)
