"""Small worlds with short episodes, so that a slab of few rows holds several ends."""

from __future__ import annotations

from dataclasses import replace

import torch

from actors.simulators.mujoco_engine import MujocoSimulator
from actors.simulators.protocol import Simulator
from actors.simulators.warp_engine import WarpSimulator
from actors.tasks.catalogue import TASKS
from learner.policy import Policy, PolicySnapshot, PolicySpec

EPISODE = 10
HOPPER = replace(TASKS["hopper-backflip"], episode_steps=EPISODE)


def hoppers(worlds: int, seed: int, *, stagger: bool = True) -> MujocoSimulator:
    return MujocoSimulator(HOPPER, worlds, seed, threads=1, stagger=stagger)


def warp_hoppers(worlds: int, seed: int, *, stagger: bool = True) -> WarpSimulator:
    return WarpSimulator(HOPPER, worlds, seed, stagger)


def spec_of(simulator: Simulator) -> PolicySpec:
    return PolicySpec(simulator.spaces, hidden=(8,))


def snapshot_of(spec: PolicySpec, version: int = 1, seed: int = 0) -> PolicySnapshot:
    torch.manual_seed(seed)
    return Policy(spec).snapshot(version)
