"""Records what dm_control itself shows and pays, for `test_dm_suite.py`; run by hand, in an environment of its own.

$ python -m venv dm && dm/bin/pip install dm-control==1.0.50 "mujoco<4"
$ MUJOCO_GL=disable dm/bin/python tests/actors/record_dm_control.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

VALUES = Path(__file__).with_name("dm_control_values.npz")
STEPS = 25
TASKS = ("walker-walk", "walker-run", "cheetah-run", "quadruped-walk", "humanoid-stand")


def record(name: str) -> dict[str, np.ndarray]:
    from dm_control import suite  # pyright: ignore[reportMissingImports]

    env = suite.load(*name.split("-"), task_kwargs={"random": 3})
    spec = env.action_spec()
    moves = np.random.default_rng(3).uniform(-1.0, 1.0, (STEPS, *spec.shape)).astype(np.float32)
    first = env.reset()
    model = env.physics.model
    found = {
        "qpos": env.physics.data.qpos.copy(),
        "qvel": env.physics.data.qvel.copy(),
        "mass": np.asarray(model.body_mass),
        "inertia": np.asarray(model.body_inertia),
        "seconds": np.array([env.control_timestep(), env._step_limit * env.control_timestep()]),
        "action": moves,
    }
    observations, rewards = [_flat(first.observation)], []
    for move in moves:
        step = env.step((spec.minimum + spec.maximum) / 2 + (spec.maximum - spec.minimum) / 2 * move)
        observations.append(_flat(step.observation))
        rewards.append(step.reward)
    return found | {"observation": np.array(observations), "reward": np.array(rewards)}


def _flat(observation: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.ravel(part) for part in observation.values()])


if __name__ == "__main__":
    recorded: dict[str, Any] = {f"{name}/{key}": value for name in TASKS for key, value in record(name).items()}
    np.savez_compressed(VALUES, **recorded)
