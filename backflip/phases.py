"""A training run measured in phases, with answers arriving and without."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from backflip.config import TrainConfig
from backflip.distributed import DistributedSystem
from backflip.errors import UserError
from backflip.run_folder import create_run_folder
from backflip.system import probe_task
from contracts.memory import keep_freed_memory
from learner.loop import Progress, learn
from learner.ppo import PPO

LEARNER = "learner"
"""This process, among the parts that a phase counts."""

_WARM_UP_SECONDS = 120.0
_PHASE_SECONDS = 6.0
_PHASES = (True, False, False, True)  # with answers or without: what drifts within a round takes from both alike
SETTLE_SECONDS = 2.0  # slabs in flight, and a fit that has begun, end within this


@dataclass(frozen=True)
class Phase:
    """Some seconds of training."""

    steps: int
    seconds: float
    cpu_seconds: dict[str, float]  # that each part took of the cores, by its name; `LEARNER` too


class Training:
    """The training that is measured, a phase at a time."""

    def __init__(self, run: str, system: DistributedSystem, ppo: PPO, total_steps: int) -> None:
        self.run = run
        self.system = system
        self.ppo = ppo
        self._total_steps = total_steps
        self._progress = Progress()
        self._answered = Progress()  # the steps of phases with answers: all that the schedule of questions sees

    def warm_up(self, answers: int) -> None:
        """Until there are so many answers, and a reward model. Raises UserError where they don't come."""
        give_up = time.monotonic() + _WARM_UP_SECONDS
        while self.system.facts().labels_used < answers or self.system.facts().reward_version == 0:
            if time.monotonic() > give_up:
                raise UserError(f"no {answers} answers and no reward model from them within {_WARM_UP_SECONDS:.0f} s")
            self._learn(1.0, report=True)

    def round(self) -> dict[bool, list[Phase]]:
        """Phases with answers and without. Without, the schedule sees no progress, so nothing is asked."""
        phases: dict[bool, list[Phase]] = {True: [], False: []}
        for answers in _PHASES:
            phases[answers].append(self.phase(_PHASE_SECONDS, answers=answers))
        return phases

    def phase(self, seconds: float, *, answers: bool) -> Phase:
        """About so many ``seconds`` of training; what went before has ended."""
        self._learn(SETTLE_SECONDS, report=answers)
        processes = self.system.process_ids()
        before = _cpu_seconds_of(processes)
        steps, taken = self._learn(seconds, report=answers)
        now = _cpu_seconds_of(processes)
        if self.system.process_ids() != processes:
            raise UserError("a part of the run ended while it was measured, and was started again: measure once more")
        facts = self.system.facts()
        if answers and facts.labels_used >= facts.labels_budget:
            raise UserError("all answers were used up before the last round: measure fewer --rounds")
        return Phase(steps, taken, {part: now[part] - before[part] for part in before})

    def _learn(self, seconds: float, *, report: bool) -> tuple[int, float]:
        progress, start = self._progress, time.monotonic()
        steps = progress.env_steps
        seen = steps
        last = start

        def on_update(now: Progress) -> None:
            nonlocal seen, last
            if report:
                self._answered.env_steps += now.env_steps - seen
                self.system.after_update(self._answered, self._total_steps)
            seen, last = now.env_steps, time.monotonic()

        learn(
            self.ppo,
            self.system.source,
            progress,
            share=lambda: 0.0,
            on_update=on_update,
            stopped=lambda: time.monotonic() - start > seconds,
        )
        return progress.env_steps - steps, last - start


@contextmanager
def training_of(config: TrainConfig) -> Generator[Training]:
    """Every part of a training run, started in a folder that is gone afterwards; the learner is this process."""
    torch.set_num_threads(1)  # as in a training that is not measured
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as out:
        folder = create_run_folder(replace(config, out=Path(out), name="measured"))
        task = probe_task(config)
        task.close()  # what it says of the task stays
        ppo = PPO(config.learner.policy(task.spaces), config.learner, config.seed)
        system = DistributedSystem(config, folder, task.spaces, task.scene)
        try:
            yield Training(folder.run, system, ppo, config.steps)
        finally:
            system.stop()


def _cpu_seconds_of(processes: dict[str, int]) -> dict[str, float]:
    """By part; this process without its children, for those are the other parts."""
    return {LEARNER: time.process_time()} | {part: _cpu_seconds(pid) for part, pid in processes.items()}


def _cpu_seconds(pid: int) -> float:
    """Of a process and of its children, those included that have ended; what is gone took none."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    children: list[int] = []
    for thread in threads:
        with suppress(FileNotFoundError, ProcessLookupError):  # threads come and go
            children += map(int, (thread / "children").read_text().split())
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") + sum(map(_cpu_seconds, children))


def answers_take(with_answers: Iterable[Phase], without: Iterable[Phase]) -> float:
    """The share of all parts' time on the cores that goes into answers: asking, giving, keeping and fitting them.

    It is what the services (all but learner and actors) take beyond scoring, which takes the same share of the rest
    with answers and without. Timed rates differ by more than that on cores that are shared; shares of time don't.
    """
    scoring = _share_of_services(without)
    return (_share_of_services(with_answers) - scoring) / (1 - scoring)


def _share_of_services(phases: Iterable[Phase]) -> float:
    services = whole = 0.0
    for phase in phases:
        for part, seconds in phase.cpu_seconds.items():
            whole += seconds
            services += 0.0 if part == LEARNER or part.startswith("actor") else seconds
    return services / whole
