"""A run whose questions people answer, as a user starts it; and the page of a run that is over."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import httpx
import pytest

from backflip.presets import PRESETS
from backflip.recorder import Snapshot
from backflip.run_folder import RunFolder
from backflip.run_report import RunReport
from backflip.system import Facts
from contracts.status import Status
from labeling_gateway.config import LabelsConfig
from tests.backflip.commands import SMALL, assert_one_line, backflip, command, labels_of
from tests.processes import command as command_of
from tests.processes import descendants, end, listening, on_loopback

ANSWERS = 12


@contextmanager
def started(*words: str | Path) -> Iterator[tuple[subprocess.Popen[str], str, str, str]]:
    """A process of the command line, and what it prints: address, invitation, owner's token."""
    process = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True, start_new_session=True)
    family: dict[int, int] = {}
    try:
        said = ""
        assert process.stderr is not None
        while "look after the run at" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        family = descendants(process.pid)
        label = re.search(r"answer questions at (http://\S+)/label#invitation=(\S+)", said)
        owner = re.search(r"look after the run at \S+/dashboard#owner_token=(\S+)", said)
        assert label and owner, said
        yield process, label[1], label[2], owner[1]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=150)
    finally:
        process.kill()
        process.wait()
        end(family)


def logged_in(base: str, **ticket: str) -> httpx.Client:
    client = httpx.Client(base_url=f"{base}/api/v1/", timeout=60)
    assert client.post("sessions", json=ticket).status_code == 201
    return client


def answer(client: httpx.Client, count: int) -> None:
    answered = 0
    give_up = time.monotonic() + 150
    while answered < count:
        assert time.monotonic() < give_up, client.get("task").json()
        pairs = client.post("leases", json={"count": min(3, count - answered)}).json()["pairs"]
        for pair in pairs:
            body = {"query": pair["query"], "fence": pair["fence"], "choice": "left", "seconds": 1.0}
            assert client.post("answers", json=body).status_code == 201
            answered += 1
        if not pairs:
            time.sleep(0.5)  # more often, the page would refuse to say


@pytest.mark.timeout(600)
def test_people_answer_while_a_run_trains_and_afterwards(tmp_path: Path) -> None:
    page = ("--labels.source", "web", "--labels.address", "127.0.0.1:0", "--labels.no-open")
    with started("train", "cartpole", *SMALL, *page, "--steps", "100000000", "--out", tmp_path, "--name", "run") as (
        process,
        base,
        invitation,
        token,
    ):
        person, owner = logged_in(base, invitation=invitation), logged_in(base, owner_token=token)
        assert person.get("session").json()["rater"] == "owner"
        answer(person, ANSWERS)
        (page_pid,) = [pid for pid in descendants(process.pid) if "labeling_gateway.web" in command_of(pid)]
        assert all(map(on_loopback, listening(page_pid)))
        os.kill(page_pid, signal.SIGKILL)
        give_up = time.monotonic() + 120
        while True:  # it is started again, and sessions hold
            try:
                run = owner.get("run").json()
                if run["report"] and run["report"]["env_steps"] > 0:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < give_up
            time.sleep(0.2)
        assert run["used"] == ANSWERS and run["budget"] == 100
        assert "people" in run["doing"] and "actor 0" in run["doing"]
        assert len(run["curves"]["env_steps"]) == len(run["curves"]["accuracy"]) > 0
        assert person.get("task").json()["mine"] == ANSWERS
    folder = RunFolder(tmp_path / "run")
    assert folder.checkpoint.exists(), "it was stopped in order"
    with started("serve-labels", folder.path, "--address", "127.0.0.1:0", "--no-open") as (_, base, invitation, _):
        person = logged_in(base, invitation=invitation)
        task = person.get("task").json()
        assert task["used"] == ANSWERS and "not being trained" in task["waiting"]
        answer(person, min(3, task["open"]))
        busy = backflip("serve-labels", folder.path, "--address", "127.0.0.1:0")
        assert_one_line(busy, "another process")
    assert len(labels_of(folder)) == ANSWERS + min(3, task["open"])


def test_an_address_in_use_is_said_before_anything_trains(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        words = ("--labels.source", "web", "--labels.address", address)
        done = backflip("train", "cartpole", *SMALL, *words, "--out", tmp_path)
        assert_one_line(done, f"cannot listen on {address}", "choose another --labels.address")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--labels.address", "0.0.0.0:8020"), "can be reached by others"),
        (("--labels.tls-cert", "cert.pem"), "give both"),
        (("--serial",), "leave out serial"),
    ],
)
def test_what_a_page_cannot_be_is_said_at_once(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = backflip("train", "cartpole", "--labels.source", "web", *words, "--out", tmp_path)
    assert_one_line(done, said)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # a training for one line
def test_a_run_without_questions_has_no_page(tmp_path: Path) -> None:
    assert_one_line(backflip("serve-labels", tmp_path), "is not a run")
    folder = RunFolder(tmp_path)
    folder.write_config(replace(PRESETS["cartpole"].config, reward="true"))
    assert_one_line(backflip("serve-labels", tmp_path), "learns from a reward")
    assert_one_line(backflip("serve-labels", tmp_path, "--address", "0.0.0.0:1"), "can be reached by others")


def test_a_report_keeps_its_curves_short_and_finite(tmp_path: Path) -> None:
    report = RunReport(RunFolder(tmp_path))
    names = [field.name for field in fields(Snapshot)]
    now = replace(Snapshot(**dict.fromkeys(names, 0)), predicted_return=float("nan"))
    facts = Facts(
        parts={"actor 0": Status("sampling"), "label store": Status("down", held_up=True)},
        troubles=["label store: died once, see store/store.log"],
    )
    for step in range(999):
        report.fields(replace(now, env_steps=step), facts)
    told = report.fields(replace(now, env_steps=999), facts)
    assert told["predicted_return"] is None
    assert told["doing"] == {"actor 0": "sampling", "label store": "down"} and told["held_up"] == ["label store"]
    assert told["troubles"] == facts.troubles
    steps = told["curves"]["env_steps"]
    assert 100 < len(steps) <= 241 and steps == sorted(steps) and steps[0] == 0 and steps[-1] > 900
    assert LabelsConfig(source="web").questions == LabelsConfig().questions
