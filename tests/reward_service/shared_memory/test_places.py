"""Where inputs and outputs lie in regions: used as they are asked for, refused where they are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest

from reward_service import inference_pb2 as pb
from reward_service import protocol
from reward_service.server import Serving
from reward_service.versions import RewardModel
from tests.reward_service.shared_memory.lending import ROWS, call, inputs_at, register, slab
from tests.reward_service.test_versions import A, D, K


def test_tritonclient_scores_through_shared_memory(
    serving: Serving, model: RewardModel, reads: list[str], tmp_path: Path
) -> None:
    observation, action = slab()
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
    observation, action = slab(3)
    path = lend(bytes(100) + action.tobytes() + bytes(1000))
    register(serving, path, offset=100, byte_size=1000)
    outputs = [pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in ("reward", "member_reward")]
    protocol.set_place(outputs[0].parameters, "mine", 500, 100)
    fields = {
        "model_name": "reward",
        "inputs": [inputs_at()[0], inputs_at(("", 0, 0), ("mine", 0, action.nbytes))[1]],
        "raw_input_contents": [observation.tobytes()],
        "outputs": outputs,
    }
    response = call(serving, "ModelInfer", **fields)
    reward, member_reward, _ = model.score(observation, action)
    assert list(response.raw_output_contents) == [b"", member_reward.tobytes()]
    assert [list(output.shape) for output in response.outputs] == [[3], [3, K]]
    assert response.outputs[0].parameters["shared_memory_byte_size"].int64_param == 12
    written = path.read_bytes()
    assert written[600:612] == reward.tobytes()
    assert written[612:] == bytes(len(written) - 612)

    protocol.set_place(outputs[0].parameters, "mine", 500, 11)
    with pytest.raises(grpc.RpcError, match="'reward' has 12 bytes; 11 were lent for it"):
        call(serving, "ModelInfer", **fields)
    protocol.set_place(outputs[0].parameters, "mine", 990, 12)
    with pytest.raises(grpc.RpcError, match="12 bytes from 990 on do not lie within the 1000 of region 'mine'"):
        call(serving, "ModelInfer", **fields)
    os.truncate(path, 300)
    protocol.set_place(outputs[0].parameters, "mine", 500, 100)
    with pytest.raises(grpc.RpcError, match=r"'mine' was truncated to 300 bytes"):
        call(serving, "ModelInfer", **fields)
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
    register(serving, lend())
    with pytest.raises(grpc.RpcError, match=message) as caught:
        call(serving, "ModelInfer", model_name="reward", inputs=inputs_at(*places), **changes)
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
    register(serving, lend())
    inputs = inputs_at(("mine", 0, 48), ("mine", 0, 24))
    for name, value in fields.items():
        if name == "shared_memory_region":
            del inputs[0].parameters["shared_memory_byte_size"]
        else:
            inputs[0].parameters[name].string_param = value
    with pytest.raises(grpc.RpcError, match=message) as caught:
        call(serving, "ModelInfer", model_name="reward", inputs=inputs)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
