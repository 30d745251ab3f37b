"""Everything in one process, in a fixed order: the reference, and the debugger's friend.

Only the label store is a process of its own, since a label must outlive us.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import numpy as np

from actors.trouble import Trouble
from actors.worker import Worker, WorkerSpec
from backflip.config import TrainConfig
from backflip.labels import bring_labels
from backflip.run_folder import RunFolder
from backflip.system import Facts, label_parts, open_store, reward_config, worker_specs
from contracts.rollout import Rollout
from contracts.spaces import Spaces
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import GatewayConfig
from labeling_gateway.service import Gateway
from labeling_gateway.teacher import Crowd
from learner.loop import Progress
from learner.policy import PolicySnapshot
from reward_service.trainer import Trainer
from reward_service.versions import RewardModel


class SerialSystem:
    """A `backflip.system.System` without Ray, deterministic for a seed.

    It is its own rollout source: the actors' workers give a slab each in turn.
    """

    def __init__(self, config: TrainConfig, folder: RunFolder, spaces: Spaces, resumed_at: int = 0) -> None:
        self.source = self
        specs = worker_specs(config, resumed_at=resumed_at, threads=os.cpu_count() or 1)
        self._snapshot: PolicySnapshot | None = None
        self._config = config
        self._facts = Facts(labels_budget=config.labels.questions if config.needs_labels else 0)
        self._trouble = Trouble()
        self._workers: deque[Worker] = deque()
        self._learns_from_labels = config.needs_labels
        self._opened = ExitStack()  # what `stop` closes, the last first
        try:
            if self._learns_from_labels:
                self._open(config, folder, spaces, specs)
            else:
                self._employ(Worker(spec, None, None) for spec in specs)
        except BaseException:
            self.stop()
            raise

    def _open(self, config: TrainConfig, folder: RunFolder, spaces: Spaces, specs: list[WorkerSpec]) -> None:
        store = open_store(folder)
        self._opened.callback(store.stop)
        self._client = GatewayClient(store.url, folder.run)
        self._opened.callback(self._client.close)
        self._model = RewardModel(
            config.reward_model.members, spaces.observation, spaces.action.size, folder.reward_model
        )
        imported = bring_labels(config, folder, spaces, self._client)
        self._trainer = Trainer(reward_config(config), self._client, self._model, config.seed)
        gateway_config = GatewayConfig(run=folder.run, reward_address="", seed=config.seed, labels=config.labels)
        self._gateway = Gateway(
            gateway_config, self._client, self._member_reward, lambda: self._trainer.status.rater_errors
        )
        scripted = config.labels.source == "scripted"
        self._teachers = Crowd(self._client, config.labels, config.seed) if scripted else None
        self._employ(Worker(spec, self._reward, self._gateway.offer) for spec in specs)
        self._client.put_scene(self._workers[0].scene)
        self._facts = Facts(labels_imported=imported)
        if imported and not self._model.newest.number:
            self._trainer.poll()  # the reward that the first slab is scored by

    def _employ(self, workers: Iterable[Worker]) -> None:
        for worker in workers:
            self._opened.callback(worker.close)
            self._workers.append(worker)

    def publish(self, snapshot: PolicySnapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> list[Rollout]:
        assert self._snapshot is not None
        self._workers.rotate(-1)
        slab = self._workers[0].slab(self._snapshot)
        self._trouble.failed_steps += slab.failed_steps
        self._facts.troubles = list(filter(None, [self._trouble.words()]))
        return [slab]

    def after_update(self, progress: Progress, total_steps: int) -> None:
        """Ask, answer and fit whatever is due."""
        if not self._learns_from_labels:
            return
        self._report_progress(progress.env_steps, total_steps)
        asked = True
        while asked:
            asked = bool(self._gateway.step())
            # Also where nothing was asked: a run that was killed may have left open questions.
            while self._teachers is not None and self._teachers.answer_one():
                pass
            self._trainer.poll()
        counts, report, alarms = self._client.counts(), self._trainer.status, self._client.alarms()
        self._facts = Facts(
            labels_used=counts.used,
            labels_budget=self._config.labels.questions,
            labels_imported=counts.imported,
            log_entries_not_fitted=max(0, counts.labels - report.answers),
            reward_version=report.version,
            held_out_accuracy=report.held_out_accuracy,
            held_out_answers=report.held_out_answers,
            alarms=alarms,
            troubles=self._facts.troubles,
            parts=label_parts(
                self._config, counts, report.answers, report.version, self._client.paused_raters(), alarms
            ),
        )

    def facts(self) -> Facts:
        return self._facts

    def notices(self) -> list[str]:
        return []

    def report(self, fields: dict[str, Any]) -> None:
        """Nobody looks: a labeling page needs processes of its own."""

    def stop(self) -> None:
        self._opened.close()

    def _report_progress(self, env_steps: int, total_steps: int) -> None:
        """Until it has arrived: what the client may drop on a busy machine, the schedule would follow."""
        known = None
        while known is None or known.env_steps != env_steps:
            self._client.report_progress(env_steps, total_steps)
            known = self._client.progress()

    def _reward(self, observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int]:
        reward, _, version = self._model.score(observation, action)
        return reward, version

    def _member_reward(self, observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int]:
        _, members, version = self._model.score(observation, action)
        return members, version
