"""Engines by name. Each is imported only when asked for: they are large, and not all are everywhere."""

from __future__ import annotations

from dataclasses import replace

from actors.simulators.protocol import Simulator, UnknownTask

ENGINES = ("mujoco", "warp", "envpool", "gymnasium")


def device_of(engine: str) -> str:
    """Where an engine's worlds are, by torch's name: on the GPU for the engine that can use it, if there is one."""
    if engine != "warp":
        return "cpu"
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def make_simulator(
    engine: str, task: str, *, worlds: int, seed: int, threads: int = 1, stagger: bool = True, question: str = ""
) -> Simulator:
    """N worlds of a task on an engine.

    Args:
        question: what people are asked, in place of the task's own.

    Raises:
        UnknownTask: the engine has no task of this name.
        ValueError: there is no such engine, or the task cannot be made.
    """
    simulator = _make(engine, task, worlds, seed, threads, stagger)
    if question:
        simulator.scene = replace(simulator.scene, question=question)
    return simulator


def _make(engine: str, task: str, worlds: int, seed: int, threads: int, stagger: bool) -> Simulator:
    if engine in ("mujoco", "warp"):
        from actors.tasks.catalogue import TASKS

        if task not in TASKS:
            raise UnknownTask(engine, task, TASKS)
        if engine == "mujoco":
            from actors.simulators.mujoco_engine import MujocoSimulator

            return MujocoSimulator(TASKS[task], worlds, seed, threads, stagger)
        from actors.simulators.warp_engine import WarpSimulator

        return WarpSimulator(TASKS[task], worlds, seed, stagger, device_of(engine))
    if engine == "envpool":
        from actors.simulators.atari_engine import AtariSimulator, is_atari
        from actors.simulators.envpool_engine import EnvPoolSimulator

        if is_atari(task):
            return AtariSimulator(task, worlds, seed, threads)
        return EnvPoolSimulator(task, worlds, seed, threads)
    if engine == "gymnasium":
        from actors.simulators.gymnasium_engine import GymnasiumSimulator

        return GymnasiumSimulator(task, worlds, seed, stagger)
    raise ValueError(f"unknown engine {engine!r}: choose one of {', '.join(ENGINES)}")
