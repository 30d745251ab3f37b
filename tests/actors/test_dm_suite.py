"""The tasks of dm_control's suite, against what dm_control itself showed and paid (`record_dm_control.py`)."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from actors.simulators.mujoco_engine import MujocoSimulator
from actors.tasks.catalogue import TASKS
from actors.tasks.dm_suite import touches
from tests.actors.record_dm_control import TASKS as NAMES
from tests.actors.record_dm_control import VALUES

EVERY_TASK = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    return dict(np.load(VALUES))


@EVERY_TASK
def test_observations_and_scores_are_those_of_dm_control(name: str, recorded: dict[str, np.ndarray]) -> None:
    theirs = {key.split("/")[1]: value for key, value in recorded.items() if key.startswith(f"{name}/")}
    task = replace(TASKS[name], start=lambda model, random, n: (theirs["qpos"][None], theirs["qvel"][None]))
    world = MujocoSimulator(task, worlds=1, seed=0, threads=1, stagger=False)
    observations, scores = [world.reset()[0]], []
    for action in theirs["action"]:
        transition = world.step(action[None])
        observations.append(transition.observation[0])
        scores.append(transition.score[0])
    np.testing.assert_allclose(observations, theirs["observation"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(scores, theirs["reward"], rtol=1e-3, atol=1e-4)


@EVERY_TASK
def test_time_steps_masses_and_episodes_are_those_of_dm_control(name: str, recorded: dict[str, np.ndarray]) -> None:
    task, model = TASKS[name], TASKS[name].model()
    control_timestep, episode = recorded[f"{name}/seconds"]
    assert task.control_timestep == pytest.approx(control_timestep)
    assert task.control_timestep * task.episode_steps == pytest.approx(episode)
    np.testing.assert_allclose(model.body_mass, recorded[f"{name}/mass"], rtol=1e-6)
    np.testing.assert_allclose(model.body_inertia, recorded[f"{name}/inertia"], rtol=1e-6)


def starts(name: str, n: int) -> tuple[mujoco.MjModel, np.ndarray, np.ndarray]:
    model = TASKS[name].model()
    return model, *TASKS[name].draw_starts(model, np.random.default_rng(0), n)


@EVERY_TASK
def test_episodes_start_in_poses_that_differ_and_respect_the_joints(name: str) -> None:
    model, qpos, qvel = starts(name, 40)
    assert qpos.shape == (40, model.nq) and qvel.shape == (40, model.nv)
    limited = model.jnt_limited == 1
    low, high = model.jnt_range[limited].T
    joints = qpos[:, model.jnt_qposadr[limited]]
    slack = 0.1 if name == "cheetah-run" else 0.0  # it has settled, and limits are soft
    assert ((low - slack <= joints) & (joints <= high + slack)).all()
    assert (np.ptp(qpos, 0) > 0.05).any()


def test_the_walker_starts_turned_any_way() -> None:
    _, qpos, _ = starts("walker-walk", 200)
    assert qpos[:, 2].min() < -3 and qpos[:, 2].max() > 3


def test_the_cheetah_starts_at_rest_on_the_ground() -> None:
    _, qpos, qvel = starts("cheetah-run", 20)
    assert np.abs(qvel).max() < 0.5
    assert (qpos[:, 1] < 0.1).all(), "it has fallen to the ground"


@pytest.mark.parametrize("name", ["quadruped-walk", "humanoid-stand"])
def test_nothing_touches_anything_at_a_start(name: str) -> None:
    model, qpos, _ = starts(name, 20)
    data = mujoco.MjData(model)
    assert not any(touches(model, data, pose) for pose in qpos)
    if name == "quadruped-walk":
        qpos[:, 2] -= 0.011
        assert all(touches(model, data, pose) for pose in qpos), "it could start no lower"
