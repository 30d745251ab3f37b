"""The reward service's face: has transitions scored over gRPC, arrays in and arrays out."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from reward_service import inference_pb2 as pb
from reward_service import protocol
from reward_service.protocol import ACTION, DATATYPE, MEMBER_REWARD, MODEL, OBSERVATION, REWARD, SERVICE

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


class RewardClient:
    """Connects on first use, and anew in a forked process. Threads may share it.

    Every call ends within ``timeout`` seconds, if need be by RewardServiceUnavailable.
    """

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        self._address = address
        self._timeout = timeout
        self._channel: grpc.Channel | None = None
        self._process = 0
        self._calls: dict[str, Any] = {}

    def score(
        self, observation: np.ndarray, action: np.ndarray, *, version: int | None = None, members: bool = False
    ) -> Scores:
        """Scores a batch of transitions, best a whole slab at once.

        Args:
            observation: float32 [B, D].
            action: float32 [B, A], encoded.
            version: of the reward model; None for the newest.
            members: whether to ask for every member's reward too.

        Raises:
            RewardServiceUnavailable: the service is down, overloaded or too slow.
            RewardRequestError: wrong shape, numbers that are not finite, or no such version.
        """
        arrays = {OBSERVATION: observation, ACTION: action}
        raw = [protocol.to_wire(array) for array in arrays.values()]
        if sum(map(len, raw)) > protocol.MESSAGE_LIMIT - 2**12:
            raise RewardRequestError(f"{len(observation)} transitions are more than one call carries: score fewer")
        tensor = pb.ModelInferRequest.InferInputTensor
        request = pb.ModelInferRequest(
            model_name=MODEL,
            model_version="" if version is None else str(version),
            inputs=[tensor(name=name, datatype=DATATYPE, shape=array.shape) for name, array in arrays.items()],
            outputs=[
                pb.ModelInferRequest.InferRequestedOutputTensor(name=name)
                for name in ((REWARD, MEMBER_REWARD) if members else (REWARD,))
            ],
            raw_input_contents=raw,
        )
        response: pb.ModelInferResponse = self._call("ModelInfer", request)
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
        response: pb.ModelMetadataResponse = self._call("ModelMetadata", pb.ModelMetadataRequest(name=MODEL))
        return {name: json.loads(value) for name, value in response.properties.items()}

    def wait_ready(self, timeout: float) -> None:
        """Returns once the service answers.

        Raises:
            RewardServiceUnavailable: it did not within ``timeout`` seconds.
        """
        until = time.monotonic() + timeout
        while True:
            try:
                self._call("ServerReady", pb.ServerReadyRequest(), timeout=min(1.0, timeout))
                return
            except RewardServiceUnavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        if self._channel is not None and self._process == os.getpid():
            self._channel.close()
        self._channel = None

    def _call(self, method: str, request: Any, timeout: float | None = None) -> Any:
        # A channel does not survive a fork, so the process that made it is remembered.
        if self._channel is None or self._process != os.getpid():
            channel = grpc.insecure_channel(self._address, options=_CHANNEL_OPTIONS)
            self._calls = {
                name: channel.unary_unary(
                    f"/{SERVICE}/{name}",
                    request_serializer=asked.SerializeToString,
                    response_deserializer=answered.FromString,
                )
                for name, (asked, answered) in protocol.METHODS.items()
            }
            self._channel, self._process = channel, os.getpid()
        try:
            return self._calls[method](request, timeout=timeout or self._timeout)
        except grpc.RpcError as error:
            status: Any = error  # a call that failed is its own status
            if status.code() in _REQUEST_IS_WRONG:
                raise RewardRequestError(status.details()) from None
            raise RewardServiceUnavailable(
                f"reward service at {self._address}: {status.code().name}, {status.details()}"
            ) from None
