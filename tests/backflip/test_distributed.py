"""The whole system in its own processes, under kill -9: it goes on by itself, and every label is there once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from backflip.distributed import DistributedSystem
from backflip.errors import UserError
from backflip.presets import PRESETS
from backflip.run_folder import RunFolder, create_run_folder
from backflip.system import probe_task
from contracts.label import Choice, Opinion
from labeling_gateway.client import GatewayClient
from labeling_gateway.store import StoreError
from tests.backflip.commands import SMALL, backflip, command, labels_of, wait_for
from tests.processes import alive, descendants, end, environment, listening, on_loopback
from tests.processes import command as command_of

BUDGET = 60
PARTS = {
    "teacher": "-m labeling_gateway.teacher",
    "actor": "ray::RolloutActor",
    "gateway": "-m labeling_gateway --config",
    "reward service": "-m reward_service",
    "label store": "valkey-server",
}
"""What is killed, in this order, and how its process is told from the others."""


class Launched:
    """A run of the command line, and every process that belonged to it at any time."""

    def __init__(self, *words: str | Path) -> None:
        self.process = subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.family: dict[int, int] = {}

    def look(self) -> dict[int, str]:
        """The processes of the run that live just now, and their command lines."""
        now = descendants(self.process.pid)
        self.family |= now
        return {pid: command_of(pid) for pid in now}

    def pids(self, part: str) -> list[int]:
        return sorted(pid for pid, line in self.look().items() if PARTS[part] in line)

    def kill(self) -> None:
        """Whatever is left of it, where a test failed."""
        self.look()
        self.process.kill()
        self.process.communicate()
        end(self.family)

    def end(self, seconds: float = 120.0) -> tuple[int, str, str]:
        output, error = self.process.communicate(timeout=seconds)
        return self.process.returncode, output, error

    def left(self) -> list[str]:
        return [command_of(pid) for pid in self.family if alive(pid)]

    def wait_gone(self, seconds: float = 60.0) -> None:
        """Until nothing is left: what Ray was told to end may take a moment longer than whoever told it."""
        give_up = time.monotonic() + seconds
        while left := self.left():
            assert time.monotonic() < give_up, left
            time.sleep(0.1)

    def left_of_ours(self) -> list[str]:
        """Without Ray's two agents, which try to reach its dead server for about a minute before they end."""
        return [line for line in self.left() if line not in ("ray::DashboardAgent", "ray::RuntimeEnvAgent")]


Launch = Callable[..., Launched]


@pytest.fixture
def launch() -> Iterator[Launch]:
    runs: list[Launched] = []

    def start(*words: str | Path) -> Launched:
        runs.append(Launched(*words))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()


def progress(folder: RunFolder) -> dict[str, float]:
    """The newest whole line of the run's curves; another may be half written."""
    lines = folder.progress.read_text().rpartition("\n")[0].splitlines() if folder.progress.exists() else []
    return json.loads(lines[-1]) if lines else {"env_steps": 0, "labels_used": 0, "policy_version": 0}


def store_of(run: Launched) -> str:
    """Only the parts know the store's password; it is in no file and on no command line."""
    return environment(run.pids("gateway")[0])["BACKFLIP_STORE_URL"]


@pytest.mark.timeout(600)
def test_whatever_is_killed_the_run_goes_on_and_every_label_is_there_once(launch: Launch, tmp_path: Path) -> None:
    words = (
        "--steps", "10000000", "--labels.budget", str(BUDGET), "--labels.upfront", "0.2",
        "--labels.ask-until", "0.005", "--labels.ask-decay", "10", "--reward-model.first-fit", "10",
    )  # fmt: skip
    folder = RunFolder(tmp_path / "run")
    run = launch("train", "cartpole", *SMALL, *words, "--out", tmp_path, "--name", "run")
    wait_for(lambda: bool(run.pids("gateway") and progress(folder)["env_steps"]), run.process)
    assert_only_loopback(run)

    # We answer some of the questions ourselves, to know of labels that were acknowledged.
    client = GatewayClient(store_of(run), folder.run)
    acknowledged: list[tuple[str, str]] = []
    to_kill = list(PARTS)
    killed: dict[str, int] = {}
    next_answer = 0.0
    give_up = time.monotonic() + 200

    while progress(folder)["labels_used"] < BUDGET:
        assert run.process.poll() is None, run.end()
        assert time.monotonic() < give_up, (progress(folder), killed)
        with suppress(StoreError):
            if time.monotonic() >= next_answer and (lease := client.lease("tester", 5.0)) is not None:
                receipt = client.answer(lease, "tester", Choice.A, 0.5)
                acknowledged.append((receipt.offset, lease.query.id))
                next_answer = time.monotonic() + 0.5
            used = client.counts().used
            due = BUDGET * (len(killed) + 1) / (len(PARTS) + 1)
            if to_kill and used >= due:
                part = to_kill.pop(0)
                killed[part] = run.pids(part)[0]
                os.kill(killed[part], signal.SIGKILL)
        time.sleep(0.05)

    assert not to_kill, "all were killed in the middle"
    steps = progress(folder)["env_steps"]
    for part, pid in killed.items():
        wait_for(lambda part=part: bool(run.pids(part)), run.process, 90)
        assert pid not in run.pids(part), f"another {part} took its place"
    wait_for(lambda: progress(folder)["env_steps"] > steps, run.process, 90)
    wait_for(lambda: progress(folder)["policy_version"] > 0, run.process)  # the first fit may have come just now
    assert_only_loopback(run)

    os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does, to all that are not in sessions of their own
    status, output, error = run.end()
    assert (status, output) == (130, ""), error
    assert error.splitlines()[-1].endswith(f"go on with `backflip resume {folder.path}`")
    assert "Traceback" not in error
    closing = error.splitlines()
    assert any(re.fullmatch(r"actor \d: died once, see logs/actor_\d\.log", line) for line in closing)
    assert "reward service: died once, see logs/reward_service.log" in closing
    run.wait_gone()
    saved = progress(folder)

    done = backflip("resume", folder.path, "--steps", str(int(saved["env_steps"]) + 10_000))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    summary = json.loads(folder.summary.read_text())
    assert summary["labels_used"] == BUDGET
    assert summary["policy_version"] > saved["policy_version"]

    labels = labels_of(folder)  # which fails where a question or a clip is missing
    firsts = Counter(label.query for label in labels if label.opinion is Opinion.FIRST)
    assert firsts.total() == len(firsts) == BUDGET
    assert max(Counter((label.query, label.rater) for label in labels).values()) == 1
    ours = {label.query for label in labels if label.rater == "tester"}
    assert {query for _, query in acknowledged} <= ours, "acknowledged and lost"
    assert len(set(acknowledged)) == len(acknowledged) >= 5


def assert_only_loopback(run: Launched) -> None:
    found = {(line, address) for pid, line in run.look().items() for address in listening(pid)}
    assert len(found) > 5, "Ray, the store and the reward service listen"
    assert [pair for pair in found if not on_loopback(pair[1])] == []


@pytest.mark.slow
def test_a_killed_launcher_leaves_nothing_and_its_run_goes_on(launch: Launch, tmp_path: Path) -> None:
    words = (
        "--steps",
        "10000000",
        "--labels.budget",
        "40",
        "--labels.ask-until",
        "0.005",
        "--reward-model.first-fit",
        "5",
    )
    folder = RunFolder(tmp_path / "run")
    run = launch("train", "cartpole", *SMALL, *words, "--out", tmp_path, "--name", "run")
    wait_for(lambda: progress(folder)["labels_used"] >= 10, run.process)
    store = GatewayClient(store_of(run), folder.run)
    run.look()
    before = store.read_labels("", 1000)
    run.process.kill()
    run.end()
    give_up = time.monotonic() + 30
    while run.left_of_ours():
        assert time.monotonic() < give_up, run.left_of_ours()
        time.sleep(0.2)
    assert not folder.summary.exists()

    again = launch("resume", folder.path)
    wait_for(lambda: progress(folder)["labels_used"] >= len(before) + 5, again.process)
    again.look()
    again.process.terminate()  # as a batch system does, to the launcher alone
    status, output, error = again.end()
    assert (status, output) == (130, ""), error
    assert error.splitlines()[-1].endswith(f"go on with `backflip resume {folder.path}`")
    assert "Traceback" not in error
    again.wait_gone()
    labels = labels_of(folder)
    assert labels[: len(before)] == [label for _, label in before]
    assert len({label.query for label in labels}) == len(labels) <= 40


@pytest.mark.slow  # half a minute
def test_a_part_that_cannot_start_is_named_and_the_others_are_stopped(tmp_path: Path) -> None:
    config = replace(PRESETS["cartpole"].config, out=tmp_path, name="run")
    folder = create_run_folder(config)
    folder.reward_model.write_text("")  # a file where its folder should be
    task = probe_task(config)
    before = descendants(os.getpid())
    with pytest.raises(UserError, match=r"^the reward service did not start: .*File exists.* \(see .*log\)$"):
        DistributedSystem(config, folder, task.spaces, task.scene)
    give_up = time.monotonic() + 30
    while descendants(os.getpid()).keys() - before.keys():
        assert time.monotonic() < give_up
        time.sleep(0.1)
