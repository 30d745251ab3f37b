"""Measures a policy: whole episodes from a fresh start, without exploration noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from actors.simulators.protocol import Simulator
from learner.policy import Policy


@dataclass(frozen=True)
class EpisodeTrack:
    """One evaluated episode of L steps, as clips would show it."""

    observation: np.ndarray  # float32 [L, D]
    action: np.ndarray  # float32 [L, A], encoded as the reward model sees it
    state: np.ndarray  # float32 [L, S], what each observation shows
    score: np.ndarray  # float32 [L], the task's own
    odometer: np.ndarray  # float32 [L]

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class Evaluation:
    """Means over whole episodes."""

    episodes: int
    true_return: float
    metrics: dict[str, float]
    tracks: list[EpisodeTrack]


def evaluate(policy: Policy, simulator: Simulator) -> Evaluation:
    """One episode in each of the simulator's worlds, by the most likely actions.

    The simulator must not stagger its episodes. For the same seed the numbers are the same.
    """
    rows: list[tuple[np.ndarray, ...]] = []
    observation = simulator.reset()
    running = np.ones(simulator.worlds, bool)
    lengths = np.zeros(simulator.worlds, np.int64)
    while running.any():
        state = simulator.state()
        action = policy.mode(torch.from_numpy(observation)).numpy()
        transition = simulator.step(action)
        encoded = simulator.spaces.action.encode(action)
        rows.append((observation, encoded, state, transition.score, transition.odometer))
        observation = transition.observation
        lengths += running
        running &= ~(transition.terminated | transition.truncated)
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    tracks = [
        EpisodeTrack(*(column[: lengths[world], world] for column in columns)) for world in range(simulator.worlds)
    ]
    metrics: dict[str, list[float]] = {"steps_per_episode": [float(len(track)) for track in tracks]}
    if simulator.odometer_name:
        metrics[f"{simulator.odometer_name}_per_episode"] = [float(track.odometer[-1]) for track in tracks]
    for track in tracks:
        for name, value in simulator.measure(track.state).items():
            metrics.setdefault(name, []).append(value)
    return Evaluation(
        episodes=len(tracks),
        true_return=float(np.mean([track.score.sum() for track in tracks])),
        metrics={name: float(np.mean(values)) for name, values in metrics.items()},
        tracks=tracks,
    )
