"""Whether EnvPool's asynchronous batches pay here: worlds that are ready first are acted for first.

Three ways of filling slabs of the same worlds with the same policy, in turns: all worlds in step (one group),
two groups that overlap simulation and inference, as `actors.sampler` does with ``--actors.groups 2``, and
asynchronous batches of half the worlds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import envpool
import numpy as np
import torch

from actors.sampler import Sampler
from actors.simulators.envpool_engine import EnvPoolSimulator
from actors.simulators.spaces import Controls, Flattening
from learner.policy import Policy, PolicySpec

WORLDS, STEPS = 128, 64
TASKS = ("CartPole-v1", "Ant-v4", "MetaWorld/Reach-v3", "Highway-v0")


def in_groups(task: str, groups: int, threads: int) -> Callable[[], None]:
    """Fills one slab a call."""
    simulators: list[Any] = [EnvPoolSimulator(task, WORLDS // groups, seed, threads) for seed in range(groups)]
    spec = PolicySpec(simulators[0].spaces)
    sampler = Sampler(simulators, STEPS, spec, seed=0)
    sampler.load(Policy(spec).snapshot(0))
    return lambda: (sampler.sample(), None)[1]


def asynchronous(task: str, threads: int) -> Callable[[], None]:
    """As many transitions a call; each batch is of the half of the worlds that was ready first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pool: Any = envpool.make(
            task, env_type="gymnasium", num_envs=WORLDS, batch_size=WORLDS // 2, num_threads=threads, seed=0
        )
        flatten, controls = Flattening(pool.observation_space), Controls(pool.action_space)
    spec = EnvPoolSimulator(task, 1, 0).spaces
    policy, generator = Policy(PolicySpec(spec)), torch.Generator().manual_seed(0)
    observation = np.empty((STEPS + 1, WORLDS, flatten.size), np.float32)
    pool.async_reset()

    def fill() -> None:
        row = np.zeros(WORLDS, np.int64)  # how far each world is
        for _ in range(2 * STEPS):
            shown, _, _, _, info = pool.recv()
            worlds = info["env_id"]
            seen = flatten(shown, (len(worlds),))
            observation[np.minimum(row[worlds], STEPS), worlds] = seen
            row[worlds] += 1
            action, _ = policy.act(torch.from_numpy(seen), generator)
            native = controls(action.numpy())
            pool.send(native.astype(np.int32) if native.dtype.kind == "i" else native, worlds)

    return fill


def measure(task: str, rounds: int) -> dict[str, float]:
    """Steps a second, medians over turns."""
    threads = os.cpu_count() or 1
    torch.set_num_threads(1)
    ways = {
        "one group": in_groups(task, 1, threads),
        "two groups": in_groups(task, 2, threads),
        "asynchronous": asynchronous(task, threads),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, fill in ways.items():
            began = time.perf_counter()
            fill()
            if turn:  # the first warms up
                found[name].append(WORLDS * STEPS / (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.async_batches", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    print("| task | one group | two groups | asynchronous |\n|---|---|---|---|")
    for task in TASKS:
        speeds = measure(task, arguments.rounds)
        print(f"| `{task}` | {' | '.join(f'{speed:,.0f}' for speed in speeds.values())} |", flush=True)


if __name__ == "__main__":
    main()
