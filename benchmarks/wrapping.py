"""What the learned reward costs somebody else's loop: a vector environment alone against it wrapped, in turns.

The wrapped one has a fitted reward model, cuts its clips and offers them; its questions are all answered. Beside it,
what one call of the reward service takes that scores as many transitions.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

import backflip

ENVIRONMENTS = (("CartPole-v1", 8), ("CartPole-v1", 64), ("Hopper-v5", 8), ("Hopper-v5", 64))
_TURN_SECONDS = 1.0


def measure(id: str, worlds: int, rounds: int) -> tuple[float, float, float]:
    """Seconds of a step of all worlds alone, of one wrapped, and of a call of the service; medians of the turns."""
    alone = gymnasium.make_vec(id, worlds, vectorization_mode="sync")
    with tempfile.TemporaryDirectory() as folder:
        labels = backflip.LabelsConfig(budget=20, upfront=1.0, clip_steps=10)
        inner = gymnasium.make_vec(id, worlds, vectorization_mode="sync")
        wrapped = backflip.learned_reward(inner, Path(folder) / "run", steps=10**9, labels=labels)
        try:
            wrapped.wait_for_reward(120.0)
            service = wrapped._services.reward
            assert service is not None
            spaces = wrapped._worlds.spaces
            observation = np.zeros((worlds, *spaces.observation.shape), spaces.observation.dtype)
            action = np.zeros((worlds, spaces.action.size), np.float32)
            ways = (_stepping(alone), _stepping(wrapped), partial(service.score, observation, action))
            seconds: list[list[float]] = [[], [], []]
            for _ in range(rounds):
                for way, times in zip(ways, seconds, strict=True):
                    times.append(_seconds(way))
        finally:
            wrapped.close()
            alone.close()
    return statistics.median(seconds[0]), statistics.median(seconds[1]), statistics.median(seconds[2])


def _stepping(envs: VectorEnv) -> Callable[[], object]:
    envs.reset(seed=0)
    actions = itertools.cycle([envs.action_space.sample() for _ in range(100)])
    return lambda: envs.step(next(actions))


def _seconds(way: Callable[[], object]) -> float:
    """Of one call, over a turn of many."""
    calls, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < _TURN_SECONDS:
        way()
        calls += 1
    return passed / calls


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wrapping", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="the medians are over this many turns")
    rounds = parser.parse_args().rounds
    print("| environment | worlds | alone, steps/s | wrapped, steps/s | a step costs more by | a call of the service |")
    print("|---|--:|--:|--:|--:|--:|")
    for id, worlds in ENVIRONMENTS:
        alone, wrapped, service = measure(id, worlds, rounds)
        rates = f"{worlds / alone:,.0f} | {worlds / wrapped:,.0f}"
        print(f"| {id} | {worlds} | {rates} | {1e3 * (wrapped - alone):.2f} ms | {1e3 * service:.2f} ms |", flush=True)


if __name__ == "__main__":
    main()
