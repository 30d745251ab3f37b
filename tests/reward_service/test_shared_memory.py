"""Batches by shared memory: the same numbers as by the wire, nothing left behind, nothing that a caller can break."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from reward_service import inference_pb2 as pb
from reward_service import protocol, shared_memory
from reward_service.client import RewardClient, RewardRequestError, RewardServiceUnavailable
from reward_service.config import RewardServiceConfig
from reward_service.fitting import FitReport
from reward_service.segment import Segment
from reward_service.server import Serving, serve
from reward_service.versions import RewardModel
from tests.reward_service.test_versions import A, D, K, ensemble

ROWS = 4096  # large enough for shared memory
SERVER = """
import sys
from reward_service.config import RewardServiceConfig
from reward_service.server import serve
from reward_service.versions import RewardModel
members, observation, action = map(int, sys.argv[2:])
config = RewardServiceConfig("test", "127.0.0.1:0", sys.argv[1], 0, observation, action)
serving = serve(config, RewardModel(members, observation, action, sys.argv[1]))
print(serving.address, flush=True)
sys.stdin.read()
"""
CLIENT = """
import os, signal, sys
import numpy as np
from reward_service.client import RewardClient
rows, observation, action = map(int, sys.argv[2:])
client = RewardClient(sys.argv[1])
client.score(np.ones((rows, observation)), np.ones((rows, action)))
print("scored", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    model = RewardModel(K, D, A, tmp_path_factory.mktemp("model"))
    model.publish(ensemble(1), FitReport(version=1))
    return model


def _serve(model: RewardModel, address: str = "127.0.0.1:0", allow_remote: bool = False) -> Serving:
    config = RewardServiceConfig("test", address, str(model.directory), 0, D, A, allow_remote=allow_remote)
    return serve(config, model)


@pytest.fixture
def serving(model: RewardModel) -> Iterator[Serving]:
    serving = _serve(model)
    yield serving
    serving.stop(0)


@pytest.fixture
def client(serving: Serving) -> Iterator[RewardClient]:
    client = RewardClient(serving.address)
    yield client
    client.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the regions that were read, in order."""
    names: list[str] = []
    read = shared_memory.Region.read

    def noting(region: shared_memory.Region, offset: int, byte_size: int) -> np.ndarray:
        names.append(region.name)
        return read(region, offset, byte_size)

    monkeypatch.setattr(shared_memory.Region, "read", noting)
    return names


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the segments that clients made, in order."""
    names: list[str] = []
    drop_name = Segment.drop_name

    def noting(segment: Segment) -> None:
        names.append(segment.name)
        drop_name(segment)

    monkeypatch.setattr(Segment, "drop_name", noting)
    return names


@pytest.fixture
def lend() -> Iterator[Callable[..., Path]]:
    """Makes a file in shared memory that is gone after the test."""
    made: list[Path] = []

    def make(data: bytes = bytes(2**16)) -> Path:
        path = Path(protocol.SHARED_MEMORY) / f"{protocol.KEY_PREFIX}test-{uuid.uuid4().hex}"
        made.append(path)
        path.write_bytes(data)
        return path

    yield make
    for path in made:
        path.unlink(missing_ok=True)


def _batch(rows: int = ROWS, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, D)).astype(np.float32), rng.normal(size=(rows, A)).astype(np.float32)


def _call(serving: Serving, method: str, **fields: object) -> Any:
    asked, answered = protocol.METHODS[method]
    with grpc.insecure_channel(serving.address) as channel:
        call = channel.unary_unary(
            f"/{protocol.SERVICE}/{method}",
            request_serializer=asked.SerializeToString,
            response_deserializer=answered.FromString,
        )
        return call(asked(**fields), timeout=10)


def _register(serving: Serving, path: Path, name: str = "mine", offset: int = 0, byte_size: int = 2**16) -> None:
    _call(serving, "SystemSharedMemoryRegister", name=name, key=f"/{path.name}", offset=offset, byte_size=byte_size)


def _regions(serving: Serving) -> dict[str, Any]:
    return dict(_call(serving, "SystemSharedMemoryStatus").regions)


def _inputs(*places: tuple[str, int, int], rows: int = 3) -> list[pb.ModelInferRequest.InferInputTensor]:
    tensors = [
        pb.ModelInferRequest.InferInputTensor(name=name, datatype="FP32", shape=[rows, width])
        for name, width in (("observation", D), ("action", A))
    ]
    for tensor, place in zip(tensors, places, strict=False):
        protocol.set_place(tensor.parameters, *place)
    return tensors


def _exists(name: str) -> bool:
    return (Path(protocol.SHARED_MEMORY) / name).exists()


def _times_open(path: Path) -> int:
    """In this process, in which the service runs as well."""
    count = 0
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            count += os.path.samefile(file, path)
    return count


def test_a_slab_scores_as_by_the_wire_and_as_in_process(
    client: RewardClient, serving: Serving, model: RewardModel, reads: list[str]
) -> None:
    observation, action = _batch()
    reward, member_reward, _ = model.score(observation, action)
    by_wire = RewardClient(serving.address, shared_memory=False).score(observation, action, members=True)
    assert not reads
    by_memory = client.score(observation, action, members=True)
    assert len(reads) == 2
    for scores in (by_wire, by_memory):
        assert scores.version == 1
        assert (scores.reward == reward).all()
        assert scores.member_reward is not None
        assert (scores.member_reward == member_reward).all()

    assert client.score(observation, action, version=0).reward.tolist() == [0] * ROWS
    strided = client.score(np.repeat(observation, 2, axis=1)[:, ::2].astype(np.float64), np.asfortranarray(action))
    assert (strided.reward == reward).all()
    larger, smaller = _batch(5 * ROWS), _batch(ROWS - 1)
    assert (client.score(*larger).reward == model.score(*larger)[0]).all()
    assert (client.score(*smaller).reward == model.score(*smaller)[0]).all()
    assert len(reads) == 10
    assert set(reads) == set(_regions(serving)), "one segment serves all"

    client.score(*_batch(100))
    assert len(reads) == 10, "a small batch goes by the wire"


def test_wrong_requests_are_named_as_by_the_wire(client: RewardClient, serving: Serving, reads: list[str]) -> None:
    observation, action = _batch()
    for _ in range(2):
        with pytest.raises(RewardRequestError, match=rf"expected \[{ROWS}, {D}\]"):
            client.score(observation.reshape(-1, 2 * D).repeat(2, axis=0), action)
        with pytest.raises(RewardRequestError, match="'action' has numbers that are not finite"):
            client.score(observation, np.full_like(action, np.nan))
    assert len(_regions(serving)) == len(set(reads)) == 1
    with pytest.raises(RewardRequestError, match="no version 99; its newest is 1"):
        client.score(observation, action, version=99)


def test_threads_share_a_client(client: RewardClient, serving: Serving, model: RewardModel) -> None:
    batches = [_batch(seed=seed) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: client.score(*batch).reward, batches))
    for batch, reward in zip(batches, found, strict=True):
        assert (reward == model.score(*batch)[0]).all()
    assert 1 <= len(_regions(serving)) <= 4


def test_a_call_that_was_given_up_does_not_harm_the_next(tmp_path: Path, model: RewardModel) -> None:
    leave = threading.Event()

    class Slow(RewardModel):
        def score(self, *arguments: Any, **named: Any) -> tuple[np.ndarray, np.ndarray, int]:
            leave.wait(10)
            return super().score(*arguments, **named)

    slow = Slow(K, D, A, tmp_path)
    slow.publish(ensemble(1), FitReport(version=1))
    serving = _serve(slow)
    client = RewardClient(serving.address, timeout=0.5)
    with pytest.raises(RewardServiceUnavailable, match="DEADLINE_EXCEEDED"):
        client.score(*_batch())
    leave.set()
    other = _batch(seed=8)
    assert (client.score(*other).reward == model.score(*other)[0]).all()
    client.close()
    serving.stop(0)


def test_a_restarted_service_is_told_anew(model: RewardModel, reads: list[str]) -> None:
    first = _serve(model)
    client = RewardClient(first.address, timeout=2)
    reward = client.score(*_batch()).reward
    first.stop(0)
    early = RewardClient(first.address, timeout=2)
    for one in (client, early):
        with pytest.raises(RewardServiceUnavailable):
            one.score(*_batch())
    second = _serve(model, first.address)
    early.wait_ready(5)
    reads.clear()
    assert (early.score(*_batch()).reward == reward).all()
    assert len(reads) == 2, "it asks at once"
    early.close()
    client.wait_ready(5)
    reads.clear()
    for _ in range(2):
        assert (client.score(*_batch()).reward == reward).all()
    assert len(reads) == 2, "the second call registered"
    assert list(_regions(second)) == [reads[0]]
    client.close()
    assert not _regions(second)
    second.stop(0)


def test_the_wire_serves_where_the_service_listens_beyond_this_machine(model: RewardModel, reads: list[str]) -> None:
    serving = _serve(model, "0.0.0.0:0", allow_remote=True)
    client = RewardClient(serving.address.replace("0.0.0.0", "127.0.0.1"))
    assert (client.score(*_batch()).reward == model.score(*_batch())[0]).all()
    assert not reads
    assert not _call(serving, "ServerMetadata").extensions
    with pytest.raises(grpc.RpcError, match="listens on loopback") as caught:
        _call(serving, "SystemSharedMemoryRegister", name="mine", key="/mine", byte_size=4)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    serving.stop(0)


def test_another_machine_is_offered_nothing(made: list[str]) -> None:
    with pytest.raises(RewardServiceUnavailable):
        RewardClient("192.0.2.1:1", timeout=0.2).score(*_batch())  # an address of nobody's
    assert not made


@pytest.mark.parametrize("part", ["__init__", "write"])
def test_the_wire_serves_where_this_machine_has_no_shared_memory_left(
    client: RewardClient, model: RewardModel, reads: list[str], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Segment, part, fail)
    for _ in range(2):
        assert (client.score(*_batch()).reward == model.score(*_batch())[0]).all()
    assert not reads


def test_what_a_killed_client_shared_is_freed(serving: Serving, client: RewardClient) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, serving.address, *map(str, (ROWS, D, A))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"scored\n"
    (theirs,) = _regions(serving)
    assert not _exists(theirs), "its file has a name no longer than until it is registered"
    client.score(*_batch())
    (mine,) = _regions(serving).keys() - {theirs}

    process.send_signal(signal.SIGKILL)
    process.communicate()
    another = RewardClient(serving.address)
    another.score(*_batch())
    regions = set(_regions(serving))
    assert theirs not in regions
    assert mine in regions
    assert len(regions) == 2
    another.close()


def test_a_killed_service_leaves_no_file(tmp_path: Path, made: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), *map(str, (K, D, A))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    address = process.stdout.readline().decode().strip()
    client = RewardClient(address, timeout=2)
    client.wait_ready(10)
    assert client.score(*_batch()).version == 0
    process.kill()
    process.communicate()
    another = RewardClient(address, timeout=2)
    for one in (client, another):
        with pytest.raises(RewardServiceUnavailable):
            one.score(*_batch())
        one.close()
    assert len(made) == 2
    assert not any(map(_exists, made))


def test_tritonclient_scores_through_shared_memory(
    serving: Serving, model: RewardModel, reads: list[str], tmp_path: Path
) -> None:
    observation, action = _batch()
    np.savez(tmp_path / "batch.npz", observation=observation, action=action)
    script = Path(__file__).with_name("triton_shared_memory.py")
    done = subprocess.run(
        [sys.executable, str(script), serving.address, str(tmp_path / "batch.npz"), str(K)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    reward, member_reward, _ = model.score(observation, action)
    size = 4 * ROWS
    assert found["extensions"] == ["system_shared_memory"]
    assert found["regions"] == [["inputs", 0, size * (D + A)], ["outputs", 64, size * (1 + K)]]
    assert found["reward"] == reward.tolist()
    assert found["member_reward"] == member_reward.tolist()
    assert found["mixed"] == member_reward.tolist(), "one output in shared memory, the other by the wire"
    assert found["left"] == []
    assert set(reads) == {"inputs"}


def test_outputs_go_where_they_are_asked_to(serving: Serving, model: RewardModel, lend: Callable[..., Path]) -> None:
    observation, action = _batch(3)
    path = lend(bytes(100) + action.tobytes() + bytes(1000))
    _register(serving, path, offset=100, byte_size=1000)
    outputs = [pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in ("reward", "member_reward")]
    protocol.set_place(outputs[0].parameters, "mine", 500, 100)
    fields = {
        "model_name": "reward",
        "inputs": [_inputs()[0], _inputs(("", 0, 0), ("mine", 0, action.nbytes))[1]],
        "raw_input_contents": [observation.tobytes()],
        "outputs": outputs,
    }
    response = _call(serving, "ModelInfer", **fields)
    reward, member_reward, _ = model.score(observation, action)
    assert list(response.raw_output_contents) == [b"", member_reward.tobytes()]
    assert [list(output.shape) for output in response.outputs] == [[3], [3, K]]
    assert response.outputs[0].parameters["shared_memory_byte_size"].int64_param == 12
    written = path.read_bytes()
    assert written[600:612] == reward.tobytes()
    assert written[612:] == bytes(len(written) - 612)

    protocol.set_place(outputs[0].parameters, "mine", 500, 11)
    with pytest.raises(grpc.RpcError, match="'reward' has 12 bytes; 11 were lent for it"):
        _call(serving, "ModelInfer", **fields)
    protocol.set_place(outputs[0].parameters, "mine", 990, 12)
    with pytest.raises(grpc.RpcError, match="12 bytes from 990 on do not lie within the 1000 of region 'mine'"):
        _call(serving, "ModelInfer", **fields)
    os.truncate(path, 300)
    protocol.set_place(outputs[0].parameters, "mine", 500, 100)
    with pytest.raises(grpc.RpcError, match=r"'mine' was truncated to 300 bytes"):
        _call(serving, "ModelInfer", **fields)
    assert path.stat().st_size == 300


@pytest.mark.parametrize(
    ("places", "changes", "code", "message"),
    [
        ([("yours", 0, 48)], {}, "NOT_FOUND", "no region 'yours': register it first"),
        ([("mine", 2**16 - 47, 48)], {}, "INVALID_ARGUMENT", "48 bytes from 65489 on do not lie within the 65536"),
        ([("mine", -1, 48)], {}, "INVALID_ARGUMENT", "48 bytes from -1 on"),
        ([("mine", 2**62, 48)], {}, "INVALID_ARGUMENT", "do not lie within"),
        ([("mine", 0, -48)], {}, "INVALID_ARGUMENT", "-48 bytes from 0 on"),
        ([("mine", 0, 2**62)], {}, "INVALID_ARGUMENT", "do not lie within"),
        ([("mine", 0, 47)], {}, "INVALID_ARGUMENT", "'observation' holds 11.75 numbers; .* needs 12"),
        ([("mine", 0, 48)], {}, "INVALID_ARGUMENT", "'action' holds 0 numbers"),
        (
            [("mine", 0, 48)],
            {"raw_input_contents": [b"", b""]},
            "INVALID_ARGUMENT",
            "2 entries; expected one for each of the 1 inputs in no region",
        ),
    ],
)
def test_a_place_that_is_none_is_refused(
    serving: Serving, lend: Callable[..., Path], places: list, changes: dict, code: str, message: str
) -> None:
    _register(serving, lend())
    with pytest.raises(grpc.RpcError, match=message) as caught:
        _call(serving, "ModelInfer", model_name="reward", inputs=_inputs(*places), **changes)
    assert caught.value.code().name == code
    assert "\n" not in str(caught.value.details())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shared_memory_region": 5}, "needs shared_memory_byte_size"),
        ({"shared_memory_byte_size": "48"}, "shared_memory_byte_size that is not an int64_param"),
    ],
)
def test_a_place_of_other_types_is_refused(
    serving: Serving, lend: Callable[..., Path], fields: dict, message: str
) -> None:
    _register(serving, lend())
    inputs = _inputs(("mine", 0, 48), ("mine", 0, 24))
    for name, value in fields.items():
        if name == "shared_memory_region":
            del inputs[0].parameters["shared_memory_byte_size"]
        else:
            inputs[0].parameters[name].string_param = value
    with pytest.raises(grpc.RpcError, match=message) as caught:
        _call(serving, "ModelInfer", model_name="reward", inputs=inputs)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


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
            _call(serving, "SystemSharedMemoryRegister", name="mine", key=key, byte_size=4)
    finally:
        folder.rmdir()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "\n" not in str(caught.value.details())
    assert not _regions(serving)
    assert client.score(*_batch()).version == 1


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
            _register(serving, path, offset=offset, byte_size=byte_size)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError, match="needs a name"):
        _register(serving, path, name="")
    _register(serving, path)
    with pytest.raises(grpc.RpcError, match="a region 'mine' already") as caught:
        _register(serving, path)
    assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS
    monkeypatch.setattr(shared_memory, "REGIONS", 1)
    with pytest.raises(grpc.RpcError, match="all there can be") as caught:
        _register(serving, path, name="another")
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert _times_open(path) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_user_s_file_is_refused(serving: Serving, lend: Callable[..., Path]) -> None:
    path = lend()
    os.chown(path, 12345, -1)
    with pytest.raises(grpc.RpcError, match="belongs to another user"):
        _register(serving, path)


def test_regions_are_listed_and_forgotten(serving: Serving, lend: Callable[..., Path]) -> None:
    first, second = lend(), lend()
    _register(serving, first, name="first")
    _register(serving, second, name="second", offset=8, byte_size=16)
    assert (_times_open(first), _times_open(second)) == (1, 1)
    found = _regions(serving)["second"]
    assert (found.name, found.key, found.offset, found.byte_size) == ("second", f"/{second.name}", 8, 16)
    assert list(_call(serving, "SystemSharedMemoryStatus", name="first").regions) == ["first"]
    for _ in range(2):
        _call(serving, "SystemSharedMemoryUnregister", name="first")
        assert list(_regions(serving)) == ["second"]
    with pytest.raises(grpc.RpcError, match="no region 'first'") as caught:
        _call(serving, "SystemSharedMemoryStatus", name="first")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    _register(serving, first, name="first")
    _call(serving, "SystemSharedMemoryUnregister")
    assert not _regions(serving)
    gc.collect()  # an error that was told may hold what it was about
    assert (_times_open(first), _times_open(second)) == (0, 0)


def test_a_file_that_changes_meanwhile_breaks_nothing(serving: Serving, lend: Callable[..., Path]) -> None:
    rows = 2**14
    size = 4 * rows * (D + A)
    path = lend(bytes(size))
    _register(serving, path, byte_size=size)
    told = threading.Event()

    def meddle() -> None:
        rng = np.random.default_rng(0)
        while not told.is_set():
            os.truncate(path, int(rng.integers(size)))
            path.write_bytes(rng.bytes(size))

    meddler = threading.Thread(target=meddle)
    meddler.start()
    inputs = _inputs(("mine", 0, 4 * rows * D), ("mine", 4 * rows * D, 4 * rows * A), rows=rows)
    until = time.monotonic() + 2
    said = set()
    while time.monotonic() < until:
        try:
            _call(serving, "ModelInfer", model_name="reward", inputs=inputs)
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
    assert len(_call(serving, "ModelInfer", model_name="reward", inputs=inputs).outputs) == 2
