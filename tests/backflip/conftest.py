"""One small finished run, which many tests look at and none may change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backflip.commands import SMALL, backflip


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cart poles learnt from 25 answers, all in one process."""
    out = tmp_path_factory.mktemp("runs")
    words = ("--steps", "6000", "--labels.budget", "25", "--labels.ask-until", "0.5", "--name", "finished")
    done = backflip("train", "cartpole", "--serial", *SMALL, *words, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return out / "finished"
