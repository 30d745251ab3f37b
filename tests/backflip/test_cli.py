"""The command line as a user meets it: what goes wrong is one line that says what, where and what to do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from backflip.cli import main
from backflip.run_folder import RunFolder
from tests.backflip.commands import SMALL, assert_one_line, backflip, command, labels_of, wait_for
from tests.processes import alive, descendants, end

RANGES = {
    "--labels.budget -1": "labels.budget must be 0 or more, not -1",
    "--labels.clip-steps 1000": "labels.clip-steps (1000) must not exceed actors.slab-steps (64)",
    "--labels.clip-steps 1": "labels.clip-steps must be 2 or more, not 1",
    "--labels.uniform-share 1.5": "labels.uniform-share must be from 0 to 1, not 1.5",
    "--labels.teacher-beta 0": "labels.teacher-beta must be above 0, not 0.0",
    "--labels.teacher-mistakes -0.1": "labels.teacher-mistakes must be from 0 to 1, not -0.1",
    "--labels.source vendor": "invalid choice 'vendor' for argument '--labels.source'",
    "--actors.worlds 0": "actors.worlds must be at least 1, not 0",
    "--actors.count 0": "actors.count must be at least 1, not 0",
    "--actors.groups 200": "actors.groups (200) must not exceed actors.worlds (128)",
    "--steps 0": "steps must be at least 1, not 0",
    "--steps many": "--steps: invalid literal",
    "--seed -1": "seed must be from 0 to 2147483647, not -1",
    "--seed 99999999999999999999": "seed must be from 0 to 2147483647, not 99999999999999999999",
    "--name a/b": "name must be one folder's name, not 'a/b'",
    "--learner.clip -1": "learner.clip must be positive and finite, not -1.0",
    "--learner.learning-rate nan": "learner.learning_rate must be positive and finite, not nan",
    "--learner.entropy-weight nan": "learner.entropy_weight must not be negative, and finite, not nan",
    "--learner.hidden 0": "learner.hidden must be widths of at least 1, not (0,)",
    "--learner.minibatches 9000": "learner.minibatches (9000) must not exceed the transitions of a slab (8192)",
    "--actors.noise-correlation 1": "actors.noise_correlation must be at least 0 and below 1, not 1.0",
    "--reward-model.members 0": "members",
    "--reward given": "invalid choice 'given' for argument '--reward'",
    "--bogus 3": "Unrecognized options: --bogus, 3",
    "--labels.budgte 3": "perhaps you meant --labels.budget",
}

MISTAKES = {
    "": None,
    "frobnicate": "there is no command 'frobnicate'; choose one of train, resume, evaluate",
    "train": "hopper-backflip",
    "train hoper-backflip": "there is no preset 'hoper-backflip'; did you mean hopper-backflip",
    "train --seed 3": "hopper-backflip",
    "resume": "folder of the run",
    "resume /nowhere": "/nowhere is not a run: it has no config.json",
    "resume /nowhere --steps x": "--steps",
    "evaluate /nowhere": "/nowhere is not a run: it has no config.json",
    "evaluate /nowhere --episodes 0": "--episodes must be at least 1, not 0",
    "evaluate /nowhere --seed -2": "--seed must be from 0 to 2147483647, not -2",
    "video /nowhere": "/nowhere is not a run: it has no config.json",
    "video /nowhere --grid 2": "--grid must be ROWSxCOLUMNS, of at most 9 episodes, not '2'",
    "video /nowhere --grid 4x3": "--grid must be ROWSxCOLUMNS, of at most 9 episodes, not '4x3'",
    "bench --rounds 0": "--rounds must be at least 1, not 0",
    "serve-reward": "--run",
    "serve-reward --run /nowhere": "/nowhere is not a run: it has no config.json",
    "list --engine mujuco": "there is no engine 'mujuco'; choose one of mujoco, warp, envpool, gymnasium",
}


def complaint(words: str, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit status and the one line that was said; in this process, since most mistakes are found at once."""
    status = main(words.split())
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert said.err.startswith("backflip: error: ")
    return status, said.err


@pytest.mark.parametrize("words, said", RANGES.items(), ids=RANGES)
def test_a_value_out_of_range(words: str, said: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "runs"
    status, line = complaint(f"train hopper-backflip {words} --out {out}", capfd)
    assert status == 2
    assert said in line
    assert line.endswith("(see `backflip train --help`)\n")
    assert not out.exists()


@pytest.mark.parametrize("words, said", [(words, said) for words, said in MISTAKES.items() if said])
def test_a_mistake(words: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    status, line = complaint(words, capfd)
    assert status in (1, 2)
    assert said in line


@pytest.mark.parametrize("words", ["", "--help", "-h"])
def test_help_names_every_command(words: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 0
    said = capfd.readouterr()
    for name in ("train", "resume", "evaluate", "video", "bench", "serve-reward", "serve-labels", "list"):
        assert f"backflip {name}" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    "name", ["train hopper-backflip", "resume", "evaluate", "video", "bench", "serve-reward", "serve-labels", "list"]
)
def test_help_of_a_command(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*name.split(), "--help"])
    assert not end.value.code
    assert "usage: backflip" in capfd.readouterr().out


def test_list_shows_presets_and_an_engines_tasks(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capfd.readouterr().out
    for name in ("hopper-backflip", "cartpole", "walker", "mujoco", "envpool"):
        assert name in shown
    assert main(["list", "--engine", "envpool"]) == 0
    assert "CartPole-v1" in capfd.readouterr().out.splitlines()


def test_an_unreachable_store(tmp_path: Path) -> None:
    done = backflip(
        "train", "cartpole", "--serial", "--out", tmp_path, "--name", "run", REDIS_URL="redis://me:hush@127.0.0.1:1/0"
    )
    assert_one_line(done, "cannot use the label store at redis://me:***@127.0.0.1:1/0", "REDIS_URL")
    assert "hush" not in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


def test_an_output_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = backflip("train", "cartpole", "--out", tmp_path / "file" / "runs", "--name", "run")
    assert_one_line(done, f"cannot write the run's folder {tmp_path}/file/runs/run: Not a directory")
    assert done.returncode == 1


def test_a_run_that_is_there_already(finished: Path) -> None:
    before = sorted(finished.rglob("*"))
    done = backflip("train", "cartpole", "--serial", "--out", finished.parent, "--name", finished.name)
    assert_one_line(
        done, f"{finished} exists already; choose another --name, or go on with `backflip resume {finished}`"
    )
    assert sorted(finished.rglob("*")) == before


def test_a_run_that_is_done(finished: Path) -> None:
    done = backflip("resume", finished)
    assert_one_line(done, "has done its 6,", "give more with --steps")
    assert (finished / "summary.json").exists()


def test_evaluate_prints_one_json_object(finished: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = backflip("evaluate", finished, "--json", "--episodes", "3", "--seed", "1")
    assert first.returncode == 0
    assert first.stderr == ""
    assert first.stdout.count("\n") == 1
    result = json.loads(first.stdout)
    assert result.keys() == {"run", "episodes", "failed_episodes", "seed", "true_return", "metrics"}
    assert (result["run"], result["episodes"], result["seed"]) == (str(finished), 3, 1)
    assert result["failed_episodes"] == 0
    assert result["metrics"]["steps_per_episode"] > 5
    main(["evaluate", str(finished), "--json", "--episodes", "3", "--seed", "1"])
    assert capfd.readouterr().out == first.stdout
    main(["evaluate", str(finished), "--json", "--episodes", "3", "--seed", "2"])
    assert json.loads(capfd.readouterr().out)["true_return"] != result["true_return"]


def test_a_video_that_cannot_be_written(finished: Path, tmp_path: Path) -> None:
    done = backflip("video", finished, "--output", tmp_path / "missing" / "a.mp4")
    assert_one_line(done, f"cannot write {tmp_path}/missing/a.mp4: No such file or directory")


def test_a_video_of_a_grid_and_of_two_runs(finished: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other, file = tmp_path / "other", tmp_path / "a.mp4"
    shutil.copytree(finished, other)
    shutil.rmtree(other / "reward_model")
    assert main(["video", str(finished), "--grid", "1x2", "--beside", str(other), "--output", str(file)]) == 0
    assert capfd.readouterr().out == f"{file}\n"
    with av.open(str(file)) as video:
        picture = next(video.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    across = 320 + 82
    assert picture.shape == (240, 4 * across, 3)
    scenes = [picture[:200, cell * across : cell * across + 320] for cell in range(4)]
    assert np.abs(scenes[0] - scenes[1]).max() > 60, "another world in each column"
    for mine, theirs in (scenes[0::2], scenes[1::2]):
        assert np.abs(mine - theirs).max() < 60, "both runs begin alike"


def test_a_checkpoint_that_is_none(finished: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text((finished / "config.json").read_text())
    (broken / "learner.safetensors").write_bytes((finished / "learner.safetensors").read_bytes()[:1000])
    for words in ("evaluate", "resume"):
        status, line = complaint(f"{words} {broken}", capfd)
        assert status == 1
        assert f"{broken}/learner.safetensors: not a Backflip record of 1000 bytes" in line
    assert not (broken / "summary.json").exists()


def test_a_file_that_cannot_be_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").mkdir()
    status, line = complaint(f"evaluate {tmp_path}", capfd)
    assert (status, line) == (1, f"backflip: error: {tmp_path}/config.json: Is a directory\n")


def test_a_busy_port_and_one_beyond_loopback(finished: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        done = backflip("serve-reward", "--run", finished, "--address", address)
        assert_one_line(done, f"cannot listen on {address}")
        assert done.stderr.count("\n") == 1
    for address, said in (("0.0.0.0:0", "reachable from other machines"), ("127.0.0.1:no", "HOST:PORT")):
        _, line = complaint(f"serve-reward --run {finished} --address {address}", capfd)
        assert said in line


def test_serve_reward_serves_until_told(started: list[subprocess.Popen[str]], finished: Path) -> None:
    from reward_service.client import RewardClient

    serving = subprocess.Popen(
        command("serve-reward", "--run", finished, "--address", "127.0.0.1:0"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    started.append(serving)
    assert serving.stdout is not None
    line = serving.stdout.readline()
    report = RewardClient(line.split()[-1]).report()
    assert report["version"] >= 1
    assert f"version {report['version']} of {RunFolder(finished).run}" in line
    serving.send_signal(signal.SIGINT)
    rest = serving.communicate(timeout=60)
    assert (serving.returncode, *rest) == (0, "", "")


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are killed at the end, should a test have failed."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        family = descendants(process.pid)
        process.kill()
        process.wait()
        end(family)


def test_a_stopped_run_goes_on_where_it_was(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    words = ("--steps", "3000000", "--labels.budget", "200", "--labels.ask-until", "0.01", "--name", "run")
    run = subprocess.Popen(
        command("train", "cartpole", "--serial", *SMALL, *words, "--out", tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    started.append(run)
    folder = RunFolder(tmp_path / "run")

    def lines() -> list[dict[str, float]]:
        if not folder.progress.exists():
            return []
        return [json.loads(line) for line in folder.progress.read_text().rpartition("\n")[0].splitlines()]

    wait_for(lambda: bool(lines()) and lines()[-1]["labels_used"] >= 55 and lines()[-1]["policy_version"] > 0, run)
    children = descendants(run.pid)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    output, error = run.communicate(timeout=120)
    assert run.returncode == 130
    assert output == ""
    assert error.splitlines()[-1] == (
        f"backflip: stopped; what was learnt is saved, go on with `backflip resume {folder.path}`"
    )
    assert "Traceback" not in error
    assert not folder.summary.exists() and not folder.report.exists()
    assert not any(map(alive, children))
    saved, before = lines()[-1], labels_of(folder)
    assert saved["env_steps"] > 0 and len(before) == saved["labels_used"] >= 55

    steps = int(saved["env_steps"]) + 15_000
    done = backflip("resume", folder.path, "--steps", str(steps))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    summary = json.loads(folder.summary.read_text())
    assert steps <= summary["env_steps"] < steps + 2000, "it went on from what was saved"
    assert folder.read_config().steps == steps
    resumed = lines()[len(lines()) - 1]
    assert resumed["policy_version"] > saved["policy_version"]
    after = labels_of(folder)
    assert after[: len(before)] == before, "nothing lost"
    assert len(after) == len({label.query for label in after}) <= 200, "nothing asked twice"
    assert summary["labels_used"] == len(after)
    assert summary["wall_seconds"] > saved["wall_seconds"]


@pytest.mark.slow  # a training
def test_a_run_stopped_while_it_is_measured_is_finished_by_resume(finished: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    subprocess.run(["cp", "-r", str(finished), str(folder.path)], check=True)
    summary = json.loads(folder.summary.read_text())
    for file in (folder.summary, folder.report, folder.video):
        file.unlink()
    began = time.monotonic()
    done = backflip("resume", folder.path)
    assert done.returncode == 0, done.stderr
    again = json.loads(folder.summary.read_text())
    for name in ("env_steps", "labels_used", "policy_version", "true_return", "metrics", "wall_seconds"):
        assert again[name] == pytest.approx(summary[name]), (name, time.monotonic() - began)
    assert folder.report.exists() and folder.video.exists()
