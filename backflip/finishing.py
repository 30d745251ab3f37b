"""How a run ends: its policy is measured and drawn, and summed up in files and closing lines."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from typing import Any

from actors.simulators.protocol import SimulationFault
from backflip.config import TrainConfig
from backflip.display import Display
from backflip.errors import UserError
from backflip.evaluation import Evaluation, evaluate
from backflip.recorder import Snapshot
from backflip.report import write_report
from backflip.run_folder import RunFolder
from backflip.showing import draw_run
from backflip.system import probe_task
from learner.loop import Progress
from learner.policy import Policy

EVALUATION_EPISODES = 20
_EVALUATION_SEED = 1_000_003  # apart from any training seed in use
_PACKAGES = ("backflip", "torch", "mujoco", "envpool", "ray", "grpcio", "redis", "numpy", "gymnasium")


def finish(
    config: TrainConfig,
    folder: RunFolder,
    policy: Policy,
    progress: Progress,
    last: Snapshot,
    troubles: list[str],
    display: Display,
    odometer_name: str,
) -> dict[str, Any]:
    """Measure, draw, report; `summary.json` comes when all it speaks of is there, or is known to be missing.

    Returns:
        What `summary.json` says.
    """
    evaluation = _measure(config, folder, policy, display)
    summary = _summary(config, progress, last, troubles, evaluation, odometer_name, folder.command)
    write_report(folder, summary)
    folder.write_json(folder.summary, summary)
    return summary


def closing_lines(folder: RunFolder, summary: dict[str, Any]) -> Iterator[str]:
    """What whoever started the run reads at its end."""
    for name, value in summary["metrics"].items():
        yield f"  {name.replace('_', ' ')}: {value:.2f}"
    yield from summary["troubles"]
    if not summary["policy_version"]:
        yield (
            f"the policy was never updated: all steps were over before a reward model was fitted, and "
            f"{summary['labels_used']} questions answered; more --steps leave time for that"
        )
    elif entries := summary["log_entries_not_fitted"]:
        yield not_learnt_from(entries, summary["reward_model_version"])
    yield f"look at {folder.report}" + (f" and {folder.video}" if folder.video.exists() else "")


def not_learnt_from(entries: int, version: int) -> str:
    """A line on what a run's label log holds that its newest reward model was not fitted to."""
    came, them = ("1 entry", "it") if entries == 1 else (f"{entries:,} entries", "them")
    return f"{came} of the label log came after reward version {version} was fitted: nothing was learnt from {them}"


def _measure(config: TrainConfig, folder: RunFolder, policy: Policy, display: Display) -> Evaluation | None:
    """Whole episodes, one of them drawn. None where the worlds fail: what was learnt is no less there."""
    display.say(f"measuring the policy over {EVALUATION_EPISODES} episodes")
    try:
        with closing(probe_task(config, worlds=EVALUATION_EPISODES, seed=_EVALUATION_SEED)) as simulator:
            evaluation = evaluate(policy, simulator)
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
