"""The likelihood of answers against its formula in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contracts.label import Choice
from reward_service.likelihood import TARGETS, log_probability, negative_log_likelihood


def _formula(margin: float, target: float, noise: float) -> float:
    p = 1 / (1 + np.exp(-np.float64(margin)))
    p = (1 - noise) * p + noise / 2
    return float(-(target * np.log(p) + (1 - target) * np.log(1 - p)))


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("target", [0.0, 0.5, 1.0])
def test_it_is_the_formula(target: float, noise: float) -> None:
    margins = np.linspace(-12, 12, 49)
    careless = torch.tensor(noise, dtype=torch.float64)
    found = negative_log_likelihood(torch.from_numpy(margins), torch.tensor(target), careless)
    assert found.numpy() == pytest.approx([_formula(margin, target, noise) for margin in margins], rel=1e-9)


def test_a_tenth_of_careless_answers_bounds_the_surprise() -> None:
    certain_and_wrong = log_probability(torch.tensor([-1e4, -1e30, -torch.inf]), torch.tensor(0.1))
    assert certain_and_wrong.numpy() == pytest.approx(np.log(0.05))


def test_an_answer_at_random_teaches_nothing_and_one_of_two_raters_is_heard_more() -> None:
    margin = torch.zeros(3, requires_grad=True)
    noise = torch.tensor([0.1, 0.6, 1.0])
    negative_log_likelihood(margin, torch.tensor(1.0), noise).sum().backward()
    assert margin.grad is not None
    assert margin.grad.tolist() == pytest.approx([-0.45, -0.2, 0.0])


def test_gradients_stay_finite_far_out() -> None:
    margin = torch.tensor([-1e4, -50.0, 0.0, 50.0, 1e4], requires_grad=True)
    negative_log_likelihood(margin, torch.tensor(1.0), torch.tensor(0.1)).sum().backward()
    assert margin.grad is not None
    assert torch.isfinite(margin.grad).all()


def test_ties_count_half_and_cant_tell_teaches_nothing() -> None:
    assert TARGETS[Choice.EQUAL] == pytest.approx((TARGETS[Choice.A] + TARGETS[Choice.B]) / 2)
    assert Choice.CANT_TELL not in TARGETS
