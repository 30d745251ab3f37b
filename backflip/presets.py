"""Jobs that are known to work, by name. A preset is a whole config; flags change what you name."""

from __future__ import annotations

from dataclasses import dataclass

from actors.config import ActorsConfig
from backflip.config import TrainConfig
from labeling_gateway.config import LabelsConfig


@dataclass(frozen=True)
class Preset:
    """``summary`` is the line that `backflip list` shows."""

    summary: str
    config: TrainConfig


def _mujoco(task: str, summary: str, steps: int = 3_000_000, budget: int = 700) -> Preset:
    return Preset(
        summary,
        TrainConfig(preset=task, engine="mujoco", task=task, steps=steps, labels=LabelsConfig(budget=budget)),
    )


PRESETS: dict[str, Preset] = {
    "hopper-backflip": Preset(
        "a one-legged robot learns to backflip, which nobody wrote a reward for",
        TrainConfig(preset="hopper-backflip", engine="mujoco", task="hopper-backflip", steps=2_000_000),
    ),
    "cartpole": Preset(
        "a cart learns to keep its pole upright, on EnvPool",
        TrainConfig(
            preset="cartpole",
            engine="envpool",
            task="CartPole-v1",
            steps=1_000_000,
            actors=ActorsConfig(count=1, worlds=64, candidates=16),
            labels=LabelsConfig(budget=100, clip_steps=10),
        ),
    ),
    "arm-grasp": Preset(
        "a hand on a gantry grasps a ball; seen from one side it can seem to",
        TrainConfig(
            preset="arm-grasp",
            engine="mujoco",
            task="arm-grasp",
            steps=400_000,
            actors=ActorsConfig(candidates=32),
            labels=LabelsConfig(budget=600, clip_steps=25, check_share=0.25, ask_decay=2.0),
        ),
    ),
    "hopper": _mujoco("hopper", "a one-legged robot hops forward"),
    "walker": _mujoco("walker", "a two-legged robot walks forward"),
    "cheetah": _mujoco("cheetah", "a two-legged runner runs forward"),
    "swimmer": _mujoco("swimmer", "a three-link swimmer swims forward"),
    "ant": _mujoco("ant", "a four-legged robot walks forward"),
    "reacher": _mujoco("reacher", "an arm brings its tip to the target"),
    "pendulum": _mujoco("pendulum", "a cart keeps its pole upright"),
    "double-pendulum": _mujoco("double-pendulum", "a cart keeps two linked poles upright"),
}
