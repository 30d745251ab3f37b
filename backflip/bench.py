"""`backflip bench`: what this machine does, everything in turns within one run, medians of the rounds.

Single figures from a noisy machine mean little, their ratios within a run mean something.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import mujoco
import numpy as np
import torch
from mujoco.batch import Batch
from rich.console import Console

from actors.sampler import Sampler, Track
from actors.simulators.registry import make_simulator
from actors.tasks.catalogue import TASKS
from actors.tasks.task import Task
from backflip.config import TrainConfig
from backflip.distributed import DistributedSystem
from backflip.finishing import package_versions
from backflip.phases import SETTLE_SECONDS, Phase, Training, share_of_services
from backflip.presets import PRESETS
from backflip.run_folder import create_run_folder
from backflip.system import probe_task
from benchmarks.scoring import measure as measure_scoring
from contracts.memory import keep_freed_memory
from contracts.rollout import Rollout
from learner.policy import PolicySpec
from learner.ppo import PPO

PRESET = "hopper-backflip"
_ALONE_SECONDS = 4.0
_LONGER = 2  # times the preset's run; with many more answers they would come in larger batches
_EVENLY = 1e6  # an `ask_decay` this slow is a constant rate


@dataclass(frozen=True)
class Recording:
    """A slab's worth of actions and states, to be simulated once more."""

    control: np.ndarray  # [T, N, A], clipped as the simulator does
    state: np.ndarray  # [T, N, S]
    ends: np.ndarray  # bool [T, N]


def measure(*, rounds: int, seed: int) -> dict[str, Any]:
    """Rates in control steps (Hopper) and transitions (scoring) a second.

    ``simulator`` replays, on MuJoCo alone, the actions that the policy in training takes; ``policy``
    adds choosing them; ``training`` is the whole system with answers arriving at the preset's mean rate,
    ``training_no_answers`` the same with the teacher idle. ``kept`` is training / simulator and
    ``kept_with_answers`` training / training_no_answers, each the median of the rounds' own ratios.

    ``answers_take`` is counted where that is timed: the share of all parts' time on the cores that the parts other than
    learner and actors take while answers arrive, less their share (of scoring) with the teacher idle, over all rounds.
    """
    say = Console(file=sys.stderr).print
    torch.set_num_threads(1)
    keep_freed_memory()
    rates: dict[str, list[float]] = {}
    phases: dict[bool, list[Phase]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        preset = PRESETS[PRESET].config
        config = replace(_evenly_asking(preset), seed=seed, out=Path(folder), name="bench")
        run = create_run_folder(config)
        task = probe_task(config)
        ppo = PPO(PolicySpec(task.spaces, config.learner.hidden), config.learner, config.seed)
        say("starting every part of a training run")
        system = DistributedSystem(config, run, task.spaces, task.scene)
        try:
            training = Training(system, ppo, config.steps)
            say("training until the questions asked up front are answered")
            training.warm_up(config.labels.upfront_questions)
            worlds = config.actors.count * config.actors.worlds
            for number in range(rounds):
                say(f"round {number + 1} of {rounds}")
                found: dict[str, float] = {}
                for answers, of_round in training.round().items():
                    phases[answers] += of_round
                    rate = sum(phase.steps for phase in of_round) / sum(phase.seconds for phase in of_round)
                    found["training" if answers else "training_no_answers"] = rate
                time.sleep(SETTLE_SECONDS)
                recordings, found["policy"] = _sample(ppo, worlds, seed + number)
                found["simulator"] = _replay(TASKS[config.task], recordings)
                for name, rate in found.items():
                    rates.setdefault(name, []).append(rate)
                say("  " + ", ".join(f"{name} {rate:,.0f}" for name, rate in found.items()))
        finally:
            system.stop()
    hopper = {name: round(median(values), 1) for name, values in sorted(rates.items())}
    for name, alone in (("kept", "simulator"), ("kept_with_answers", "training_no_answers")):
        ratios = [whole / part for whole, part in zip(rates["training"], rates[alone], strict=True)]
        hopper[name] = round(median(ratios), 3)
    hopper["answers_take"] = round(share_of_services(phases[True]) - share_of_services(phases[False]), 3)
    say("scoring slabs in process and over gRPC")
    return {
        "hopper": hopper,
        "scoring": measure_scoring(),
        "versions": package_versions(),
    }


def _evenly_asking(config: TrainConfig) -> TrainConfig:
    """As many answers up front, then the preset's mean rate, for longer than the preset's run.

    The preset asks ever more rarely; a phase of some seconds must stand for the whole run.
    """
    labels, upfront = config.labels, config.labels.upfront_questions
    budget = upfront + _LONGER * (labels.budget - upfront)
    labels = replace(labels, budget=budget, upfront=upfront / budget, ask_decay=_EVENLY)
    return replace(config, labels=labels, steps=_LONGER * config.steps)


def _sample(ppo: PPO, worlds: int, seed: int) -> tuple[list[Recording], float]:
    """The policy acting in worlds of its own on every core: what it did, and how fast."""
    config, cores = PRESETS[PRESET].config, os.cpu_count() or 1
    groups = [
        make_simulator(config.engine, config.task, worlds=worlds // 2, seed=seed + group, threads=max(1, cores // 2))
        for group in range(2)
    ]
    sampler = Sampler(
        groups,
        config.actors.slab_steps,
        PolicySpec(groups[0].spaces, config.learner.hidden),
        seed,
        noise_correlation=config.actors.noise_correlation,
    )
    sampler.load(ppo.snapshot())
    # A whole episode first, so that its every part is among the worlds.
    for _ in range(-(-groups[0].episode_steps // config.actors.slab_steps)):
        sampler.sample()
    slabs: list[tuple[Rollout, Track]] = []
    rate = _timed(lambda: slabs.append(sampler.sample()), worlds * config.actors.slab_steps)
    sampler.close()
    recordings = [
        Recording(np.clip(rollout.action, -1.0, 1.0), track.state, rollout.terminated | rollout.truncated)
        for rollout, track in slabs
    ]
    return recordings, rate


def _replay(task: Task, recordings: list[Recording]) -> float:
    """MuJoCo's batch alone on every core, over the same actions and states."""
    model = task.model()
    steps, worlds, _ = recordings[0].control.shape
    batch = Batch(model, nsim=worlds, nthread=os.cpu_count() or 1)
    qpos, qvel, ctrl = (batch.bind(name) for name in ("qpos", "qvel", "ctrl"))
    low, high = model.actuator_ctrlrange.T
    position = 0

    def place(state: np.ndarray, ids: np.ndarray) -> None:
        qpos[ids], qvel[ids] = state[:, : model.nq], state[:, model.nq :]

    def slab() -> None:
        nonlocal position
        recording = recordings[position % len(recordings)]
        position += 1
        place(recording.state[0], np.arange(worlds))
        for t in range(steps):
            ctrl[:] = low + (high - low) * (recording.control[t] + 1) / 2
            batch.step(nstep=task.frame_skip)
            ended = np.flatnonzero(recording.ends[t])
            if len(ended) and t + 1 < steps:
                batch.reset(ended, stage=mujoco.mjtStage.mjSTAGE_NONE)
                place(recording.state[t + 1, ended], ended)

    slab()
    return _timed(slab, steps * worlds)


def _timed(work: Callable[[], Any], steps: int) -> float:
    """Steps a second of repeated ``work`` for some seconds."""
    start, done = time.monotonic(), 0
    while time.monotonic() - start < _ALONE_SECONDS:
        work()
        done += steps
    return done / (time.monotonic() - start)
