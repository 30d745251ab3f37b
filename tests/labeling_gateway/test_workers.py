"""What is leased to a vendor is answered by its workers, on each kind of store."""

from __future__ import annotations

import time

import pytest

from contracts.label import Choice, Lease, Opinion
from labeling_gateway.client import GatewayClient
from labeling_gateway.replies import Checks
from tests.labeling_gateway.samples import ask, lease, log


def answer(client: GatewayClient, worker: str, held: Lease) -> Opinion:
    return client.answer(held, worker, Choice.A, 1, leased_to="acme").opinion


def test_a_workers_answer_is_the_first_opinion_and_its_own(client: GatewayClient) -> None:
    ask(client, 1)
    held = lease(client, "acme")
    assert answer(client, "acme-1", held) is Opinion.FIRST
    assert client.answer(held, "acme-1", Choice.B, 1, leased_to="acme").repeated
    (label,) = log(client)
    assert (label.rater, label.choice) == ("acme-1", Choice.A)
    assert (client.counts().leased, client.counts().open) == (0, 0)


def test_further_opinions_are_asked_of_others_than_the_vendor(client: GatewayClient) -> None:
    ask(client, 1, opinions=3)
    answer(client, "acme-1", lease(client, "acme"))
    assert client.lease("acme", 60) is None, "the same worker might answer, and be paid"
    held = lease(client, "other")
    assert client.answer(held, "other-1", Choice.A, 1, leased_to="other").opinion is Opinion.LATER
    assert client.lease("other", 60) is None
    assert client.answer(lease(client, "ann"), "ann", Choice.A, 1).opinion is Opinion.LATER
    assert client.counts().wanting == 0


def test_a_second_answer_that_is_taken_back_leaves_the_vendor_as_it_was(client: GatewayClient) -> None:
    ask(client, 1, opinions=3)
    held = lease(client, "acme")
    assert answer(client, "acme-1", held) is Opinion.FIRST
    assert answer(client, "acme-2", held) is Opinion.LATER
    client.withdraw("acme-2")
    assert client.lease("acme", 60) is None, "acme-1 might answer again"
    assert client.counts().wanting == 1, "others may"


def test_a_vendor_whose_worker_does_not_look_is_not_asked_again(client: GatewayClient) -> None:
    ask(client, 1)
    client.set_checks(Checks(minimum_seconds=5.0))
    held = lease(client, "acme")
    with pytest.raises(ValueError, match="look at both clips"):
        answer(client, "acme-1", held)
    client.release(held, "acme")
    assert client.lease("acme", 60) is None
    assert client.answer(lease(client, "ann"), "ann", Choice.A, 6).opinion is Opinion.FIRST


def test_a_late_answer_counts_while_the_vendor_holds_the_question_again(client: GatewayClient) -> None:
    ask(client, 1)
    late = lease(client, "acme", 0.02)
    time.sleep(0.03)
    again = lease(client, "acme")
    assert answer(client, "acme-1", late) is Opinion.FIRST
    assert answer(client, "acme-2", again) is Opinion.LATER
    assert client.counts().used == 1


def test_a_late_answers_worker_may_answer_once_the_question_is_free(client: GatewayClient) -> None:
    ask(client, 1)
    late = lease(client, "acme", 0.02)
    time.sleep(0.03)
    elsewhere = lease(client, "ann")
    assert answer(client, "acme-1", late) is Opinion.LATER
    client.release(elsewhere, "ann")
    held = lease(client, "acme")
    assert answer(client, "acme-1", held) is Opinion.FIRST
    assert client.lease("acme", 60) is None
    assert (client.counts().used, client.counts().later) == (1, 0)


def test_a_vendor_is_asked_again_what_was_taken_back(client: GatewayClient) -> None:
    ask(client, 1)
    answer(client, "acme-1", lease(client, "acme"))
    assert client.withdraw("acme-1") == 1
    assert answer(client, "acme-1", lease(client, "acme")) is Opinion.FIRST
    assert client.lease("acme", 60) is None
