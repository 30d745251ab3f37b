"""The learning loop, on one page: slabs come in, the policy gets better, its weights go out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from contracts.rollout import UNFITTED, Episode, Rollout
from learner.policy import PolicySnapshot
from learner.ppo import PPO, UpdateStats

log = logging.getLogger("backflip.learner")


class RolloutSource(Protocol):
    """Where slabs come from: one process in serial mode, Ray actors otherwise."""

    def publish(self, snapshot: PolicySnapshot) -> None:
        """Act by this version from the next slab on."""
        ...

    def collect(self) -> list[Rollout]:
        """Wait for enough slabs for an update; empty where it was asked to stop meanwhile."""
        ...


@dataclass
class Progress:
    """Where a run stands; counted from its very first step, across resumes."""

    env_steps: int = 0
    updates: int = 0
    skipped_slabs: int = 0  # the reward model was not fitted yet: there was nothing to learn from
    dropped_slabs: int = 0  # the policy that sampled them was too old
    wall_seconds: float = 0.0  # of training, start-up left out
    waited_seconds: float = 0.0  # of this session's, spent waiting for slabs
    reward_version: int = UNFITTED  # of the newest slab
    stats: UpdateStats = field(default_factory=UpdateStats)  # of the newest update
    episodes: list[Episode] = field(default_factory=list)  # that ended in the newest slabs


def learn(
    ppo: PPO,
    source: RolloutSource,
    progress: Progress,
    *,
    share: Callable[[], float],
    eagerness: Callable[[], float] = lambda: 1.0,
    on_update: Callable[[Progress], None],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Run until ``share``, how much of the run is over, is 1, or until ``stopped``.

    ``progress`` is updated in place. ``eagerness`` is a factor of the learning rate, for the next update.

    ``on_update`` is called after every batch of slabs, and where none came when the source gave up waiting.

    Raises:
        FloatingPointError: an update went wrong; the policy is the one from before it.
    """
    source.publish(ppo.snapshot())
    while (done := share()) < 1 and not stopped():
        asked = time.monotonic()
        slabs = source.collect()
        progress.waited_seconds += time.monotonic() - asked
        if not slabs:
            progress.episodes = []
            on_update(progress)  # nothing came for a while: whoever watches is told why
            continue
        fresh = [slab for slab in slabs if ppo.lag(slab) <= ppo.config.max_lag]
        usable = [slab for slab in fresh if slab.reward_version != UNFITTED and slab.steps]
        if usable:
            progress.stats = ppo.update(usable, done, eagerness())
            progress.updates += 1
            source.publish(ppo.snapshot())
        progress.env_steps += sum(slab.steps for slab in slabs)
        progress.dropped_slabs += len(slabs) - len(fresh)
        progress.skipped_slabs += len(fresh) - len(usable)
        progress.reward_version = max(slab.reward_version for slab in slabs)
        progress.episodes = [episode for slab in slabs for episode in slab.episodes]
        on_update(progress)
