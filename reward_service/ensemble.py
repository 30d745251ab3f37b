"""The reward networks: K of one shape, kept and evaluated together. Perceptrons, for frames with convolutions first."""

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
_FRAMES_CHUNK = 128

_CONVOLUTIONS = ((7, 3), (5, 2), (3, 1), (3, 1))  # kernel and stride, for Atari in Christiano et al. 2017
_CHANNELS = 16

Layers = Sequence[tuple[Tensor, Tensor]]
"""Weight [K, in, out] and bias [K, out] of each layer; of a convolution [K, out, in, size, size].

Without the K where they are one member's.
"""

Member = tuple[Layers, Layers]
"""One member's layers and convolutions."""


@dataclass(frozen=True)
class Ensemble:
    """K members with what normalises their inputs and outputs. Immutable, so threads may share it."""

    layers: Layers
    input_mean: Tensor  # [D + A] or [C, H, W], of labelled clips
    input_scale: Tensor  # [D + A] or [], one over their deviation
    output_mean: Tensor  # [K], over labelled transitions
    output_scale: Tensor  # [K], one over their deviation
    convolutions: Layers = ()

    @property
    def members(self) -> int:
        return len(self.output_mean)

    def score(
        self, observation: np.ndarray, action: np.ndarray, each: Callable[..., Iterable[Any]] = map
    ) -> np.ndarray:
        """Every member's reward, zero mean and unit deviation over the labelled transitions.

        Args:
            observation: float32 [B, D] or uint8 [B, C, H, W].
            action: float32 [B, A], encoded.
            each: as `map`; that of a thread pool scores parts of a large batch side by side, to the same numbers.

        Returns:
            float32 [B, K].
        """
        if observation.ndim > 2:
            return self._score(len(observation), lambda rows: observation[rows].astype(np.float32), _FRAMES_CHUNK, each)

        def together(rows: slice) -> np.ndarray:
            return np.concatenate([observation[rows], action[rows]], axis=1)

        return self._score(len(observation), together, _CHUNK, each)

    def score_inputs(self, inputs: np.ndarray) -> np.ndarray:
        """As `score`, of observation and action that lie side by side already, or of frames: [B, K]."""
        chunk = _FRAMES_CHUNK if inputs.ndim > 2 else _CHUNK
        return self._score(len(inputs), lambda rows: inputs[rows].astype(np.float32, copy=False), chunk, map)

    def _score(
        self, count: int, inputs: Callable[[slice], np.ndarray], chunk: int, each: Callable[..., Iterable[Any]]
    ) -> np.ndarray:
        rewards = torch.empty(count, self.members)

        def score_chunk(start: int) -> None:
            rows = slice(start, start + chunk)
            with torch.inference_mode():
                shown = normalise(torch.from_numpy(inputs(rows)), self.input_mean, self.input_scale)
                raw = forward(self.layers, shown, self.convolutions)
                rewards[rows] = (raw - self.output_mean) * self.output_scale

        for _ in each(score_chunk, range(0, count, chunk)):
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
        for kind, layers in (("layer", self.layers), ("convolution", self.convolutions)):
            for index, (weight, bias) in enumerate(layers):
                arrays[f"{kind}{index}.weight"] = weight.numpy()
                arrays[f"{kind}{index}.bias"] = bias.numpy()
        return arrays

    @staticmethod
    def from_arrays(arrays: dict[str, np.ndarray]) -> Ensemble:
        """Raises KeyError where an array is missing."""
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

        def layers(kind: str) -> Layers:
            depth = sum(name.startswith(kind) and name.endswith(".weight") for name in tensors)
            return [(tensors[f"{kind}{index}.weight"], tensors[f"{kind}{index}.bias"]) for index in range(depth)]

        return Ensemble(
            layers=layers("layer"),
            input_mean=tensors["input_mean"],
            input_scale=tensors["input_scale"],
            output_mean=tensors["output_mean"],
            output_scale=tensors["output_scale"],
            convolutions=layers("convolution"),
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


def initial_convolutions(members: int, shape: tuple[int, ...], seed: int) -> tuple[Layers, int]:
    """The four convolutions of Christiano et al. 2017 for Atari, with random weights; and how wide their output is.

    Their batch normalisation is left out, since a transition's reward would then depend on the others of its batch;
    so is their dropout: what keeps these networks from learning answers by heart is the decay that adapts.

    Raises:
        ValueError: frames of this shape, [C, H, W], are too small.
    """
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = shape
    layers = []
    for size, stride in _CONVOLUTIONS:
        height, width = ((side - size) // stride + 1 for side in (height, width))
        if min(height, width) < 1:
            raise ValueError(f"frames of {shape[1]}x{shape[2]} are too small for the reward model's convolutions")
        bound = (channels * size**2) ** -0.5
        weight = torch.empty(members, _CHANNELS, channels, size, size).uniform_(-bound, bound, generator=generator)
        bias = torch.empty(members, _CHANNELS).uniform_(-bound, bound, generator=generator)
        layers.append((weight, bias))
        channels = _CHANNELS
    return layers, channels * height * width


def normalise(inputs: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return ((inputs - mean) * scale).clamp_(-INPUT_LIMIT, INPUT_LIMIT)


def forward(layers: Layers, inputs: Tensor, convolutions: Layers = ()) -> Tensor:
    """Raw outputs of every member.

    Args:
        layers: the members' weights; gradients flow to those that ask for them.
        inputs: normalised, float32 [B, D + A], or [B, C, H, W] with ``convolutions``.

    Returns:
        float32 [B, K].
    """
    # One addmm a member keeps its activations in cache, which on a CPU beats one bmm for all by a third.
    inputs = _laid_out(inputs)  # here once, and not by each member
    return torch.cat([forward_member(member, inputs) for member in by_member(layers, convolutions)], dim=1)


def forward_member(member: Member, inputs: Tensor) -> Tensor:
    """Raw outputs of one member, float32 [B, 1]; ``inputs`` as for `forward`."""
    layers, convolutions = member
    hidden = _laid_out(inputs)
    for (weight, bias), (_, stride) in zip(convolutions, _CONVOLUTIONS if convolutions else (), strict=True):
        hidden = functional.leaky_relu_(functional.conv2d(hidden, weight, bias, stride))
    hidden = hidden.flatten(1)
    for weight, bias in layers[:-1]:
        hidden = functional.leaky_relu_(torch.addmm(bias, hidden, weight))
    weight, bias = layers[-1]
    return torch.addmm(bias, hidden, weight)


def _laid_out(inputs: Tensor) -> Tensor:
    """Frames with their channels side by side, which doubles the speed of convolutions on a CPU too."""
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs


def by_member(layers: Layers, convolutions: Layers) -> list[Member]:
    """Each member's weights, unbound once and not indexed: the gradient of an index fills a tensor as large as all."""
    dense = _unbound(layers)
    return list(zip(dense, _unbound(convolutions) or [()] * len(dense), strict=True))


def _unbound(layers: Layers) -> list[tuple[tuple[Tensor, Tensor], ...]]:
    return list(zip(*(zip(weight.unbind(), bias.unbind(), strict=True) for weight, bias in layers), strict=True))
