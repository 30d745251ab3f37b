"""The protocol as a client written by somebody else sees it, and as ours does."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from contracts.spaces import ObservationSpace
from reward_service import inference_pb2 as pb
from reward_service import protocol
from reward_service.client import RewardClient, RewardRequestError, RewardServiceUnavailable
from reward_service.config import RewardServiceConfig
from reward_service.fitting import FitReport
from reward_service.server import AddressInUse, Serving, serve
from reward_service.versions import RewardModel
from tests.reward_service.test_versions import A, D, K, ensemble

REPORT = FitReport(version=2, labels=40, held_out_accuracy=0.9, train_loss=0.25)


def _config(directory: Path, **changes: object) -> RewardServiceConfig:
    fields = {
        "run": "test", "address": "127.0.0.1:0", "directory": str(directory), "seed": 0,
        "observation": ObservationSpace((D,)), "action_size": A,
    }  # fmt: skip
    return RewardServiceConfig(**fields | changes)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    model = RewardModel(K, ObservationSpace((D,)), A, tmp_path_factory.mktemp("model"))
    model.publish(ensemble(1), FitReport(version=1))
    model.publish(ensemble(2), REPORT)
    return model


@pytest.fixture(scope="module")
def serving(model: RewardModel) -> Iterator[Serving]:
    serving = serve(_config(model.directory), model)
    yield serving
    serving.stop()


@pytest.fixture(scope="module")
def client(serving: Serving) -> Iterator[RewardClient]:
    client = RewardClient(serving.address)
    client.wait_ready(60)
    yield client
    client.close()


def _batch(rows: int = 100) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(rows, D)).astype(np.float32), rng.normal(size=(rows, A)).astype(np.float32)


def test_our_client_gets_what_the_model_scores(client: RewardClient, model: RewardModel) -> None:
    observation, action = _batch()
    scores = client.score(observation, action, members=True)
    reward, member_reward, version = model.score(observation, action)
    assert scores.version == version == 2
    assert (scores.reward == reward).all()
    assert scores.member_reward is not None
    assert (scores.member_reward == member_reward).all()

    older = client.score(observation, action, version=1)
    assert (older.version, older.member_reward) == (1, None)
    assert (older.reward == model.score(observation, action, version=1)[0]).all()


def test_a_slab_beyond_grpc_s_own_limit_passes(client: RewardClient) -> None:
    observation, action = np.zeros((2**18, D), np.float32), np.zeros((2**18, A), np.float32)
    assert len(client.score(observation, action).reward) == 2**18
    too_many = np.zeros((2**22, D), np.float32)
    too_many[-1] = 1.0
    found = client.score(too_many, too_many[:, :A], members=True)
    assert found.member_reward is not None and len(found.member_reward) == len(found.reward) == 2**22
    assert found.reward[0] == found.reward[-2] != found.reward[-1]


def test_the_report_is_that_of_the_newest_fit(client: RewardClient) -> None:
    assert FitReport(**client.report()) == REPORT


def test_tritonclient_reads_metadata_and_gets_the_same_numbers(
    client: RewardClient, serving: Serving, tmp_path: Path
) -> None:
    # In a process of its own: its generated protocol would clash with ours.
    observation, action = _batch()
    np.savez(tmp_path / "batch.npz", observation=observation, action=action)
    script = Path(__file__).with_name("triton_client.py")
    done = subprocess.run(
        [sys.executable, str(script), serving.address, str(tmp_path / "batch.npz")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["live"]
    assert found["ready"]
    assert found["model_ready"] == {"newest": True, "1": True, "77": False}
    assert found["versions"] == ["0", "1", "2"]
    assert found["inputs"] == [["observation", "FP32", [-1, D]], ["action", "FP32", [-1, A]]]
    assert found["outputs"] == [["reward", "FP32", [-1]], ["member_reward", "FP32", [-1, K]]]

    ours = client.score(observation, action, members=True)
    assert ours.member_reward is not None
    assert found["model_version"] == "2"
    assert found["reward"] == ours.reward.tolist()
    assert found["member_reward"] == ours.member_reward.tolist()
    assert found["reward_of_1"] == client.score(observation, action, version=1).reward.tolist()
    assert "no version 77" in found["error"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observation": np.zeros((5, D + 1))}, r"observation has shape \[5, 5\]; expected \[5, 4\]"),
        ({"action": np.zeros((4, A))}, r"action has shape \[4, 2\]; expected \[5, 2\]"),
        ({"observation": np.zeros(5)}, r"'observation' has shape \[5\]; expected two dimensions"),
        ({"action": np.full((5, A), np.nan)}, "'action' has numbers that are not finite"),
        ({"version": 99}, "no version 99; its newest is 2"),
    ],
)
def test_a_wrong_request_is_named_in_one_line(client: RewardClient, change: dict, message: str) -> None:
    request: dict[str, Any] = {"observation": np.zeros((5, D)), "action": np.zeros((5, A))} | change
    with pytest.raises(RewardRequestError, match=message) as caught:
        client.score(request.pop("observation"), request.pop("action"), **request)
    assert "\n" not in str(caught.value)


def _infer(serving: Serving, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
    with grpc.insecure_channel(serving.address) as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelInferResponse.FromString,
        )
        return call(request, timeout=60)


def _request(**changes: object) -> pb.ModelInferRequest:
    observation, action = _batch(3)
    tensor = pb.ModelInferRequest.InferInputTensor
    fields = {
        "model_name": "reward",
        "id": "mine",
        "inputs": [
            tensor(name="observation", datatype="FP32", shape=[3, D]),
            tensor(name="action", datatype="FP32", shape=[3, A]),
        ],
        "raw_input_contents": [protocol.to_wire(observation), protocol.to_wire(action)],
    }
    return pb.ModelInferRequest(**fields | changes)  # pyright: ignore[reportArgumentType]


def test_typed_contents_score_as_raw_ones_do(serving: Serving) -> None:
    observation, action = _batch(3)
    request = _request(raw_input_contents=[])
    for tensor, array in zip(request.inputs, (observation, action), strict=True):
        tensor.contents.fp32_contents.extend(array.ravel().tolist())
    typed, raw = _infer(serving, request), _infer(serving, _request())
    assert typed == raw
    assert (raw.model_name, raw.model_version, raw.id) == ("reward", "2", "mine")
    assert [output.name for output in raw.outputs] == ["reward", "member_reward"]


_TENSOR = pb.ModelInferRequest.InferInputTensor


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"model_name": "other"}, "NOT_FOUND", "no model 'other' here; this server has 'reward'"),
        ({"model_version": "new"}, "NOT_FOUND", "no version 'new'"),
        ({"inputs": []}, "INVALID_ARGUMENT", r"inputs are \[\]; expected \['observation', 'action'\]"),
        ({"raw_input_contents": [b""]}, "INVALID_ARGUMENT", "1 entries; expected one for each of the 2 inputs"),
        ({"raw_input_contents": [b"", b""]}, "INVALID_ARGUMENT", "'observation' holds 0 numbers; .* needs 12"),
        ({"raw_input_contents": [b"x" * 47, b""]}, "INVALID_ARGUMENT", "'observation' holds 11.75 numbers"),
        ({"raw_input_contents": []}, "INVALID_ARGUMENT", "'observation' holds 0 numbers"),
        (
            {"inputs": [_TENSOR(name=name, datatype="FP64", shape=[3, D]) for name in ("observation", "action")]},
            "INVALID_ARGUMENT",
            "'observation' is of datatype 'FP64'; expected 'FP32'",
        ),
        (
            {"outputs": [pb.ModelInferRequest.InferRequestedOutputTensor(name="value")]},
            "INVALID_ARGUMENT",
            "unknown output 'value'",
        ),
    ],
)
def test_a_malformed_message_is_refused(serving: Serving, changes: dict, code: str, message: str) -> None:
    with pytest.raises(grpc.RpcError, match=message) as caught:
        _infer(serving, _request(**changes))
    assert caught.value.code().name == code


def test_calls_beyond_the_queue_are_refused(model: RewardModel, tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(RewardModel):
        def score(self, *arguments: object, **named: object) -> tuple[np.ndarray, np.ndarray, int]:
            entered.set()
            leave.wait(60)
            return super().score(*arguments, **named)  # pyright: ignore[reportArgumentType]

    serving = serve(_config(tmp_path, queue=1), Slow(K, ObservationSpace((D,)), A, tmp_path))
    first = RewardClient(serving.address, timeout=60)
    waiting = threading.Thread(target=first.score, args=_batch())
    waiting.start()
    assert entered.wait(60)
    with pytest.raises(RewardServiceUnavailable, match="RESOURCE_EXHAUSTED"):
        RewardClient(serving.address).score(*_batch())
    leave.set()
    waiting.join()
    serving.stop()


def test_a_call_to_nobody_ends_at_its_deadline() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RewardServiceUnavailable, match=address):
            RewardClient(address, timeout=0.5).score(*_batch())
        with pytest.raises(RewardServiceUnavailable):
            RewardClient(address).wait_ready(0.3)


def test_the_client_finds_a_service_that_was_restarted(model: RewardModel) -> None:
    first = serve(_config(model.directory), model)
    client = RewardClient(first.address, timeout=3)
    client.score(*_batch())
    first.stop(0)
    with pytest.raises(RewardServiceUnavailable):
        client.score(*_batch())
    second = serve(_config(model.directory, address=first.address), model)
    client.wait_ready(60)
    assert client.score(*_batch()).version == 2
    second.stop(0)


def test_a_busy_port_and_an_open_one_are_refused(serving: Serving, model: RewardModel) -> None:
    with pytest.raises(AddressInUse, match=f"cannot listen on {serving.address}"):
        serve(_config(model.directory, address=serving.address), model)
    with pytest.raises(ValueError, match="--allow-remote"):
        serve(_config(model.directory, address="0.0.0.0:0"), model)
    with pytest.raises(ValueError, match="must be HOST:PORT"):
        serve(_config(model.directory, address="here"), model)
    serve(_config(model.directory, address="0.0.0.0:0", allow_remote=True), model).stop(0)


def test_scoring_goes_on_while_tools_explore_the_service(client: RewardClient, serving: Serving) -> None:
    done = threading.Event()

    def question() -> Iterator[Any]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        done.wait(30)

    with ExitStack() as open_streams:
        open_streams.callback(done.set)
        for _ in range(6):
            channel = open_streams.enter_context(grpc.insecure_channel(serving.address))
            reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
            next(reflection.ServerReflectionInfo(question(), timeout=30))
        assert len(client.score(*_batch()).reward) == len(_batch()[0])


def test_health_and_reflection_name_the_service(serving: Serving) -> None:
    with grpc.insecure_channel(serving.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", "inference.GRPCInferenceService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=60)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        ask = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = reflection.ServerReflectionInfo(iter([ask]), timeout=60)
        names = [service.name for service in answer.list_services_response.service]
        assert "inference.GRPCInferenceService" in names
        assert "grpc.health.v1.Health" in names
