from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
import torch

from actors.simulators.mujoco_engine import MujocoSimulator
from actors.tasks import pendulums, reacher
from actors.tasks.catalogue import TASKS
from actors.tasks.hopper import flip_metrics
from actors.tasks.task import State, Task

GYMNASIUM = {
    "hopper": "Hopper-v5",
    "walker": "Walker2d-v5",
    "cheetah": "HalfCheetah-v5",
    "swimmer": "Swimmer-v5",
    "ant": "Ant-v5",
    "double-pendulum": "InvertedDoublePendulum-v5",
    "pendulum": "InvertedPendulum-v5",
    "reacher": "Reacher-v5",
}

# Gymnasium's drawing, which nothing here calls, imports it.
sys.modules.setdefault("imageio", ModuleType("imageio"))

EVERY_TASK = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def simulator(task: Task, worlds: int = 3, seed: int = 5) -> MujocoSimulator:
    return MujocoSimulator(task, worlds, seed, threads=1, stagger=False)


def actions(task: Task, steps: int, worlds: int = 3) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (steps, worlds, task.model().nu)).astype(np.float32)


@EVERY_TASK
def test_the_same_seed_gives_the_same_episode_and_another_seed_does_not(task: Task) -> None:
    def play(seed: int) -> np.ndarray:
        worlds = simulator(task, seed=seed)
        return np.stack([worlds.reset(), *(worlds.step(action).observation for action in actions(task, 10))])

    np.testing.assert_array_equal(play(1), play(1))
    assert not np.array_equal(play(1), play(2))


@EVERY_TASK
def test_worlds_differ_after_a_reset(task: Task) -> None:
    worlds = simulator(task)
    first, second = worlds.reset(), worlds.reset()
    for a, b in [(first[0], first[1]), (first[1], first[2]), (first[0], second[0])]:
        assert not np.array_equal(a, b)


@EVERY_TASK
def test_episodes_end_by_time_only_and_keep_their_last_observation(task: Task) -> None:
    worlds, unending = simulator(task, 2), simulator(replace(task, episode_steps=task.episode_steps + 1), 2)
    np.testing.assert_array_equal(worlds.reset(), unending.reset())
    scores = []
    for step, action in enumerate(actions(task, task.episode_steps, 2), start=1):
        transition, goes_on = worlds.step(action), unending.step(action)
        scores.append(transition.score)
        assert transition.valid.all() and not transition.terminated.any()
        assert (transition.truncated == (step == task.episode_steps)).all()
        np.testing.assert_array_equal(transition.final_observation, goes_on.observation)
        assert (transition.observation == transition.final_observation).all() == (step < task.episode_steps)
    assert np.isfinite(scores).all()
    assert np.std(scores) > 1e-3
    assert (np.abs(worlds.step(np.zeros((2, worlds.spaces.action.size))).odometer) < 0.2).all(), "it starts anew"


@EVERY_TASK
def test_clips_can_be_drawn_from_the_scene_alone(task: Task) -> None:
    worlds = simulator(task)
    model = mujoco.MjModel.from_xml_string(worlds.scene.mjcf)
    assert worlds.state_size == worlds.state().shape[1] == model.nq + model.nv
    assert task.question.startswith("In which clip") and task.question.endswith("?")
    follow = worlds.scene.camera.follow
    assert follow is None or model.body(follow).id > 0


def copied(state: State) -> State:
    """In float32, as an engine on a GPU has it."""
    return State(*(None if field is None else field.astype(np.float32) for field in state))


@EVERY_TASK
def test_state_functions_serve_torch_as_they_serve_numpy(task: Task) -> None:
    worlds = simulator(task)
    worlds.reset()
    states = [copied(worlds.read())]
    for action in (moves := actions(task, 2)):
        worlds.step(action)
        states.append(copied(worlds.read()))
    before, after = states[-2:]
    torch_before, torch_after = (
        State(*(None if field is None else torch.from_numpy(field) for field in state)) for state in (before, after)
    )

    def compare(ours: np.ndarray, theirs: torch.Tensor) -> None:
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4)

    compare(task.observe(np, after), task.observe(torch, torch_after))
    compare(
        task.score(np, before, moves[-1], after),
        task.score(torch, torch_before, torch.from_numpy(moves[-1]), torch_after),
    )
    if task.odometer is not None:
        compare(task.odometer(np, after), task.odometer(torch, torch_after))


@EVERY_TASK
def test_metrics_of_an_episode_are_finite(task: Task) -> None:
    if task.metrics is None:
        return
    worlds = simulator(task, worlds=1)
    worlds.reset()
    states = [worlds.state()[0]]
    for action in actions(task, 20, 1):
        worlds.step(action)
        states.append(worlds.state()[0])
    measured = worlds.measure(np.array(states))
    assert measured and np.isfinite(list(measured.values())).all()


@pytest.fixture
def gymnasium_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Any]:
    monkeypatch.chdir(tmp_path)  # MuJoCo logs its remarks on gymnasium's models into the working folder
    return lambda name: gymnasium.make(GYMNASIUM[name]).unwrapped


@pytest.mark.parametrize("name", ["hopper", "walker", "cheetah", "swimmer", "ant", "double-pendulum", "reacher"])
def test_scores_are_gymnasiums_rewards_but_for_the_constant_for_being_alive(
    name: str, gymnasium_env: Callable[[str], Any]
) -> None:
    task, env = TASKS[name], gymnasium_env(name)
    env.reset(seed=1)
    ours, theirs = [], []
    for action in actions(task, 30, 1):
        before = State(env.data.qpos[None].copy(), env.data.qvel[None].copy())
        _, reward, _, _, info = env.step(action[0])
        after = State(env.data.qpos[None].copy(), env.data.qvel[None].copy())
        # Ours pays nothing for being alive, and takes 1 for being fallen where theirs then pays 1 less.
        alive = {"hopper": 1.0, "walker": 1.0, "ant": 1.0, "double-pendulum": info.get("reward_survive")}.get(name, 0.0)
        theirs.append(float(reward) - alive - info.get("reward_contact", 0.0))
        ours.append(float(task.score(np, before, action, after)[0]))
    # Where they ask MuJoCo for the place of a body, it is that of a moment before the step's end.
    tolerance = 0.02 if name in ("ant", "double-pendulum") else 1e-5
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=tolerance)


@pytest.mark.parametrize("name", GYMNASIUM)
def test_time_steps_and_masses_are_gymnasiums(name: str, gymnasium_env: Callable[[str], Any]) -> None:
    env, model = gymnasium_env(name), TASKS[name].model()
    assert TASKS[name].control_timestep == pytest.approx(env.dt)
    np.testing.assert_allclose(model.body_mass, env.model.body_mass, rtol=1e-6)
    np.testing.assert_allclose(model.body_inertia, env.model.body_inertia, rtol=1e-6)


@pytest.mark.parametrize("name", ["reacher", "pendulum"])
def test_observations_are_gymnasiums_where_nothing_winds(name: str, gymnasium_env: Callable[[str], Any]) -> None:
    env = gymnasium_env(name)
    env.reset(seed=3)
    observation, *_ = env.step(np.full(env.action_space.shape, 0.3))
    state = State(env.data.qpos[None], env.data.qvel[None])
    np.testing.assert_allclose(TASKS[name].observe(np, state)[0], observation, atol=1e-5)


def test_forward_scores_know_their_time_step() -> None:
    for name in ("hopper", "walker", "cheetah", "swimmer", "ant"):
        task = TASKS[name]
        model = task.model()
        before = State(model.qpos0[None].copy(), np.zeros((1, model.nv)))
        after = State(model.qpos0[None].copy(), np.zeros((1, model.nv)))
        after.qpos[0, 0] += task.control_timestep  # one metre a second
        assert task.score(np, before, np.zeros((1, model.nu)), after)[0] == pytest.approx(1.0)


def test_the_tip_of_the_double_pendulum_is_where_mujoco_has_it() -> None:
    model = pendulums.DOUBLE_PENDULUM.model()
    data = mujoco.MjData(model)
    data.qpos[:] = (0.3, 0.7, -1.9)
    mujoco.mj_kinematics(model, data)
    x, height = pendulums.tip(np, State(data.qpos[None], data.qvel[None]))
    np.testing.assert_allclose((x[0], height[0]), data.site("tip").xpos[[0, 2]], atol=1e-9)


def test_the_reachers_target_can_be_reached_and_stays_where_it_is() -> None:
    worlds = simulator(reacher.REACHER, worlds=64)
    worlds.reset()
    start = worlds.state()[:, 2:4]
    assert np.hypot(*start.T).max() < 0.21
    assert start.std(0).min() > 0.05, "targets are spread"
    for action in actions(reacher.REACHER, 50, 64):
        worlds.step(action)
    assert np.abs(worlds.state()[:, 2:4] - start).max() < 2e-3


def test_every_task_of_the_paper_is_there() -> None:
    assert set(TASKS) >= {"hopper-backflip", "cheetah-one-leg", *GYMNASIUM}


def test_standing_on_the_hind_leg_pays_and_lying_with_the_front_leg_up_does_not() -> None:
    task = TASKS["cheetah-one-leg"]

    def paid(height: float, pitch: float, speed: float) -> float:
        pose = np.zeros((1, 9))
        pose[0, 1:3] = height, pitch
        world = MujocoSimulator(replace(task, start=lambda model, random, n: (pose, np.zeros((1, 9)))), 1, 0)
        world.reset()
        after = world.read()
        before = State(after.qpos - np.eye(9)[:1] * speed * task.control_timestep, after.qvel)
        return float(task.score(np, before, np.zeros((1, 6)), after)[0])

    hind_leg = paid(0.1, -1.0, speed=1.0)
    assert hind_leg == pytest.approx(2.0)
    assert paid(0.1, -1.0, speed=2.0) > hind_leg > paid(0.1, -1.0, speed=0.0) > 0
    assert paid(0.0, 0.0, speed=1.0) == 0, "on all feet"
    assert paid(-0.5, np.pi, speed=1.0) == 0, "on its back"


def test_the_example_in_the_docs_is_a_whole_task() -> None:
    page = (Path(__file__).parents[2] / "docs" / "add-a-task.md").read_text()
    [example] = re.findall(r"^```python\n(# my_tasks\.py.*?)^```", page, re.DOTALL | re.MULTILINE)
    names: dict = {}
    exec(compile(example, "docs/add-a-task.md", "exec"), names)
    [task] = [value for value in names.values() if isinstance(value, Task)]
    test_episodes_end_by_time_only_and_keep_their_last_observation(task)
    test_state_functions_serve_torch_as_they_serve_numpy(task)
    test_metrics_of_an_episode_are_finite(task)


def turning(*turns: float) -> np.ndarray:
    """Hoppers high in the air whose torso turns backwards to each of these, float64 [L, 6]."""
    track = np.concatenate([np.linspace(a, b, 50) for a, b in pairwise((0.0, *turns))])
    qpos = np.zeros((len(track), 6))
    qpos[:, 1] = 10.0
    qpos[:, 2] = -2 * np.pi * track
    return qpos


@pytest.mark.parametrize(
    ("turns", "clean"),
    [((2.5,), 2.0), ((1.2, 0.7, 1.1), 1.0), ((1.2, 0.0), 0.0), ((2.2, 0.0, 1.1), 1.0), ((-2.0,), 0.0)],
)
def test_a_flip_that_is_turned_back_counts_no_more(turns: tuple[float, ...], clean: int) -> None:
    qpos = turning(*turns)
    found = flip_metrics(TASKS["hopper-backflip"].model(), qpos, np.zeros_like(qpos))
    assert found == {"clean_flips_per_episode": float(clean), "landings_per_episode": 0.0}
