"""The policy that actors run and the learner improves: networks, distributions, observation statistics.

This is the learner's face: no optimiser, no loss. A snapshot freezes weights and observation
statistics together, so a slab is always sampled and learnt from under the same view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from contracts.spaces import Spaces
from learner.networks import Encoder, encoder, perceptron

__all__ = ["ActionNoise", "Encoder", "Policy", "PolicySnapshot", "PolicySpec"]

_CLIP = 10.0  # standard deviations
_VALUE_SCALE = 10.0
"""What the critic's output is multiplied by. Rewards have unit deviation, so returns are of the order of
1 / (1 - discount); a network that had to grow so far by itself would lag behind the policy."""


@dataclass(frozen=True)
class PolicySpec:
    """What it takes to build a policy; every process of a run builds the same one."""

    spaces: Spaces
    hidden: tuple[int, ...] = (64, 64)
    encoder: Encoder = "nature"  # of frames


@dataclass(frozen=True)
class PolicySnapshot:
    """One immutable policy version, as one flat array: what travels to actors and into checkpoints."""

    version: int
    flat: (
        np.ndarray
    )  # float32 [P]: parameters, then mean, variance (each [D], or [0] for frames), count of observations


class Policy(nn.Module):
    """Two tanh networks, one for the action distribution and one for the value; frames go through one encoder first.

    Continuous actions are Gaussian with a deviation that doesn't depend on the observation,
    clipped to [-1, 1] only by the simulator; discrete ones are categorical, and where there are several
    choices to make, each is made by itself.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, spec: PolicySpec) -> None:
        super().__init__()
        self.spec = spec
        observed, action = spec.spaces.observation, spec.spaces.action
        self.continuous = action.kind == "continuous"
        self._choices = action.choices or (action.size,)
        self.sees_frames = observed.is_frames
        self.encoder: nn.Module
        if self.sees_frames:
            self.encoder, features = encoder(spec.encoder, observed.shape)
            sizes = (features,)
        else:
            self.encoder, sizes = nn.Identity(), (observed.size, *spec.hidden)
        self.actor = perceptron((*sizes, action.size), last_gain=0.01)
        self.critic = perceptron((*sizes, 1), last_gain=0.1)
        self.log_std = nn.Parameter(torch.zeros(action.size), requires_grad=self.continuous)
        size = 0 if self.sees_frames else observed.size  # the scale of frames is known
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.zeros(()))

    def normalise(self, observation: Tensor) -> Tensor:
        """[..., D] to zero mean and unit deviation, clipped at ten deviations. Frames stay bytes, as they are."""
        if self.sees_frames:
            return observation
        return ((observation - self.mean) * (self.variance + 1e-8).rsqrt()).clamp(-_CLIP, _CLIP)

    @torch.inference_mode()
    def act(
        self, observation: Tensor, generator: torch.Generator, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Actions for raw observations [N, ...]: sampled ([N, A], or int64 [N] or [N, K]), and log-probabilities [N].

        Args:
            noise: standard normal [N, A] for continuous actions, see `ActionNoise`; drawn afresh if left out.
        """
        output = self.actor(self.encoder(self.normalise(observation)))
        if self.continuous:
            if noise is None:
                noise = torch.randn(output.shape, generator=generator, device=output.device)
            return output + self.log_std.exp() * noise, _gaussian_log_prob(noise, self.log_std)
        log_probs = self._log_probs(output)
        action = torch.cat([torch.multinomial(choice.exp(), 1, generator=generator) for choice in log_probs], -1)
        return self._native(action), _log_prob_of(action, log_probs)

    @torch.inference_mode()
    def mode(self, observation: Tensor) -> Tensor:
        """The most likely actions for raw observations [N, ...], on their device, wherever the policy is."""
        output = self.actor(self.encoder(self.normalise(observation.to(self.mean.device)))).to(observation.device)
        if self.continuous:
            return output
        return self._native(torch.stack([choice.argmax(-1) for choice in output.split(self._choices, -1)], -1))

    def evaluate(self, normalised: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probability of the actions, entropy and value for normalised observations: [B], [B], [B]."""
        features = self.encoder(normalised)
        output = self.actor(features)
        value = self._value(features)
        if self.continuous:
            log_prob = _gaussian_log_prob((action - output) * (-self.log_std).exp(), self.log_std)
            entropy = (self.log_std.sum() + 0.5 * len(self.log_std) * (1 + math.log(2 * math.pi))).expand_as(value)
            return log_prob, entropy, value
        log_probs = self._log_probs(output)
        entropy = torch.stack([-(choice.exp() * choice).sum(-1) for choice in log_probs]).sum(0)
        return _log_prob_of(action.view(len(action), -1), log_probs), entropy, value

    def value(self, normalised: Tensor) -> Tensor:
        """The value of normalised observations [B, ...]: [B]."""
        return self._value(self.encoder(normalised))

    def _value(self, features: Tensor) -> Tensor:
        return self.critic(features).squeeze(-1) * _VALUE_SCALE

    @torch.no_grad()
    def observe(self, observation: Tensor) -> None:
        """Take raw vectors [B, D] into the running statistics (Chan et al. 1979, pairwise update)."""
        size = len(observation)
        total = self.count + size
        shift = observation.mean(0) - self.mean
        second_moment = self.variance * self.count + observation.var(0, correction=0) * size
        second_moment += shift.square() * (self.count * size / total)
        self.mean += shift * (size / total)
        self.variance.copy_(second_moment / total)
        self.count.copy_(total)

    def snapshot(self, version: int) -> PolicySnapshot:
        parts = [tensor.detach().reshape(-1) for tensor in self._tensors()]
        return PolicySnapshot(version, torch.cat(parts).cpu().numpy())

    @torch.no_grad()
    def load(self, snapshot: PolicySnapshot) -> None:
        """Raises ValueError where the snapshot was taken from a policy of another shape."""
        tensors = self._tensors()
        expected = sum(tensor.numel() for tensor in tensors)
        if snapshot.flat.shape != (expected,):
            raise ValueError(f"policy has {expected} numbers, snapshot {snapshot.version} has {snapshot.flat.shape}")
        parts = torch.as_tensor(snapshot.flat.copy()).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def _log_probs(self, output: Tensor) -> list[Tensor]:
        """Of each choice that an action is made of, [N, choices]."""
        return [log_softmax(choice, -1) for choice in output.split(self._choices, -1)]

    def _native(self, action: Tensor) -> Tensor:
        """[N, K] as the action space has it: [N] where there is but one choice to make."""
        return action.squeeze(-1) if self.spec.spaces.action.kind == "discrete" else action

    def _tensors(self) -> list[Tensor]:
        return [*self.parameters(), *self.buffers()]


class ActionNoise:
    """Noise that explores: standard normal at every step, correlated from one step to the next.

    Joints that are pushed this way and that forty times a second hardly move; a push that lasts
    finds more (Hollenstein et al. 2024, "Colored Noise in PPO", who likewise leave the
    log-probability that of independent noise). Here it is a first-order autoregression.

    Args:
        correlation: of two successive steps of a world, from 0 (independent) up to, not including, 1.
    """

    def __init__(self, worlds: int, size: int, correlation: float, generator: torch.Generator) -> None:
        self._generator = generator
        self._correlation = correlation
        self._innovation = math.sqrt(1.0 - correlation * correlation)
        self._noise = torch.randn((worlds, size), generator=generator, device=generator.device)

    def next(self, worlds: slice) -> Tensor:
        """The next step's noise of these worlds, [N, A]."""
        noise = self._noise[worlds]
        fresh = torch.randn(noise.shape, generator=self._generator, device=noise.device)
        noise.mul_(self._correlation).add_(fresh, alpha=self._innovation)
        return noise


def _gaussian_log_prob(standardised: Tensor, log_std: Tensor) -> Tensor:
    per_control = -0.5 * standardised.square() - log_std - 0.5 * math.log(2 * math.pi)
    return per_control.sum(-1)


def _log_prob_of(action: Tensor, log_probs: list[Tensor]) -> Tensor:
    """Of actions [N, K], whose choices are independent: [N]."""
    chosen = [choice.gather(-1, action[:, k : k + 1]) for k, choice in enumerate(log_probs)]
    return torch.cat(chosen, -1).sum(-1)
