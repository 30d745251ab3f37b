"""A job from start to finish: what it leaves behind, complete or not."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

import backflip
from actors.config import ActorsConfig
from backflip.cli import main
from backflip.display import Display
from backflip.errors import UserError
from backflip.finishing import not_learnt_from
from backflip.presets import PRESETS
from backflip.recorder import Snapshot, last_snapshot
from backflip.run_folder import RunFolder, open_run_folder
from backflip.system import Facts
from backflip.training import Interrupted, train
from labeling_gateway.config import LabelsConfig
from learner.ppo import PPOConfig
from reward_service.versions import newest_version
from tests.actors.own_environments import Crowded
from tests.backflip.commands import labels_of

SUMMARY = {
    "preset", "seed", "reward_source", "env_steps", "wall_seconds", "steps_per_second", "simulated_seconds",
    "times_real_time", "labels_used", "reward_model_version", "reward_model_accuracy", "policy_version", "true_return",
    "metrics", "versions", "command",
}  # fmt: skip

SMALL = replace(
    PRESETS["cartpole"].config,
    serial=True,
    steps=4000,
    actors=ActorsConfig(count=1, worlds=8, slab_steps=32),
    labels=LabelsConfig(budget=20, clip_steps=10),
    learner=PPOConfig(hidden=(16,), epochs=1, minibatches=2),
)


def lines(folder: RunFolder) -> list[dict[str, float]]:
    """Those that are whole; the next may be half written."""
    return [json.loads(line) for line in folder.progress.read_text().rpartition("\n")[0].splitlines()]


def test_a_finished_run_has_everything(finished: Path) -> None:
    folder = open_run_folder(finished)
    summary = json.loads(folder.summary.read_text())
    assert summary.keys() >= SUMMARY
    assert (summary["preset"], summary["seed"], summary["reward_source"]) == ("cartpole", 0, "learned")
    assert 6000 <= summary["env_steps"] < 6000 + 16 * 32
    assert summary["labels_used"] == len(labels_of(folder)) == 25
    fitted = newest_version(folder.reward_model).report
    assert summary["reward_model_version"] == fitted.version >= 1
    assert summary["log_entries_not_fitted"] == 25 - fitted.answers > 0
    assert summary["steps_per_second"] == pytest.approx(summary["env_steps"] / summary["wall_seconds"], rel=0.01)
    assert summary["simulated_seconds"] == pytest.approx(summary["env_steps"] * 0.02)
    assert summary["times_real_time"] == pytest.approx(summary["simulated_seconds"] / summary["wall_seconds"], rel=0.02)
    assert summary["versions"]["backflip"] and summary["versions"]["mujoco"]
    assert summary["command"].startswith("backflip train cartpole --serial")
    for file in (folder.checkpoint, folder.video, folder.report, *folder.tensorboard.glob("events*")):
        assert file.stat().st_size > 0
    curve = lines(folder)
    assert [line["env_steps"] for line in curve] == sorted(line["env_steps"] for line in curve)
    assert curve[-1]["env_steps"] == summary["env_steps"]
    assert curve[-1]["policy_version"] == summary["policy_version"] > 0
    assert list(finished.rglob("*.partial")) == [] == list(finished.rglob("*.tmp"))


def test_the_same_from_python_in_three_lines(tmp_path: Path) -> None:
    run = backflip.train("cartpole", serial=True, seed=3, steps=1500, out=tmp_path, reward="true", actors=SMALL.actors)
    assert run.summary["seed"] == 3
    assert (run.summary["labels_used"], run.summary["reward_model_version"]) == (0, 0)
    assert json.loads((run.folder / "summary.json").read_text()) == run.summary
    evaluation = backflip.evaluate(run.folder, episodes=2)
    assert evaluation.episodes == 2
    longer = backflip.resume(run.folder, steps=3000)
    assert longer.summary["env_steps"] >= 3000
    with pytest.raises(UserError, match="there is no preset 'cartpool'"):
        backflip.train("cartpool")
    with pytest.raises(UserError, match="has done its"):
        backflip.resume(run.folder)
    with pytest.raises(UserError, match="steps must be at least 1, not 0"):
        backflip.resume(run.folder, steps=0)


def test_a_policy_that_was_never_updated_is_said_to_be_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nobody = replace(SMALL.labels, source="none")
    run = train(replace(SMALL, out=tmp_path, name="run", steps=1000, labels=nobody))
    assert run.summary["policy_version"] == 0
    assert "the policy was never updated" in capfd.readouterr().err
    assert "Never updated" in (run.folder / "report.html").read_text()


def test_what_was_answered_too_late_to_be_learnt_from_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = train(replace(SMALL, out=tmp_path, name="run", labels=replace(SMALL.labels, budget=25, ask_until=0.5)))
    late, version = run.summary["log_entries_not_fitted"], run.summary["reward_model_version"]
    assert late > 0 and f"\n{not_learnt_from(late, version)}\n" in capfd.readouterr().err
    some = "1,200 entries of the label log came after reward version 3 was fitted: nothing was learnt from them"
    assert not_learnt_from(1200, 3) == some
    one = "1 entry of the label log came after reward version 3 was fitted: nothing was learnt from it"
    assert not_learnt_from(1, 3) == one


def test_an_update_that_goes_wrong_ends_in_one_line_with_the_policy_before_it(tmp_path: Path) -> None:
    wild = replace(SMALL.learner, learning_rate=1e30, epochs=5)
    config = replace(SMALL, out=tmp_path, name="run", reward="true", learner=wild)
    with pytest.raises(UserError, match=r"^training stopped: loss is not finite .* `backflip resume .*run`$"):
        train(config)
    folder = RunFolder(tmp_path / "run")
    assert folder.checkpoint.exists() and not folder.summary.exists()
    assert backflip.evaluate(folder.path, episodes=2).true_return < 0


def test_worlds_that_cannot_even_begin_are_told_in_one_line(tmp_path: Path) -> None:
    task = f"{Crowded.__module__}:NoStart"
    config = replace(SMALL, engine="gymnasium", task=task, out=tmp_path, name="run", reward="true")
    with pytest.raises(UserError, match=f"^{task}: world 0: it cannot be reset: RuntimeError: no battery$"):
        train(config)


def test_worlds_that_fail_as_the_policy_is_measured_cost_no_summary(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Crowded, "made", 0)
    task = f"{Crowded.__module__}:Crowded"
    config = replace(SMALL, engine="gymnasium", task=task, out=tmp_path, name="run", reward="true", steps=300)
    run = train(config)
    fault = f"{task}: world 0: it cannot be reset: RuntimeError: no room is left"
    shown = capfd.readouterr().err
    assert f"not measured, and no video: {fault}; `backflip evaluate {run.folder}`" in shown
    assert json.loads((run.folder / "summary.json").read_text()) == run.summary
    assert run.summary.keys() >= SUMMARY and run.summary["env_steps"] >= 300
    assert (run.summary["true_return"], run.summary["metrics"], run.summary["evaluation_episodes"]) == (None, {}, 0)
    assert (run.folder / "report.html").exists()
    for command in ("evaluate", "video"):
        assert main([command, str(run.folder)]) == 1
        assert capfd.readouterr().err == f"backflip: error: {fault}\n"


def test_steps_that_failed_are_told_at_the_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = replace(SMALL, engine="gymnasium", task=f"{Crowded.__module__}:Raising", out=tmp_path, reward="true")
    run = train(replace(config, steps=600))
    [trouble] = run.summary["troubles"]
    assert re.fullmatch(r"\d+ steps failed and were left out", trouble)
    assert f"\n{trouble}\n" in capfd.readouterr().err


def test_steps_that_failed_are_told_of_a_run_that_was_stopped_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = False

    def interrupt(_: Display, now: Snapshot, facts: Facts) -> None:
        nonlocal sent
        if now.env_steps >= 600 and not sent:
            sent = True
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Display, "show", interrupt)
    config = replace(SMALL, engine="gymnasium", task=f"{Crowded.__module__}:Raising", out=tmp_path, reward="true")
    with pytest.raises(Interrupted):
        train(config)
    assert sent
    assert re.search(r"^\d+ steps failed and were left out$", capfd.readouterr().err, re.MULTILINE)


def test_a_task_that_is_not_there_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"engine envpool has no task 'CartPole-v9'; did you mean CartPole-v"):
        train(replace(SMALL, task="CartPole-v9", out=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_a_store_that_dies_in_a_serial_run_ends_it_in_one_line_and_resume_goes_on(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    config = replace(
        SMALL, out=tmp_path, name="run", steps=10_000_000, labels=replace(SMALL.labels, budget=100, ask_until=0.01)
    )

    def kill_store() -> None:
        while not folder.progress.exists() or not (curve := lines(folder)) or curve[-1]["labels_used"] < 30:
            time.sleep(0.05)
        os.kill(int((folder.store / "store.lock").read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill_store)
    killer.start()
    with pytest.raises(UserError, match=r"^training stopped: cannot use the label store .* `backflip resume"):
        train(config)
    killer.join()
    assert not folder.summary.exists()
    before = labels_of(folder)
    assert len(before) >= 30

    def interrupt() -> None:
        while lines(folder)[-1]["labels_used"] < len(before) + 10:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=interrupt)
    stopper.start()
    with pytest.raises(Interrupted, match="what was learnt is saved"):
        backflip.resume(folder.path)
    stopper.join()
    after = labels_of(folder)
    assert after[: len(before)] == before
    assert len({label.query for label in after}) == len(after) >= len(before) + 10


def test_a_torn_last_line_of_the_curves_is_passed_over(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert last_snapshot(folder) is None
    values = {field.name: 1 for field in fields(Snapshot)}
    whole = Snapshot(**values)  # pyright: ignore[reportArgumentType]
    folder.progress.write_text(json.dumps(asdict(whole)) + '\n{"env_steps": 3, "tot')
    assert last_snapshot(folder) == whole
