"""Whole training against the engine alone: `python -m benchmarks.throughput`.

For each preset, in turns within one run: control steps a second of the engine alone on every core, of the engine with
the policy, and of whole training, in which a reward model that was fitted to a few answers scores every step. MuJoCo
replays the actions and states that the policy of the training goes through; EnvPool gets random actions. (What answers
cost as they arrive is `backflip bench`'s to say.)
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from dataclasses import replace
from itertools import cycle
from statistics import median

import envpool
import numpy as np
from rich.console import Console

from actors.tasks.catalogue import TASKS
from backflip.alone import replay, sample, timed
from backflip.config import TrainConfig
from backflip.phases import SETTLE_SECONDS, training_of
from backflip.presets import PRESETS

_ANSWERS = 40  # all up front: enough for a reward model
_PHASE_SECONDS = 8.0
_ACTIONS = 64  # of each world, drawn once


def measure(preset: str, rounds: int) -> dict[str, float]:
    """Medians of the rounds' rates, and of their ratios ``kept``: training over the engine alone."""
    rates: dict[str, list[float]] = {"engine": [], "policy": [], "training": []}
    config = PRESETS[preset].config
    config = replace(config, labels=replace(config.labels, budget=_ANSWERS, upfront=1.0))
    with training_of(config) as training:
        training.warm_up(1)
        for number in range(rounds):
            phase = training.phase(_PHASE_SECONDS, answers=False)
            rates["training"].append(phase.steps / phase.seconds)
            time.sleep(SETTLE_SECONDS)
            slabs, rate = sample(config, training.ppo, config.seed + number)
            rates["policy"].append(rate)
            rates["engine"].append(replay(TASKS[config.task], slabs) if config.engine == "mujoco" else _pool(config))
    kept = median(whole / alone for whole, alone in zip(rates["training"], rates["engine"], strict=True))
    return {name: median(found) for name, found in rates.items()} | {"kept": kept}


def _pool(config: TrainConfig) -> float:
    """EnvPool alone, with as many worlds as the training has."""
    worlds = config.actors.count * config.actors.worlds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gymnasium's remarks on the precision of EnvPool's bounds
        pool = envpool.make(config.task, env_type="gymnasium", num_envs=worlds, num_threads=os.cpu_count() or 1)
    pool.reset()
    drawn = [[pool.action_space.sample() for _ in range(worlds)] for _ in range(_ACTIONS)]
    actions = cycle(np.array(drawn, np.int32))
    rate = timed(lambda: pool.step(next(actions)), worlds)
    pool.close()
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["hopper-backflip", "cheetah", "ant", "cartpole", "pong"])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    say = Console(file=sys.stderr).print
    lines = ["| preset | engine alone | with the policy | whole training | kept |", "|---|--:|--:|--:|--:|"]
    for preset in arguments.presets:
        found = measure(preset, arguments.rounds)
        rates = " | ".join(f"{found[name]:,.0f}" for name in ("engine", "policy", "training"))
        lines.append(f"| `{preset}` | {rates} | {found['kept']:.2f} |")
        say(lines[-1], highlight=False)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
