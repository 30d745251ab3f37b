"""Other libraries learn from answers: as they come from PyPI, and in a file of its own, from the same answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO

import backflip

ANSWERS = 100
STEPS = 50_000
BAR = 150.0  # steps an episode; acting at random makes 22
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "ppo.py"


@pytest.mark.slow
def test_two_libraries_balance_a_pole_from_the_same_answers(tmp_path: Path) -> None:
    envs = gymnasium.make_vec(
        "CartPole-v1", 8, vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}
    )
    labels = backflip.LabelsConfig(budget=ANSWERS, clip_steps=10)
    envs = backflip.learned_reward(envs, tmp_path / "baselines", steps=STEPS, labels=labels)
    envs.wait_for_reward(120.0)
    model = PPO(
        "MlpPolicy",
        backflip.for_stable_baselines3(envs),
        n_steps=64,
        batch_size=128,
        learning_rate=1e-3,
        seed=0,
        device="cpu",
    )
    model.learn(STEPS)
    envs.close()
    assert envs.facts.labels_used <= ANSWERS
    assert episode_steps(model) > BAR

    words = ("--run", tmp_path / "one-file", "--labels-from", tmp_path / "baselines", "--answers", 0, "--steps", STEPS)
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *map(str, words)], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    steps, _, rest = done.stdout.strip().partition(" ")
    assert rest == "steps an episode, from 0 answers"
    assert float(steps) > BAR


def episode_steps(model: PPO, episodes: int = 20) -> float:
    """Means over whole episodes of the true environment."""
    envs = gymnasium.make_vec("CartPole-v1", num_envs=episodes)
    observation, _ = envs.reset(seed=1)
    running, steps = np.ones(episodes, bool), np.zeros(episodes)
    while running.any():
        action, _ = model.predict(observation, deterministic=True)
        observation, _, terminated, truncated, _ = envs.step(action)
        steps += running
        running &= ~(terminated | truncated)
    envs.close()
    return float(steps.mean())
