"""A worker in a process of its own: it waits out what is down, and says in one line what went wrong."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import ray
import torch

from actors.simulators.protocol import SimulationFault
from actors.worker import ActorFailed, Worker, WorkerSpec
from contracts import log as log_setup
from contracts.memory import keep_freed_memory
from contracts.rollout import Rollout
from contracts.status import Status
from labeling_gateway.client import GatewayClient, StoreError
from learner.policy import PolicySnapshot
from reward_service.client import RewardClient, RewardServiceUnavailable

log = logging.getLogger("backflip.actors")

_RETRY_SECONDS = 0.5


class WorldsFailed(ActorFailed):
    """Its worlds fail for good, which says nothing about those of the other actors."""


@dataclass(frozen=True)
class ServiceAddresses:
    """Where an actor finds the services; a None is a service that this job does not use."""

    run: str
    reward: str | None
    store_url: str | None


class RolloutActor:
    """A `Worker` with an address. Runs its slabs on one thread and answers `status` on another."""

    def __init__(self, spec: WorkerSpec, services: ServiceAddresses) -> None:
        file = spec.log_file if spec.log_file and spec.log_file.parent.is_dir() else None  # else another machine's
        log_setup.setup(f"actor-{spec.number}", file=file)
        torch.set_num_threads(1)
        keep_freed_memory()
        if ray.get_runtime_context().was_current_actor_reconstructed:
            # Not the same episodes over again.
            spec = dataclasses.replace(spec, seed=spec.seed + os.getpid())
        self._status = Status("starting")
        self._reward = RewardClient(services.reward) if services.reward else None
        with _in_one_line():
            gateway = _reach_store(services.store_url, services.run) if services.store_url else None
            self._worker = Worker(spec, self._score if self._reward else None, gateway.offer if gateway else None)

    def slab(self, snapshot: PolicySnapshot) -> Rollout:
        self._status = Status("simulating")
        with _in_one_line():
            rollout = self._worker.slab(snapshot, on_host=True)  # another process learns from it
        self._status = Status("waiting for work")
        return rollout

    def status(self) -> Status:
        return self._status

    def process_id(self) -> int:
        return os.getpid()

    def _score(self, observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int]:
        """Waits out a reward service that is down: this slab is held, and no further one is sampled."""
        assert self._reward is not None
        waiting_since: float | None = None
        while True:
            try:
                self._status = Status("having a slab scored") if waiting_since is None else self._status
                scores = self._reward.score(observation, action)
            except RewardServiceUnavailable as error:
                if waiting_since is None:
                    waiting_since = time.monotonic()
                    log.warning("sampling pauses: %s", error)
                waited = time.monotonic() - waiting_since
                self._status = Status(f"waiting {waited:.0f} s for the reward service", held_up=True)
                time.sleep(_RETRY_SECONDS)
            else:
                if waiting_since is not None:
                    log.info("sampling goes on after %.0f s", time.monotonic() - waiting_since)
                return scores.reward, scores.version


@contextmanager
def _in_one_line() -> Iterator[None]:
    """What goes wrong in an actor crosses to the learner as a line, since not every exception can be pickled."""
    try:
        yield
    except Exception as error:
        log.exception("the actor failed")
        lines = str(error).strip().splitlines() or [type(error).__name__]
        kind = WorldsFailed if isinstance(error, SimulationFault) else ActorFailed
        raise kind(lines[-1]) from None


def _reach_store(url: str, run: str) -> GatewayClient:
    """Waits for a store that is away just when an actor is restarted; the other actors go on."""
    while True:
        try:
            return GatewayClient(url, run)
        except StoreError as error:
            log.warning("waiting for the label store: %s", error)
            time.sleep(_RETRY_SECONDS)
