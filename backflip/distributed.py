"""Every part in a process of its own: Ray actors, reward service, gateway, teacher, store."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray._private import ray_constants
from ray._private import worker as ray_worker

from actors.ray_pool import ActorPool, ServiceAddresses
from actors.worker import ActorFailed
from backflip.config import TrainConfig
from backflip.errors import UserError
from backflip.labeling_page import broker_config, let_in, page_answers, page_config
from backflip.labels import bring_labels
from backflip.run_folder import RunFolder
from backflip.supervisor import Part, Supervisor
from backflip.system import Facts, label_parts, open_store, reward_config, worker_specs
from contracts.clip import Scene
from contracts.files import write_whole
from contracts.spaces import Spaces
from contracts.status import Status
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import GatewayConfig, TeacherConfig
from labeling_gateway.embedded import free_port
from labeling_gateway.store import StoreError
from labeling_gateway.vendors.config import read_vendors
from labeling_gateway.vendors.overview import Overview
from labeling_gateway.web.config import WebConfig
from learner.loop import Progress
from reward_service.client import RewardClient, RewardServiceUnavailable
from reward_service.config import RewardServiceConfig

log = logging.getLogger("backflip.launcher")

_OBJECT_STORE_BYTES = 256 * 2**20  # at least; a slab of vectors is about a megabyte
_FACTS_SECONDS = 0.5
_PROGRESS_SECONDS = 0.25


class DistributedSystem:
    """A `backflip.system.System` of processes on this machine, supervised.

    Raises:
        UserError: a part could not be started; those that were are stopped again.
    """

    def __init__(
        self, config: TrainConfig, folder: RunFolder, spaces: Spaces, scene: Scene, resumed_at: int = 0
    ) -> None:
        self._supervisor = Supervisor()
        self._store = None
        self.gateway: GatewayClient | None = None  # to the run's questions and labels, where it has any
        self._reward: RewardClient | None = None
        self._pool: ActorPool | None = None
        self._config = config
        self._facts = Facts()
        self._fitted = 0  # answers, as the reward service last said
        self._started_ray = False
        self._progress_from = 0.0
        self.page: WebConfig | None = None
        self._vendors: Overview | None = None
        self._notices: list[str] = []
        self._stopping = threading.Event()
        self._listening: threading.Thread | None = None
        try:
            services = self._start_services(config, folder, spaces, scene)
            self._started_ray = not ray.is_initialized()
            _start_ray(_slab_bytes(config, spaces) * (2 * config.actors.count + 2))
            logs = folder.logs.resolve()  # Ray's processes may be elsewhere
            specs = worker_specs(config, resumed_at=resumed_at)
            specs = [replace(spec, log_file=logs / f"actor-{spec.number}.log") for spec in specs]
            self._pool = self.source = ActorPool(specs, services)
            self._pool.wait_ready()
            self._supervisor.wait_up()
            if self.page is not None and self.gateway is not None:
                self._notices = let_in(self.page, self.gateway, config.labels)
            self._hear_services(self._facts)  # a resume begins with what it had
        except ActorFailed as error:
            self.stop()
            raise UserError(f"the actors did not start: {error}") from error
        except BaseException:
            self.stop()
            raise
        self._listening = threading.Thread(target=self._listen, name="facts", daemon=True)
        self._listening.start()

    def after_update(self, progress: Progress, total_steps: int) -> None:
        now = time.monotonic()
        if self.gateway is not None and now >= self._progress_from:
            self.gateway.report_progress(progress.env_steps, total_steps)
            self._progress_from = now + _PROGRESS_SECONDS

    def facts(self) -> Facts:
        return self._facts

    def notices(self) -> list[str]:
        return self._notices

    def report(self, fields: dict[str, Any]) -> None:
        if self.gateway is not None and self.page is not None:  # else nobody looks
            self.gateway.report_run(fields)

    def process_ids(self) -> dict[str, int]:
        """Process of every part, by name; actors are actor-0, actor-1 …"""
        assert self._pool is not None
        found = self._supervisor.process_ids()
        if self._store is not None and self._store.embedded is not None:
            found["label store"] = self._store.embedded.pid
        return found | {f"actor-{number}": pid for number, pid in enumerate(self._pool.process_ids())}

    def stop(self) -> None:
        self._stopping.set()
        with ExitStack() as last_first:  # whatever goes wrong on the way, the others are stopped too
            if self._store is not None:
                last_first.callback(self._store.stop)
            last_first.callback(self._count_used)
            last_first.callback(self._supervisor.stop)
            last_first.callback(lambda: self._hear_services(self._facts))
            if self._started_ray:
                last_first.callback(ray.shutdown)
            if self._pool is not None:
                last_first.callback(self._pool.close)
            if self._listening is not None:
                last_first.callback(self._listening.join)  # a call to Ray after its end would start it anew

    def _start_services(self, config: TrainConfig, folder: RunFolder, spaces: Spaces, scene: Scene) -> ServiceAddresses:
        if not config.needs_labels:
            return ServiceAddresses(folder.run, None, None)
        self._store = open_store(folder)
        if self._store.embedded is not None:
            self._supervisor.adopt("label store", self._store.embedded.alive, self._store.embedded.restart)
        self.gateway = GatewayClient(self._store.url, folder.run)
        self.gateway.put_scene(scene)
        self._facts.labels_imported = bring_labels(config, folder, spaces, self.gateway)
        address = f"127.0.0.1:{free_port()}"
        self._reward = RewardClient(address)
        secret = {"BACKFLIP_STORE_URL": self._store.url, "OMP_NUM_THREADS": "1"}
        reward = RewardServiceConfig(
            run=folder.run,
            address=address,
            directory=str(folder.reward_model),
            seed=config.seed,
            observation=spaces.observation,
            action_size=spaces.action.size,
            reward=reward_config(config),
        )
        gateway = GatewayConfig(run=folder.run, reward_address=address, seed=config.seed, labels=config.labels)
        teacher = TeacherConfig(run=folder.run, seed=config.seed, labels=config.labels)
        client = self._reward
        self._start(folder, "reward service", "reward_service", reward, secret, lambda: _answers(client))
        self._start(folder, "labeling gateway", "labeling_gateway", gateway, secret)
        if config.labels.source == "scripted":
            self._start(folder, "teacher", "labeling_gateway.teacher", teacher, secret)
        if config.labels.has_page:
            page = self.page = page_config(config, folder, scene.question, address, training=True)
            self._start(folder, "labeling page", "labeling_gateway.web", page, secret, lambda: page_answers(page))
            if page.vendors:
                self._vendors = Overview(read_vendors(page.vendors), self._store.url, folder.run)
                broker = broker_config(config, page)
                self._start(folder, "vendors' broker", "labeling_gateway.vendors", broker, secret)
        return ServiceAddresses(folder.run, address, self._store.url)

    def _start(
        self, folder: RunFolder, name: str, module: str, config: Any, secret: dict[str, str], is_up: Any = None
    ) -> None:
        file = folder.logs / f"{name.replace(' ', '_')}.json"
        write_whole(file, json.dumps(asdict(config), indent=2) + "\n")
        self._supervisor.start(Part(name, module, file, file.with_suffix(".log"), secret, is_up))

    def _listen(self) -> None:
        """Gathers the facts beside the training, which never waits for them."""
        while not self._stopping.wait(_FACTS_SECONDS):
            try:
                self._facts = self._gather()
            except Exception:  # whoever watches keeps what was heard last; the next look may go well
                log.exception("the parts cannot be asked what they do")

    def _gather(self) -> Facts:
        facts = replace(self._facts, parts={})
        assert self._pool is not None
        facts.parts = {f"actor {number}": status for number, status in enumerate(self._pool.statuses())}
        self._hear_services(facts)
        for name, last_words in self._supervisor.down().items():
            said = f"; it said: {last_words}" if last_words else ""
            facts.parts[name] = Status(f"down, restarting{said}", held_up=True)
        return facts

    def _count_used(self) -> None:
        """Once nobody answers any more: this is what the run has used."""
        if self.gateway is not None:
            with suppress(StoreError):
                self._facts.labels_used = self.gateway.counts().used

    def _hear_services(self, facts: Facts) -> None:
        gateway, reward = self.gateway, self._reward
        if gateway is None or reward is None:
            return
        trouble: dict[str, Status] = {}
        try:
            report = reward.report()
            facts.reward_version = report["version"]
            facts.held_out_accuracy = report["held_out_accuracy"]
            self._fitted = report["answers"]
        except RewardServiceUnavailable as error:
            trouble["reward service"] = Status(str(error), held_up=True)
        try:
            counts = gateway.counts()
            facts.labels_used = counts.used
            budget = gateway.control().budget
            facts.labels_budget = self._config.labels.questions if budget is None else budget
            facts.labels_imported = counts.imported
            facts.alarms = gateway.alarms()
            paused = gateway.paused_raters()
            facts.parts |= label_parts(self._config, counts, self._fitted, facts.reward_version, paused, facts.alarms)
            if self._vendors is not None:
                facts.parts |= self._vendors.statuses()
        except StoreError as error:
            trouble["label store"] = Status(str(error), held_up=True)
        facts.parts |= trouble


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
    project = str(Path(__file__).resolve().parent.parent)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local",  # also where RAY_ADDRESS names a cluster: its machines would not reach our loopback
        include_dashboard=False,
        object_store_memory=max(_OBJECT_STORE_BYTES, slabs * 5 // 4),  # weights lie there, too
        configure_logging=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": project, "OMP_NUM_THREADS": "1"}},
    )
    ray_worker._worker_logs_enabled = False  # raylets' remarks would go to standard output; ours are in the log
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own handler ends the process, nothing saved


def _answers(client: RewardClient) -> bool:
    try:
        client.wait_ready(0.2)
    except RewardServiceUnavailable:
        return False
    return True
