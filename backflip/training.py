"""One job from start to finish: open the parts, learn, measure, and leave a folder to look at."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from actors.simulators.protocol import SimulationFault, Simulator
from actors.simulators.registry import device_of
from actors.worker import ActorFailed
from backflip.checkpointing import Checkpointer
from backflip.config import TrainConfig
from backflip.display import Display
from backflip.errors import UserError
from backflip.finishing import closing_lines, finish
from backflip.labels import create_run
from backflip.pace import Pace
from backflip.recorder import Recorder, Snapshot, last_snapshot
from backflip.run_folder import RunFolder, open_run_folder
from backflip.run_report import SECONDS as REPORT_SECONDS
from backflip.run_report import RunReport
from backflip.system import System, probe_task, require_store
from contracts.memory import keep_freed_memory
from labeling_gateway.store import StoreError
from learner.checkpoint import load_checkpoint
from learner.loop import Progress, learn
from learner.ppo import PPO


@dataclass(frozen=True)
class Run:
    """A finished job: its folder, and what `summary.json` says."""

    folder: Path
    summary: dict[str, Any]


class Interrupted(Exception):
    """The user stopped the run; what was learnt is saved."""

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(f"stopped; what was learnt is saved, go on with `backflip resume {folder.path}`")


def train(config: TrainConfig, *, command: str | None = None) -> Run:
    """Run a new job.

    Raises:
        UserError: the user can mend what is wrong; nothing looks complete that isn't.
        Interrupted: stopped by Ctrl-C or SIGTERM.
    """
    simulator = probe_task(config)  # an unknown task must not leave a folder behind
    simulator.close()
    if config.needs_labels:
        require_store()
    folder = create_run(config, simulator.spaces)
    with folder.held():
        return _run(config, folder, command)


def resume(path: Path, *, steps: int | None = None, command: str | None = None) -> Run:
    """Go on with an interrupted run, or with ``steps`` beyond those of its config. Raises as `train`."""
    folder = open_run_folder(path)
    config = folder.read_config()
    if steps is not None:
        try:
            config = replace(config, steps=steps)
        except ValueError as error:
            raise UserError(str(error)) from None
    with folder.held():
        return _run(config, folder, command)


def _run(config: TrainConfig, folder: RunFolder, command: str | None) -> Run:
    torch.set_num_threads(1)  # beside simulators on the same cores, one beats more
    keep_freed_memory()
    started = time.monotonic()
    simulator = probe_task(config)
    simulator.close()  # what it says of the task stays
    ppo = PPO(config.learner.policy(simulator.spaces), config.learner, config.seed, device_of(config.engine))
    progress = _restore(folder, ppo)
    display = Display(config, str(folder.path), simulator.odometer_name)
    last = last_snapshot(folder)
    complete = folder.summary.exists()
    if progress.env_steps >= config.steps and (complete or not _people_may_answer(config, last)):
        if complete or last is None:
            raise UserError(f"{folder.path} has done its {progress.env_steps:,} steps; give more with --steps")
        # It was stopped between its last step and its summary.
        return _finish(config, folder, ppo, progress, last, [], display, simulator.odometer_name)
    folder.note_command(command or shlex.join(sys.argv))
    with _stop_on_signals() as stopped:
        display.say(f"starting {config.preset} in {folder.path}")
        try:
            system = _open_system(config, folder, simulator, progress.env_steps)
        except (StoreError, SimulationFault) as error:
            raise UserError(str(error)) from None
        try:
            folder.write_config(config)
            folder.summary.unlink(missing_ok=True)  # until it is complete again
            display.say(f"all parts are up after {time.monotonic() - started:.0f} s")
            if imported := system.facts().labels_imported:
                display.say(f"began with {imported:,} answers of {config.labels.from_}, beside the budget")
            for notice in system.notices():
                display.say(notice)
            with display, Recorder(folder, config, simulator.control_timestep, progress) as recorder:
                _learn(ppo, system, progress, config, folder, display, recorder, stopped)
        except (SimulationFault, ActorFailed, StoreError, FloatingPointError) as error:
            raise UserError(
                f"training stopped: {error}; what was learnt is saved, go on with `backflip resume {folder.path}`"
            ) from error
        except OSError as error:
            raise UserError(f"training stopped: {error}; go on with `backflip resume {folder.path}`") from error
        finally:
            system.stop()
    facts = system.facts()
    if stopped.is_set():
        for trouble in facts.troubles:
            display.say(trouble)
        raise Interrupted(folder)
    last = replace(
        recorder.last,
        labels_used=facts.labels_used,
        log_entries_not_fitted=facts.log_entries_not_fitted,
        reward_model_version=facts.reward_version,
        reward_model_accuracy=facts.held_out_accuracy,
        reward_model_accuracy_of=facts.held_out_answers,
    )
    return _finish(config, folder, ppo, progress, last, facts.troubles, display, simulator.odometer_name)


def _people_may_answer(config: TrainConfig, last: Snapshot | None) -> bool:
    """Whether a run whose steps are done goes on all the same, for the answers that it still has a use for."""
    return config.labels.has_page and (last is None or last.labels_used < last.labels_budget)


def _restore(folder: RunFolder, ppo: PPO) -> Progress:
    if not folder.checkpoint.exists():
        return Progress()
    try:
        return load_checkpoint(folder.checkpoint, ppo)
    except ValueError as error:
        raise UserError(f"{folder.checkpoint}: {error}") from None


def _learn(
    ppo: PPO,
    system: System,
    progress: Progress,
    config: TrainConfig,
    folder: RunFolder,
    display: Display,
    recorder: Recorder,
    stopped: threading.Event,
) -> None:
    report, next_report = RunReport(folder), 0.0
    pace = Pace(config, progress, system.facts)
    with Checkpointer(folder.checkpoint, ppo, progress) as checkpointer:

        def on_update(now: Progress) -> None:
            nonlocal next_report
            system.after_update(now, config.steps)
            facts = system.facts()
            parts = {**facts.parts, "checkpoint": checkpointer.after_update()}
            if (slowed := pace.status) is not None:
                parts["policy"] = slowed
            facts = replace(facts, parts=parts)
            snapshot = recorder.record(now, ppo.version, facts)
            display.show(snapshot, facts)
            if time.monotonic() >= next_report:
                system.report(report.fields(snapshot, facts))
                next_report = time.monotonic() + REPORT_SECONDS

        learn(
            ppo,
            system.source,
            progress,
            share=pace.share,
            eagerness=pace.eagerness,
            on_update=on_update,
            stopped=stopped.is_set,
        )


def _finish(
    config: TrainConfig,
    folder: RunFolder,
    ppo: PPO,
    progress: Progress,
    last: Snapshot,
    troubles: list[str],
    display: Display,
    odometer_name: str,
) -> Run:
    try:
        summary = finish(config, folder, ppo.policy, progress, last, troubles, display, odometer_name)
    except KeyboardInterrupt:
        raise Interrupted(folder) from None
    for line in closing_lines(folder, summary):
        display.say(line)
    return Run(folder.path, summary)


def _open_system(config: TrainConfig, folder: RunFolder, simulator: Simulator, resumed_at: int) -> System:
    # Ray and torch's own threads take seconds to import: only what is asked for.
    if config.serial:
        from backflip.serial import SerialSystem

        return SerialSystem(config, folder, simulator.spaces, resumed_at)
    from backflip.distributed import DistributedSystem

    return DistributedSystem(config, folder, simulator.spaces, simulator.scene, resumed_at)


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """The first Ctrl-C or SIGTERM asks for an orderly end; a second Ctrl-C is Python's own."""
    stopped = threading.Event()
    previous: dict[int, Any] = {}

    def stop(number: int, _frame: object) -> None:
        stopped.set()
        signal.signal(number, previous[number])

    if threading.current_thread() is threading.main_thread():
        previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
