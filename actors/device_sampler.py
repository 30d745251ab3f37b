"""Fills slabs where the worlds are: simulator, policy and slab on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actors.episodes import EpisodeCounter
from actors.sampler import Shot, Track
from actors.simulators.warp_engine import WarpSimulator
from contracts.rollout import UNFITTED, Rollout
from learner.policy import ActionNoise, Policy, PolicySnapshot, PolicySpec


class DeviceSampler:
    """As `actors.sampler.Sampler`, for the one simulator whose worlds are on a device.

    From the first row of a slab to its last nothing waits for the device: each row's calls are
    queued, and only then is the slab looked at. On a GPU the host is soon some steps ahead.
    """

    def __init__(
        self,
        simulator: WarpSimulator,
        steps: int,
        policy: PolicySpec,
        seed: int,
        *,
        noise_correlation: float = 0.0,
        actor: int = 0,
    ) -> None:
        self.simulator = simulator
        self.steps = steps
        self.actor = actor
        self.worlds = simulator.worlds
        self.policy = Policy(policy).to(simulator.device)
        self.policy_version = 0
        self._generator = torch.Generator(simulator.device).manual_seed(seed)
        self._noise = ActionNoise(self.worlds, policy.spaces.action.size, noise_correlation, self._generator)
        self._observation = simulator.reset_on_device()
        self._episodes = EpisodeCounter(self.worlds)

    def load(self, snapshot: PolicySnapshot) -> None:
        """From the next slab on, act by this version."""
        if snapshot.version != self.policy_version or snapshot.version == 0:
            self.policy.load(snapshot)
            self.policy_version = snapshot.version

    def sample(self, shots: Sequence[Shot] = ()) -> tuple[Rollout, Track]:
        """One slab on the device, not yet scored, and its track on the host, whose states draw every clip."""
        assert not shots, "states are all there is to draw"
        simulator, spaces = self.simulator, self.policy.spec.spaces
        observation = self._rows(*spaces.observation.shape)
        action = self._rows(spaces.action.size)
        log_prob, score, odometer = (self._rows() for _ in range(3))
        truncated, valid = (self._rows(dtype=torch.bool) for _ in range(2))
        state = self._rows(simulator.state_size)
        final = torch.empty_like(observation)
        for t in range(self.steps):
            observation[t] = self._observation
            state[t] = simulator.state_on_device()
            action[t], log_prob[t] = self.policy.act(
                observation[t], self._generator, self._noise.next(slice(0, self.worlds))
            )
            found = simulator.step_on_device(action[t])
            final[t], truncated[t], valid[t] = found.final_observation, found.truncated, found.valid
            score[t], odometer[t] = found.score, found.odometer
            self._observation = found.observation
        final_row = truncated.flatten().nonzero().squeeze(-1)  # here the host waits
        failed = ~valid
        simulator.report_faults(failed.any(0).nonzero().squeeze(-1).cpu().numpy())
        tensors: dict[str, Any] = {
            "observation": observation,
            "action": action,
            "log_prob": log_prob,
            "reward": torch.zeros_like(score),
            "terminated": torch.zeros_like(truncated),
            "truncated": truncated,
            "valid": valid,
            "final_row": final_row,
            "final_observation": final.flatten(0, 1)[final_row],
            "last_observation": self._observation.clone(),
        }
        rollout = Rollout(**tensors, policy_version=self.policy_version, reward_version=UNFITTED, actor=self.actor)
        rollout.failed_steps = int(failed.sum())
        return rollout, Track(_on_host(state), _on_host(score), _on_host(odometer))

    def count_episodes(self, rollout: Rollout, track: Track) -> None:
        """Once the slab is scored and on the host: note the episodes that ended in it."""
        rollout.episodes += self._episodes.slab(rollout, track.score, track.odometer)

    def close(self) -> None:
        self.simulator.close()

    def _rows(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        # Fresh ones: a slab is handed over by reference.
        return torch.empty((self.steps, self.worlds, *shape), dtype=dtype, device=self.simulator.device)


def _on_host(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().numpy()
