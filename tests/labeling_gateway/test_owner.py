"""What the owner sets and sees, on each kind of store."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

import pytest

from contracts.encoding import content_hash
from contracts.label import Choice
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import GatewayConfig, LabelsConfig
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.replies import Control, Rater
from labeling_gateway.service import Gateway
from labeling_gateway.teacher import Crowd
from tests.labeling_gateway.samples import ask, clip, clips, score

LABELS = LabelsConfig(budget=20, upfront=1.0)


def gateway(client: GatewayClient, labels: LabelsConfig = LABELS) -> Gateway:
    return Gateway(GatewayConfig(run=client.keys.run, reward_address="", seed=0, labels=labels), client, score)


def answer(client: GatewayClient, rater: str, choice: Choice, seconds: float = 1.0) -> str:
    held = client.lease(rater, 60)
    assert held is not None
    client.answer(held, rater, choice, seconds)
    return held.query.id


def test_controls_outlive_the_store(own_store: EmbeddedStore) -> None:
    client = GatewayClient(own_store.url, "run")
    assert client.control() == Control(paused=False, budget=None)
    client.set_paused(True)
    client.set_budget(12)
    own_store.process.kill()
    own_store.process.wait()
    own_store.restart()
    assert client.control() == Control(paused=True, budget=12)
    client.set_paused(False)
    assert client.control() == Control(paused=False, budget=12)
    with pytest.raises(ValueError, match="0 or more"):
        client.set_budget(-1)


def test_a_paused_gateway_asks_nothing_and_says_so(client: GatewayClient) -> None:
    asking = gateway(client)
    asking.offer(clips(100))
    client.set_paused(True)
    assert asking.step() == 0
    assert client.counts().waiting == "the owner, who paused asking"
    client.set_paused(False)
    assert asking.step() == 5


@pytest.mark.parametrize(("budget", "asked"), [(30, 30), (10, 10), (3, 5), (0, 5)])
def test_the_owners_budget_replaces_the_configs(client: GatewayClient, budget: int, asked: int) -> None:
    asking, teacher = gateway(client), Crowd(client, LABELS, 0)
    asking.offer(clips(400))
    assert asking.step() == 5
    client.set_budget(budget)
    for _ in range(40):
        asking.step()
        teacher.answer_one()
    assert (client.counts().asked, client.counts().used) == (asked, asked)


def test_a_budget_asks_nobody_where_nobody_answers(client: GatewayClient) -> None:
    asking = gateway(client, replace(LABELS, source="none"))
    asking.offer(clips(400))
    client.set_budget(30)
    assert asking.step() == 0


def test_what_the_launcher_says_is_what_it_said_last(client: GatewayClient) -> None:
    assert client.run_report() is None
    client.report_run({"env_steps": 1})
    client.report_run({"env_steps": 2, "curves": {"x": [1.5]}})
    assert client.run_report() == {"env_steps": 2, "curves": {"x": [1.5]}}


def test_the_newest_candidates_can_be_looked_at(client: GatewayClient) -> None:
    assert client.newest_clips(8) == []
    asking = gateway(client)
    asking.offer(clips(12))
    asking.step()
    newest = client.newest_clips(20)
    assert [shown.policy_version for _, shown in newest] == list(range(11, 3, -1))
    assert newest[0][0] == content_hash(clip(11).to_bytes())
    assert newest[0][1].oracle is None
    assert [name for name, _ in client.newest_clips(2)] == [name for name, _ in newest[:2]]
    asking.offer(clips(3, 20))
    asking._show_from = 0.0
    asking.step()
    assert [shown.policy_version for _, shown in client.newest_clips(20)] == [22, 21, 20, 11, 10, 9, 8, 7]


def test_history_is_the_log_newest_first(client: GatewayClient) -> None:
    queries = ask(client, 4)
    for number in range(4):
        answer(client, "ann", list(Choice)[number])
    client.undo("ann", queries[1].id, 60)
    found = client.history(3)
    assert [(one.label.choice, one.query.id, one.standing) for one in found] == [
        (Choice.WITHDRAWN, queries[1].id, False),
        (Choice.CANT_TELL, queries[3].id, True),
        (Choice.EQUAL, queries[2].id, True),
    ]
    rest = client.history(10, before=found[-1].offset)
    assert [(one.query, one.standing) for one in rest] == [(queries[1], False), (queries[0], True)]
    assert [one.offset for one in [*found, *rest]] == [offset for offset, _ in client.read_labels("", 10)][::-1]


def test_raters_are_who_the_log_says(client: GatewayClient) -> None:
    assert client.raters() == []
    queries = ask(client, 4)
    for choice, seconds in ((Choice.A, 1), (Choice.B, 2), (Choice.EQUAL, 6)):
        answer(client, "ann", choice, seconds)
    held = client.lease("eve", 60)
    assert held is not None
    client.answer(held, "eve", Choice.CANT_TELL, 5)
    for query, choice in zip(queries, (Choice.A, Choice.A, Choice.CANT_TELL, Choice.B), strict=True):
        client.answer(replace(held, query=query), "bob", choice, 3)
    ann, bob, eve = client.raters()
    assert (ann.name, ann.standing, ann.withdrawn, ann.median_seconds, ann.agreement) == ("ann", 3, 0, 2, None)
    assert ann.last_answer_at == pytest.approx(time.time(), abs=5)
    assert (bob.standing, bob.agreement) == (4, 0.5), "can't tell is neither alike nor not"
    assert client.undo("bob", queries[1].id, 60)
    client.withdraw("eve")
    _, bob, eve = client.raters()
    assert (bob.standing, bob.withdrawn, bob.agreement) == (3, 1, 1.0)
    assert eve == Rater("eve", standing=0, withdrawn=1, last_answer_at=None, median_seconds=None, agreement=None)


def test_invitations_are_kept_and_revoked(own_store: EmbeddedStore) -> None:
    client = GatewayClient(own_store.url, f"run-{uuid.uuid4().hex[:8]}")
    for id, rater in (("b", "bob"), ("a", "ann")):
        client.note_invitation({"id": id, "rater": rater})
    client.revoke_invitation("b")
    client.revoke_invitation("a session")
    own_store.process.kill()
    own_store.process.wait()
    own_store.restart()
    assert client.invitations() == [
        {"id": "a", "rater": "ann", "revoked": False},
        {"id": "b", "rater": "bob", "revoked": True},
    ]
    assert client.rules().revoked == {"b", "a session"}
