"""How likely an answer is under a reward model: Bradley-Terry with careless answers.

Bradley and Terry (1952), in the form of Christiano et al. (2017): clip a is called better with
probability sigmoid(sum of a's rewards minus sum of b's), and with a small chance the answer is
uniform, whatever the clips show.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from contracts.label import Choice

TARGETS: dict[Choice, float] = {Choice.A: 1.0, Choice.B: 0.0, Choice.EQUAL: 0.5}
"""How much of an answer says that clip a is better. "Can't tell" is absent: it teaches nothing."""


def log_probability(margin: Tensor, noise: Tensor) -> Tensor:
    """log((1 - noise) * sigmoid(margin) + noise / 2), finite for any margin while noise > 0.

    Args:
        margin: how much more reward clip a has than clip b, any shape.
        noise: chance that an answer is uniform, in [0, 1]; broadcast with ``margin``.
    """
    return torch.logaddexp(torch.log1p(-noise) + functional.logsigmoid(margin), torch.log(noise / 2))


def negative_log_likelihood(margin: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    """Cross-entropy of answers, in nats. Shape: that of the arguments, broadcast.

    Args:
        margin: as in `log_probability`.
        target: 1 where clip a was called better, 0 where b was, 1/2 for a tie.
        noise: as in `log_probability`; twice the chance that its rater names the wrong clip.
    """
    return -(target * log_probability(margin, noise) + (1 - target) * log_probability(-margin, noise))
