"""PPO in one file, which learns from answers: read it from top to bottom, and change it.

    python docs/examples/ppo.py --run runs/cartpole --answers 100

The only lines that concern Backflip are the imports, the two below "The environment", and `close`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
import torch
import tyro
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from torch import nn
from torch.distributions import Categorical

import backflip


@dataclass
class Args:
    run: Path
    """Folder of the run; one that is there already goes on with its answers."""
    answers: int = 100
    """Answers of the scripted teacher."""
    labels_from: str | None = None
    """Answers of another run to begin with: its folder, or what `backflip export` wrote."""
    env: str = "CartPole-v1"
    """Id of an environment with a flat observation and a choice of actions."""
    steps: int = 100_000
    """Steps over all worlds."""
    worlds: int = 8
    rows: int = 64
    """Steps of every world between two updates."""
    epochs: int = 10
    minibatches: int = 4
    learning_rate: float = 1e-3
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    seed: int = 0


def network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))


def main(args: Args) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)  # the networks are small, and other processes want the cores

    # The environment. Statistics go below the learned reward: they are then of the true one.
    envs = RecordEpisodeStatistics(gymnasium.make_vec(args.env, num_envs=args.worlds))
    labels = backflip.LabelsConfig(budget=args.answers, clip_steps=10, from_=args.labels_from)
    envs = backflip.learned_reward(envs, args.run, steps=args.steps, seed=args.seed, labels=labels)
    envs.wait_for_reward()

    width, choices = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
    actor, critic = network(width, choices), network(width, 1)
    parameters = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=args.learning_rate, eps=1e-5)

    shape = (args.rows, args.worlds)
    observation = torch.zeros(*shape, width)
    action, log_prob, reward, value = (torch.zeros(shape) for _ in range(4))
    ended, valid = torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
    lengths: list[int] = []

    now = torch.from_numpy(envs.reset(seed=args.seed)[0])
    over = np.zeros(args.worlds, bool)
    for _update in range(args.steps // (args.rows * args.worlds)):
        for t in range(args.rows):
            with torch.no_grad():
                policy = Categorical(logits=actor(now))
                chosen = policy.sample()
                log_prob[t], value[t] = policy.log_prob(chosen), critic(now)[:, 0]
            observation[t], action[t] = now, chosen
            valid[t] = torch.from_numpy(~over)
            after, rewards, terminated, truncated, infos = envs.step(chosen.numpy())
            over = terminated | truncated
            reward[t], ended[t], now = torch.from_numpy(rewards), torch.from_numpy(over), torch.from_numpy(after)
            if "episode" in infos:
                lengths += infos["episode"]["l"][infos["_episode"]].tolist()

        # The step after an end is no step: it only shows the next episode, and enters no loss. What it was given to
        # act on is the last observation of the episode that ended, so its value is what that end is worth.
        with torch.no_grad():
            following = torch.cat((value[1:], critic(now)[None, :, 0]))
        delta = reward + args.gamma * following - value
        advantage = torch.zeros(shape)
        carried = torch.zeros(args.worlds)
        for t in reversed(range(args.rows)):
            carried = delta[t] + args.gamma * args.gae_lambda * (1 - ended[t]) * carried
            advantage[t] = carried
        flat = {
            "observation": observation[valid],
            "action": action[valid],
            "log_prob": log_prob[valid],
            "advantage": advantage[valid],
            "target": (advantage + value)[valid],
        }

        for _epoch in range(args.epochs):
            for rows in torch.randperm(len(flat["action"])).chunk(args.minibatches):
                batch = {name: column[rows] for name, column in flat.items()}
                policy = Categorical(logits=actor(batch["observation"]))
                ratio = (policy.log_prob(batch["action"]) - batch["log_prob"]).exp()
                better = (batch["advantage"] - batch["advantage"].mean()) / (batch["advantage"].std() + 1e-8)
                surrogate = torch.min(ratio * better, ratio.clamp(1 - args.clip, 1 + args.clip) * better)
                value_loss = (critic(batch["observation"])[:, 0] - batch["target"]).square().mean()
                loss = -surrogate.mean() + 0.5 * value_loss - args.entropy * policy.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, 0.5)
                optimizer.step()

    answers = envs.facts.labels_used
    envs.close()
    print(f"{np.mean(lengths[-20:]):.0f} steps an episode, from {answers} answers")


if __name__ == "__main__":
    main(tyro.cli(Args))
