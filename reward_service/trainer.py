"""Follows the label log and fits the next version of the reward model when enough is new."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from contracts.rater import RaterError
from contracts.spaces import ObservationSpace
from labeling_gateway.client import StoreError
from reward_service.config import RewardConfig
from reward_service.dataset import Comparisons, LabelReader
from reward_service.ensemble import Ensemble
from reward_service.fitting import FitReport, fit, next_weight_decay
from reward_service.judging import judge
from reward_service.versions import RewardModel

FIT_LOG = "fits.jsonl"
"""One line a fit, in the model's directory: a `FitReport`, from which `replay` makes the model anew."""

logger = logging.getLogger("backflip.reward_service")


class Trainer:
    """Reads labels, fits, publishes. Deterministic given the log, the seed and when it is polled.

    ``patience`` is for a service: after that many seconds new answers are fitted even if they
    are few. None, for serial runs, keeps the clock out of it.
    """

    def __init__(
        self, config: RewardConfig, log: LabelReader, model: RewardModel, seed: int, patience: float | None = None
    ) -> None:
        self._config = config
        self._log = log
        self._model = model
        self._seed = seed
        self._patience = patience
        self._data = Comparisons(config.members, model.observation, model.action_size, seed)
        self._waiting_since: float | None = None
        self._failed_at = -1  # answers that a fit went wrong with: only others are worth another try

    @property
    def status(self) -> FitReport:
        """The report of the newest version."""
        return self._model.newest.report

    def poll(self) -> bool:
        """Takes in new labels; fits and publishes a version if one is due, and says whether it did.

        Raises:
            StoreError: the log is not the one that the newest version was fitted to.
        """
        self._data.follow(self._log)
        fresh = self._data.answers - self.status.answers
        if fresh < 0:
            raise StoreError(
                f"the label store is not this run's: reward version {self.status.version} was fitted to "
                f"{self.status.answers} answers, and it holds {self._data.answers}"
            )
        if fresh == 0:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()
        if not self._due(fresh):
            return False
        newest = self._model.newest
        first = newest.ensemble is None
        try:
            ensemble, report = fit(
                newest.ensemble,
                self._data,
                self._config,
                seed=self._seed,
                version=newest.number + 1,
                weight_decay=self._config.weight_decay if first else next_weight_decay(newest.report, self._config),
                rater_errors=self._judge(newest.ensemble),
            )
        except FloatingPointError as error:
            logger.error("%s; version %d stays, until there are more answers", error, newest.number)
            self._failed_at = self._data.answers
            return False
        # Logged first: whoever dies in between fits this version anew, and then the later line counts.
        logged = self._model.directory / FIT_LOG
        torn = logged.exists() and not logged.read_bytes().endswith(b"\n")  # where the disk was full
        with logged.open("a") as file:
            file.write("\n" * torn + json.dumps(asdict(report), sort_keys=True) + "\n")
        self._model.publish(ensemble, report)
        self._waiting_since = None
        accuracy = "unknown" if report.held_out_accuracy is None else f"{report.held_out_accuracy:.3f}"
        logger.info(
            "reward version %d from %d answers in %.2f s, held-out accuracy %s on %d queries",
            report.version, report.labels, report.seconds, accuracy, report.held_out_queries,
        )  # fmt: skip
        return True

    def _judge(self, ensemble: Ensemble | None) -> dict[str, RaterError]:
        if not self._config.rater_quality:
            return {}
        return judge(ensemble, self._data, self._log.golds(), self._config.step_stride)

    def _due(self, fresh: int) -> bool:
        newest = self._model.newest
        if self._data.answers == self._failed_at or not len(self._data.rows(held_out=False)):
            return False  # answers may be taken back, all of them too
        if newest.ensemble is None:
            return self._data.labels >= self._config.first_fit
        if fresh >= max(self._config.fit_minimum, self._config.fit_growth * newest.report.answers):
            return True
        if self._waiting_since is None or self._patience is None:
            return False
        return time.monotonic() - self._waiting_since >= self._patience


def logged_fits(directory: Path) -> list[FitReport]:
    """The fits that a `Trainer` logged in its model's directory, by version. Raises OSError."""
    reports: list[FitReport] = []
    for line in (directory / FIT_LOG).read_text().splitlines():
        with suppress(ValueError):  # torn where the disk was full; its fit was made and logged anew
            reports.append(FitReport(**json.loads(line)))
    return sorted({report.version: report for report in reports}.values(), key=lambda report: report.version)


def replay(
    config: RewardConfig, log: LabelReader, observation: ObservationSpace, action_size: int, fits: Iterable[FitReport]
) -> Ensemble | None:
    """The model made anew from the log and the fits that were logged, in order; None if there were none."""
    ensemble: Ensemble | None = None
    data: Comparisons | None = None
    for event in fits:
        if data is None:
            data = Comparisons(config.members, observation, action_size, event.seed)
        data.follow(log, until=event.offset)
        ensemble, _ = fit(
            ensemble,
            data,
            config,
            seed=event.seed,
            version=event.version,
            weight_decay=event.weight_decay,
            rater_errors=event.rater_errors,
        )
    return ensemble
