"""What the wire costs: slabs scored in this process against the same slabs over gRPC, in turns."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from contracts.memory import keep_freed_memory
from contracts.spaces import ObservationSpace
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

    ``in_process`` is one thread, which is what an actor would have for it. ``grpc`` is our own client and a
    service as a run has it: the slab goes over in shared memory and is scored on a thread a core. ``wire`` is
    the same without shared memory, and ``grpc_one_thread`` the same with one thread, so that in-process over
    it is what the call costs. A service is a process of its own. The rewards alone are asked for, as
    actors do.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory()
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(SLAB, OBSERVATION_SIZE)).astype(np.float32)
    action = rng.uniform(-1, 1, size=(SLAB, ACTION_SIZE)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        model = _model(Path(folder) / "here")
        address = running.enter_context(_service(Path(folder) / "service", os.cpu_count() or 1))
        one_thread = running.enter_context(_service(Path(folder) / "one", 1))
        clients = {
            "grpc": RewardClient(address),
            "wire": RewardClient(address, shared_memory=False),
            "grpc_one_thread": RewardClient(one_thread),
        }
        ways: dict[str, Callable[[], object]] = {"in_process": lambda: model.score(observation, action)}
        for name, client in clients.items():
            client.wait_ready(10)
            running.callback(client.close)
            ways[name] = partial(client.score, observation, action)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds + 1):
            for name in rng.permutation(list(ways)):  # who follows whom matters to the processor's caches
                started = time.perf_counter()
                for _ in range(_SLABS_A_TURN):
                    ways[name]()
                if turn > 0:  # the first one warms both up
                    seconds[name].append(time.perf_counter() - started)
    torch.set_num_threads(threads)
    rates = {name: SLAB * _SLABS_A_TURN / statistics.median(times) for name, times in seconds.items()}
    return rates | {
        "kept": rates["grpc"] / rates["in_process"],
        "kept_one_thread": rates["grpc_one_thread"] / rates["in_process"],
    }


@contextmanager
def _service(directory: Path, threads: int) -> Iterator[str]:
    """A reward service in a process of its own; its address."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(directory, threads, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join(10)


def _model(directory: Path, threads: int = 1) -> RewardModel:
    config = RewardConfig()
    width = OBSERVATION_SIZE + ACTION_SIZE
    model = RewardModel(config.members, ObservationSpace((OBSERVATION_SIZE,)), ACTION_SIZE, directory, threads)
    layers = initial_layers(config.members, (width, *config.hidden, 1), seed=0)
    scales = torch.zeros(width), torch.ones(width), torch.zeros(config.members), torch.ones(config.members)
    model.publish(Ensemble(layers, *scales), FitReport(version=1))
    return model


def _serve(directory: Path, threads: int, parent: Connection) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    model = _model(directory, threads)
    config = RewardServiceConfig("bench", "127.0.0.1:0", str(directory), 0, model.observation, ACTION_SIZE)
    serving = serve(config, model)
    parent.send(serving.address)
    try:
        parent.recv()  # until the parent closes its end or dies
    except EOFError:
        serving.stop()
