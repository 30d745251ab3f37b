"""The gateway asks what it should, when it should, and goes on after its own death."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace

import numpy as np
import pytest

from labeling_gateway.client import GatewayClient
from labeling_gateway.config import GatewayConfig, LabelsConfig
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.pool import Pool
from labeling_gateway.selection import is_overlapped
from labeling_gateway.service import Gateway, Score
from labeling_gateway.teacher import Crowd
from tests.labeling_gateway.samples import clip, clips, score

LABELS = LabelsConfig(budget=40, upfront=0.5)


@pytest.fixture
def client(valkey: EmbeddedStore) -> GatewayClient:
    return GatewayClient(valkey.url, f"run-{uuid.uuid4().hex[:8]}")


def gateway(client: GatewayClient, score: Score = score, labels: LabelsConfig = LABELS, seed: int = 0) -> Gateway:
    return Gateway(GatewayConfig(run=client.keys.run, reward_address="", seed=seed, labels=labels), client, score)


def test_nothing_is_asked_before_there_is_something_to_choose_from(client: GatewayClient) -> None:
    asking = gateway(client)
    assert asking.step() == 0
    assert client.counts().waiting == "candidate clips"
    asking.offer(clips(19))
    assert asking.step() == 0
    asking.offer(clips(1, 19))
    assert asking.step() == 5
    assert client.counts().open == 5


def test_questions_follow_training(client: GatewayClient) -> None:
    asking = gateway(client)
    teacher = Crowd(client, LABELS, 0)
    asking.offer(clips(400))
    seen: list[int] = []
    for share in (0, 0.2, 0.4, 1.0):
        client.report_progress(int(share * 1000), 1000)
        while asking.step():
            while teacher.answer_one():
                pass
        seen.append(client.counts().used)
    assert seen[0] == 20
    assert seen[-1] == 40
    assert seen == sorted(set(seen))


def test_all_clips_are_scored_in_one_call_newest_first(client: GatewayClient) -> None:
    calls: list[np.ndarray] = []

    def counting(observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int]:
        calls.append(observation)
        return score(observation, action)

    asking = gateway(client, counting)
    asking.offer(clips(300))
    assert asking.step() == 5
    assert [len(call) for call in calls] == [100 * 5]
    assert min(query.policy_version for query in client.asked()) >= 200


def test_version_zero_asks_uniformly(client: GatewayClient) -> None:
    asking = gateway(client, lambda observation, action: (np.zeros((len(observation), 3), np.float32), 0))
    asking.offer(clips(100))
    asking.step()
    assert {(query.chosen_by, query.reward_version) for query in client.asked()} == {("uniform", 0)}


def test_a_reward_service_that_is_away_is_waited_for(client: GatewayClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answers: list[tuple[np.ndarray, int] | None] = []
    asking = gateway(client, lambda observation, action: answers[0] or score(observation, action))
    asking.offer(clips(100))
    asking._score = lambda observation, action: None
    for _ in range(3):
        assert asking.step() == 0
        asking._scoring_from = min(asking._scoring_from, 1e-9)  # the pause is over
    assert client.counts().waiting == "the reward service"
    asking._score = score
    assert asking.step() == 5
    said = [record.message for record in caplog.records]
    assert len([line for line in said if "does not answer" in line]) == 1
    assert len([line for line in said if "answers again" in line]) == 1


def test_the_same_seed_asks_the_same(valkey: EmbeddedStore) -> None:
    def run(seed: int) -> tuple[list, list]:
        client = GatewayClient(valkey.url, f"run-{uuid.uuid4().hex[:8]}")
        asking, teacher = gateway(client, seed=seed), Crowd(client, LABELS, seed)
        for share in range(11):
            client.report_progress(share, 10)
            asking.offer(clips(40, 40 * share))
            while asking.step():
                while teacher.answer_one():
                    pass
        labels = [replace(label, answered_at=0.0) for _, label in client.read_labels("", 1000)]
        return list(client.asked()), labels

    assert run(0) == run(0)
    assert run(0) != run(1)


def test_another_gateway_goes_on_where_one_died(client: GatewayClient) -> None:
    dead = gateway(client)
    dead.offer(clips(50))
    assert dead.step() == 5
    heir = gateway(client)
    heir.offer(clips(50))
    assert len(heir._pool) == 40, "clips that were asked about stay out"
    assert client.counts().candidates == 50
    assert heir.step() == 5
    assert heir.step() == 0, "more than a batch is open"
    assert [query.id[:6] for query in client.asked()] == [f"{n:06d}" for n in range(10)]


def test_a_share_of_the_questions_is_for_several(client: GatewayClient) -> None:
    labels = LabelsConfig(budget=40, upfront=1.0, overlap=0.4, raters_per_question=3, teachers=("5x",))
    asking, crowd = gateway(client, labels=labels), Crowd(client, labels, 0)
    asking.offer(clips(400))
    while asking.step():
        while crowd.answer_one():
            pass
    opinions = {query.id: query.opinions for query in client.asked()}
    assert opinions == {id: 3 if is_overlapped(id, 0.4) else 1 for id in opinions}
    several = sum(wanted == 3 for wanted in opinions.values())
    counts = client.counts()
    assert 5 < several < 30
    assert (counts.asked, counts.used, counts.later, counts.wanting) == (40, 40, 2 * several, 0)


def test_what_nobody_else_is_there_to_answer_stops_no_asking(client: GatewayClient) -> None:
    labels = LabelsConfig(budget=40, upfront=1.0, source="web", overlap=1.0)
    asking = gateway(client, labels=labels)
    asking.offer(clips(400))
    while asking.step():
        while (held := client.lease("ann", 60)) is not None:
            client.answer(held, "ann", "a", 1.0)  # pyright: ignore[reportArgumentType]
    assert (client.counts().used, client.counts().wanting) == (40, 40)


def test_two_gateways_at_once_do_not_break_the_budget(client: GatewayClient) -> None:
    labels = LabelsConfig(budget=12, upfront=1.0)
    both = gateway(client, labels=labels), gateway(client, labels=labels, seed=5)
    teacher = Crowd(client, labels, 0)
    for asking in both:
        asking.offer(clips(200))
    for _ in range(10):
        for asking in both:
            asking.step()
        teacher.answer_one()
        counts = client.counts()
        assert counts.open + counts.leased + counts.used <= 12


def test_candidates_that_make_no_sense_are_dropped(client: GatewayClient, caplog: pytest.LogCaptureFixture) -> None:
    asking = gateway(client)
    asking.take(b"nonsense")
    asking.take(replace(clip(1), observation=np.full((5, 4), np.nan, np.float32)).to_bytes())
    assert len(asking._pool) == 0
    assert len([record for record in caplog.records if "dropped" in record.message]) == 2


def test_candidates_come_over_the_wire(client: GatewayClient) -> None:
    channel = client.subscribe()
    client.offer(clips(3))
    received = [client.receive(channel, 1.0) for _ in range(4)]
    wire = [data for data in received if data is not None]
    wire += [data for _ in range(3 - len(wire)) if (data := client.receive(channel, 1.0)) is not None]
    assert wire == [sample.to_bytes() for sample in clips(3)]


def test_the_pool_keeps_the_newest_of_one_scene() -> None:
    pool = Pool(size=4)
    for sample in [clip(0, scene="old"), *clips(2, 1), clip(3, scene="old"), *clips(2, 4)]:
        pool.add(sample.to_bytes())
    assert len(pool) == 4
    assert [sample.policy_version for sample in pool.newest(10)] == [5, 4, 2]
    assert [sample.policy_version for sample in pool.newest(2)] == [5, 4]
