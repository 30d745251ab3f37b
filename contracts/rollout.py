"""What an actor hands to the learner: a slab of transitions and the episodes that ended in it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

TRUE_REWARD = -1
"""Reward version of a slab that carries the task's own score (`--reward true`, the baseline)."""

UNFITTED = 0
"""Reward version before the first fit: it scores zero, and the learner skips such slabs."""


@dataclass(frozen=True)
class Episode:
    """One finished episode. ``true_return`` is for people to read; no loss ever sees it."""

    length: int
    true_return: float
    predicted_return: float
    odometer: float  # what the task counts over an episode (turns, metres, steps); 0 if it counts nothing


@dataclass
class Rollout:
    """A slab: T steps of N worlds under one frozen policy version.

    Row t holds what the policy saw, what it did, and what came of it. An episode that ends at
    row t has its last observation in ``final_observation``, because row t+1 may already show
    the next episode. ``valid`` is False where a simulator ignored the action (an autoreset
    step); such a row enters no loss and no clip.

    A sampler that shares a device with the learner puts torch's tensors of the same types where
    numpy's arrays are meant; whoever else reads such a slab asks for it `on_host`.
    """

    observation: np.ndarray  # float32 [T, N, D] or uint8 [T, N, C, H, W], see `contracts.spaces.ObservationSpace`
    action: np.ndarray  # [T, N, *ActionSpace.shape]: float32 before clipping, or int64 choices
    log_prob: np.ndarray  # float32 [T, N], under policy_version
    reward: np.ndarray  # float32 [T, N], scaled by the reward service
    terminated: np.ndarray  # bool [T, N]
    truncated: np.ndarray  # bool [T, N]
    valid: np.ndarray  # bool [T, N]
    final_row: np.ndarray  # int64 [E], flat index t * N + n of every row that ends an episode, ascending
    final_observation: np.ndarray  # [E, ...], aligned with final_row
    last_observation: np.ndarray  # [N, ...], what follows row T-1 where no episode ended there
    policy_version: int
    reward_version: int
    actor: int = 0
    episodes: list[Episode] = field(default_factory=list)
    failed_steps: int = 0  # of the rows that are not valid, those in which a world broke

    def on_host(self) -> Rollout:
        """The same slab with numpy's arrays; itself where it has these already."""
        if isinstance(self.observation, np.ndarray):
            return self
        tensors: dict[str, Any] = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return replace(
            self, **{name: tensor.cpu().numpy() for name, tensor in tensors.items() if hasattr(tensor, "cpu")}
        )

    def judged_as(self, seen: Rollout) -> Rollout:
        """This slab of tensors with the rewards and the episodes of ``seen``, which was `on_host` of it."""
        reward: Any = self.reward
        reward.copy_(reward.new_tensor(seen.reward))
        return replace(self, reward_version=seen.reward_version, episodes=seen.episodes)

    @property
    def steps(self) -> int:
        """Transitions that the simulator really took, autoreset rows left out."""
        return int(self.valid.sum())
