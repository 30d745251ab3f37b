"""Fills slabs: many worlds, one frozen policy, simulation and inference at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch

from actors.episodes import EpisodeCounter
from actors.simulators.protocol import Draws, Simulator, Transition
from contracts.rollout import UNFITTED, Rollout
from learner.policy import ActionNoise, Policy, PolicySnapshot, PolicySpec


@dataclass(frozen=True)
class Shot:
    """``length`` rows of one world, from row ``start`` on, of which pictures are drawn."""

    world: int
    start: int
    length: int


@dataclass
class Track:
    """What stays with the actor: how to draw the slab's steps, and how the task itself scores them."""

    state: np.ndarray  # float32 [T, N, S], what each row's observation shows
    score: np.ndarray  # float32 [T, N]
    odometer: np.ndarray  # float32 [T, N]
    films: dict[Shot, list[np.ndarray]] = field(default_factory=dict)  # a picture a row, uint8 [H, W, 3]


class Sampler:
    """Steps groups of worlds in turn: while one simulates, the policy acts for the next.

    Deterministic for a seed: groups are served in a fixed order, each with its own randomness.

    Args:
        simulators: the groups, all of one task; two or more overlap.
        steps: T, the rows of a slab.
        noise_correlation: see `learner.policy.ActionNoise`.
    """

    def __init__(
        self,
        simulators: list[Simulator],
        steps: int,
        policy: PolicySpec,
        seed: int,
        *,
        noise_correlation: float = 0.0,
        actor: int = 0,
    ) -> None:
        self.simulators = simulators
        self.steps = steps
        self.actor = actor
        self.policy = Policy(policy)
        self.policy_version = 0
        self._generator = torch.Generator().manual_seed(seed)
        self._stepping = ThreadPoolExecutor(len(simulators), thread_name_prefix="simulator")
        bounds = np.cumsum([0] + [simulator.worlds for simulator in simulators])
        self.worlds = int(bounds[-1])
        self._columns = [slice(a, b) for a, b in pairwise(bounds)]
        self._noise = (
            ActionNoise(self.worlds, policy.spaces.action.size, noise_correlation, self._generator)
            if policy.spaces.action.kind == "continuous"
            else None
        )
        self._observation = np.concatenate([simulator.reset() for simulator in simulators])
        self._episodes = EpisodeCounter(self.worlds)

    def load(self, snapshot: PolicySnapshot) -> None:
        """From the next slab on, act by this version."""
        if snapshot.version != self.policy_version or snapshot.version == 0:
            self.policy.load(snapshot)
            self.policy_version = snapshot.version

    def sample(self, shots: Sequence[Shot] = ()) -> tuple[Rollout, Track]:
        """One slab, not yet scored: its rewards are zero. The simulator draws the ``shots`` meanwhile."""
        rollout, track = self._empty_slab()
        failed_before = self._failed_steps()
        track.films = {shot: [] for shot in shots}
        finals: list[tuple[np.ndarray, np.ndarray]] = []
        pending: list[Future[Transition] | None] = [None] * len(self.simulators)
        for t in range(self.steps + 1):
            for group, (simulator, columns) in enumerate(zip(self.simulators, self._columns, strict=True)):
                future = pending[group]
                if future is not None:
                    finals.append(self._take(rollout, track, t - 1, columns, future.result()))
                if t < self.steps:
                    track.state[t, columns] = simulator.state()
                    _film(track.films, t, columns, simulator)
                    pending[group] = self._stepping.submit(simulator.step, self._act(rollout, t, columns))
        rollout.last_observation[:] = self._observation
        rollout.failed_steps = self._failed_steps() - failed_before
        _set_finals(rollout, finals)
        return rollout, track

    def count_episodes(self, rollout: Rollout, track: Track) -> None:
        """Once the slab is scored: note the episodes that ended in it, with what the model thought of them."""
        rollout.episodes += self._episodes.slab(rollout, track.score, track.odometer)

    def close(self) -> None:
        self._stepping.shutdown()
        for simulator in self.simulators:
            simulator.close()

    def _failed_steps(self) -> int:
        return sum(simulator.faults.total for simulator in self.simulators)

    def _act(self, rollout: Rollout, t: int, columns: slice) -> np.ndarray:
        observation = self._observation[columns]
        action, log_prob = self.policy.act(
            torch.from_numpy(observation), self._generator, None if self._noise is None else self._noise.next(columns)
        )
        rollout.observation[t, columns] = observation
        rollout.action[t, columns] = action.numpy()
        rollout.log_prob[t, columns] = log_prob.numpy()
        return rollout.action[t, columns]

    def _take(
        self, rollout: Rollout, track: Track, t: int, columns: slice, transition: Transition
    ) -> tuple[np.ndarray, np.ndarray]:
        """Write a group's transition into row t; the flat rows and last observations of the ended episodes."""
        rollout.terminated[t, columns] = transition.terminated
        rollout.truncated[t, columns] = transition.truncated
        rollout.valid[t, columns] = transition.valid
        track.score[t, columns] = transition.score
        track.odometer[t, columns] = transition.odometer
        self._observation[columns] = transition.observation
        ended = np.flatnonzero(transition.terminated | transition.truncated)
        return t * self.worlds + columns.start + ended, transition.final_observation[ended]

    def _empty_slab(self) -> tuple[Rollout, Track]:
        # Fresh arrays: a slab is handed over by reference, in one process even to the learner.
        shape = (self.steps, self.worlds)
        spaces = self.policy.spec.spaces
        observed, action = spaces.observation, spaces.action
        rollout = Rollout(
            observation=np.empty((*shape, *observed.shape), observed.dtype),
            action=np.empty((*shape, *action.shape), action.dtype),
            log_prob=np.empty(shape, np.float32),
            reward=np.zeros(shape, np.float32),
            terminated=np.empty(shape, bool),
            truncated=np.empty(shape, bool),
            valid=np.empty(shape, bool),
            final_row=np.empty(0, np.int64),
            final_observation=np.empty((0, *observed.shape), observed.dtype),
            last_observation=np.empty((self.worlds, *observed.shape), observed.dtype),
            policy_version=self.policy_version,
            reward_version=UNFITTED,
            actor=self.actor,
        )
        state = np.empty((*shape, self.simulators[0].state_size), np.float32)
        return rollout, Track(state, score=np.empty(shape, np.float32), odometer=np.empty(shape, np.float32))


def _film(films: dict[Shot, list[np.ndarray]], t: int, columns: slice, simulator: Simulator) -> None:
    """Have row t of a group's shots drawn, all in one call."""
    rolling = [
        shot
        for shot in films
        if columns.start <= shot.world < columns.stop and shot.start <= t < shot.start + shot.length
    ]
    if rolling:
        assert isinstance(simulator, Draws)
        drawn = simulator.pictures(np.array([shot.world - columns.start for shot in rolling]))
        for shot, picture in zip(rolling, drawn, strict=True):
            films[shot].append(picture)


def _set_finals(rollout: Rollout, finals: list[tuple[np.ndarray, np.ndarray]]) -> None:
    rows = np.concatenate([rows for rows, _ in finals])
    order = np.argsort(rows)
    rollout.final_row = rows[order]
    rollout.final_observation = np.concatenate([observations for _, observations in finals])[order]
