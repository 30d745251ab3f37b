"""The noise that explores: what its steps have in common, and that each alone is standard normal."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from learner.policy import ActionNoise

WORLDS, SIZE, STEPS = 64, 3, 400


def draw(correlation: float, seed: int = 0) -> np.ndarray:
    """[STEPS, WORLDS, SIZE]"""
    noise = ActionNoise(WORLDS, SIZE, correlation, torch.Generator().manual_seed(seed))
    return np.stack([noise.next(slice(None)).numpy().copy() for _ in range(STEPS)])


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_noise_is_standard_normal_at_every_step(correlation: float) -> None:
    found = draw(correlation)
    assert found.mean() == pytest.approx(0.0, abs=0.05)
    assert found[0].std() == pytest.approx(1.0, abs=0.15)
    assert found.std() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_noise_of_neighbouring_steps_is_as_alike_as_asked(correlation: float) -> None:
    found = draw(correlation)
    for apart in (1, 3):
        alike = np.mean(found[apart:] * found[:-apart])
        assert alike == pytest.approx(correlation**apart, abs=0.05)


def test_noise_differs_between_worlds_and_controls() -> None:
    found = draw(0.9)
    across_worlds = np.mean(found[:, 1:] * found[:, :-1])
    across_controls = np.mean(found[..., 1:] * found[..., :-1])
    assert abs(across_worlds) < 0.05 and abs(across_controls) < 0.05


def test_noise_goes_on_for_a_part_of_the_worlds() -> None:
    noise = ActionNoise(4, 1, 0.99, torch.Generator().manual_seed(0))
    before = noise.next(slice(0, 4)).numpy().copy()
    after = noise.next(slice(2, 4)).numpy()
    assert after == pytest.approx(before[2:], abs=0.6)  # 0.14 is the deviation of a step's change
    assert not np.array_equal(after, before[2:])
