"""The reward model behind the Open Inference Protocol v2 over gRPC, with health and reflection."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent import futures
from dataclasses import asdict, dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from contracts.address import is_loopback, split_address
from reward_service import inference_pb2 as pb
from reward_service import protocol
from reward_service.config import RewardServiceConfig
from reward_service.protocol import ACTION, DATATYPE, FRAMES, MEMBER_REWARD, MODEL, OBSERVATION, REWARD, SERVICE
from reward_service.refusal import Refused
from reward_service.shared_memory import Regions
from reward_service.tensors import Wanted, read_inputs
from reward_service.versions import RewardModel, UnknownVersion


class AddressInUse(OSError):
    """The address cannot be listened on."""


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
    host, _ = split_address(config.address)
    near = is_loopback(host)
    if not config.allow_remote and not near:
        raise ValueError(f"{config.address} is reachable from other machines; say --allow-remote to listen on it")
    server = grpc.server(
        # One a call: reflection keeps its worker for as long as a stream is open, and scoring must not wait for it.
        futures.ThreadPoolExecutor(config.queue, thread_name_prefix="reward-rpc"),
        options=[*protocol.MESSAGE_OPTIONS, ("grpc.so_reuseport", 0)],
        maximum_concurrent_rpcs=config.queue,
    )
    service = _Service(model, near)
    methods: dict[str, Callable[[Any], Any]] = {
        "ServerLive": service.server_live,
        "ServerReady": service.server_ready,
        "ModelReady": service.model_ready,
        "ServerMetadata": service.server_metadata,
        "ModelMetadata": service.model_metadata,
        "ModelInfer": service.model_infer,
        "SystemSharedMemoryStatus": service.shared_memory_status,
        "SystemSharedMemoryRegister": service.shared_memory_register,
        "SystemSharedMemoryUnregister": service.shared_memory_unregister,
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
    """One method for each of the protocol's; a `Refused` becomes the call's status."""

    def __init__(self, model: RewardModel, near: bool) -> None:
        """``near``: only this machine can call."""
        self._model = model
        self._observed = FRAMES if model.observation.is_frames else DATATYPE
        self._near = near
        self._regions = Regions()

    def server_live(self, request: pb.ServerLiveRequest) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    def server_ready(self, request: pb.ServerReadyRequest) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=True)

    def model_ready(self, request: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
        known = {"", *map(str, self._model.numbers)}
        return pb.ModelReadyResponse(ready=request.name == MODEL and request.version in known)

    def server_metadata(self, request: pb.ServerMetadataRequest) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(
            name="backflip-reward", version="1", extensions=["system_shared_memory"] if self._near else []
        )

    def model_metadata(self, request: pb.ModelMetadataRequest) -> pb.ModelMetadataResponse:
        """``properties`` carry the version's `FitReport`, each value as JSON."""
        _require_model(request.name)
        number = _number(request.version)
        version = self._model.newest if number is None else self._model.version(number)
        observed = self._model.observation
        tensor = pb.ModelMetadataResponse.TensorMetadata
        return pb.ModelMetadataResponse(
            name=MODEL,
            versions=[str(number) for number in self._model.numbers],
            platform="backflip",
            inputs=[
                tensor(name=OBSERVATION, datatype=self._observed, shape=[-1, *observed.shape]),
                tensor(name=ACTION, datatype=DATATYPE, shape=[-1, self._model.action_size]),
            ],
            outputs=[
                tensor(name=REWARD, datatype=DATATYPE, shape=[-1]),
                tensor(name=MEMBER_REWARD, datatype=DATATYPE, shape=[-1, self._model.members]),
            ],
            properties={name: json.dumps(value) for name, value in asdict(version.report).items()},
        )

    def model_infer(self, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
        _require_model(request.model_name)
        wanted = Wanted.by(request, (REWARD, MEMBER_REWARD), self._regions)
        arrays = read_inputs(request, self._regions, {OBSERVATION: self._observed, ACTION: DATATYPE})
        reward, member_reward, version = self._model.score(
            arrays[OBSERVATION], arrays[ACTION], _number(request.model_version)
        )
        response = pb.ModelInferResponse(model_name=MODEL, model_version=str(version), id=request.id)
        wanted.write({REWARD: reward, MEMBER_REWARD: member_reward}, response)
        return response

    def shared_memory_register(
        self, request: pb.SystemSharedMemoryRegisterRequest
    ) -> pb.SystemSharedMemoryRegisterResponse:
        if not self._near:
            raise Refused(
                grpc.StatusCode.UNIMPLEMENTED,
                "shared memory is only taken where the service listens on loopback: send the contents",
            )
        self._regions.register(request.name, request.key, request.offset, request.byte_size)
        return pb.SystemSharedMemoryRegisterResponse()

    def shared_memory_unregister(
        self, request: pb.SystemSharedMemoryUnregisterRequest
    ) -> pb.SystemSharedMemoryUnregisterResponse:
        self._regions.unregister(request.name)
        return pb.SystemSharedMemoryUnregisterResponse()

    def shared_memory_status(self, request: pb.SystemSharedMemoryStatusRequest) -> pb.SystemSharedMemoryStatusResponse:
        regions = [self._regions.region(request.name)] if request.name else self._regions.registered()
        status = pb.SystemSharedMemoryStatusResponse.RegionStatus
        return pb.SystemSharedMemoryStatusResponse(
            regions={
                region.name: status(name=region.name, key=region.key, offset=region.offset, byte_size=region.byte_size)
                for region in regions
            }
        )


def _refusing(method: Callable[[Any], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    def call(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(request)
        except Refused as refused:
            context.abort(refused.code, str(refused))
        except UnknownVersion as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    return call


def _require_model(name: str) -> None:
    if name != MODEL:
        raise Refused(grpc.StatusCode.NOT_FOUND, f"there is no model {name!r} here; this server has {MODEL!r}")


def _number(version: str) -> int | None:
    if not version:
        return None
    if not version.isdecimal():
        raise Refused(grpc.StatusCode.NOT_FOUND, f"the reward model has no version {version!r}; versions are numbers")
    return int(version)
