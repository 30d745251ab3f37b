"""What an actor does with a slab: sample it, have it scored, cut clips from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from actors.clips import ClipCutter
from actors.config import ActorsConfig
from actors.sampler import Sampler, Track
from actors.simulators.protocol import Simulator
from actors.simulators.registry import make_simulator
from contracts.clip import Clip
from contracts.rollout import TRUE_REWARD, UNFITTED, Rollout
from learner.policy import Encoder, PolicySnapshot, PolicySpec

if TYPE_CHECKING:  # Warp takes seconds to import
    from actors.device_sampler import DeviceSampler
    from actors.simulators.warp_engine import WarpSimulator

Score = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, int]]
"""(observation [B, ...], encoded action [B, A]) to (reward [B], reward version)."""

Offer = Callable[[list[Clip]], None]


class ActorFailed(RuntimeError):
    """An actor's own code raised; the message is one line."""


@dataclass(frozen=True)
class WorkerSpec:
    """One actor of a job; ``seed`` differs from actor to actor."""

    engine: str
    task: str
    actors: ActorsConfig
    hidden: tuple[int, ...]
    clip_steps: int
    seed: int
    encoder: Encoder = "nature"
    number: int = 0
    question: str = ""  # in place of the task's own
    log_file: Path | None = None  # of an actor that is a process of its own


class Worker:
    """Sampler, scoring and clip cutting of one actor; serial mode uses it as it is.

    Args:
        score: asks the reward service; None scores by the task itself (``--reward true``).
        offer: hands candidate clips to the labeling gateway; None cuts none.
    """

    def __init__(self, spec: WorkerSpec, score: Score | None, offer: Offer | None) -> None:
        config = spec.actors
        threads = config.threads or max(1, (os.cpu_count() or 1) // config.count)
        sizes = [len(part) for part in np.array_split(np.arange(config.worlds), config.groups)]
        simulators = [
            make_simulator(
                spec.engine, spec.task, worlds=size, seed=spec.seed + group, threads=threads, question=spec.question
            )
            for group, size in enumerate(sizes)
        ]
        self.spec = spec
        self.spaces = simulators[0].spaces
        self.scene = simulators[0].scene
        self.control_timestep = simulators[0].control_timestep
        self.sampler = _sampler(spec, simulators)
        self._score = score
        self._offer = offer
        self._true_scale = RunningScale()
        random = np.random.default_rng(spec.seed)
        self._cutter = ClipCutter(self.spaces, self.scene, spec.clip_steps, config.candidates, random)
        self._reward_version = UNFITTED  # of the newest slab

    def slab(self, snapshot: PolicySnapshot, *, on_host: bool = False) -> Rollout:
        """Sample one slab by this version, score it, and offer some clips of it.

        Args:
            on_host: for whoever doesn't share the sampler's device, see `Rollout.on_host`.
        """
        self.sampler.load(snapshot)
        sampler = self.sampler
        shots = self._cutter.shots(sampler.worlds, sampler.steps, self._reward_version) if self._offer else []
        rollout, track = sampler.sample(shots)
        seen = rollout.on_host()  # the reward service, the cutter of clips and the display are there
        self._fill_reward(seen, track)
        sampler.count_episodes(seen, track)
        self._reward_version = seen.reward_version
        if self._offer is not None:
            self._offer(self._cutter.cut(seen, track))
        return seen if on_host or rollout is seen else rollout.judged_as(seen)

    def close(self) -> None:
        self.sampler.close()

    def _fill_reward(self, rollout: Rollout, track: Track) -> None:
        if self._score is None:
            rollout.reward[:] = self._true_scale(track.score)
            rollout.reward_version = TRUE_REWARD
            return
        # The transitions of a slab in one call, not one world or step at a time.
        observation = rollout.observation.reshape(-1, *self.spaces.observation.shape)
        action = self.spaces.action.encode(rollout.action).reshape(-1, self.spaces.action.size)
        reward, rollout.reward_version = self._score(observation, action)
        rollout.reward[:] = reward.reshape(rollout.reward.shape)


def _sampler(spec: WorkerSpec, simulators: list[Simulator]) -> Sampler | DeviceSampler:
    steps, policy = spec.actors.slab_steps, PolicySpec(simulators[0].spaces, spec.hidden, spec.encoder)
    settings = {"noise_correlation": spec.actors.noise_correlation, "actor": spec.number}
    if spec.engine == "warp" and len(simulators) == 1:
        from actors.device_sampler import DeviceSampler

        return DeviceSampler(cast("WarpSimulator", simulators[0]), steps, policy, spec.seed, **settings)
    return Sampler(simulators, steps, policy, spec.seed, **settings)


class RunningScale:
    """Divides by the deviation of everything seen so far: what the reward service does for learned rewards."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = 0.0
        self._square_sum = 0.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        self._count += values.size
        self._sum += float(values.sum(dtype=np.float64))
        self._square_sum += float(np.square(values, dtype=np.float64).sum())
        variance = self._square_sum / self._count - (self._sum / self._count) ** 2
        return values / max(variance, 1e-12) ** 0.5
