"""A question for several raters: who is asked, when, and what counts, on each kind of store."""

from __future__ import annotations

import time
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
import pytest
import redis

from contracts.label import Choice, Label, Lease, Opinion
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.replies import Checks
from labeling_gateway.selection import is_overlapped
from tests.labeling_gateway.samples import ask, lease, log


def answer(client: GatewayClient, rater: str, held: Lease | None = None) -> Opinion:
    held = held or lease(client, rater)
    return client.answer(held, rater, Choice.A, 1, flipped=bool(held.flipped)).opinion


def test_a_question_for_three_is_answered_by_three_and_counts_once(client: GatewayClient) -> None:
    (query,) = ask(client, 1, opinions=3)
    assert client.query(query.id).opinions == 3
    assert [answer(client, rater) for rater in ("ann", "bob", "eve")] == [Opinion.FIRST, Opinion.LATER, Opinion.LATER]
    for rater in ("ann", "bob", "eve", "joe"):
        assert client.lease(rater, 60) is None
    counts = client.counts()
    assert (counts.used, counts.later, counts.open, counts.leased, counts.wanting) == (1, 2, 0, 0, 0)


def test_nobody_is_asked_before_the_first_has_answered_nor_twice(client: GatewayClient) -> None:
    ask(client, 1, opinions=2)
    held = lease(client, "ann")
    assert client.lease("bob", 60) is None
    answer(client, "ann", held)
    assert client.counts().wanting == 1
    assert client.lease("ann", 60) is None
    second = lease(client, "bob")
    assert client.counts().wanting == 0
    assert client.lease("bob", 60) is None
    assert client.lease("eve", 60) is None, "bob has the only place"
    assert answer(client, "bob", second) is Opinion.LATER


def test_older_questions_come_first_whichever_opinion_they_lack(client: GatewayClient) -> None:
    queries = ask(client, 3, opinions=2)
    answer(client, "ann")
    young = lease(client, "ann")
    assert young.query.id == queries[1].id, "the oldest lacks nothing that ann could give"
    assert lease(client, "bob").query.id == queries[0].id
    assert lease(client, "bob").query.id == queries[2].id


def test_places_are_given_back_by_release_expiry_and_undo(client: GatewayClient) -> None:
    ask(client, 1, opinions=2)
    answer(client, "ann")
    second = lease(client, "bob")
    assert not client.release(second, "eve")
    assert client.release(second, "bob")
    assert not client.release(second, "bob")
    short = lease(client, "bob", 0.02)
    assert short.fence > second.fence
    time.sleep(0.03)
    assert client.renew(short, "bob", 60) is None
    assert client.expire_leases() == 1
    third = lease(client, "eve")
    renewed = client.renew(third, "eve", 60)
    assert renewed is not None
    assert renewed.fence == third.fence
    answer(client, "eve", third)
    assert client.lease("joe", 60) is None
    client.release(client.undo("eve", third.query.id, 60), "eve")
    assert answer(client, "joe") is Opinion.LATER
    assert client.lease("eve", 60) is None


def test_a_late_second_opinion_is_kept_beside_the_one_that_took_its_place(client: GatewayClient) -> None:
    ask(client, 1, opinions=2)
    answer(client, "ann")
    late = lease(client, "bob", 0.02)
    time.sleep(0.03)
    answer(client, "eve")
    assert answer(client, "bob", late) is Opinion.LATER
    assert [label.rater for label in log(client)] == ["ann", "eve", "bob"]
    assert client.answer(late, "bob", Choice.B, 1).repeated


def test_whoever_is_undoing_a_second_opinion_keeps_its_place(client: GatewayClient) -> None:
    (query,) = ask(client, 1, opinions=2)
    for rater in ("ann", "bob"):
        answer(client, rater)
    again = client.undo("bob", query.id, 60)
    assert client.undo("bob", query.id, 60) == again
    assert client.lease("eve", 60) is None
    assert answer(client, "bob", again) is Opinion.LATER
    assert (client.counts().used, client.counts().later, client.counts().wanting) == (1, 1, 0)


def test_a_first_opinion_taken_back_is_asked_for_again_before_further_ones(client: GatewayClient) -> None:
    ask(client, 1, opinions=3)
    for rater in ("ann", "bob"):
        answer(client, rater)
    pending = lease(client, "eve")
    assert client.withdraw("ann") == 1
    counts = client.counts()
    assert (counts.used, counts.later, counts.open, counts.wanting) == (0, 1, 1, 0)
    first = lease(client, "joe")
    assert answer(client, "eve", pending) is Opinion.LATER, "it is joe's meanwhile"
    assert answer(client, "joe", first) is Opinion.FIRST
    assert (client.counts().used, client.counts().later, client.counts().wanting) == (1, 2, 0)


def test_a_question_goes_to_whoever_has_not_answered_it_if_there_is_another(client: GatewayClient) -> None:
    first, second = ask(client, 2, opinions=2)
    for rater in ("ann", "bob"):
        answer(client, rater)
    assert client.withdraw("ann") == 1
    assert lease(client, "bob").query.id == second.id, "though the other one is older"
    assert lease(client, "eve").query.id == first.id


def test_the_schedule_counts_new_questions_alone(client: GatewayClient) -> None:
    ask(client, 3, budget=3, opinions=2)
    for _ in range(3):
        answer(client, "ann")
    counts = client.counts()
    assert (counts.open, counts.leased, counts.used, counts.wanting) == (0, 0, 3, 3)
    ask(client, 1, budget=4, opinions=2)
    assert client.counts().asked == 4, "second opinions take nothing of the budget"


def test_which_questions_are_for_several_is_a_function_of_their_id() -> None:
    chosen = {number for number in range(5000) if is_overlapped(f"{number:06d}-ab", 0.3)}
    assert len(chosen) / 5000 == pytest.approx(0.3, abs=0.02)
    assert chosen < {number for number in range(5000) if is_overlapped(f"{number:06d}-ab", 0.6)}
    assert not any(is_overlapped(str(number), 0.0) for number in range(100))
    assert all(is_overlapped(str(number), 1.0) for number in range(100))


@dataclass
class Crowd:
    """Raters who do what raters do, in an order that a seed fixes, and what they were told."""

    client: GatewayClient
    rng: np.random.Generator
    raters: int
    seconds: float  # of a lease
    held: list[tuple[str, Lease]] = field(default_factory=list)
    late: list[tuple[str, Lease]] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)

    def step(self, *, tidy: bool) -> None:
        """One thing that one of them does; if ``tidy``, nobody answers late, undoes, or sends anything twice."""
        rater = f"rater-{self.rng.integers(self.raters)}"
        does = self.rng.random()
        if does < 0.5 or not self.held:
            held = self.client.lease(rater, self.seconds, self.rng.random)
            if held is not None:
                self.held.append((rater, held))
            return
        rater, held = self.held.pop(self.rng.integers(len(self.held)))
        if does < 0.55:
            self.client.release(held, rater)
        elif tidy or does < 0.85:
            self.say(rater, held)
        elif does < 0.93:
            self.say(rater, held)
            self.held.append((rater, self.client.undo(rater, held.query.id, self.seconds)))
        elif does < 0.97:
            self.say(rater, held)
            self.late.append((rater, held))
        else:
            self.late.append((rater, held))  # it sleeps, and answers when the lease is over
        if self.late and self.rng.random() < 0.1:
            self.say(*self.late.pop(0))

    def say(self, rater: str, held: Lease) -> None:
        choice = (Choice.A, Choice.B, Choice.EQUAL)[self.rng.integers(3)]
        self.acknowledged.add(self.client.answer(held, rater, choice, 1.0, flipped=bool(held.flipped)).offset)


def standing(client: GatewayClient) -> dict[str, Label]:
    labels = dict(client.read_labels("", 10_000))
    replaced = {label.supersedes for label in labels.values()}
    return {offset: label for offset, label in labels.items() if offset not in replaced and label.choice != "withdrawn"}


@pytest.mark.parametrize("seed", range(3))
def test_any_interleaving_of_orderly_raters_gives_each_question_what_it_wants(client: GatewayClient, seed: int) -> None:
    crowd = Crowd(client, np.random.default_rng(seed), raters=5, seconds=60)
    queries = ask(client, 15) + ask(client, 15, opinions=2) + ask(client, 10, opinions=4)
    for _ in range(150):
        crowd.step(tidy=True)
        counts = client.counts()
        assert counts.open + counts.leased + counts.used == counts.asked
    while crowd.held or client.counts().open or client.counts().wanting:
        crowd.step(tidy=True)
    given: dict[str, list[Label]] = defaultdict(list)
    for label in log(client):
        given[label.query].append(label)
    for query in queries:
        assert len({label.rater for label in given[query.id]}) == len(given[query.id]) == query.opinions
        assert [label.opinion for label in given[query.id]] == [Opinion.FIRST, *[Opinion.LATER] * (query.opinions - 1)]
    assert crowd.acknowledged == set(standing(client))


@pytest.mark.parametrize("seed", range(3))
def test_whatever_raters_do_each_answer_stands_once_and_none_is_lost(client: GatewayClient, seed: int) -> None:
    """Late answers, repetitions, undoings, gold questions and repeats, all at once, with leases that run out."""
    crowd = Crowd(client, np.random.default_rng(seed), raters=5, seconds=0.05)
    client.set_checks(Checks(gold_share=0.1, repeat_share=0.2))
    queries = ask(client, 10) + ask(client, 20, opinions=3)
    for query in queries[::3]:
        client.mark_gold(query.id, Choice.A)
    for _ in range(300):
        crowd.step(tidy=False)
    while client.counts().used < len(queries) or client.counts().wanting:
        crowd.step(tidy=True)
    for rater, held in crowd.late + crowd.held:
        crowd.say(rater, held)
    labels = dict(client.read_labels("", 10_000))
    assert crowd.acknowledged <= labels.keys(), "acknowledged and lost"
    replaced = Counter(label.supersedes for label in labels.values() if label.supersedes)
    assert set(replaced.values()) <= {1}, "superseded twice"
    stand = standing(client).values()
    mine = Counter((label.query, label.rater, label.opinion is Opinion.REPEAT) for label in stand)
    assert set(mine.values()) == {1}, "counted twice"
    found = Counter(label.opinion for label in stand)
    counts = client.counts()
    assert (found[Opinion.FIRST], found[Opinion.LATER]) == (counts.used, counts.later)
    assert len({label.query for label in stand if label.opinion is Opinion.FIRST}) == counts.used == len(queries)
    assert found[Opinion.GOLD] and found[Opinion.REPEAT]
    for query in queries:
        ordinary = [label for label in stand if label.query == query.id and label.opinion in ("first", "later")]
        assert len(ordinary) >= query.opinions


def test_leasing_looks_at_few_questions_however_many_there_are(valkey: EmbeddedStore) -> None:
    """Whoever gave nearly all first opinions finds what another left, and looks through their own no second time."""
    client = GatewayClient(valkey.url, f"run-{uuid.uuid4().hex[:8]}")
    questions = 700
    first = ask(client, questions, opinions=2)[0]
    of_bob = lease(client, "bob")
    for _ in range(questions - 1):
        answer(client, "ann")
    assert client.lease("ann", 60) is None
    answer(client, "bob", of_bob)
    server = redis.Redis.from_url(valkey.url)

    def commands() -> int:
        return sum(found["calls"] for found in server.info("commandstats").values())

    before = commands()
    assert lease(client, "ann").query.id == first.id
    for _ in range(9):
        assert client.lease("ann", 60) is None
    assert commands() - before < 10 * 30
