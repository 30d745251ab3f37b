"""What a policy chooses, and the noise that explores: alike from step to step, and each alone standard normal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode

from contracts.spaces import ActionSpace, ObservationSpace, Spaces
from learner.policy import ActionNoise, Policy, PolicySpec

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


def test_several_choices_are_made_each_by_its_own_probabilities() -> None:
    torch.manual_seed(0)
    policy = Policy(PolicySpec(Spaces(ObservationSpace((4,)), ActionSpace.of_choices((2, 3))), hidden=(8,)))
    torch.nn.init.normal_(policy.actor[-1].weight, std=1.0)  # pyright: ignore[reportArgumentType]
    observation = torch.randn(1, 4).expand(40_000, 4)
    first, second = policy.actor(observation[:1])[0].detach().split([2, 3])
    expected = first.softmax(-1)[:, None] * second.softmax(-1)[None, :]
    action, log_prob = policy.act(observation, torch.Generator().manual_seed(1))
    assert action.shape == (40_000, 2) and action.dtype == torch.int64
    counts = torch.zeros(2, 3).index_put((action[:, 0], action[:, 1]), torch.tensor(1.0), accumulate=True)
    torch.testing.assert_close(counts / 40_000, expected, atol=0.01, rtol=0)
    torch.testing.assert_close(log_prob.exp(), expected[action[:, 0], action[:, 1]])
    assert policy.mode(observation[:1]).tolist() == [[first.argmax().item(), second.argmax().item()]]
    again, entropy, _ = policy.evaluate(policy.normalise(observation), action.clone())
    torch.testing.assert_close(again, log_prob)
    torch.testing.assert_close(entropy[0], -(expected * expected.log()).sum())


@pytest.mark.parametrize("observed", [ObservationSpace((4,)), ObservationSpace((4, 84, 84), stack=4)])
def test_a_policy_on_a_gpu_acts_on_observations_of_the_host(observed: ObservationSpace) -> None:
    policy = Policy(PolicySpec(Spaces(observed, ActionSpace("discrete", 3))))
    with FakeTensorMode():  # tensors that have a device and a shape, and no numbers
        held: list[Any] = [one for module in policy.modules() for one in (module._parameters, module._buffers)]
        for tensors in held:
            tensors.update({name: torch.empty(one.shape, device="cuda") for name, one in tensors.items()})
        dtype = torch.uint8 if observed.is_frames else torch.float32
        action = policy.mode(torch.zeros((5, *observed.shape), dtype=dtype))
    assert (action.device.type, action.shape, action.dtype) == ("cpu", (5,), torch.int64)
