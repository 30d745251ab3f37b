"""The reward service's face: has transitions scored over gRPC, arrays in and arrays out.

A service on the same machine gets large batches by shared memory, where it takes them so: the wire
costs a slab more than anything else but its scoring.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from reward_service import inference_pb2 as pb
from reward_service import protocol
from reward_service.protocol import ACTION, MEMBER_REWARD, MODEL, OBSERVATION, REWARD, SERVICE
from reward_service.segment import SIZE, Segment

# A service that was restarted must be found again soon: gRPC's own waits grow to two minutes.
_CHANNEL_OPTIONS = [
    *protocol.MESSAGE_OPTIONS,
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
]

_REQUEST_IS_WRONG = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
}

_LARGE = 64 * 2**10  # bytes; less than that the wire carries as fast
_WIRE_SECONDS = 30.0  # that the wire serves a client whose service took no shared memory, until it asks again


class RewardServiceUnavailable(RuntimeError):
    """The service is down, overloaded or too slow; the same call may succeed later."""


class RewardRequestError(ValueError):
    """The request is wrong and will stay so; the message names the tensor or the version."""


@dataclass(frozen=True)
class Scores:
    """Rewards of B transitions under one version of the reward model."""

    reward: np.ndarray  # float32 [B], mean over the members
    member_reward: np.ndarray | None  # float32 [B, K], if asked for
    version: int

    def then(self, other: Scores) -> Scores:
        """These, followed by others of the same version."""
        members = None
        if self.member_reward is not None and other.member_reward is not None:
            members = np.concatenate((self.member_reward, other.member_reward))
        return Scores(np.concatenate((self.reward, other.reward)), members, self.version)


class RewardClient:
    """Connects on first use, and anew in a forked process. Threads may share it.

    Every call of the service ends within ``timeout`` seconds, if need be by RewardServiceUnavailable.
    """

    def __init__(self, address: str, timeout: float = 10.0, shared_memory: bool = True) -> None:
        """``shared_memory``: False sends everything by the wire."""
        self._address = address
        self._timeout = timeout
        self._channel: grpc.Channel | None = None
        self._process = 0
        self._calls: dict[str, Any] = {}
        self._segments: list[Segment] = []  # registered, and lent to no thread
        self._wire_until = 0.0 if shared_memory and protocol.is_near(address) else float("inf")

    def score(
        self, observation: np.ndarray, action: np.ndarray, *, version: int | None = None, members: bool = False
    ) -> Scores:
        """Scores a batch of transitions, best a whole slab at once.

        Args:
            observation: float32 [B, D] or uint8 [B, C, H, W].
            action: float32 [B, A], encoded.
                What is more than a message carries goes in several calls, all scored by one version.
            version: of the reward model; None for the newest.
            members: whether to ask for every member's reward too.

        Raises:
            RewardServiceUnavailable: the service is down, overloaded or too slow.
            RewardRequestError: wrong shape, numbers that are not finite, or no such version.
        """
        arrays = {OBSERVATION: protocol.as_wire(observation), ACTION: protocol.as_wire(action)}
        size = sum(array.nbytes for array in arrays.values())
        if size > protocol.MESSAGE_LIMIT - 2**12 and len(observation) > 1:  # more than one call carries
            half = len(observation) // 2
            first = self.score(observation[:half], action[:half], version=version, members=members)
            return first.then(self.score(observation[half:], action[half:], version=first.version, members=members))
        tensor = pb.ModelInferRequest.InferInputTensor
        request = pb.ModelInferRequest(
            model_name=MODEL,
            model_version="" if version is None else str(version),
            inputs=[
                tensor(name=name, datatype=protocol.datatype(array), shape=array.shape)
                for name, array in arrays.items()
            ],
            outputs=[
                pb.ModelInferRequest.InferRequestedOutputTensor(name=name)
                for name in ((REWARD, MEMBER_REWARD) if members else (REWARD,))
            ],
        )
        until = time.monotonic() + self._timeout
        response = self._infer_by_memory(request, list(arrays.values()), until) if size >= _LARGE else None
        if response is None:
            request.raw_input_contents.extend(array.tobytes() for array in arrays.values())
            response = self._call("ModelInfer", request, until)
        outputs = {
            output.name: protocol.from_wire(data, output.shape).copy()
            for output, data in zip(response.outputs, response.raw_output_contents, strict=True)
        }
        return Scores(outputs[REWARD], outputs.get(MEMBER_REWARD), int(response.model_version))

    def report(self) -> dict[str, Any]:
        """The newest version's fit: the fields of `reward_service.fitting.FitReport`, all zero for version 0.

        Raises:
            RewardServiceUnavailable: the service is down, overloaded or too slow.
        """
        request = pb.ModelMetadataRequest(name=MODEL)
        response: pb.ModelMetadataResponse = self._call("ModelMetadata", request, time.monotonic() + self._timeout)
        return {name: json.loads(value) for name, value in response.properties.items()}

    def wait_ready(self, timeout: float) -> None:
        """Returns once the service answers.

        Raises:
            RewardServiceUnavailable: it did not within ``timeout`` seconds.
        """
        until = time.monotonic() + timeout
        while True:
            try:
                self._call("ServerReady", pb.ServerReadyRequest(), time.monotonic() + min(1.0, timeout))
                return
            except RewardServiceUnavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        if self._channel is not None and self._process == os.getpid():
            for segment in self._segments:
                with suppress(grpc.RpcError):  # the service forgets it by itself, if later
                    self._try(
                        "SystemSharedMemoryUnregister",
                        pb.SystemSharedMemoryUnregisterRequest(name=segment.name),
                        time.monotonic() + 1,
                    )
            self._channel.close()
        self._segments = []
        self._channel = None

    def _infer_by_memory(
        self, request: pb.ModelInferRequest, arrays: Sequence[np.ndarray], until: float
    ) -> pb.ModelInferResponse | None:
        """The response as the wire would have brought it; None where the wire must carry the arrays."""
        segment = self._segment(until)
        if segment is None:
            return None
        by_memory = pb.ModelInferRequest()
        by_memory.CopyFrom(request)
        offset = 0
        for tensor, array in zip(by_memory.inputs, arrays, strict=True):
            protocol.set_place(tensor.parameters, segment.name, offset, array.nbytes)
            offset += array.nbytes
        # The rewards come by the wire: they are small, and those of a call that was given up, which come
        # late, must not overwrite the next call's.
        try:
            segment.write(arrays)
            response = self._try("ModelInfer", by_memory, until)
        except OSError:
            self._wire_until = time.monotonic() + _WIRE_SECONDS
            return None
        except grpc.RpcError as error:
            if _code(error) == grpc.StatusCode.NOT_FOUND:  # the version, or the segment by a service that restarted
                return None
            self._segments.append(segment)
            raise self._told(error) from None
        self._segments.append(segment)
        return response

    def _segment(self, until: float) -> Segment | None:
        """One that the service knows and that no other thread uses; None where it takes none."""
        self._connect()
        with suppress(IndexError):
            return self._segments.pop()
        if time.monotonic() < self._wire_until:
            return None
        try:
            segment = Segment()
            try:
                self._try(
                    "SystemSharedMemoryRegister",
                    pb.SystemSharedMemoryRegisterRequest(name=segment.name, key=segment.key, byte_size=SIZE),
                    until,
                )
            finally:
                segment.drop_name()
            return segment
        except grpc.RpcError as error:
            if _code(error) in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise self._told(error) from None
        except OSError:
            pass
        self._wire_until = time.monotonic() + _WIRE_SECONDS
        return None

    def _call(self, method: str, request: Any, until: float) -> Any:
        """Raises RewardServiceUnavailable or RewardRequestError."""
        try:
            return self._try(method, request, until)
        except grpc.RpcError as error:
            raise self._told(error) from None

    def _try(self, method: str, request: Any, until: float) -> Any:
        """Raises grpc.RpcError; ``until`` is by the monotonic clock."""
        self._connect()
        return self._calls[method](request, timeout=max(0.0, until - time.monotonic()))

    def _connect(self) -> None:
        # A channel does not survive a fork, so the process that made it is remembered.
        if self._channel is not None and self._process == os.getpid():
            return
        channel = grpc.insecure_channel(self._address, options=_CHANNEL_OPTIONS)
        self._calls = {
            name: channel.unary_unary(
                f"/{SERVICE}/{name}",
                request_serializer=asked.SerializeToString,
                response_deserializer=answered.FromString,
            )
            for name, (asked, answered) in protocol.METHODS.items()
        }
        self._segments = []  # those of the process that was forked are its own
        self._channel, self._process = channel, os.getpid()

    def _told(self, error: grpc.RpcError) -> RewardServiceUnavailable | RewardRequestError:
        status: Any = error
        if _code(error) in _REQUEST_IS_WRONG:
            return RewardRequestError(status.details())
        return RewardServiceUnavailable(f"reward service at {self._address}: {_code(error).name}, {status.details()}")


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    status: Any = error  # a call that failed is its own status
    return status.code()
