"""Advantages for slabs that an older policy sampled."""

from __future__ import annotations

import torch
from torch import Tensor


def vtrace_advantages(
    reward: Tensor,
    value: Tensor,
    next_value: Tensor,
    ratio: Tensor,
    ends: Tensor,
    valid: Tensor,
    *,
    discount: float,
    trace_decay: float,
) -> Tensor:
    """λ-V-trace (Espeholt et al. 2018, "IMPALA", remark 2): what each step was better than the value.

    The advantage is v_s - V(x_s). With ``ratio`` all ones it equals GAE(λ) (Schulman et al. 2016).

    Args (all [T, N]):
        next_value: value of the observation that followed, the final one where an episode ended.
        ratio: π(a|x)/μ(a|x) of the learner's policy to the one that acted.
        ends: whether an episode ended here; nothing is carried across.
        valid: where False, the row has no advantage and passes none on.
        trace_decay: λ.

    Returns: advantages [T, N]; adding ``value`` gives the value targets.
    """
    rho = ratio.clamp(max=1.0)
    delta = rho * (reward + discount * next_value - value) * valid
    carry = discount * trace_decay * rho * ~ends * valid
    advantage = torch.empty_like(delta)
    running = torch.zeros_like(delta[0])
    for t in range(len(delta) - 1, -1, -1):
        running = delta[t] + carry[t] * running
        advantage[t] = running
    return advantage
