"""What the wire costs: slabs scored in this process against the same slabs over gRPC, in turns."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from contracts.memory import keep_freed_memory
from reward_service.client import RewardClient
from reward_service.config import RewardConfig, RewardServiceConfig
from reward_service.ensemble import Ensemble, initial_layers
from reward_service.fitting import FitReport
from reward_service.server import serve
from reward_service.versions import RewardModel

SLAB = 8192  # transitions
OBSERVATION_SIZE, ACTION_SIZE = 12, 3  # Hopper's
_SLABS_A_TURN = 5  # short turns: what else the machine does falls on both ways alike


def measure(rounds: int = 40) -> dict[str, float]:
    """Transitions a second, medians of ``rounds`` turns, and the share that gRPC keeps.

    ``grpc`` is what our own client does, which hands the slab over in shared memory; ``wire`` is the
    same without. One torch thread on either side; the server is a process of its own. The rewards
    alone are asked for, as actors do.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory()
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(SLAB, OBSERVATION_SIZE)).astype(np.float32)
    action = rng.uniform(-1, 1, size=(SLAB, ACTION_SIZE)).astype(np.float32)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        model = _model(Path(folder) / "here")
        ours, theirs = context.Pipe()
        server = context.Process(target=_serve, args=(Path(folder) / "there", theirs), daemon=True)
        server.start()
        try:
            address = ours.recv()
            client, by_wire = RewardClient(address), RewardClient(address, shared_memory=False)
            client.wait_ready(10)
            ways: dict[str, Callable[[], object]] = {
                "in_process": lambda: model.score(observation, action),
                "grpc": lambda: client.score(observation, action),
                "wire": lambda: by_wire.score(observation, action),
            }
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            for turn in range(rounds + 1):
                for name in rng.permutation(list(ways)):  # who follows whom matters to the processor's caches
                    started = time.perf_counter()
                    for _ in range(_SLABS_A_TURN):
                        ways[name]()
                    if turn > 0:  # the first one warms both up
                        seconds[name].append(time.perf_counter() - started)
            client.close()
            by_wire.close()
        finally:
            ours.close()
            server.join(10)
            torch.set_num_threads(threads)
    rates = {name: SLAB * _SLABS_A_TURN / statistics.median(times) for name, times in seconds.items()}
    return rates | {"kept": rates["grpc"] / rates["in_process"]}


def _model(directory: Path) -> RewardModel:
    config = RewardConfig()
    width = OBSERVATION_SIZE + ACTION_SIZE
    model = RewardModel(config.members, OBSERVATION_SIZE, ACTION_SIZE, directory)
    layers = initial_layers(config.members, (width, *config.hidden, 1), seed=0)
    scales = torch.zeros(width), torch.ones(width), torch.zeros(config.members), torch.ones(config.members)
    model.publish(Ensemble(layers, *scales), FitReport(version=1))
    return model


def _serve(directory: Path, parent: Connection) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    config = RewardServiceConfig("bench", "127.0.0.1:0", str(directory), 0, OBSERVATION_SIZE, ACTION_SIZE)
    serving = serve(config, _model(directory))
    parent.send(serving.address)
    try:
        parent.recv()  # until the parent closes its end or dies
    except EOFError:
        serving.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    print(json.dumps(measure(parser.parse_args().rounds)))
