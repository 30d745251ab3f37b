"""Leases, commits and the log, on each kind of store."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from contracts.clip import Scene
from contracts.label import Choice, Lease, Opinion
from labeling_gateway.client import GatewayClient
from tests.labeling_gateway.samples import ask, clip, lease, log


def test_an_answer_becomes_one_label(client: GatewayClient) -> None:
    (query,) = ask(client, 1)
    held = lease(client)
    assert held.query == query
    assert client.counts().leased == 1
    receipt = client.answer(held, "ann", Choice.A, 1.25)
    assert receipt.opinion is Opinion.FIRST
    ((offset, label),) = client.read_labels("", 10)
    assert offset == receipt.offset
    assert label.answered_at == pytest.approx(time.time(), abs=5)
    assert (label.query, label.rater, label.choice, label.fence, label.seconds, label.supersedes) == (
        query.id, "ann", Choice.A, held.fence, 1.25, "",
    )  # fmt: skip
    counts = client.counts()
    assert (counts.asked, counts.open, counts.leased, counts.used, counts.later) == (1, 0, 0, 1, 0)
    assert client.lease("ann", 60) is None


def test_the_same_rater_answering_again_gets_the_same_receipt(client: GatewayClient) -> None:
    ask(client, 1)
    held = lease(client)
    first = client.answer(held, "ann", Choice.A, 1)
    again = client.answer(held, "ann", Choice.B, 2)
    assert (again.offset, again.opinion, again.repeated) == (first.offset, first.opinion, True)
    assert [label.choice for label in log(client)] == [Choice.A]
    assert client.counts().used == 1


def test_a_second_rater_is_a_later_opinion_and_outside_the_budget(client: GatewayClient) -> None:
    ask(client, 1)
    held = lease(client)
    client.answer(held, "ann", Choice.EQUAL, 1)
    assert client.answer(held, "bob", Choice.CANT_TELL, 1).opinion is Opinion.LATER
    assert (client.counts().used, client.counts().later) == (1, 1)
    assert [label.rater for label in log(client)] == ["ann", "bob"]


def test_an_expired_lease_goes_to_the_next_rater_with_a_higher_fence(client: GatewayClient) -> None:
    ask(client, 2)
    old = lease(client, "ann", 0.02)
    time.sleep(0.03)
    new = lease(client, "bob")
    assert new.query == old.query, "it goes back to its own place, before younger questions"
    assert new.fence > old.fence
    late = client.answer(old, "ann", Choice.A, 9)
    assert late.opinion is Opinion.LATER
    assert client.counts().leased == 1, "bob's lease holds"
    assert client.answer(new, "bob", Choice.B, 1).opinion is Opinion.FIRST
    assert (client.counts().used, client.counts().later) == (1, 1)


def test_a_late_answer_counts_where_nobody_else_was_asked(client: GatewayClient) -> None:
    ask(client, 1)
    old = lease(client, "ann", 0.02)
    time.sleep(0.03)
    assert client.expire_leases() == 1
    assert client.counts().open == 1
    assert client.answer(old, "ann", Choice.A, 9).opinion is Opinion.FIRST
    assert client.lease("bob", 60) is None


def test_a_late_rater_who_is_asked_again_replaces_the_late_answer(client: GatewayClient) -> None:
    ask(client, 1)
    old = lease(client, "ann", 0.02)
    time.sleep(0.03)
    other = lease(client, "bob")
    late = client.answer(old, "ann", Choice.A, 9)
    assert client.release(other, "bob")
    assert not client.release(other, "bob")
    receipt = client.answer(lease(client, "ann"), "ann", Choice.B, 1)
    assert (receipt.opinion, receipt.repeated) == (Opinion.FIRST, False)
    assert [label.supersedes for label in log(client)] == ["", late.offset]
    assert (client.counts().used, client.counts().later) == (1, 0)


def test_the_budget_holds_against_many_askers(client: GatewayClient) -> None:
    ask(client, 3, budget=3)
    client.answer(lease(client), "ann", Choice.A, 1)
    lease(client)
    ask(client, 2, budget=3)
    assert client.counts().asked == 3
    ask(client, 2, budget=4)
    assert client.counts().asked == 4


def test_many_raters_at_once_answer_each_question_once(client: GatewayClient) -> None:
    ask(client, 60)

    def work(rater: str) -> int:
        answered = 0
        while (held := client.lease(rater, 60)) is not None:
            client.answer(held, rater, Choice.A, 1)
            answered += 1
        return answered

    with ThreadPoolExecutor(6) as threads:
        answered = sum(threads.map(work, "abcdef"))
    labels = log(client)
    assert answered == len(labels) == len({label.query for label in labels}) == 60
    assert all(label.opinion is Opinion.FIRST for label in labels)


def test_the_log_is_read_in_pages(client: GatewayClient) -> None:
    for _ in ask(client, 7):
        client.answer(lease(client), "ann", Choice.B, 1)
    first = client.read_labels("", 5)
    rest = client.read_labels(first[-1][0], 5)
    assert [label.query for _, label in first + rest] == [f"{n:06d}" for n in range(7)]
    assert client.read_labels(rest[-1][0], 5) == []


def test_runs_in_one_store_do_not_see_each_other(client: GatewayClient, store_url: str) -> None:
    ask(client, 2)
    other = GatewayClient(store_url, client.keys.run + "-2")
    assert other.counts().asked == 0
    assert other.lease("ann", 60) is None


def test_clips_come_without_their_oracle_unless_asked_for_by_name(client: GatewayClient) -> None:
    (query,) = ask(client, 1)
    assert client.clips(query)[0].oracle is None
    assert client.clips(query, with_oracle=True)[1].oracle is not None
    assert client.clip_bytes(query)[0] == clip(0).to_bytes()


def test_scenes_are_kept_by_their_hash(client: GatewayClient) -> None:
    scene = Scene(task="hopper", track="observation", timestep=0.02, question="Which is better?")
    assert client.put_scene(scene) == scene.hash
    assert client.scene(scene.hash) == scene


def test_what_is_not_there_is_named(client: GatewayClient) -> None:
    (query,) = ask(client, 1)
    held = lease(client)
    missing = Lease(query=replace(query, id="nope"), fence=1, deadline=0)
    with pytest.raises(LookupError, match="no question nope"):
        client.answer(missing, "ann", Choice.A, 1)
    with pytest.raises(LookupError, match="no question nope"):
        client.query("nope")
    with pytest.raises(LookupError, match="no scene nope"):
        client.scene("nope")
    with pytest.raises(ValueError, match="positive time"):
        client.lease("ann", 0)
    with pytest.raises(ValueError, match="maybe"):
        client.answer(held, "ann", "maybe", 1)  # pyright: ignore[reportArgumentType]
    assert log(client) == []


def test_progress_is_what_the_learner_last_said(client: GatewayClient) -> None:
    assert client.progress() is None
    client.report_progress(50, 200)
    progress = client.progress()
    assert progress is not None
    assert progress.share == 0.25


def test_the_face_is_light() -> None:
    code = "import sys, labeling_gateway.client; sys.exit(any(m in sys.modules for m in ('torch', 'grpc', 'mujoco')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
