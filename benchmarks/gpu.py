"""What the GPU engine does, with thousands of worlds: `python -m benchmarks.gpu --device cuda:0`.

Hopper, Cheetah, Ant and Humanoid on mujoco-warp: the simulator alone, with the policy choosing the actions, and
whole training (slabs on the device, PPO there; the score is the task's own). Rates are control steps of all
worlds a second, each the median of some rounds after a warm-up, with the device waited for at both ends.
On ``--device cpu`` the same script shows that the path works; its rates say nothing of a GPU.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from typing import Any

import torch

from actors.device_sampler import DeviceSampler
from actors.simulators.warp_engine import WarpSimulator
from actors.tasks.catalogue import TASKS
from learner.policy import PolicySpec
from learner.ppo import PPO, PPOConfig

ROBOTS = {"Hopper": "hopper-backflip", "Cheetah": "cheetah", "Ant": "ant", "Humanoid": "humanoid-stand"}
_PACKAGES = ("torch", "mujoco", "mujoco-warp", "warp-lang")


def measure(task: str, worlds: int, device: str, *, steps: int, rounds: int, minibatch: int) -> dict[str, Any]:
    """Rates of one robot, and which share of the simulator's own each of the others keeps.

    Args:
        steps: rows of a slab, which is what a round takes.
        minibatch: transitions a gradient step sees.
    """
    simulator = WarpSimulator(TASKS[task], worlds, seed=0, device=device)
    spec = PolicySpec(simulator.spaces)
    config = PPOConfig(minibatches=max(1, worlds * steps // minibatch))
    ppo = PPO(spec, config, seed=0, device=device)
    sampler = DeviceSampler(simulator, steps, spec, seed=0, noise_correlation=0.9)
    sampler.load(ppo.snapshot())
    actions = torch.rand((steps, worlds, simulator.spaces.action.size), device=device) * 2 - 1

    def alone() -> None:
        for action in actions:
            simulator.step_on_device(action)

    def trained() -> None:
        rollout, track = sampler.sample()
        seen = rollout.on_host()
        seen.reward = track.score / (track.score.std() + 1e-6)
        ppo.update([rollout.judged_as(seen)])
        sampler.load(ppo.snapshot())

    rates = {
        "alone": _rate(alone, worlds * steps, device, rounds),
        "policy": _rate(sampler.sample, worlds * steps, device, rounds),
        "trained": _rate(trained, worlds * steps, device, rounds),
    }
    kept = {f"{name}_kept": rates[name] / rates["alone"] for name in ("policy", "trained")}
    return {"task": task, "worlds": worlds, "control_timestep": simulator.control_timestep} | rates | kept


def _rate(run: Callable[[], object], steps: int, device: str, rounds: int) -> float:
    run()  # warms up
    seconds = []
    for _ in range(rounds):
        _wait(device)
        started = time.perf_counter()
        run()
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return steps / median(seconds)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def _machine(device: str) -> str:
    if device == "cpu":
        return f"CPU, {platform.processor() or platform.machine()}, which shows that it works, not what a GPU does"
    driver = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    ).stdout.split()
    found = torch.cuda.get_device_name(device)
    return f"{found}, driver {driver[0] if driver else 'unknown'}, CUDA {torch.version.cuda}, one captured graph a step"


def table(rows: list[dict[str, Any]], names: dict[str, str]) -> str:
    lines = [
        "| robot | worlds | time step, s | simulator alone | with policy | trained | kept, policy | kept, trained |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for row in rows:
        rates = " | ".join(f"{row[name]:,.0f}" for name in ("alone", "policy", "trained"))
        kept = " | ".join(f"{row[f'{name}_kept']:.2f}" for name in ("policy", "trained"))
        lines.append(f"| {names[row['task']]} | {row['worlds']:,} | {row['control_timestep']:.3f} | {rates} | {kept} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    parser.add_argument("--robots", nargs="+", choices=ROBOTS, default=list(ROBOTS))
    parser.add_argument("--worlds", type=int, nargs="+", default=[4096, 8192, 16384])
    parser.add_argument("--steps", type=int, default=32, help="rows of a slab (%(default)s)")
    parser.add_argument("--minibatch", type=int, default=32768, help="transitions a gradient step (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object in place of a table")
    arguments = parser.parse_args()
    rows = []
    for robot in arguments.robots:
        for worlds in arguments.worlds:
            print(f"{robot}, {worlds:,} worlds", file=sys.stderr)
            rows.append(
                measure(
                    ROBOTS[robot],
                    worlds,
                    arguments.device,
                    steps=arguments.steps,
                    rounds=arguments.rounds,
                    minibatch=arguments.minibatch,
                )
            )
    versions = {name: version(name) for name in _PACKAGES}
    machine = _machine(arguments.device)
    if arguments.json:
        print(json.dumps({"machine": machine, "versions": versions, "rows": rows}))
    else:
        print(table(rows, {task: robot for robot, task in ROBOTS.items()}))
        print(f"\n{machine}; {', '.join(f'{name} {number}' for name, number in versions.items())}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
