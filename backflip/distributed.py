"""Every part in a process of its own: Ray actors, and the services beside the learner."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import ray
from ray._private import ray_constants
from ray._private import worker as ray_worker

from actors.ray_actor import ServiceAddresses
from actors.ray_pool import ActorPool
from actors.worker import ActorFailed
from backflip.config import TrainConfig
from backflip.errors import UserError
from backflip.run_folder import RunFolder
from backflip.services import Services
from backflip.system import Facts, worker_specs
from contracts.clip import Scene
from contracts.spaces import Spaces
from contracts.status import Status
from learner.loop import Progress

_OBJECT_STORE_BYTES = 256 * 2**20  # at least; a slab of vectors is about a megabyte
_PROGRESS_SECONDS = 0.25


class DistributedSystem:
    """A `backflip.system.System` of processes on this machine, supervised.

    Raises:
        UserError: a part could not be started; those that were are stopped again.
    """

    def __init__(
        self, config: TrainConfig, folder: RunFolder, spaces: Spaces, scene: Scene, resumed_at: int = 0
    ) -> None:
        self._pool: ActorPool | None = None
        self._notices: list[str] = []
        self._started_ray = False
        self._progress_from = 0.0
        self._services = services = Services(config, folder, spaces, scene)
        self.gateway, self.page = services.gateway, services.page
        try:
            if not ray.is_initialized():  # else the program's own, which goes on after us
                self._started_ray = True
                _start_ray(_slab_bytes(config, spaces) * (2 * config.actors.count + 2))
            specs = [
                replace(spec, log_file=folder.log_of(_name(spec.number)).resolve())  # Ray's processes may be elsewhere
                for spec in worker_specs(config, resumed_at=resumed_at)
            ]
            addresses = ServiceAddresses(folder.run, services.reward_address, services.store_url)
            self._pool = self.source = ActorPool(specs, addresses)
            self._pool.wait_ready()
            self._notices = services.wait_up()
        except ActorFailed as error:
            self.stop()
            raise UserError(f"the actors did not start: {error}") from error
        except BaseException:
            self.stop()
            raise
        services.listen(self._actors, {_name(number): one for number, one in enumerate(self._pool.troubles)})

    def after_update(self, progress: Progress, total_steps: int) -> None:
        now = time.monotonic()
        if self.gateway is not None and now >= self._progress_from:
            self.gateway.report_progress(progress.env_steps, total_steps)
            self._progress_from = now + _PROGRESS_SECONDS

    def facts(self) -> Facts:
        return self._services.facts

    def notices(self) -> list[str]:
        return self._notices

    def report(self, fields: dict[str, Any]) -> None:
        if self.gateway is not None and self.page is not None:  # else nobody looks
            self.gateway.report_run(fields)

    def process_ids(self) -> dict[str, int]:
        """Process of every part, by name."""
        assert self._pool is not None
        actors = {_name(number): pid for number, pid in enumerate(self._pool.process_ids())}
        return self._services.process_ids() | actors

    def stop(self) -> None:
        with ExitStack() as last_first:  # whatever goes wrong on the way, the others are stopped too
            last_first.callback(self._services.stop)
            if self._started_ray:
                last_first.callback(ray.shutdown)
            if self._pool is not None:
                last_first.callback(self._pool.close)
            last_first.callback(self._services.stop_listening)  # a call to Ray after its end would start it anew

    def _actors(self) -> dict[str, Status]:
        assert self._pool is not None
        return {_name(number): status for number, status in enumerate(self._pool.statuses())}


def _name(actor: int) -> str:
    return f"actor {actor}"


def _slab_bytes(config: TrainConfig, spaces: Spaces) -> int:
    """About how much room a slab takes."""
    observation = spaces.observation.size * np.dtype(spaces.observation.dtype).itemsize
    return config.actors.worlds * (config.actors.slab_steps + 1) * (observation + 64)


def _start_ray(slabs: int) -> None:
    """A Ray of our own, on loopback, with room for so many bytes of slabs."""
    # Without this, Ray takes the machine's outside address and listens on every interface. Its
    # processes read the variable; here Ray was imported already, and had read it then.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to Ray's makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    logging.getLogger("ray").setLevel(logging.ERROR)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local",  # also where RAY_ADDRESS names a cluster: its machines would not reach our loopback
        include_dashboard=False,
        object_store_memory=max(_OBJECT_STORE_BYTES, slabs * 5 // 4),  # weights lie there, too
        configure_logging=False,
        log_to_driver=False,
    )
    ray_worker._worker_logs_enabled = False  # raylets' remarks would go to standard output; ours are in the log
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own handler ends the process, nothing saved
