"""What a person sees of a run, with a terminal and without."""

from __future__ import annotations

import os
import pty
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from backflip.display import Display, telling
from backflip.presets import PRESETS
from backflip.recorder import Recorder, Snapshot
from backflip.run_folder import create_run_folder
from backflip.system import Facts
from contracts.status import Status
from learner.loop import Progress

CONFIG = PRESETS["hopper-backflip"].config
FACTS = Facts(
    labels_used=250,
    labels_budget=900,
    reward_version=3,
    held_out_accuracy=0.8,
    held_out_answers=90,
    parts={
        "actor 0": Status("simulating"),
        "reward service": Status("down, restarting", held_up=True),
    },
    troubles=["actor 1: died 3 times, see logs/actor_1.log"],
)


@pytest.fixture
def now(tmp_path: Path) -> Snapshot:
    config = replace(CONFIG, out=tmp_path, name="run")
    with Recorder(create_run_folder(config), config, 0.008, Progress()) as recorder:
        return recorder.record(Progress(env_steps=500_000, waited_seconds=1.0), 60, FACTS)


def test_without_a_terminal_a_line_tells_what_is_held_up(now: Snapshot, capfd: pytest.CaptureFixture[str]) -> None:
    with Display(CONFIG, "runs/some", "flips") as display:
        display.show(now, FACTS)
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    for part in ("500k steps", "answers 250/900", "accuracy 80% of 90 ", "flips", "policy v60, reward v3"):
        assert part in line
    assert line.rstrip().endswith(f"reward service: down, restarting | {FACTS.troubles[0]}")
    assert "simulating" not in line


@pytest.mark.parametrize(("steps", "said"), [(800, "800 steps"), (12_345, "12.3k steps"), (1_250_000, "1.25M steps")])
def test_few_steps_are_not_none(now: Snapshot, steps: int, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    Display(CONFIG, "runs/some", "flips").show(replace(now, env_steps=steps), FACTS)
    assert capfd.readouterr().err.startswith(f"{said} | ")


def test_what_takes_long_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    said: list[str] = []
    tell = telling(said.append, "drew frames:")
    for count, seconds in enumerate((1.9, 0.2, 4.9, 0.2, 9.0), start=1):
        clock += seconds
        tell(count, 5)
    assert said == ["drew frames: 2 of 5", "drew frames: 4 of 5"], "after two seconds, then every five, not at the end"


def test_what_a_users_environment_says_is_shown_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    Display(CONFIG, "runs/some", "").say("not measured: [left] and [/right] are stuck")
    assert capfd.readouterr().err == "not measured: [left] and [/right] are stuck\n"


def test_on_a_terminal_a_panel_tells_what_every_part_does(now: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        with Display(CONFIG, "runs/[some]", "flips") as display:
            display.show(now, FACTS)
    seen = b""
    with suppress(OSError):  # the end
        while piece := os.read(leader, 65536):
            seen += piece
    os.close(leader)
    said = seen.decode(errors="ignore")
    for part in (
        "250 of 900",
        "80% of 90 ",
        "simulating",
        "down, restarting",
        "waits for slabs",
        "runs/[some]",
        "died 3 times",
    ):
        assert part in said
