"""Keeps what happened: one line a second in progress.jsonl, and TensorBoard events."""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from statistics import fmean

from torch.utils.tensorboard import SummaryWriter

from backflip.config import TrainConfig
from backflip.run_folder import RunFolder
from backflip.system import Facts
from contracts.files import write_whole
from contracts.rollout import Episode
from learner.loop import Progress

_RECORD_SECONDS = 1.0
_EPISODES = 100  # the newest, that means are taken over


@dataclass(frozen=True)
class Snapshot:
    """One moment of a run, in the units people think in."""

    env_steps: int
    total_steps: int
    wall_seconds: float
    simulated_seconds: float
    steps_per_second: float
    waiting_share: float  # of the wall time, that the learner waited for slabs
    labels_used: int
    labels_budget: int
    reward_model_version: int
    reward_model_accuracy: float | None
    policy_version: int
    policy_lag: float
    true_return: float | None
    predicted_return: float | None
    odometer: float | None
    dropped_slabs: int
    skipped_slabs: int
    policy_loss: float
    value_loss: float
    entropy: float
    divergence: float
    alarms_raised: int = 0  # in all, for a reward model that may be fooled; older runs noted none
    alarms_standing: int = 0
    reward_model_accuracy_of: int = 0  # held-out answers; older runs didn't note it
    log_entries_not_fitted: int = 0  # that came after the newest reward model's fit; older runs didn't note it

    @property
    def times_real_time(self) -> float:
        return self.simulated_seconds / self.wall_seconds if self.wall_seconds else 0.0


_FIGURES = {field.name for field in fields(Snapshot)}


class Recorder:
    """Use as a context, opened when the training itself begins: it holds the clock."""

    def __init__(self, folder: RunFolder, config: TrainConfig, control_timestep: float, progress: Progress) -> None:
        self._folder = folder
        self._config = config
        self._control_timestep = control_timestep
        self._wall_before = progress.wall_seconds
        self._steps_before = progress.env_steps
        self._waited_before = progress.waited_seconds
        self._episodes: deque[Episode] = deque(maxlen=_EPISODES)
        self._next = 0.0
        self.last = self._snapshot(progress, 0, Facts())

    def __enter__(self) -> Recorder:
        resumed = self._folder.progress.exists()
        if resumed:
            _forget_after(self._folder, self._steps_before)
            before = last_snapshot(self._folder)
            if before is not None:  # until something new is heard, what was known still holds
                self.last = replace(before, total_steps=self._config.steps)
        self._file = self._folder.progress.open("a")
        purge_step = self._steps_before + 1 if resumed else None
        self._events = SummaryWriter(str(self._folder.tensorboard), purge_step=purge_step)
        self._started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
        self._file.close()
        self._events.close()

    def record(self, progress: Progress, policy_version: int, facts: Facts) -> Snapshot:
        """Take in an update; `Progress.wall_seconds` is brought up to date."""
        progress.wall_seconds = self._wall_before + time.monotonic() - self._started
        self._episodes.extend(progress.episodes)
        self.last = self._snapshot(progress, policy_version, facts)
        if time.monotonic() >= self._next:
            self._write()
            self._next = time.monotonic() + _RECORD_SECONDS
        return self.last

    def _snapshot(self, progress: Progress, policy_version: int, facts: Facts) -> Snapshot:
        episodes = self._episodes
        wall = progress.wall_seconds
        session = wall - self._wall_before
        return Snapshot(
            env_steps=progress.env_steps,
            total_steps=self._config.steps,
            wall_seconds=wall,
            simulated_seconds=progress.env_steps * self._control_timestep,
            steps_per_second=(progress.env_steps - self._steps_before) / session if session else 0.0,
            waiting_share=(progress.waited_seconds - self._waited_before) / session if session else 0.0,
            labels_used=facts.labels_used,
            labels_budget=facts.labels_budget,
            reward_model_version=facts.reward_version,
            reward_model_accuracy=facts.held_out_accuracy,
            policy_version=policy_version,
            policy_lag=progress.stats.lag,
            true_return=fmean(e.true_return for e in episodes) if episodes else None,
            predicted_return=fmean(e.predicted_return for e in episodes) if episodes else None,
            odometer=fmean(e.odometer for e in episodes) if episodes else None,
            dropped_slabs=progress.dropped_slabs,
            skipped_slabs=progress.skipped_slabs,
            policy_loss=progress.stats.policy_loss,
            value_loss=progress.stats.value_loss,
            entropy=progress.stats.entropy,
            divergence=progress.stats.divergence,
            alarms_raised=len(facts.alarms),
            alarms_standing=sum(alarm.ended_at is None for alarm in facts.alarms),
            reward_model_accuracy_of=facts.held_out_answers,
            log_entries_not_fitted=facts.log_entries_not_fitted,
        )

    def _write(self) -> None:
        values = asdict(self.last)
        self._file.write(json.dumps({name: _rounded(value) for name, value in values.items()}) + "\n")
        self._file.flush()
        for name, value in values.items():
            if value is not None:
                self._events.add_scalar(name, value, self.last.env_steps)


def _forget_after(folder: RunFolder, env_steps: int) -> None:
    """A run that was killed goes on from its checkpoint: what it had noted since, it will do over again."""
    kept: list[str] = []
    for line in folder.progress.read_text().splitlines():
        with suppress(ValueError):
            if json.loads(line)["env_steps"] <= env_steps:
                kept.append(line + "\n")
    write_whole(folder.progress, "".join(kept))


def last_snapshot(folder: RunFolder) -> Snapshot | None:
    """The newest line of a run's progress.jsonl; None where it has none."""
    if not folder.progress.exists():
        return None
    for line in reversed(folder.progress.read_text().splitlines()):
        with suppress(ValueError):  # the last line of a run that was killed may be torn
            noted = json.loads(line)
            return Snapshot(**{name: noted[name] for name in noted if name in _FIGURES})  # an older run noted others
    return None


def _rounded(value: float | None) -> float | None:
    return round(value, 5) if isinstance(value, float) else value
