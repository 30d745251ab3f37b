"""What the policy is built of: perceptrons for vectors, convolutions for frames."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

Encoder = Literal["small", "nature", "impala"]

_PLAIN = {  # channels, kernel and stride of each convolution; features
    "small": (((16, 8, 4), (32, 4, 2)), 256),
    "nature": (((32, 8, 4), (64, 4, 2), (64, 3, 1)), 512),
}


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

    ``nature`` is that of Mnih et al. 2015 ("Human-level control"), 1.7M numbers; ``small`` that of Mnih et al. 2013
    ("Playing Atari"), 0.7M numbers and a third of the arithmetic; ``impala`` the residual one of Espeholt et al. 2018,
    which learns more from a frame than either and costs some four times as much as ``nature``.

    Raises:
        ValueError: the frames are too small for it.
    """
    layers, features = _impala(*shape) if kind == "impala" else _plain(kind, *shape)
    for module in layers.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(module.weight, math.sqrt(2))
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    # On a CPU as on a GPU, convolutions are faster with the channels side by side.
    return layers.to(memory_format=torch.channels_last), features  # pyright: ignore[reportCallIssue]


def _plain(kind: Literal["small", "nature"], channels: int, height: int, width: int) -> tuple[nn.Sequential, int]:
    layers: list[nn.Module] = [_Unit()]
    convolutions, features = _PLAIN[kind]
    sides = height, width
    for wide, kernel, stride in convolutions:
        sides = tuple((side - kernel) // stride + 1 for side in sides)
        if min(sides) < 1:
            raise ValueError(
                f"frames of {height}x{width} are too small for the encoder '{kind}'; set learner.encoder to impala"
            )
        layers += [nn.Conv2d(channels, wide, kernel, stride), nn.ReLU()]
        channels = wide
    layers += [nn.Flatten(), nn.Linear(channels * math.prod(sides), features), nn.ReLU()]
    return nn.Sequential(*layers), features


def _impala(channels: int, height: int, width: int) -> tuple[nn.Sequential, int]:
    layers: list[nn.Module] = [_Unit()]
    for wide in (16, 32, 32):
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.MaxPool2d(3, 2, padding=1)]
        layers += [_Residual(wide), _Residual(wide)]
        channels, height, width = wide, -(-height // 2), -(-width // 2)
    layers += [nn.ReLU(), nn.Flatten(), nn.Linear(channels * height * width, 256), nn.ReLU()]
    return nn.Sequential(*layers), 256


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
