"""What the policy is built of: perceptrons for vectors, convolutions for frames."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

Encoder = Literal["nature", "impala"]


def perceptron(sizes: tuple[int, ...], last_gain: float) -> nn.Sequential:
    """Linear layers of these widths with tanh between them; orthogonal weights, the last scaled by ``last_gain``."""
    layers: list[nn.Module] = []
    for index, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        last = index == len(sizes) - 2
        linear = nn.Linear(fan_in, fan_out)
        nn.init.orthogonal_(linear.weight, last_gain if last else math.sqrt(2))
        nn.init.zeros_(linear.bias)
        layers += [linear] if last else [linear, _Tanh()]
    return nn.Sequential(*layers)


def encoder(kind: Encoder, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
    """A network from frames, uint8 [B, C, H, W], to features [B, F]; and F.

    ``nature`` is that of Mnih et al. 2015 ("Human-level control"), 1.7M numbers; ``impala`` the residual one of
    Espeholt et al. 2018, which learns more from a frame and costs some four times as much.

    Raises:
        ValueError: the frames are too small for it.
    """
    channels, height, width = shape
    try:
        layers, features = _nature(channels, height, width) if kind == "nature" else _impala(channels, height, width)
    except RuntimeError:  # a kernel is larger than what it would be laid over
        hint = "" if kind == "impala" else "; set learner.encoder to impala"
        raise ValueError(f"frames of {height}x{width} are too small for the encoder {kind!r}{hint}") from None
    for module in layers.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(module.weight, math.sqrt(2))
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    # On a CPU as on a GPU, convolutions are faster with the channels side by side.
    return layers.to(memory_format=torch.channels_last), features  # pyright: ignore[reportCallIssue]


def _nature(channels: int, height: int, width: int) -> tuple[nn.Module, int]:
    convolutions = nn.Sequential(
        _Unit(),
        nn.Conv2d(channels, 32, 8, 4),
        nn.ReLU(),
        nn.Conv2d(32, 64, 4, 2),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3),
        nn.ReLU(),
        nn.Flatten(),
    )
    features = _width(convolutions, channels, height, width)
    return convolutions.extend([nn.Linear(features, 512), nn.ReLU()]), 512


def _impala(channels: int, height: int, width: int) -> tuple[nn.Module, int]:
    layers: list[nn.Module] = [_Unit()]
    for wide in (16, 32, 32):
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.MaxPool2d(3, 2, padding=1)]
        layers += [_Residual(wide), _Residual(wide)]
        channels = wide
    convolutions = nn.Sequential(*layers, nn.ReLU(), nn.Flatten())
    first = next(layer for layer in layers if isinstance(layer, nn.Conv2d)).in_channels
    features = _width(convolutions, first, height, width)
    return convolutions.extend([nn.Linear(features, 256), nn.ReLU()]), 256


def _width(layers: nn.Module, channels: int, height: int, width: int) -> int:
    with torch.no_grad():
        return layers(torch.zeros(1, channels, height, width, dtype=torch.uint8)).shape[1]


class _Unit(nn.Module):
    """Bytes to numbers from 0 to 1, with the channels side by side in memory: only ever of a minibatch."""

    def forward(self, frames: Tensor) -> Tensor:
        return frames.to(torch.float32, memory_format=torch.channels_last).mul_(1 / 255)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(relu(self.first(relu(x))))


class _FastTanh(torch.autograd.Function):
    """tanh(x) = 2 sigmoid(2x) - 1: on a CPU, torch's sigmoid takes a sixth of its tanh's time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        y = torch.sigmoid(2 * x).mul_(2).sub_(1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (y,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(gradient, y)


class _Tanh(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x) if x.is_cuda else cast(Tensor, _FastTanh.apply(x))
