"""The actors as the learner has them: who gets work, who died, who stopped. No step loop crosses a process."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.ray_actor import RolloutActor, ServiceAddresses, WorldsFailed
from actors.trouble import Trouble
from actors.worker import ActorFailed, WorkerSpec
from contracts.rollout import Rollout
from contracts.status import Status
from learner.policy import PolicySnapshot

log = logging.getLogger("backflip.actors")

_POLL_SECONDS = 0.2
_AFTER_DEATH_SECONDS = 1.0
_START_SECONDS = 120.0


class ActorPool:
    """A `learner.loop.RolloutSource` on Ray.

    One call a actor is in flight, each with the newest weights; a thread hands out the next as soon
    as one is done, so that actors don't wait for an update. At most ``2 * len(specs)`` slabs lie
    waiting; then actors pause. A dead actor is restarted by Ray, its slab is lost, and the others go on.
    They also go on without an actor whose worlds fail for good; the run ends with the last one.

    Args:
        specs: one an actor.
    """

    def __init__(self, specs: list[WorkerSpec], services: ServiceAddresses) -> None:
        actor: Any = ray.remote(RolloutActor)
        placed = actor.options(
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=2,
            num_cpus=0,  # Ray counts no cores for them; the launcher decides how many there are
            # Where the services listen: a Ray that the program had may have other machines.
            scheduling_strategy=NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False),
            runtime_env={"env_vars": _environment()},
        )
        self._actors = [placed.remote(spec, services) for spec in specs]
        self._snapshot: Any = None  # reference to the newest published PolicySnapshot
        self._ready: deque[Rollout] = deque()
        self._changed = threading.Condition()
        self._failure: Exception | None = None
        self._troubles = [Trouble() for _ in specs]
        self._closed = False
        self._thread = threading.Thread(target=self._keep_busy, name="actor-pool", daemon=True)

    @property
    def troubles(self) -> list[Trouble]:
        """What went wrong in each actor so far."""
        return self._troubles

    def wait_ready(self, timeout: float = _START_SECONDS) -> None:
        """Raises ActorFailed where an actor cannot start, or does not within ``timeout`` seconds."""
        try:
            ray.get([actor.status.remote() for actor in self._actors], timeout=timeout)
        except GetTimeoutError:
            raise ActorFailed(f"not every one of {len(self._actors)} was up after {timeout:.0f} s") from None
        except (RayActorError, RayTaskError) as error:
            raise ActorFailed(_reason(error)) from None
        self._thread.start()

    def process_ids(self) -> list[int]:
        return ray.get([actor.process_id.remote() for actor in self._actors])

    def statuses(self, timeout: float = 0.5) -> list[Status]:
        """What each actor is doing; "busy" where it does not answer in time."""
        calls = [actor.status.remote() for actor in self._actors]
        ready, _ = ray.wait(calls, num_returns=len(calls), timeout=timeout)
        return [
            Status(f"stopped: {trouble.stopped}", held_up=True)
            if trouble.stopped
            else (_status(call) if call in ready else Status("busy"))
            for call, trouble in zip(calls, self._troubles, strict=True)
        ]

    def publish(self, snapshot: PolicySnapshot) -> None:
        reference = ray.put(snapshot)
        with self._changed:
            self._snapshot = reference
            self._changed.notify_all()

    def collect(self) -> list[Rollout]:
        """The next slabs, in the order they came: half as many as there are actors, so that lag stays small.

        At least half: at most two an actor lie waiting, so none grows older than four updates.

        Raises:
            ActorFailed: an actor's code raised, or work can be handed out no more.
        """
        wanted = (len(self._working()) + 1) // 2
        with self._changed:
            self._changed.wait_for(lambda: self._failure or self._closed or len(self._ready) >= wanted, timeout=1.0)
            if self._failure:
                raise self._failure
            if not self._closed and not self._thread.is_alive():
                raise ActorFailed("nobody hands out work to the actors any more")
            if len(self._ready) < wanted:
                return []
            slabs = [self._ready.popleft() for _ in range(wanted)]
            self._changed.notify_all()
            return slabs

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        for actor in self._actors:
            ray.kill(actor)

    def _working(self) -> list[int]:
        """The actors that have not stopped for good."""
        return [index for index, trouble in enumerate(self._troubles) if not trouble.stopped]

    def _keep_busy(self) -> None:
        try:
            self._hand_out()
        except Exception as error:  # who collects is told; a thread that dies silently would let it wait for ever
            log.exception("no more work is handed out")
            self._fail(ActorFailed(f"work cannot be handed out to the actors: {_reason(error)}"))

    def _fail(self, error: ActorFailed) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _hand_out(self) -> None:
        in_flight: dict[Any, int] = {}
        resting: dict[int, float] = {}  # actors that died, and when to call them again
        down: set[int] = set()  # of those, which have not answered since
        room = 2 * len(self._actors)
        while not self._closed:
            now = time.monotonic()
            idle = [i for i in self._working() if i not in in_flight.values() and resting.get(i, 0) <= now]
            with self._changed:
                snapshot, space = self._snapshot, room - len(self._ready) - len(in_flight)
                if not in_flight and (snapshot is None or space <= 0 or not idle):
                    self._changed.wait(_POLL_SECONDS)
                    continue
            for index in idle[: max(space, 0)]:
                in_flight[self._actors[index].slab.remote(snapshot)] = index
            done, _ = ray.wait(list(in_flight), num_returns=1, timeout=_POLL_SECONDS)
            for call in done:
                index = in_flight.pop(call)
                try:
                    rollout = ray.get(call)
                except Exception as error:
                    if _worlds_failed(error) and len(self._working()) > 1:
                        with self._changed:
                            self._troubles[index].stopped = _reason(error)
                            self._changed.notify_all()
                        log.warning("actor %d stops, the others go on: %s", index, _reason(error))
                        continue
                    if not isinstance(error, RayActorError) or error.actor_init_failed:
                        # Whatever the actor's code raised ends the run, in one line.
                        self._fail(ActorFailed(f"actor {index}: {_reason(error)}"))
                        return
                    resting[index] = time.monotonic() + _AFTER_DEATH_SECONDS
                    if index not in down:
                        down.add(index)
                        self._troubles[index].deaths += 1
                        log.warning("actor %d died; Ray restarts it, its slab is lost", index)
                    continue
                down.discard(index)
                self._troubles[index].failed_steps += rollout.failed_steps
                with self._changed:
                    self._ready.append(rollout)
                    self._changed.notify_all()


def _environment() -> dict[str, str]:
    """By which an actor's process finds this program and modules of the user's own, and computes on one thread."""
    found_in = [str(Path(__file__).resolve().parent.parent), os.getcwd(), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, found_in)), "OMP_NUM_THREADS": "1"}


def _status(call: Any) -> Status:
    try:
        return ray.get(call)
    except RayActorError:
        return Status("restarting", held_up=True)


def _worlds_failed(error: Exception) -> bool:
    return isinstance(error, RayTaskError) and isinstance(error.cause, WorldsFailed)


def _reason(error: Exception) -> str:
    cause = error.cause if isinstance(error, RayTaskError) else error
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return re.sub(rf"^.*({ActorFailed.__name__}|{WorldsFailed.__name__}): ", "", lines[-1])
