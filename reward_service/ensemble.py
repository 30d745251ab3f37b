"""The reward networks: K multilayer perceptrons of one shape, kept and evaluated together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

INPUT_LIMIT = 10.0
"""Normalised inputs are clipped to this many deviations: a policy may leave what people have seen."""

_CHUNK = 2048  # rows whose activations stay in a core's cache between two layers

Layers = Sequence[tuple[Tensor, Tensor]]
"""Weight [K, in, out] and bias [K, out] of each layer."""


@dataclass(frozen=True)
class Ensemble:
    """K members with what normalises their inputs and outputs. Immutable, so threads may share it."""

    layers: Layers
    input_mean: Tensor  # [D + A], of labelled clips
    input_scale: Tensor  # [D + A], one over their deviation
    output_mean: Tensor  # [K], over labelled transitions
    output_scale: Tensor  # [K], one over their deviation

    @property
    def members(self) -> int:
        return len(self.output_mean)

    def score(
        self, observation: np.ndarray, action: np.ndarray, each: Callable[..., Iterable[Any]] = map
    ) -> np.ndarray:
        """Every member's reward, zero mean and unit deviation over the labelled transitions.

        Args:
            observation: float32 [B, D].
            action: float32 [B, A], encoded.
            each: as `map`; that of a thread pool scores parts of a large batch side by side, to the same numbers.

        Returns:
            float32 [B, K].
        """
        rewards = torch.empty(len(observation), self.members)

        def score_chunk(start: int) -> None:
            rows = slice(start, start + _CHUNK)
            with torch.inference_mode():
                inputs = torch.from_numpy(np.concatenate([observation[rows], action[rows]], axis=1))
                raw = forward(self.layers, normalise(inputs, self.input_mean, self.input_scale))
                rewards[rows] = (raw - self.output_mean) * self.output_scale

        for _ in each(score_chunk, range(0, len(rewards), _CHUNK)):
            pass
        return rewards.numpy()

    def arrays(self) -> dict[str, np.ndarray]:
        """The inverse of `from_arrays`."""
        arrays = {
            "input_mean": self.input_mean.numpy(),
            "input_scale": self.input_scale.numpy(),
            "output_mean": self.output_mean.numpy(),
            "output_scale": self.output_scale.numpy(),
        }
        for index, (weight, bias) in enumerate(self.layers):
            arrays[f"layer{index}.weight"] = weight.numpy()
            arrays[f"layer{index}.bias"] = bias.numpy()
        return arrays

    @staticmethod
    def from_arrays(arrays: dict[str, np.ndarray]) -> Ensemble:
        """Raises KeyError where an array is missing."""
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        depth = sum(name.endswith(".weight") for name in tensors)
        return Ensemble(
            layers=[(tensors[f"layer{index}.weight"], tensors[f"layer{index}.bias"]) for index in range(depth)],
            input_mean=tensors["input_mean"],
            input_scale=tensors["input_scale"],
            output_mean=tensors["output_mean"],
            output_scale=tensors["output_scale"],
        )


def initial_layers(members: int, sizes: Sequence[int], seed: int) -> Layers:
    """Random layers for ``sizes`` = (inputs, hidden..., 1), each entry uniform within ±1/sqrt(in)."""
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for inputs, outputs in pairwise(sizes):
        bound = inputs**-0.5
        weight = torch.empty(members, inputs, outputs).uniform_(-bound, bound, generator=generator)
        bias = torch.empty(members, outputs).uniform_(-bound, bound, generator=generator)
        layers.append((weight, bias))
    return layers


def normalise(inputs: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return ((inputs - mean) * scale).clamp_(-INPUT_LIMIT, INPUT_LIMIT)


def forward(layers: Layers, inputs: Tensor) -> Tensor:
    """Raw outputs of every member.

    Args:
        layers: the members' weights; gradients flow to those that ask for them.
        inputs: normalised, float32 [B, D + A].

    Returns:
        float32 [B, K].
    """
    # One addmm a member keeps its activations in cache, which on a CPU beats one bmm for all by a third. Unbound
    # once, not indexed: the gradient of an index fills a tensor as large as the whole.
    outputs = []
    for member in zip(*(zip(weight.unbind(), bias.unbind(), strict=True) for weight, bias in layers), strict=True):
        hidden = inputs
        for weight, bias in member[:-1]:
            hidden = functional.leaky_relu_(torch.addmm(bias, hidden, weight))
        weight, bias = member[-1]
        outputs.append(torch.addmm(bias, hidden, weight))
    return torch.cat(outputs, dim=1)
