"""The parts that turn questions into a reward, each in a process of its own: store, reward service, gateway, raters."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from actors.trouble import Trouble
from backflip.config import TrainConfig
from backflip.labeling_page import broker_config, let_in, page_answers, page_config
from backflip.labels import bring_labels
from backflip.run_folder import RunFolder
from backflip.supervisor import Part, Supervisor
from backflip.system import Facts, Store, label_parts, open_store, reward_config
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
from reward_service.client import RewardClient, RewardServiceUnavailable
from reward_service.config import RewardServiceConfig
from reward_service.fitting import FitReport
from reward_service.versions import newest_version

log = logging.getLogger("backflip.launcher")

_FACTS_SECONDS = 0.5
_STORE = "label store"


class Services:
    """All that a job needs beside what simulates and learns, supervised; whoever learns stands on the other side.

    A job that learns from no answers has none of it. The parts are started one after the other and come up
    side by side; `wait_up` says when they are there.

    Raises:
        UserError: a part could not be started; those that were are stopped again.
    """

    def __init__(self, config: TrainConfig, folder: RunFolder, spaces: Spaces, scene: Scene) -> None:
        self.reward_address: str | None = None
        self.store_url: str | None = None
        self.reward: RewardClient | None = None
        self.gateway: GatewayClient | None = None  # to the run's questions and labels, where it has any
        self.page: WebConfig | None = None
        self.facts = Facts()  # the newest that was heard
        self._config, self._folder = config, folder
        self._supervisor = Supervisor()
        self._store: Store | None = None
        self._vendors: Overview | None = None
        self._fitted = 0  # entries of the label log, as the reward service last said
        self._stopping = threading.Event()
        self._listening: threading.Thread | None = None
        self._others_troubles: Mapping[str, Trouble] = {}
        try:
            if config.needs_labels:
                self._start_all(config, folder, spaces, scene)
        except BaseException:
            self.stop()
            raise

    def wait_up(self) -> list[str]:
        """Until every part answers; the lines that whoever started the run should read. Raises UserError."""
        self._supervisor.wait_up()
        notices: list[str] = []
        if self.page is not None and self.gateway is not None:
            notices = let_in(self.page, self.gateway, self._config.labels)
        self._hear(self.facts)  # a resume begins with what it had
        return notices

    def listen(self, others: Callable[[], dict[str, Status]] = dict, troubles: Mapping[str, Trouble] = {}) -> None:
        """Keeps `facts` up to date from now on, beside the training, which never waits for them.

        Args:
            others: what further parts do, which are not of these.
            troubles: what went wrong in each of them, by name; counted on there, and looked at until the end.
        """
        self._others_troubles = troubles
        self._listening = threading.Thread(target=self._listen, args=(others,), name="facts", daemon=True)
        self._listening.start()

    def stop_listening(self) -> None:
        self._stopping.set()
        if self._listening is not None:
            self._listening.join()

    def process_ids(self) -> dict[str, int]:
        """Process of every part, by name."""
        found = self._supervisor.process_ids()
        if self._store is not None and self._store.embedded is not None:
            found[_STORE] = self._store.embedded.pid
        return found

    def stop(self) -> None:
        """Ends every part; what is learnt and answered is on disk, and `facts` is what was true at the end."""
        with ExitStack() as last_first:  # whatever goes wrong on the way, the others are stopped too
            if self._store is not None:
                last_first.callback(self._store.stop)
            if self._vendors is not None:
                last_first.callback(self._vendors.close)
            if self.gateway is not None:
                last_first.callback(self.gateway.close)
            last_first.callback(self._settle)
            last_first.callback(lambda: self._note_troubles(self.facts, shown=False))
            last_first.callback(self._supervisor.stop)
            if self.reward is not None:
                last_first.callback(self.reward.close)
            last_first.callback(lambda: self._hear(self.facts))
            last_first.callback(self.stop_listening)

    def _start_all(self, config: TrainConfig, folder: RunFolder, spaces: Spaces, scene: Scene) -> None:
        self._store = open_store(folder)
        if self._store.embedded is not None:
            self._supervisor.adopt(_STORE, self._store.embedded.alive, self._store.embedded.restart)
        self.store_url = self._store.url
        self.gateway = GatewayClient(self._store.url, folder.run)
        self.gateway.put_scene(scene)
        self.facts.labels_imported = bring_labels(config, folder, spaces, self.gateway)
        address = self.reward_address = f"127.0.0.1:{free_port()}"
        client = self.reward = RewardClient(address)
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
        self._start("reward service", "reward_service", reward, secret, lambda: _answers(client))
        self._start("labeling gateway", "labeling_gateway", gateway, secret)
        if config.labels.source == "scripted":
            self._start("teacher", "labeling_gateway.teacher", teacher, secret)
        if config.labels.has_page:
            page = self.page = page_config(config, folder, scene.question, address, training=True)
            self._start("labeling page", "labeling_gateway.web", page, secret, lambda: page_answers(page))
            if page.vendors:
                self._vendors = Overview(read_vendors(page.vendors), self._store.url, folder.run)
                broker = broker_config(config, page)
                self._start("vendors' broker", "labeling_gateway.vendors", broker, secret)

    def _start(self, name: str, module: str, config: Any, secret: dict[str, str], is_up: Any = None) -> None:
        log_file = self._log_file(name)
        file = log_file.with_suffix(".json")
        write_whole(file, json.dumps(asdict(config), indent=2) + "\n")
        self._supervisor.start(Part(name, module, file, log_file, secret, is_up))

    def _log_file(self, part: str) -> Path:
        if part == _STORE and self._store is not None and self._store.embedded is not None:
            return self._store.embedded.log_file
        return self._folder.log_of(part)

    def _listen(self, others: Callable[[], dict[str, Status]]) -> None:
        while not self._stopping.wait(_FACTS_SECONDS):
            try:
                facts = replace(self.facts, parts=others())
                self._hear(facts)
                self._note_troubles(facts, shown=True)
                for name, last_words in self._supervisor.down().items():
                    said = f"; it said: {last_words}" if last_words else ""
                    facts.parts[name] = Status(f"down, restarting{said}", held_up=True)
                self.facts = facts
            except Exception:  # whoever watches keeps what was heard last; the next look may go well
                log.exception("the parts cannot be asked what they do")

    def _note_troubles(self, facts: Facts, *, shown: bool) -> None:
        own = {name: Trouble(deaths=deaths) for name, deaths in self._supervisor.deaths.items()}
        facts.troubles = [
            self._seen_in(name, words)
            for name, trouble in {**own, **self._others_troubles}.items()
            if (words := trouble.words(shown=shown))
        ]

    def _seen_in(self, part: str, words: str) -> str:
        log_file = self._log_file(part)
        return f"{part}: {words}" + (f", see {log_file.parent.name}/{log_file.name}" if log_file.exists() else "")

    def _settle(self) -> None:
        """Once nobody answers or fits any more: this is what the run has used, and what its reward model has seen."""
        if self.gateway is None:
            return
        with suppress(StoreError, OSError):
            self._take_report(self.facts, newest_version(self._folder.reward_model).report)
            counts = self.gateway.counts()
            self.facts.labels_used = counts.used
            self.facts.log_entries_not_fitted = max(0, counts.labels - self._fitted)

    def _take_report(self, facts: Facts, report: FitReport) -> None:
        facts.reward_version = report.version
        facts.held_out_accuracy, facts.held_out_answers = report.held_out_accuracy, report.held_out_answers
        self._fitted = report.answers

    def _hear(self, facts: Facts) -> None:
        gateway, reward = self.gateway, self.reward
        if gateway is None or reward is None:
            return
        trouble: dict[str, Status] = {}
        try:
            self._take_report(facts, FitReport(**reward.report()))
        except RewardServiceUnavailable as error:
            trouble["reward service"] = Status(str(error), held_up=True)
        try:
            counts = gateway.counts()
            facts.labels_used = counts.used
            facts.labels_budget = gateway.control().budget_or(self._config.labels.questions)
            facts.labels_imported = counts.imported
            facts.log_entries_not_fitted = max(0, counts.labels - self._fitted)
            facts.alarms = gateway.alarms()
            paused = gateway.paused_raters()
            facts.parts |= label_parts(self._config, counts, self._fitted, facts.reward_version, paused, facts.alarms)
            if self._vendors is not None:
                facts.parts |= self._vendors.statuses()
        except StoreError as error:
            trouble[_STORE] = Status(str(error), held_up=True)
        facts.parts |= trouble


def _answers(client: RewardClient) -> bool:
    try:
        client.wait_ready(0.2)
    except RewardServiceUnavailable:
        return False
    return True
