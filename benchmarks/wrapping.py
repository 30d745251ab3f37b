"""What the learned reward costs somebody else's loop: a vector environment alone against it wrapped, in turns.

The wrapped one has a fitted reward model, cuts its clips and offers them; its questions are all answered.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import gymnasium
from gymnasium.vector import VectorEnv

import backflip

ENVIRONMENTS = (("CartPole-v1", 8), ("CartPole-v1", 64), ("Hopper-v5", 8), ("Hopper-v5", 64))
_TURN_SECONDS = 1.0


def measure(id: str, worlds: int, rounds: int) -> tuple[float, float]:
    """Steps of all worlds together a second, acting at random: alone, and wrapped; medians of the turns."""
    alone = gymnasium.make_vec(id, worlds, vectorization_mode="sync")
    with tempfile.TemporaryDirectory() as folder:
        labels = backflip.LabelsConfig(budget=20, upfront=1.0, clip_steps=10)
        inner = gymnasium.make_vec(id, worlds, vectorization_mode="sync")
        wrapped = backflip.learned_reward(inner, Path(folder) / "run", steps=10**9, labels=labels)
        try:
            wrapped.wait_for_reward(120.0)
            seconds: dict[VectorEnv, list[float]] = {alone: [], wrapped: []}
            for envs in seconds:
                envs.reset(seed=0)
            for _ in range(rounds):
                for envs, times in seconds.items():
                    times.append(_step_seconds(envs))
        finally:
            wrapped.close()
            alone.close()
    return worlds / statistics.median(seconds[alone]), worlds / statistics.median(seconds[wrapped])


def _step_seconds(envs: VectorEnv) -> float:
    actions = [envs.action_space.sample() for _ in range(100)]
    steps, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < _TURN_SECONDS:
        envs.step(actions[steps % len(actions)])
        steps += 1
    return passed / steps


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wrapping", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="the medians are over this many turns")
    rounds = parser.parse_args().rounds
    print("| environment | worlds | alone, steps/s | wrapped, steps/s | a step of all worlds costs more by |")
    print("|---|---|---|---|---|")
    for id, worlds in ENVIRONMENTS:
        alone, wrapped = measure(id, worlds, rounds)
        more = 1000 * worlds * (1 / wrapped - 1 / alone)
        print(f"| {id} | {worlds} | {alone:,.0f} | {wrapped:,.0f} | {more:.2f} ms |", flush=True)


if __name__ == "__main__":
    main()
