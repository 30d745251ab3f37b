"""The reward model behind the Open Inference Protocol v2 over gRPC, with health and reflection."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from concurrent import futures
from dataclasses import asdict, dataclass
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from reward_service import inference_pb2 as pb
from reward_service import protocol
from reward_service.config import RewardServiceConfig
from reward_service.protocol import ACTION, DATATYPE, MEMBER_REWARD, MODEL, OBSERVATION, REWARD, SERVICE
from reward_service.versions import RewardModel, UnknownVersion

_WORKERS = 4  # scoring holds no lock, and reflection keeps a worker for as long as its stream is open


class AddressInUse(OSError):
    """The address cannot be listened on."""


class _RefusedError(Exception):
    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Serving:
    """A server that is running; ``address`` has the port that was taken."""

    address: str
    server: grpc.Server

    def stop(self, grace: float = 1.0) -> None:
        """Takes no more calls, and lets those in work end within ``grace`` seconds."""
        self.server.stop(grace).wait()


def serve(config: RewardServiceConfig, model: RewardModel) -> Serving:
    """Listens and answers in threads of its own.

    Raises:
        ValueError: the address is not HOST:PORT, or lies beyond loopback without ``allow_remote``.
        AddressInUse: the port is taken, or the host is not this machine's.
    """
    host = _host(config.address)
    if not config.allow_remote and not _is_loopback(host):
        raise ValueError(f"{config.address} is reachable from other machines; say --allow-remote to listen on it")
    server = grpc.server(
        futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix="reward-rpc"),
        options=[*protocol.MESSAGE_OPTIONS, ("grpc.so_reuseport", 0)],
        maximum_concurrent_rpcs=config.queue,
    )
    service = _Service(model)
    methods: dict[str, Callable[[Any], Any]] = {
        "ServerLive": service.server_live,
        "ServerReady": service.server_ready,
        "ModelReady": service.model_ready,
        "ServerMetadata": service.server_metadata,
        "ModelMetadata": service.model_metadata,
        "ModelInfer": service.model_infer,
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            _refusing(method),
            request_deserializer=protocol.METHODS[name][0].FromString,
            response_serializer=protocol.METHODS[name][1].SerializeToString,
        )
        for name, method in methods.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    alive = health.HealthServicer(
        experimental_non_blocking=True, experimental_thread_pool=futures.ThreadPoolExecutor(1)
    )
    for name in ("", SERVICE):
        alive.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(alive, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        port = server.add_insecure_port(config.address)
    except RuntimeError as error:
        raise AddressInUse(f"cannot listen on {config.address}: is another process using the port?") from error
    server.start()
    return Serving(f"{config.address.rpartition(':')[0]}:{port}", server)


class _Service:
    """One method for each of the protocol's; a `_RefusedError` becomes the call's status."""

    def __init__(self, model: RewardModel) -> None:
        self._model = model

    def server_live(self, request: pb.ServerLiveRequest) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    def server_ready(self, request: pb.ServerReadyRequest) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=True)

    def model_ready(self, request: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
        known = {"", *map(str, self._model.numbers)}
        return pb.ModelReadyResponse(ready=request.name == MODEL and request.version in known)

    def server_metadata(self, request: pb.ServerMetadataRequest) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(name="backflip-reward", version="1")

    def model_metadata(self, request: pb.ModelMetadataRequest) -> pb.ModelMetadataResponse:
        """``properties`` carry the version's `FitReport`, each value as JSON."""
        _require_model(request.name)
        number = _number(request.version)
        version = self._model.newest if number is None else self._model.version(number)
        widths = {OBSERVATION: self._model.observation_size, ACTION: self._model.action_size}
        tensor = pb.ModelMetadataResponse.TensorMetadata
        return pb.ModelMetadataResponse(
            name=MODEL,
            versions=[str(number) for number in self._model.numbers],
            platform="backflip",
            inputs=[tensor(name=name, datatype=DATATYPE, shape=[-1, width]) for name, width in widths.items()],
            outputs=[
                tensor(name=REWARD, datatype=DATATYPE, shape=[-1]),
                tensor(name=MEMBER_REWARD, datatype=DATATYPE, shape=[-1, self._model.members]),
            ],
            properties={name: json.dumps(value) for name, value in asdict(version.report).items()},
        )

    def model_infer(self, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
        _require_model(request.model_name)
        wanted = [output.name for output in request.outputs] or [REWARD, MEMBER_REWARD]
        for name in wanted:
            if name not in (REWARD, MEMBER_REWARD):
                raise _invalid(f"unknown output {name!r}; expected {REWARD!r} or {MEMBER_REWARD!r}")
        arrays = _inputs(request)
        reward, member_reward, version = self._model.score(
            arrays[OBSERVATION], arrays[ACTION], _number(request.model_version)
        )
        outputs = {REWARD: reward, MEMBER_REWARD: member_reward}
        return pb.ModelInferResponse(
            model_name=MODEL,
            model_version=str(version),
            id=request.id,
            outputs=[
                pb.ModelInferResponse.InferOutputTensor(name=name, datatype=DATATYPE, shape=outputs[name].shape)
                for name in wanted
            ],
            raw_output_contents=[protocol.to_wire(outputs[name]) for name in wanted],
        )


def _refusing(method: Callable[[Any], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    def call(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(request)
        except _RefusedError as refused:
            context.abort(refused.code, str(refused))
        except UnknownVersion as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    return call


def _inputs(request: pb.ModelInferRequest) -> dict[str, np.ndarray]:
    """Both input tensors by name, finite and float32 of the shape that they claim; raises `_RefusedError`."""
    names = [tensor.name for tensor in request.inputs]
    if sorted(names) != sorted((OBSERVATION, ACTION)):
        raise _invalid(f"the inputs are {names}; expected {[OBSERVATION, ACTION]}")
    raw = request.raw_input_contents
    if raw and len(raw) != len(names):
        raise _invalid(f"raw_input_contents has {len(raw)} entries; expected one for each of the {len(names)} inputs")
    arrays = {}
    for index, tensor in enumerate(request.inputs):
        if tensor.datatype != DATATYPE:
            raise _invalid(f"input {tensor.name!r} is of datatype {tensor.datatype!r}; expected {DATATYPE!r}")
        shape = list(tensor.shape)
        if len(shape) != 2 or min(shape) < 0:
            raise _invalid(f"input {tensor.name!r} has shape {shape}; expected two dimensions")
        if raw:
            found = len(raw[index]) / 4
            flat = np.frombuffer(raw[index], dtype="<f4", count=len(raw[index]) // 4)
        else:
            found = len(tensor.contents.fp32_contents)
            flat = np.array(tensor.contents.fp32_contents, dtype=np.float32)
        if found != shape[0] * shape[1]:
            raise _invalid(
                f"input {tensor.name!r} holds {found:g} numbers; its shape {shape} needs {shape[0] * shape[1]}"
            )
        if not np.isfinite(flat).all():
            raise _invalid(f"input {tensor.name!r} has numbers that are not finite")
        arrays[tensor.name] = flat.reshape(shape)
    return arrays


def _require_model(name: str) -> None:
    if name != MODEL:
        raise _RefusedError(grpc.StatusCode.NOT_FOUND, f"there is no model {name!r} here; this server has {MODEL!r}")


def _number(version: str) -> int | None:
    if not version:
        return None
    if not version.isdecimal():
        raise _RefusedError(
            grpc.StatusCode.NOT_FOUND, f"the reward model has no version {version!r}; versions are numbers"
        )
    return int(version)


def _invalid(message: str) -> _RefusedError:
    return _RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)


def _host(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 2**16) or "/" in host:
        raise ValueError(f"{address!r} is not an address; it must be HOST:PORT")
    return host.strip("[]")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
