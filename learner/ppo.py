"""Proximal policy optimisation on slabs that may lag behind the policy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from contracts.rollout import Rollout
from contracts.spaces import Spaces
from learner.policy import Encoder, Policy, PolicySnapshot, PolicySpec
from learner.vtrace import vtrace_advantages

_FRAMES_AT_ONCE = 256
_LAST_DEVIATION = 0.15  # of the noise on continuous actions that a run may end with


@dataclass(frozen=True)
class PPOConfig:
    """Schulman et al. 2017, with the lag of a distributed system corrected by V-trace."""

    learning_rate: float = 1e-3
    """Adam's step size at the start; it falls in a straight line to a tenth of this at the end of the run."""
    discount: float = 0.99
    """γ: how much a reward one step later is worth."""
    trace_decay: float = 0.95
    """λ of GAE and V-trace."""
    epochs: int = 5
    """Passes over a batch."""
    minibatches: int = 8
    """Gradient steps a pass."""
    clip: float = 0.2
    """How far the policy may move from the one before the update, as a ratio."""
    value_weight: float = 0.5
    """Weight of the value loss."""
    entropy_weight: float = 0.02
    """Reward for staying random: with half of this, policies stay lying where their first flip ended.

    In the second half of a run it falls in a straight line to nothing.
    """
    max_gradient: float = 0.5
    """The policy's and the value's gradients are each scaled down to this norm."""
    max_divergence: float = 0.1
    """No further pass over a batch after one in which the policy was this far (mean KL) from where it was."""
    max_lag: int = 4
    """Slabs from a policy more than this many versions old are dropped."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the policy's and the value's hidden layers, where vectors are observed."""
    encoder: Encoder = "nature"
    """The network that policy and value share where frames are observed: `small`, `nature` or the slow `impala`."""

    def __post_init__(self) -> None:
        for name in ("discount", "trace_decay"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"learner.{name} must lie in [0, 1], not {getattr(self, name)}")
        for name in ("learning_rate", "clip", "max_gradient", "max_divergence", "epochs", "minibatches"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"learner.{name} must be positive and finite, not {getattr(self, name)}")
        for name in ("value_weight", "entropy_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"learner.{name} must not be negative, and finite, not {getattr(self, name)}")
        if self.encoder not in get_args(Encoder):
            raise ValueError(f"learner.encoder must be {' or '.join(get_args(Encoder))}, not {self.encoder!r}")
        if min(self.hidden, default=1) < 1:
            raise ValueError(f"learner.hidden must be widths of at least 1, not {self.hidden}")
        if self.max_lag < 0:
            raise ValueError(f"learner.max_lag must not be negative, not {self.max_lag}")

    def policy(self, spaces: Spaces) -> PolicySpec:
        """The policy that this learner improves, where so much is observed and done."""
        return PolicySpec(spaces, self.hidden, self.encoder)


@dataclass
class UpdateStats:
    """What one update saw and did, averaged over its gradient steps."""

    policy_loss: float = 0.0
    value_loss: float = 0.0
    entropy: float = 0.0
    divergence: float = 0.0  # KL(before, after), estimated as in Schulman's note: mean(r - 1 - log r)
    clipped: float = 0.0  # share of the transitions whose ratio was clipped
    lag: float = 0.0  # mean versions between acting and learning


@dataclass
class Batch:
    """Valid transitions of several slabs, flat: everything that a minibatch needs."""

    observation: Tensor  # [B, D], normalised; or uint8 [B, C, H, W]
    action: Tensor  # [B, A], or int64 [B] or [B, K]
    log_prob: Tensor  # [B], of the policy before the update
    advantage: Tensor  # [B]
    value_target: Tensor  # [B]


class PPO:
    """A policy, its optimiser, and how one is improved with the other.

    Deterministic for a seed and a sequence of rollouts.

    Args:
        device: where it learns, by torch's name. Slabs that are there already stay there.
    """

    def __init__(self, spec: PolicySpec, config: PPOConfig, seed: int, device: str = "cpu") -> None:
        torch.manual_seed(seed)  # the initial weights
        self.config = config
        self.policy = Policy(spec).to(device)
        self.version = 0
        self._device = torch.device(device)
        self._seed = seed
        self._generator = torch.Generator(self._device).manual_seed(seed)
        acting = [p for p in (*self.policy.actor.parameters(), self.policy.log_std) if p.requires_grad]
        judging = list(self.policy.critic.parameters())
        shared = list(self.policy.encoder.parameters())
        # Clipped apart: the value's gradient is the larger by far, and would drown the policy's.
        self._clipped_together = [group for group in (acting, judging, shared) if group]
        self._optimiser = torch.optim.Adam(acting + judging + shared, lr=config.learning_rate, eps=1e-5, fused=True)

    def snapshot(self) -> PolicySnapshot:
        return self.policy.snapshot(self.version)

    def lag(self, rollout: Rollout) -> int:
        """Versions between the policy that acted and the present one."""
        return self.version - rollout.policy_version

    def update(self, rollouts: list[Rollout], done: float = 0.0, eagerness: float = 1.0) -> UpdateStats:
        """Learn from the slabs, take their observations into the statistics, and count up the version.

        Args:
            done: share of the run that is over, in [0, 1].
            eagerness: factor of the learning rate.

        Raises:
            FloatingPointError: something was not finite; policy and optimiser are as they were before.
        """
        policy = self.snapshot()
        optimiser = {name: value.copy() for name, value in self.optimiser_state().items()}
        for group in self._optimiser.param_groups:
            group["lr"] = self.config.learning_rate * (1.0 - 0.9 * done) * eagerness
        entropy_weight = self.config.entropy_weight * min(1.0, 2.0 * (1.0 - done))
        stats, sound = self._optimise(_join([self._prepare(rollout) for rollout in rollouts]), entropy_weight)
        stats.lag = float(np.mean([self.lag(rollout) for rollout in rollouts]))
        # Only now: the slabs were sampled, and learnt from, under the statistics of their version.
        if not self.policy.sees_frames:
            self.policy.observe(torch.cat([self._tensor(r.observation[r.valid]) for r in rollouts]))
        if not (sound and np.isfinite(self.snapshot().flat).all()):
            self.policy.load(policy)
            self.load_optimiser_state(optimiser)
            raise FloatingPointError(f"loss is not finite in the update after policy version {self.version}")
        self._bound_noise(done)
        self.version += 1
        return stats

    @torch.no_grad()
    def _bound_noise(self, done: float) -> None:
        """In the second half of a run, lower what the noise may be, evenly in its logarithm.

        What is used afterwards is the most likely action. A policy that always had its noise may stay lying where only
        the noise got it up: a hopper that made four turns with it made two and a half without.
        """
        if done > 0.5:
            self.policy.log_std.clamp_(max=math.log(_LAST_DEVIATION) * (2.0 * done - 1.0))

    def shuffle_anew(self) -> None:
        """For a resume: not the minibatches of the run's first updates over again."""
        if self.version:
            seed = np.random.SeedSequence([self._seed, self.version]).generate_state(1)[0]
            self._generator.manual_seed(int(seed))

    def optimiser_state(self) -> dict[str, np.ndarray]:
        """Adam's moments and step counts by parameter number, for a checkpoint; empty before the first update."""
        state = self._optimiser.state_dict()["state"]
        return {
            f"{name}.{index}": value.cpu().numpy() for index, entry in state.items() for name, value in entry.items()
        }

    def load_optimiser_state(self, arrays: dict[str, np.ndarray]) -> None:
        """The inverse of `optimiser_state`."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in arrays.items():
            name, index = key.rsplit(".", 1)
            state.setdefault(int(index), {})[name] = torch.as_tensor(value.copy())
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": state})

    @torch.no_grad()
    def _prepare(self, rollout: Rollout) -> Batch:
        policy, config = self.policy, self.config
        steps, worlds = rollout.reward.shape
        valid = self._tensor(rollout.valid)
        observation = policy.normalise(self._tensor(rollout.observation)).flatten(0, 1)
        action = self._tensor(rollout.action).flatten(0, 1)
        parts = [policy.evaluate(observation[rows], action[rows]) for rows in self._parts(len(action))]
        log_prob, _, value = (torch.cat(column) for column in zip(*parts, strict=True))
        value = value.view(steps, worlds)
        last = policy.value(policy.normalise(self._tensor(rollout.last_observation)))
        next_value = torch.cat((value[1:], last[None]))
        if len(rollout.final_row):
            final = policy.value(policy.normalise(self._tensor(rollout.final_observation)))
            next_value.view(-1)[self._tensor(rollout.final_row)] = final
        advantage = vtrace_advantages(
            self._tensor(rollout.reward),
            value,
            next_value,
            (log_prob.view(steps, worlds) - self._tensor(rollout.log_prob)).exp(),
            # A terminated episode is bootstrapped like any other: its end is not for the agent to read.
            self._tensor(rollout.terminated | rollout.truncated),
            valid,
            discount=config.discount,
            trace_decay=config.trace_decay,
        )
        kept = valid.flatten()
        return Batch(
            observation=observation if kept.all() else observation[kept],
            action=action[kept],
            log_prob=log_prob[kept],
            advantage=advantage.flatten()[kept],
            value_target=(advantage + value).flatten()[kept],
        )

    def _parts(self, rows: int) -> Iterator[slice]:
        """All rows at once, or so few of them that the activations of frames need no more room than a minibatch's."""
        part = _FRAMES_AT_ONCE if self.policy.sees_frames else rows
        return (slice(start, start + part) for start in range(0, rows, part))

    def _optimise(self, batch: Batch, entropy_weight: float) -> tuple[UpdateStats, bool]:
        """All the gradient steps, and whether every loss and gradient of them was finite."""
        config = self.config
        advantage = (batch.advantage - batch.advantage.mean()) / (batch.advantage.std() + 1e-8)
        passes: list[Tensor] = []  # the means of each, in the order of UpdateStats
        health = torch.zeros(
            (), device=self._device
        )  # once not finite it stays so: looked at once, after the last step
        for _ in range(config.epochs):
            means = torch.zeros(5, device=self._device)
            order = torch.randperm(len(advantage), generator=self._generator, device=self._device)
            for rows in order.tensor_split(min(config.minibatches, len(order))):
                log_prob, entropy, value = self.policy.evaluate(batch.observation[rows], batch.action[rows])
                log_ratio = log_prob - batch.log_prob[rows]
                ratio = log_ratio.exp()
                weighted = ratio * advantage[rows]
                clipped = ratio.clamp(1 - config.clip, 1 + config.clip) * advantage[rows]
                policy_loss = -torch.minimum(weighted, clipped).mean()
                value_loss = (value - batch.value_target[rows]).square().mean()
                mean_entropy = entropy.mean()
                loss = policy_loss + config.value_weight * value_loss - entropy_weight * mean_entropy
                self._optimiser.zero_grad(set_to_none=True)
                loss.backward()
                health += loss.detach()
                for parameters in self._clipped_together:
                    health += torch.nn.utils.clip_grad_norm_(parameters, config.max_gradient)
                self._optimiser.step()
                with torch.no_grad():
                    divergence = (ratio - 1 - log_ratio).mean()
                    beyond = ((ratio - 1).abs() > config.clip).float().mean()
                    found = torch.stack((policy_loss, value_loss, mean_entropy, divergence, beyond))
                    means += found / config.minibatches
            passes.append(means)
            if means[3] > config.max_divergence:
                break
        return UpdateStats(*torch.stack(passes).mean(0).tolist()), bool(health.isfinite())

    def _tensor(self, array: np.ndarray) -> Tensor:
        if isinstance(array, np.ndarray) and not array.flags.writeable:
            array = array.copy()  # torch will not have the read-only slabs that come through shared memory
        return torch.as_tensor(array, device=self._device)


def _join(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    names = Batch.__dataclass_fields__
    return Batch(**{name: torch.cat([getattr(batch, name) for batch in batches]) for name in names})
