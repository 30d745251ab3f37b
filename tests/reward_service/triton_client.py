"""Run as a program: scores a batch with tritonclient, which knows nothing of us, and prints what it got."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException


def main(address: str, batch: str) -> None:
    client = triton.InferenceServerClient(address)
    metadata: Any = client.get_model_metadata("reward")
    inputs = []
    for name, array in np.load(batch).items():
        tensor = triton.InferInput(name, list(array.shape), "FP32")
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    result: Any = client.infer("reward", inputs)
    only_reward: Any = client.infer(
        "reward", inputs, model_version="1", outputs=[triton.InferRequestedOutput("reward")]
    )
    assert only_reward.as_numpy("member_reward") is None
    try:
        client.infer("reward", inputs, model_version="77")
        error = ""
    except InferenceServerException as raised:
        error = raised.message()
    print(
        json.dumps(
            {
                "live": client.is_server_live(),
                "ready": client.is_server_ready(),
                "model_ready": {
                    "newest": client.is_model_ready("reward"),
                    "1": client.is_model_ready("reward", "1"),
                    "77": client.is_model_ready("reward", "77"),
                },
                "versions": list(metadata.versions),
                "inputs": [[tensor.name, tensor.datatype, list(tensor.shape)] for tensor in metadata.inputs],
                "outputs": [[tensor.name, tensor.datatype, list(tensor.shape)] for tensor in metadata.outputs],
                "model_version": result.get_response().model_version,
                "reward": result.as_numpy("reward").tolist(),
                "member_reward": result.as_numpy("member_reward").tolist(),
                "reward_of_1": only_reward.as_numpy("reward").tolist(),
                "error": error,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
