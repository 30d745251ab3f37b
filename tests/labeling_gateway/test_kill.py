"""Whatever is killed, an acknowledged label is in the log exactly once, and the budget holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from contracts.label import CHECK, Choice, Opinion
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import GatewayConfig, LabelsConfig, TeacherConfig
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.store import StoreUnreachable
from tests.labeling_gateway.samples import ask, clips
from tests.processes import catches

QUESTIONS = 400

Result = TypeVar("Result")


def kill_store(store: EmbeddedStore) -> None:
    os.kill(store.pid, signal.SIGKILL)
    store.process.wait()


def test_kill_of_the_store_in_a_stream_of_answers(own_store: EmbeddedStore) -> None:
    client = GatewayClient(own_store.url, "run")
    ask(client, QUESTIONS)
    acknowledged: list[tuple[str, str, str]] = []
    unheard: list[str] = []  # raters whose answer may be saved: the store was away for too long to say so

    def work(rater: str) -> None:
        held = None
        while True:
            try:
                held = client.lease(rater, 1.0)
                if held is None:
                    if client.counts().used == QUESTIONS:
                        return
                    time.sleep(0.01)
                    continue
                receipt = client.answer(held, rater, Choice.A, 0.0)
                acknowledged.append((held.query.id, rater, receipt.offset))
            except StoreUnreachable:
                if held is not None:
                    unheard.append(rater)
                time.sleep(0.05)

    threads = [threading.Thread(target=work, args=(f"rater-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    rng = np.random.default_rng(0)
    for answers in (50, 150, 250, 330):
        while len(acknowledged) < answers:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.01))
        kill_store(own_store)
        own_store.restart()
    for thread in threads:
        thread.join()
    labels = client.read_labels("", 10_000)
    assert len(acknowledged) + len(unheard) >= QUESTIONS
    kept = {(label.query, label.rater, offset) for offset, label in labels}
    assert set(acknowledged) <= kept, "acknowledged and lost"
    assert max(Counter((label.query, label.rater) for _, label in labels).values()) == 1, "counted twice"
    firsts = Counter(label.query for _, label in labels if label.opinion is Opinion.FIRST)
    assert len(firsts) == firsts.total() == client.counts().used == QUESTIONS


def test_kill_of_the_store_while_several_raters_answer_each_question(own_store: EmbeddedStore) -> None:
    """Second opinions are leased, left, answered late and answered, and the store is killed amid them."""
    client = GatewayClient(own_store.url, "run")
    questions, opinions = 80, 3
    ask(client, questions, opinions=opinions)
    acknowledged: list[tuple[str, str, str]] = []
    late: list[str] = []  # questions that were answered, as far as is known, after their lease
    killed = threading.Event()  # for the last time

    def work(number: int) -> None:
        rater, left_alone, leases = f"rater-{number}", None, 0
        while True:
            held = None
            try:
                held = client.lease(rater, 0.3)
                if held is None:
                    if killed.is_set() and client.counts().used == questions:
                        return  # what is still wanted was left alone, or is for others
                    time.sleep(0.01)
                    continue
                leases += 1
                if left_alone is not None:
                    held, left_alone = left_alone, None
                elif leases % 10 == number:
                    left_alone = held  # it ends, and is answered late
                    continue
                receipt = client.answer(held, rater, Choice.A, 0.0)
                acknowledged.append((held.query.id, rater, receipt.offset))
                if time.time() > held.deadline:
                    late.append(held.query.id)
            except StoreUnreachable:
                if held is not None:
                    late.append(held.query.id)
                time.sleep(0.05)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for answers in (40, 110, 180):
        while len(acknowledged) < answers:
            time.sleep(0.002)
        kill_store(own_store)
        own_store.restart()
    killed.set()
    for thread in threads:
        thread.join()
    time.sleep(0.35)  # what was left alone is over, and somebody else takes its place
    for rater in (f"rater-{number}" for number in range(5)):
        while (held := client.lease(rater, 60)) is not None:
            acknowledged.append((held.query.id, rater, client.answer(held, rater, Choice.B, 0.0).offset))
    labels = client.read_labels("", 10_000)
    kept = {(label.query, label.rater, offset) for offset, label in labels}
    assert set(acknowledged) <= kept, "acknowledged and lost"
    _require_one_chain_a_rater(client, {offset for *_, offset in acknowledged})
    raters = Counter(label.query for _, label in labels if not label.supersedes)
    assert len(raters) == client.counts().used == questions
    assert min(raters.values()) >= opinions
    assert sum(raters.values()) <= questions * opinions + len(late), "late ones alone are beyond"


def test_kill_of_the_store_in_a_stream_of_answers_and_undoings(own_store: EmbeddedStore) -> None:
    """Every other answer is taken back and given again; in the end one rater's are all withdrawn."""
    client = GatewayClient(own_store.url, "run")
    questions = 120
    ask(client, questions)
    answered: list[tuple[str, str]] = []  # acknowledged: rater, offset
    undone: list[tuple[str, int]] = []  # acknowledged: question, fence of the new lease

    def surely(call: Callable[..., Result], *arguments: object) -> Result:
        while True:
            try:
                return call(*arguments)
            except StoreUnreachable:
                time.sleep(0.05)

    def work(rater: str, number: int) -> None:
        done = 0
        while surely(client.counts).used < questions:
            held = surely(client.lease, rater, 1.0)
            if held is None:
                time.sleep(0.01)
                continue
            answered.append((rater, surely(client.answer, held, rater, Choice.A, 0.0).offset))
            done += 1
            if done % 2 == number % 2:
                again = surely(client.undo, rater, held.query.id, 30.0)
                undone.append((again.query.id, again.fence))
                answered.append((rater, surely(client.answer, again, rater, Choice.B, 0.0).offset))

    def kill_at(answers: int) -> None:
        while len(answered) < answers:
            time.sleep(0.002)
        kill_store(own_store)
        own_store.restart()

    threads = [threading.Thread(target=work, args=(f"rater-{n}", n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for answers in (20, 60, 100, 140):
        kill_at(answers)
    for thread in threads:
        thread.join()
    _require_one_chain_a_rater(client, {offset for _, offset in answered})
    withdrawals = [label for _, label in client.read_labels("", 10_000) if label.choice is Choice.WITHDRAWN]
    assert len(withdrawals) == len(undone) == len(set(undone)), "taken back once each"
    assert client.counts().used == questions
    assert client.counts().open + client.counts().leased == 0

    withdrawn: list[int] = []
    withdrawing = threading.Thread(target=lambda: withdrawn.append(surely(client.withdraw, "rater-1")))
    theirs = sum(  # a lease that ended while the store was away makes a later opinion of an answer
        one.standing and one.label.rater == "rater-1" and one.label.opinion is Opinion.FIRST
        for one in client.history(10_000)
    )
    withdrawing.start()
    while client.counts().used == questions:
        pass
    kill_store(own_store)
    own_store.restart()
    withdrawing.join()
    _require_one_chain_a_rater(client, set())
    assert not [rater for rater in client.raters() if rater.name == "rater-1" and rater.standing]
    counts = client.counts()
    assert 0 < theirs == counts.open == questions - counts.used
    assert client.withdraw("rater-1") == 0


def _require_one_chain_a_rater(client: GatewayClient, acknowledged: set[str]) -> None:
    """Each rater's labels of a question supersede one another, none twice; what was acknowledged is there."""
    labels = dict(client.read_labels("", 10_000))
    assert acknowledged <= labels.keys(), "acknowledged and lost"
    replaced = [label.supersedes for label in labels.values() if label.supersedes]
    assert len(replaced) == len(set(replaced)), "superseded twice"
    ends: Counter[tuple[str, str]] = Counter()
    firsts: Counter[str] = Counter()
    for offset, label in labels.items():
        if label.supersedes:
            before = labels[label.supersedes]
            assert (before.query, before.rater) == (label.query, label.rater)
        if offset not in set(replaced):
            ends[label.query, label.rater] += 1
            firsts[label.query] += label.choice is not Choice.WITHDRAWN and label.opinion is Opinion.FIRST
    assert max(ends.values()) == 1, "counted twice"
    assert max(firsts.values()) == 1, "two first opinions"
    assert firsts.total() == client.counts().used


def test_a_torn_end_of_the_file_costs_only_what_was_torn(own_store: EmbeddedStore) -> None:
    client = GatewayClient(own_store.url, "run")
    ask(client, 20)
    while (held := client.lease("ann", 60)) is not None:
        client.answer(held, "ann", Choice.A, 0.0)
    kill_store(own_store)
    (written,) = own_store.directory.glob("appendonlydir/*.incr.aof")
    os.truncate(written, written.stat().st_size - 7)
    own_store.restart()
    labels = client.read_labels("", 100)
    counts = client.counts()
    assert len(labels) == 19, "the last commit is gone whole"
    assert (counts.used, counts.leased, counts.asked) == (19, 1, 20)


Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def processes(own_store: EmbeddedStore, tmp_path: Path) -> Iterator[dict[str, Start]]:
    """How the gateway's and the teacher's process of one run are started."""
    labels = LabelsConfig(budget=60, upfront=1.0, overlap=0.3, teachers=("2x", "mistakes=0.5"))
    configs = {
        "tests.labeling_gateway.processes": GatewayConfig(run="run", reward_address="", seed=0, labels=labels),
        "labeling_gateway.teacher": TeacherConfig(run="run", seed=0, labels=labels),
    }
    environment = os.environ | {"BACKFLIP_STORE_URL": own_store.url, "OMP_NUM_THREADS": "1"}
    started: list[subprocess.Popen[bytes]] = []

    def starter(module: str, path: Path) -> Start:
        words = [str(path)] if module.startswith("tests") else ["--config", str(path)]

        def start() -> subprocess.Popen[bytes]:
            process = subprocess.Popen([sys.executable, "-m", module, *words], env=environment)
            started.append(process)
            return process

        return start

    starts: dict[str, Start] = {}
    for module, config in configs.items():
        path = tmp_path / f"{module}.json"
        path.write_text(json.dumps(asdict(config)))
        starts[module.rpartition(".")[2]] = starter(module, path)
    yield starts
    for process in started:
        process.kill()
        process.wait()


def test_kill_of_gateway_teacher_and_store_in_a_run(own_store: EmbeddedStore, processes: dict[str, Start]) -> None:
    client = GatewayClient(own_store.url, "run")
    running = {name: start() for name, start in processes.items()}
    to_kill = [(10, "processes"), (20, "teacher"), (30, "processes"), (38, "store"), (45, "teacher")]
    offered = 0
    give_up = time.monotonic() + 200

    def lacking() -> int:
        """Answers to what was asked; one whose teacher was killed comes when its lease has ended."""
        return sum(query.opinions for query in client.asked()) - len(client.read_labels("", 1000))

    while (counts := client.counts()).used < 60 or lacking():
        assert time.monotonic() < give_up, counts
        assert counts.open + counts.leased + counts.used == counts.asked <= 60
        if to_kill and counts.used >= to_kill[0][0]:
            _, name = to_kill.pop(0)
            if name == "store":
                kill_store(own_store)
                own_store.restart()
            else:
                running[name].kill()
                running[name].wait()
                running[name] = processes[name]()
        client.offer(clips(10, offered))
        offered += 10
        time.sleep(0.03)
    assert not to_kill
    labels = [label for _, label in client.read_labels("", 1000)]
    asked = list(client.asked())
    several = sum(query.opinions == 2 for query in asked)
    assert Counter(label.opinion for label in labels) == {Opinion.FIRST: 60, Opinion.LATER: several}
    assert len({label.query for label in labels}) == 60
    assert len({(label.query, label.rater) for label in labels}) == 60 + several > 65
    checks = sum(query.chosen_by == CHECK for query in asked)
    clips_asked = {name for query in asked for name in (query.clip_a, query.clip_b)}
    assert len(clips_asked) == 120 - checks, "no clip is asked twice, but those that a check compares with"
    for process in running.values():
        while not catches(process.pid, signal.SIGTERM):  # it was started a moment ago
            assert time.monotonic() < give_up and process.poll() is None
            time.sleep(0.05)
        process.terminate()
        assert process.wait(60) == 0


def test_idle_processes_cost_nearly_no_cpu(own_store: EmbeddedStore, processes: dict[str, Start]) -> None:
    running = [start() for start in processes.values()]

    def cpu() -> float:
        clock = os.sysconf("SC_CLK_TCK")
        pids = [process.pid for process in running] + [own_store.pid]
        ticks = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids]
        return sum(int(user) + int(system) for user, system in ticks) / clock

    cost = 1.0
    for _ in range(40):  # until they have started
        before = cpu()
        time.sleep(2.0)
        if (cost := (cpu() - before) / 2.0) < 0.08 and all(catches(one.pid, signal.SIGTERM) for one in running):
            break
    assert cost < 0.08
