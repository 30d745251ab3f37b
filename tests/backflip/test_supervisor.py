"""What dies is restarted, what cannot start is named, and nothing outlives its launcher."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backflip.errors import UserError
from backflip.supervisor import Part, Supervisor
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import start_embedded
from tests.processes import alive, descendants, end

PROJECT = Path(__file__).parent.parent.parent
MODULE = "tests.backflip.part"


def part(folder: Path, does: str, name: str = "part", is_up: Callable[[], bool] | None = None) -> Part:
    config = folder / f"{name}.json"
    config.write_text(json.dumps({"does": does, "starts": str(folder / f"{name}.starts")}))
    return Part(name, MODULE, config, folder / f"{name}.log", {"PYTHONPATH": str(PROJECT)}, is_up)


def starts(folder: Path, name: str = "part") -> list[float]:
    file = folder / f"{name}.starts"
    return [float(line) for line in file.read_text().splitlines()] if file.exists() else []


def wait_for(what: Callable[[], bool], seconds: float = 90.0) -> None:
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    supervisor.stop()


def test_what_dies_is_restarted(supervisor: Supervisor, tmp_path: Path) -> None:
    watched = part(tmp_path, "live", is_up=lambda: len(starts(tmp_path)) > 0)
    watched.pause = 1.5  # so that it is seen to be down, also on a busy machine
    supervisor.start(watched)
    supervisor.wait_up()
    first = supervisor.process_ids()["part"]
    assert supervisor.down() == {}
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: list(supervisor.down()) == ["part"])
    wait_for(lambda: len(starts(tmp_path)) == 2)
    wait_for(lambda: supervisor.down() == {})
    assert supervisor.deaths == {"part": 1}
    second = supervisor.process_ids()["part"]
    assert second != first
    supervisor.stop()
    assert not alive(second)
    time.sleep(0.5)
    assert len(starts(tmp_path)) == 2, "what was stopped is not restarted"


def test_restarts_of_what_dies_at_once_wait_ever_longer(supervisor: Supervisor, tmp_path: Path) -> None:
    watched = part(tmp_path, "live", is_up=lambda: len(starts(tmp_path)) > 0)
    supervisor.start(watched)
    supervisor.wait_up()
    part(tmp_path, "die")  # from now on
    os.kill(supervisor.process_ids()["part"], signal.SIGKILL)
    wait_for(lambda: len(starts(tmp_path)) >= 4)
    _, first, second, third = starts(tmp_path)[:4]
    assert second - first > 1.9
    assert third - second > 3.9


@pytest.mark.parametrize("is_up", [lambda: False, None], ids=["nobody answers", "nobody asks"])
def test_a_part_that_ends_at_once_is_named_with_its_last_words(
    supervisor: Supervisor, tmp_path: Path, is_up: Callable[[], bool] | None
) -> None:
    supervisor.start(part(tmp_path, "die", "reward service", is_up))
    wait_for(lambda: not alive(supervisor.process_ids()["reward service"]))
    assert starts(tmp_path, "reward service")
    with pytest.raises(UserError) as failure:
        supervisor.wait_up()
    log_file = tmp_path / "reward service.log"
    assert str(failure.value) == f"the reward service did not start: its config is wrong (see {log_file})"


def test_a_part_that_never_answers_is_named(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(part(tmp_path, "live", is_up=lambda: False))
    with pytest.raises(UserError, match="the part did not start"):
        supervisor.wait_up(timeout=0.5)


def test_parts_are_stopped_last_started_first(tmp_path: Path) -> None:
    supervisor = Supervisor()
    for name in ("first", "second"):
        supervisor.start(part(tmp_path, "live", name))
    first, second = (supervisor.process_ids()[name] for name in ("first", "second"))
    wait_for(lambda: bool(starts(tmp_path, "first") and starts(tmp_path, "second")))
    os.kill(first, signal.SIGSTOP)  # so that it cannot end before it is told to go on
    stopping = subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {first}"])
    began = time.monotonic()
    supervisor.stop()
    stopping.wait()
    assert time.monotonic() - began > 0.5
    assert not alive(first) and not alive(second)


def test_a_killed_store_is_revived_with_what_it_kept(supervisor: Supervisor, tmp_path: Path) -> None:
    store = start_embedded(tmp_path / "store")
    client = GatewayClient(store.url, "run")
    client.report_progress(7, 10)
    supervisor.adopt("label store", store.alive, store.restart)
    supervisor.wait_up()
    first = store.pid
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: store.pid != first and store.alive())
    progress = client.progress()
    assert progress is not None and progress.env_steps == 7
    assert supervisor.deaths == {"label store": 1}
    supervisor.stop()
    store.stop()


def test_a_death_is_counted_once_however_often_reviving_fails(supervisor: Supervisor) -> None:
    running, revived = False, 0

    def revive() -> None:
        nonlocal running, revived
        revived += 1
        if revived == 1:
            raise OSError("no memory is left")
        running = True

    supervisor.adopt("label store", lambda: running, revive)
    supervisor.wait_up()
    wait_for(lambda: running)
    assert (revived, supervisor.deaths) == (2, {"label store": 1})
    running = False
    wait_for(lambda: running)
    assert supervisor.deaths == {"label store": 2}, "it was alive in between"


LAUNCHER = """
import sys, time
from pathlib import Path
from backflip.supervisor import Part, Supervisor
from labeling_gateway.embedded import start_embedded
folder = Path(sys.argv[1])
store = start_embedded(folder / "store")
supervisor = Supervisor()
supervisor.start(Part("part", sys.argv[2], folder / "part.json", folder / "part.log"))
while not (folder / "part.starts").exists():
    time.sleep(0.05)
print("up", flush=True)
time.sleep(600)
"""


def test_nothing_outlives_a_launcher_that_was_killed(tmp_path: Path) -> None:
    part(tmp_path, "live")
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(tmp_path), MODULE], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "up\n"
    children = descendants(launcher.pid)
    assert len(children) == 3, "the part, the store and its guard"
    launcher.kill()
    launcher.communicate()
    try:
        wait_for(lambda: not any(map(alive, children)))
    finally:
        end(children)
    store = start_embedded(tmp_path / "store")  # which it could not, were the old one there
    store.stop()
