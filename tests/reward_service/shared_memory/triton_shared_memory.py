"""Run as a program: scores a batch with tritonclient through shared memory, and prints what it got."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import shared_memory


def main(address: str, batch: str, members: str) -> None:
    client = triton.InferenceServerClient(address)
    metadata: Any = client.get_server_metadata()
    arrays = dict(np.load(batch))
    rows = len(arrays["observation"])
    sizes = {"reward": 4 * rows, "member_reward": 4 * rows * int(members)}
    inputs_key, outputs_key = f"/backflip-inputs-{os.getpid()}", f"/backflip-outputs-{os.getpid()}"
    inputs_size = sum(array.nbytes for array in arrays.values())
    outputs_size = sum(sizes.values())
    inputs_memory = shared_memory.create_shared_memory_region("inputs", inputs_key, inputs_size)
    outputs_memory = shared_memory.create_shared_memory_region("outputs", outputs_key, 64 + outputs_size)
    try:
        client.unregister_system_shared_memory()
        client.register_system_shared_memory("inputs", inputs_key, inputs_size)
        client.register_system_shared_memory("outputs", outputs_key, outputs_size, offset=64)
        status: Any = client.get_system_shared_memory_status()
        regions = [[region.name, region.offset, region.byte_size] for region in status.regions.values()]
        shared_memory.set_shared_memory_region(inputs_memory, list(arrays.values()))
        inputs, offset = [], 0
        for name, array in arrays.items():
            tensor = triton.InferInput(name, list(array.shape), "FP32")
            tensor.set_shared_memory("inputs", array.nbytes, offset=offset)
            inputs.append(tensor)
            offset += array.nbytes
        outputs, offset = [], 0
        for name, size in sizes.items():
            wanted = triton.InferRequestedOutput(name)
            wanted.set_shared_memory("outputs", size, offset=offset)
            outputs.append(wanted)
            offset += size
        result: Any = client.infer("reward", inputs, outputs=outputs)
        found, offset = {}, 64
        for name, size in sizes.items():
            shape = list(result.get_output(name).shape)
            found[name] = shared_memory.get_contents_as_numpy(outputs_memory, np.float32, shape, offset).tolist()
            offset += size
        outputs[1].unset_shared_memory()
        mixed: Any = client.infer("reward", inputs, outputs=outputs)
        client.unregister_system_shared_memory("inputs")
        client.unregister_system_shared_memory("outputs")
        left: Any = client.get_system_shared_memory_status()
        print(
            json.dumps(
                found
                | {
                    "extensions": list(metadata.extensions),
                    "regions": sorted(regions),
                    "mixed": mixed.as_numpy("member_reward").tolist(),
                    "left": sorted(left.regions),
                }
            )
        )
    finally:
        shared_memory.destroy_shared_memory_region(inputs_memory)
        shared_memory.destroy_shared_memory_region(outputs_memory)


if __name__ == "__main__":
    main(*sys.argv[1:])
