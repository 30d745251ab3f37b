"""A plain PPO to hold the fast learner against: one slab, no lag, written to be read from top to bottom.

Follows Schulman et al. 2017 with the usual details (Huang et al. 2022, "The 37 implementation
details of PPO"): GAE, advantages normalised over the batch, clipped ratio, clipped gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contracts.rollout import Rollout
from learner.policy import Policy
from learner.ppo import PPOConfig


def gae(rollout: Rollout, policy: Policy, config: PPOConfig) -> tuple[Tensor, Tensor]:
    """Advantages and value targets [T, N], step by step and world by world."""
    steps, worlds = rollout.reward.shape
    finals = {int(row): i for i, row in enumerate(rollout.final_row)}
    advantage = torch.zeros(steps, worlds)
    with torch.no_grad():

        def value_of(observation: object) -> float:
            return float(policy.value(policy.normalise(torch.as_tensor(observation))))

        for n in range(worlds):
            following = 0.0
            for t in reversed(range(steps)):
                if not rollout.valid[t, n]:
                    following = 0.0
                    continue
                row = t * worlds + n
                ended = row in finals
                if ended:
                    next_value = value_of(rollout.final_observation[finals[row]])
                    following = 0.0
                elif t == steps - 1:
                    next_value = value_of(rollout.last_observation[n])
                else:
                    next_value = value_of(rollout.observation[t + 1, n])
                value = value_of(rollout.observation[t, n])
                delta = float(rollout.reward[t, n]) + config.discount * next_value - value
                following = delta + config.discount * config.trace_decay * following
                advantage[t, n] = following
        value = policy.value(policy.normalise(torch.as_tensor(rollout.observation)))
    return advantage, advantage + value


def update(policy: Policy, rollout: Rollout, config: PPOConfig, generator: torch.Generator) -> None:
    """One update of ``policy`` in place; the observation statistics are left alone."""
    advantage, target = gae(rollout, policy, config)
    observation = policy.normalise(torch.as_tensor(rollout.observation)).flatten(0, 1)
    action = torch.as_tensor(rollout.action).flatten(0, 1)
    old_log_prob = torch.as_tensor(rollout.log_prob).flatten()
    advantage, target = advantage.flatten(), target.flatten()
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    parameters = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=config.learning_rate, eps=1e-5)
    for _ in range(config.epochs):
        order = torch.randperm(len(advantage), generator=generator)
        for rows in order.tensor_split(config.minibatches):
            log_prob, entropy, value = policy.evaluate(observation[rows], action[rows])
            ratio = (log_prob - old_log_prob[rows]).exp()
            gain = torch.min(
                ratio * advantage[rows], ratio.clamp(1 - config.clip, 1 + config.clip) * advantage[rows]
            ).mean()
            value_loss = ((value - target[rows]) ** 2).mean()
            loss = -gain + config.value_weight * value_loss - config.entropy_weight * entropy.mean()
            optimiser.zero_grad()
            loss.backward()
            judging = list(policy.critic.parameters())
            acting = [p for p in parameters if not any(p is q for q in judging)]
            torch.nn.utils.clip_grad_norm_(acting, config.max_gradient)
            torch.nn.utils.clip_grad_norm_(judging, config.max_gradient)
            optimiser.step()
