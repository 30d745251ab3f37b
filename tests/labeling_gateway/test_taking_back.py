"""Undo, withdrawal and heartbeats, on each kind of store."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import pytest
import redis

from contracts.label import Choice, Opinion
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import EmbeddedStore
from tests.labeling_gateway.samples import ask, lease, log


def test_a_heartbeat_moves_the_deadline_of_the_same_lease(client: GatewayClient) -> None:
    ask(client, 1)
    held = lease(client, seconds=1.0)
    renewed = client.renew(held, "ann", 60)
    assert renewed is not None
    assert (renewed.query, renewed.fence) == (held.query, held.fence)
    assert renewed.deadline == pytest.approx(held.deadline + 59.5, abs=0.5)
    time.sleep(1.05)
    assert client.lease("bob", 60) is None, "it would have ended by now"


def test_a_lease_that_ended_or_is_anothers_is_not_renewed(client: GatewayClient) -> None:
    ask(client, 1)
    held = lease(client, seconds=0.02)
    assert client.renew(held, "bob", 60) is None
    time.sleep(0.03)
    assert client.renew(held, "ann", 60) is None
    other = lease(client, "bob")
    assert client.renew(held, "ann", 60) is None
    client.answer(other, "bob", Choice.A, 1)
    assert client.renew(other, "bob", 60) is None
    with pytest.raises(ValueError, match="positive time"):
        client.renew(held, "ann", 0)


def test_how_it_was_shown_is_kept(client: GatewayClient) -> None:
    ask(client, 2)
    client.answer(lease(client), "ann", Choice.A, 1, flipped=True)
    client.answer(lease(client), "ann", Choice.A, 1)
    assert [label.flipped for label in log(client)] == [True, False]


def test_withdrawn_is_no_answer(client: GatewayClient) -> None:
    ask(client, 1)
    with pytest.raises(ValueError, match="withdrawn is no answer"):
        client.answer(lease(client), "ann", Choice.WITHDRAWN, 1)
    assert log(client) == []


def test_undo_supersedes_gives_the_budget_back_and_leases_the_question_anew(client: GatewayClient) -> None:
    ask(client, 2)
    held = lease(client)
    receipt = client.answer(held, "ann", Choice.A, 1)
    again = client.undo("ann", held.query.id, 60)
    assert again.query == held.query
    assert again.fence > held.fence
    assert again.deadline == pytest.approx(time.time() + 60, abs=5)
    counts = client.counts()
    assert (counts.asked, counts.open, counts.leased, counts.used) == (2, 1, 1, 0)
    answer, withdrawal = client.read_labels("", 10)
    assert answer[0] == receipt.offset == withdrawal[1].supersedes
    assert (withdrawal[1].choice, withdrawal[1].rater) == (Choice.WITHDRAWN, "ann")
    assert client.undo("ann", held.query.id, 60) == again, "a repetition gets the same lease"
    assert len(log(client)) == 2
    second = client.answer(again, "ann", Choice.B, 1)
    assert (second.opinion, second.repeated) == (Opinion.FIRST, False)
    assert [label.supersedes for label in log(client)] == ["", receipt.offset, withdrawal[0]]
    assert client.counts().used == 1
    assert client.undo("ann", held.query.id, 60).fence > again.fence, "as often as one likes"
    assert client.counts().used == 0


def test_what_was_not_answered_cannot_be_undone(client: GatewayClient) -> None:
    ask(client, 1)
    held = lease(client)
    with pytest.raises(LookupError, match=f"no such answer of ann to {held.query.id}"):
        client.undo("ann", held.query.id, 60)
    client.answer(held, "ann", Choice.A, 1)
    for rater, query in (("bob", held.query.id), ("ann", "nope")):
        with pytest.raises(LookupError):
            client.undo(rater, query, 60)
    client.withdraw("ann")
    with pytest.raises(LookupError):
        client.undo("ann", held.query.id, 60)
    assert client.counts().open == 1


def test_an_undone_answer_that_comes_again_stays_undone(client: GatewayClient) -> None:
    ask(client, 1)
    held = lease(client)
    receipt = client.answer(held, "ann", Choice.A, 1)
    again = client.undo("ann", held.query.id, 60)
    repeated = client.answer(held, "ann", Choice.A, 1)
    assert (repeated.offset, repeated.repeated) == (receipt.offset, True)
    assert client.counts().used == 0
    client.release(again, "ann")
    assert client.answer(held, "ann", Choice.A, 1).repeated, "also once the new lease is over"
    assert client.answer(again, "ann", Choice.B, 1).opinion is Opinion.FIRST, "which a late answer to it is not"


def test_an_undone_question_left_alone_goes_to_the_next(client: GatewayClient) -> None:
    ask(client, 1)
    held = lease(client)
    client.answer(held, "ann", Choice.A, 1)
    again = client.undo("ann", held.query.id, 0.02)
    time.sleep(0.03)
    other = lease(client, "bob")
    assert other.query == held.query
    beside = client.undo("ann", held.query.id, 60)
    assert client.counts().leased == 1, "bob's lease holds"
    assert client.answer(other, "bob", Choice.B, 1).opinion is Opinion.FIRST
    assert client.answer(again, "ann", Choice.A, 1).opinion is Opinion.LATER
    assert client.answer(beside, "ann", Choice.A, 1).repeated
    assert (client.counts().used, client.counts().later) == (1, 1)


def test_whoever_undoes_again_once_the_lease_is_over_gets_another(client: GatewayClient) -> None:
    ask(client, 1)
    held = lease(client)
    client.answer(held, "ann", Choice.A, 1)
    old = client.undo("ann", held.query.id, 0.02)
    time.sleep(0.03)
    assert client.expire_leases() == 1
    new = client.undo("ann", held.query.id, 60)
    assert new.fence > old.fence
    counts = client.counts()
    assert (counts.open, counts.leased, counts.labels) == (0, 1, 2)


def test_undoing_a_second_opinion_takes_nobodys_question(client: GatewayClient) -> None:
    ask(client, 1)
    held = lease(client)
    client.answer(held, "ann", Choice.A, 1)
    client.answer(held, "bob", Choice.B, 1)
    beside = client.undo("bob", held.query.id, 30)
    assert client.undo("bob", held.query.id, 60) == beside
    counts = client.counts()
    assert (counts.used, counts.later, counts.open, counts.leased, counts.asked) == (1, 0, 0, 0, 1)
    assert client.renew(beside, "ann", 60) is None
    renewed = client.renew(beside, "bob", 60)
    assert renewed is not None
    assert (renewed.fence, renewed.deadline > beside.deadline) == (beside.fence, True)
    assert client.answer(beside, "bob", Choice.A, 1).opinion is Opinion.LATER
    assert client.counts().later == 1
    assert client.renew(beside, "bob", 60) is None, "the answer ended it"


def test_withdrawing_a_rater_takes_back_all_that_stands(client: GatewayClient) -> None:
    queries = ask(client, 5)
    held = [lease(client, name) for name in ("ann", "ann", "bob", "ann", "ann")]
    for one, name in zip(held, ("ann", "ann", "bob", "ann", "ann"), strict=True):
        client.answer(one, name, Choice.A, 1)
    client.answer(held[2], "ann", Choice.B, 1)
    client.undo("ann", queries[3].id, 60)
    assert client.withdraw("ann") == 4
    counts = client.counts()
    assert (counts.used, counts.later, counts.open, counts.leased) == (1, 0, 3, 1)
    taken_back = [label for label in log(client) if label.choice is Choice.WITHDRAWN]
    assert len(taken_back) == len({label.supersedes for label in taken_back}) == 5
    assert client.withdraw("ann") == 0
    assert len(log(client)) == 11
    assert [lease(client, "eve").query.id for _ in range(3)] == [queries[n].id for n in (0, 1, 4)]
    assert client.answer(held[0], "ann", Choice.A, 1).repeated, "one that comes again stays withdrawn"


def test_withdrawing_more_than_a_page(client: GatewayClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling_gateway.ownership._PAGE", 3)
    monkeypatch.setattr("labeling_gateway.ownership._BATCH", 2)
    for number, _ in enumerate(ask(client, 12)):
        client.answer(lease(client), "bob" if number < 4 else "ann", Choice.A, 1)
    assert client.withdraw("ann") == 8
    assert client.counts().open == 8
    assert client.withdraw("nobody") == 0


@pytest.mark.parametrize(
    "again",
    [
        lambda client, query: client.undo("ann", query, 60),
        lambda client, query: client.withdraw("ann"),
        lambda client, query: client.set_paused(True),
        lambda client, query: client.revoke_invitation("x"),
    ],
    ids=["undo", "withdraw", "pause", "revoke"],
)
def test_what_is_acknowledged_was_written_also_by_a_repetition(
    valkey: EmbeddedStore, again: Callable[[GatewayClient, str], object]
) -> None:
    """WAITAOF answers at once on a connection that wrote nothing: a repetition must write too."""
    client = GatewayClient(valkey.url, f"run-{uuid.uuid4().hex[:8]}")
    (query,) = ask(client, 1)
    client.answer(lease(client), "ann", Choice.A, 1)
    server = redis.Redis.from_url(valkey.url)
    written: list[int] = []
    for _ in range(2):
        before = server.info("persistence")["aof_current_size"]
        again(client, query.id)
        written.append(server.info("persistence")["aof_current_size"] - before)
    if again(client, query.id) != 0:  # a second withdraw finds nothing and sends nothing
        assert min(written) > 0
