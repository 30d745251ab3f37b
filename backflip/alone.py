"""What simulation alone does on this machine, with the policy of a training and without."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch

from actors.sampler import Sampler, Track
from actors.simulators.registry import make_simulator
from actors.tasks.task import Task
from backflip.config import TrainConfig
from contracts.rollout import Rollout
from learner.ppo import PPO

_SECONDS = 4.0

Slabs = Sequence[tuple[Rollout, Track]]


def sample(config: TrainConfig, ppo: PPO, seed: int) -> tuple[Slabs, float]:
    """The policy acting in worlds of its own on every core: what it did, and control steps a second."""
    cores, worlds = os.cpu_count() or 1, config.actors.count * config.actors.worlds
    groups = [
        make_simulator(config.engine, config.task, worlds=worlds // 2, seed=seed + group, threads=max(1, cores // 2))
        for group in range(2)
    ]
    spec = config.learner.policy(groups[0].spaces)
    correlation = config.actors.noise_correlation
    sampler = Sampler(groups, config.actors.slab_steps, spec, seed, noise_correlation=correlation)
    sampler.load(ppo.snapshot())
    # A whole episode first, so that its every part is among the worlds.
    for _ in range(-(-groups[0].episode_steps // config.actors.slab_steps)):
        sampler.sample()
    slabs: list[tuple[Rollout, Track]] = []
    rate = timed(lambda: slabs.append(sampler.sample()), worlds * config.actors.slab_steps)
    sampler.close()
    return slabs, rate


def replay(task: Task, slabs: Slabs) -> float:
    """Control steps a second of MuJoCo's batch alone on every core, over the actions and states of the slabs."""
    model = task.model()
    steps, worlds = slabs[0][0].reward.shape
    batch = Batch(model, nsim=worlds, nthread=os.cpu_count() or 1)
    qpos, qvel, ctrl = (batch.bind(name) for name in ("qpos", "qvel", "ctrl"))
    low, high = model.actuator_ctrlrange.T
    position = 0

    def place(state: np.ndarray, ids: np.ndarray) -> None:
        qpos[ids], qvel[ids] = state[:, : model.nq], state[:, model.nq :]

    def slab() -> None:
        nonlocal position
        rollout, track = slabs[position % len(slabs)]
        position += 1
        place(track.state[0], np.arange(worlds))
        for t in range(steps):
            ctrl[:] = low + (high - low) * (rollout.action[t].clip(-1.0, 1.0) + 1) / 2  # clipped as the simulator does
            batch.step(nstep=task.frame_skip)
            ended = np.flatnonzero(rollout.terminated[t] | rollout.truncated[t])
            if len(ended) and t + 1 < steps:
                batch.reset(ended, stage=mujoco.mjtStage.mjSTAGE_NONE)
                place(track.state[t + 1, ended], ended)

    slab()
    return timed(slab, steps * worlds)


def timed(work: Callable[[], Any], steps: int) -> float:
    """Steps a second of repeated ``work`` for some seconds."""
    start, done = time.monotonic(), 0
    while time.monotonic() - start < _SECONDS:
        work()
        done += steps
    return done / (time.monotonic() - start)
