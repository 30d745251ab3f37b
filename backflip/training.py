"""One job from start to finish: open the parts, learn, measure, and leave a folder to look at."""

from __future__ import annotations

import logging
import platform
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
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
from backflip.evaluation import Evaluation, evaluate
from backflip.labels import create_run
from backflip.pace import Pace
from backflip.recorder import Recorder, Snapshot, last_snapshot
from backflip.report import write_report
from backflip.run_folder import RunFolder, open_run_folder
from backflip.run_report import SECONDS as REPORT_SECONDS
from backflip.run_report import RunReport
from backflip.showing import draw_run
from backflip.system import System, probe_task, require_store
from contracts.memory import keep_freed_memory
from labeling_gateway.store import StoreError
from learner.checkpoint import load_checkpoint
from learner.loop import Progress, learn
from learner.policy import PolicySpec
from learner.ppo import PPO

log = logging.getLogger("backflip.training")

EVALUATION_EPISODES = 20
_EVALUATION_SEED = 1_000_003  # apart from any training seed in use
_PACKAGES = ("backflip", "torch", "mujoco", "envpool", "ray", "grpcio", "redis", "numpy", "gymnasium")


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
    spec = PolicySpec(simulator.spaces, config.learner.hidden, config.learner.encoder)
    ppo = PPO(spec, config.learner, config.seed, device_of(config.engine))
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
    with Checkpointer(folder.checkpoint, ppo, progress) as checkpointer:

        def on_update(now: Progress) -> None:
            nonlocal next_report
            system.after_update(now, config.steps)
            facts = system.facts()
            facts.parts["checkpoint"] = checkpointer.after_update()
            snapshot = recorder.record(now, ppo.version, facts)
            display.show(snapshot, facts)
            if time.monotonic() >= next_report:
                system.report(report.fields(snapshot, facts))
                next_report = time.monotonic() + REPORT_SECONDS

        pace = Pace(config, progress, system.facts)
        learn(ppo, system.source, progress, share=pace, on_update=on_update, stopped=stopped.is_set)


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
    """Measure, draw, report; `summary.json` comes when all it speaks of is there, or is known to be missing."""
    try:
        evaluation = _measure(config, folder, ppo, display)
        summary = _summary(config, progress, last, troubles, evaluation, odometer_name, folder.command)
        write_report(folder, summary)
        folder.write_json(folder.summary, summary)
    except KeyboardInterrupt:
        raise Interrupted(folder) from None
    for name, value in summary["metrics"].items():
        display.say(f"  {name.replace('_', ' ')}: {value:.2f}")
    for trouble in troubles:
        display.say(trouble)
    if not ppo.version:
        display.say(
            f"the policy was never updated: all steps were over before a reward model was fitted, and "
            f"{last.labels_used} questions answered; more --steps leave time for that"
        )
    elif last.log_entries_not_fitted:
        display.say(not_learnt_from(last.log_entries_not_fitted, last.reward_model_version))
    display.say(f"look at {folder.report}" + (f" and {folder.video}" if folder.video.exists() else ""))
    return Run(folder.path, summary)


def not_learnt_from(entries: int, version: int) -> str:
    """A line on what a run's label log holds that its newest reward model was not fitted to."""
    came, them = ("1 entry", "it") if entries == 1 else (f"{entries:,} entries", "them")
    return f"{came} of the label log came after reward version {version} was fitted: nothing was learnt from {them}"


def _measure(config: TrainConfig, folder: RunFolder, ppo: PPO, display: Display) -> Evaluation | None:
    """Whole episodes, one of them drawn. None where the worlds fail: what was learnt is no less there."""
    display.say(f"measuring the policy over {EVALUATION_EPISODES} episodes")
    try:
        with closing(probe_task(config, worlds=EVALUATION_EPISODES, seed=_EVALUATION_SEED)) as simulator:
            evaluation = evaluate(ppo.policy, simulator)
            if evaluation.failed_episodes:
                display.say(f"{evaluation.failed_episodes} episodes ended by a fault and are left out")
            draw_run(folder, config, simulator, evaluation, display)
            return evaluation
    except (SimulationFault, UserError) as error:
        folder.video.unlink(missing_ok=True)  # of an earlier policy
        display.say(
            f"not measured, and no video: {error}; `backflip evaluate {folder.path}` and `backflip video "
            f"{folder.path}` try again"
        )
        return None


def _summary(
    config: TrainConfig,
    progress: Progress,
    last: Snapshot,
    troubles: list[str],
    evaluation: Evaluation | None,
    odometer_name: str,
    command: str | None,
) -> dict[str, Any]:
    return {
        "preset": config.preset,
        "engine": config.engine,
        "task": config.task,
        "seed": config.seed,
        "reward_source": config.reward,
        "env_steps": progress.env_steps,
        "wall_seconds": round(progress.wall_seconds, 2),
        "steps_per_second": round(progress.env_steps / progress.wall_seconds, 1),
        "simulated_seconds": round(last.simulated_seconds, 2),
        "times_real_time": round(last.times_real_time, 1),
        "labels_used": last.labels_used,
        "log_entries_not_fitted": last.log_entries_not_fitted,
        "labels_budget": last.labels_budget,
        "reward_model_version": last.reward_model_version,
        "reward_model_accuracy": last.reward_model_accuracy,
        "reward_model_accuracy_of": last.reward_model_accuracy_of,
        "policy_version": last.policy_version,
        "alarms_raised": last.alarms_raised,
        "alarms_standing": last.alarms_standing,
        "dropped_slabs": progress.dropped_slabs,
        "skipped_slabs": progress.skipped_slabs,
        "troubles": troubles,
        "true_return": evaluation and evaluation.true_return,
        "metrics": evaluation.metrics if evaluation else {},
        "evaluation_episodes": evaluation.episodes if evaluation else 0,
        "odometer_name": odometer_name,
        "versions": package_versions(),
        "command": command,
    }


def package_versions() -> dict[str, str]:
    """What produced a number, for whoever wants to produce it again."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


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
