"""Learning is tested by learning: a seed, a budget, and a bar on the outcome."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import backflip


def train(out: Path, preset: str, *arguments: str) -> dict[str, Any]:
    """A run by the command line, as a user would; its summary."""
    command = [sys.executable, "-m", "backflip.cli", "train", preset, "--out", str(out), "--name", "run", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((out / "run" / "summary.json").read_text())


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_cartpole_balances_from_100_answers(tmp_path: Path, seed: int) -> None:
    run = backflip.train("cartpole", seed=seed, serial=True, steps=400_000, out=tmp_path)
    assert run.summary["labels_used"] <= 100
    assert run.summary["metrics"]["steps_per_episode"] > 475  # gymnasium's bar for CartPole-v1


@pytest.mark.slow
@pytest.mark.parametrize(("answers", "flips"), [(900, 3.0), (100, 2.5)])
def test_a_hopper_learns_to_backflip(tmp_path: Path, answers: int, flips: float) -> None:
    """The median of three seeds; docs/results.md has all of five."""
    summaries = [
        train(tmp_path / str(seed), "hopper-backflip", "--labels.budget", str(answers), "--seed", str(seed))
        for seed in range(3)
    ]
    assert max(summary["labels_used"] for summary in summaries) <= answers
    assert median(summary["metrics"]["flips_per_episode"] for summary in summaries) >= flips


@pytest.mark.slow
def test_without_answers_nothing_is_learnt(tmp_path: Path) -> None:
    summary = train(tmp_path, "hopper-backflip", "--labels.source", "none", "--steps", "500000")
    assert summary["labels_used"] == 0 and summary["policy_version"] == 0
    assert abs(summary["metrics"]["flips_per_episode"]) < 1.0
