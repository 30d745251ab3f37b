"""What shows how good a rater is: gold questions, repeats, a minimum time, sides; and raters who are paused."""

from __future__ import annotations

import time
import uuid
from math import comb

import numpy as np
import pytest
import redis

from contracts.label import Choice, Lease, Opinion, Query
from labeling_gateway.archive import export_labels, read_archive
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import LabelsConfig
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.importing import import_labels
from labeling_gateway.raters import even_odds
from labeling_gateway.replies import Checks, Rater
from tests.labeling_gateway.samples import ask, lease, log
from tests.labeling_gateway.test_archive import SCENE, SHAPE

ALWAYS_GOLD = Checks(gold_share=1.0)
ALWAYS_REPEAT = Checks(repeat_share=1.0)


def answer(client: GatewayClient, rater: str, held: Lease, choice: Choice = Choice.A) -> Opinion:
    return client.answer(held, rater, choice, 1, flipped=bool(held.flipped)).opinion


def answered(client: GatewayClient, rater: str, count: int, **asked: str) -> list[Query]:
    queries = ask(client, count, **asked)  # pyright: ignore[reportArgumentType]
    for _ in queries:
        answer(client, rater, lease(client, rater))
    return queries


def rater_of(client: GatewayClient, name: str) -> Rater:
    (found,) = (rater for rater in client.raters() if rater.name == name)
    return found


def test_a_gold_question_is_asked_in_place_of_an_open_one_and_counts_beside_the_budget(client: GatewayClient) -> None:
    gold, other = answered(client, "ann", 2)
    client.mark_gold(gold.id, Choice.B)
    client.set_checks(ALWAYS_GOLD)
    assert client.lease("bob", 60) is None, "where nothing is open nobody is checked either"
    open_one = ask(client, 1)[0]
    held = lease(client, "bob")
    assert (held.query, held.flipped) == (gold, None)
    assert client.counts().open == 1, "the question that it came in place of"
    assert answer(client, "bob", held) is Opinion.GOLD
    assert lease(client, "bob").query == open_one, "nobody is asked the same gold question twice"
    label = log(client)[-1]
    assert (label.query, label.rater, label.opinion) == (gold.id, "bob", Opinion.GOLD)
    counts = client.counts()
    assert (counts.used, counts.later, counts.leased) == (2, 0, 1)
    assert client.answer(held, "bob", Choice.B, 1).repeated
    assert other.id not in client.golds()


def test_whoever_has_answered_a_question_is_not_asked_it_as_gold(client: GatewayClient) -> None:
    for query in answered(client, "ann", 3):
        client.mark_gold(query.id, Choice.A)
    client.set_checks(ALWAYS_GOLD)
    (open_one,) = ask(client, 1)
    assert lease(client, "ann").query == open_one


def test_a_gold_question_that_is_open_is_not_asked_twice_either(client: GatewayClient) -> None:
    gold, other = ask(client, 2, opinions=2)
    client.mark_gold(gold.id, Choice.A)
    client.set_checks(ALWAYS_GOLD)
    assert answer(client, "bob", lease(client, "bob")) is Opinion.GOLD
    client.set_checks(Checks())
    assert lease(client, "bob").query == other, "though the gold one is open and older"
    assert client.lease("bob", 60) is None, "also where nothing else is open"
    held = lease(client, "ann")
    assert (held.query, answer(client, "ann", held)) == (gold, Opinion.FIRST)
    assert client.lease("bob", 60) is None
    assert lease(client, "eve").query == gold


def test_a_gold_question_left_alone_comes_again_and_a_late_answer_to_it_is_kept(client: GatewayClient) -> None:
    (gold,) = answered(client, "ann", 1)
    ask(client, 1)
    client.mark_gold(gold.id, Choice.A)
    client.set_checks(ALWAYS_GOLD)
    old = lease(client, "bob", 0.02)
    time.sleep(0.03)
    assert client.renew(old, "bob", 60) is None
    again = lease(client, "bob")
    assert again.query == gold
    assert client.release(again, "bob")
    assert answer(client, "bob", old) is Opinion.GOLD
    assert client.answer(again, "bob", Choice.B, 1).repeated


def test_marks_can_be_changed_and_taken_off(client: GatewayClient, store_url: str) -> None:
    first, second = answered(client, "ann", 2)
    client.mark_gold(first.id, Choice.A)
    client.mark_gold(second.id, Choice.A)
    client.mark_gold(first.id, Choice.B)
    assert client.golds() == {first.id: Choice.B, second.id: Choice.A}
    client.unmark_gold(first.id)
    assert client.golds() == {second.id: Choice.A}
    with redis.Redis.from_url(store_url) as store:  # as whoever reads while a mark is taken off may find it
        store.zadd(client.keys.golds, {first.id: 3})
    assert client.golds() == {second.id: Choice.A}
    for call in (lambda: client.mark_gold("nope", Choice.A), lambda: client.unmark_gold("nope")):
        with pytest.raises(LookupError, match="asked no question nope"):
            call()
    with pytest.raises(ValueError, match="a or b"):
        client.mark_gold(first.id, Choice.EQUAL)


def test_a_repeat_swaps_the_sides_and_is_a_label_of_its_own(client: GatewayClient) -> None:
    queries = ask(client, 2)
    for flipped in (True, False):
        client.answer(lease(client), "ann", Choice.A, 1, flipped=flipped)
    ask(client, 3)
    client.set_checks(ALWAYS_REPEAT)
    held = lease(client)
    assert (held.query, held.flipped) == (queries[0], False)
    renewed = client.renew(held, "ann", 60)
    assert renewed is not None and renewed.flipped is False, "a repeat keeps its sides"
    receipt = client.answer(held, "ann", Choice.B, 1, flipped=False)
    assert (receipt.opinion, receipt.repeated) == (Opinion.REPEAT, False)
    again = client.answer(held, "ann", Choice.B, 1, flipped=False)
    assert (again.offset, again.opinion, again.repeated) == (receipt.offset, Opinion.REPEAT, True)
    assert client.counts().used == 2
    assert log(client)[-1].supersedes == ""
    assert [found.standing for found in client.history(9, "")] == [True, True, True]
    seen = {lease(client).query.id for _ in range(3)}
    assert queries[0].id not in seen, "never twice"


def test_a_repeat_is_from_long_ago_and_never_a_question_that_comes_right_back(client: GatewayClient) -> None:
    client.set_checks(ALWAYS_REPEAT)
    rng = np.random.default_rng(0)
    ask(client, 400)
    given: list[str] = []
    repeats: list[tuple[int, int]] = []  # answers before a repeat, and how many of them since the first time
    while len(repeats) < 60:
        client.set_checks(ALWAYS_REPEAT if rng.random() < 0.5 else Checks())
        held = client.lease("ann", 60, rng.random)
        assert held is not None
        if answer(client, "ann", held) is Opinion.REPEAT:
            repeats.append((len(given), len(given) - 1 - given.index(held.query.id)))
        else:
            given.append(held.query.id)
    assert all(since >= min(20, before // 2) for before, since in repeats)
    assert repeats[0][0] >= 2
    assert len({since for _, since in repeats if since > 20}) > 5, "which one is drawn"


def test_a_repeat_taken_back_is_shown_again_the_same_way(client: GatewayClient) -> None:
    queries = answered(client, "ann", 2)
    ask(client, 1)
    client.set_checks(ALWAYS_REPEAT)
    held = lease(client)
    answer(client, "ann", held)
    again = client.undo("ann", held.query.id, 60)
    assert (again.query, again.flipped, again.fence > held.fence) == (queries[0], held.flipped, True)
    assert client.undo("ann", held.query.id, 60) == again
    assert client.answer(held, "ann", Choice.B, 1).repeated, "the one taken back stays so"
    assert answer(client, "ann", again) is Opinion.REPEAT
    withdrawn, new = log(client)[-2:]
    assert (withdrawn.choice, withdrawn.opinion, new.opinion) == (Choice.WITHDRAWN, Opinion.REPEAT, Opinion.REPEAT)
    assert client.counts().used == 2, "what was repeated stands"
    assert client.withdraw("ann") == 3
    assert client.answer(again, "ann", Choice.B, 1).repeated
    assert client.counts().open == 3
    client.set_checks(Checks())
    for _ in range(3):
        answer(client, "ann", lease(client))
    ask(client, 1)
    client.set_checks(ALWAYS_REPEAT)
    assert lease(client).flipped is None, "nor is it repeated once more where the question was asked anew"


def test_a_late_repeat_is_kept(client: GatewayClient) -> None:
    answered(client, "ann", 2)
    ask(client, 1)
    client.set_checks(ALWAYS_REPEAT)
    held = lease(client, seconds=0.02)
    time.sleep(0.03)
    client.expire_leases()
    assert answer(client, "ann", held) is Opinion.REPEAT


def test_shares_are_what_was_asked_for(valkey: EmbeddedStore) -> None:
    client = GatewayClient(valkey.url, f"run-{uuid.uuid4().hex[:8]}")
    for query in answered(client, "ann", 100):
        client.mark_gold(query.id, Choice.A)
    ask(client, 300)
    client.set_checks(LabelsConfig(gold_share=0.2, repeat_share=0.1, source="web").checks)
    rng = np.random.default_rng(0)
    given = []
    for _ in range(300):
        held = client.lease("bob", 60, rng.random)
        assert held is not None
        given.append(answer(client, "bob", held))
    assert given.count(Opinion.GOLD) / 300 == pytest.approx(0.2, abs=0.06)
    assert given.count(Opinion.REPEAT) / 300 == pytest.approx(0.1, abs=0.05)


def test_an_answer_given_too_soon_is_refused_and_can_be_given_later(client: GatewayClient) -> None:
    ask(client, 1)
    client.set_checks(Checks(minimum_seconds=2.5))
    assert client.control().checks == Checks(0.0, 0.0, 2.5)
    held = lease(client)
    with pytest.raises(ValueError, match=r"answered after 2\.4 s; look at both clips for 2\.5 s"):
        client.answer(held, "ann", Choice.A, 2.4)
    assert log(client) == []
    receipt = client.answer(held, "ann", Choice.A, 2.5)
    client.set_checks(Checks(minimum_seconds=9))
    assert client.answer(held, "ann", Choice.A, 2.5).offset == receipt.offset, "what was taken stays taken"


def test_a_paused_rater_is_given_nothing_but_may_finish(client: GatewayClient) -> None:
    ask(client, 3, opinions=2)
    held = lease(client)
    client.pause_rater("ann", "answers at random")
    client.pause_rater("zoe", "never came")
    assert client.lease("ann", 60) is None
    assert answer(client, "ann", held) is Opinion.FIRST
    assert lease(client, "bob").query == held.query
    assert client.paused_raters() == {"ann": "answers at random", "zoe": "never came"}
    found = {rater.name: (rater.standing, rater.paused_reason) for rater in client.raters()}
    assert found == {"ann": (1, "answers at random"), "zoe": (0, "never came")}
    client.resume_rater("ann")
    assert client.lease("ann", 60) is not None
    assert client.paused_raters() == {"zoe": "never came"}
    with pytest.raises(ValueError, match="a reason"):
        client.pause_rater("ann", "")


def test_the_book_says_how_good_a_rater_is(client: GatewayClient) -> None:
    golds = answered(client, "ann", 4)
    for query, right in zip(golds, (Choice.A, Choice.A, Choice.A, Choice.B), strict=True):
        client.mark_gold(query.id, right)
    ask(client, 20)
    client.set_checks(ALWAYS_GOLD)
    for _ in golds:
        answer(client, "bob", lease(client, "bob"), Choice.A)
    assert (rater_of(client, "bob").gold_right, rater_of(client, "bob").golds) == (0.75, 4)
    client.unmark_gold(golds[3].id)
    assert (rater_of(client, "bob").gold_right, rater_of(client, "bob").golds) == (1.0, 3)

    client.set_checks(Checks())
    said: dict[str, Choice] = {}
    for flipped in (False, False, True, False, False, False):
        held = lease(client, "bob")
        said[held.query.id] = Choice.B if flipped else Choice.A  # always the left one
        client.answer(held, "bob", said[held.query.id], 1, flipped=flipped)
    bob = rater_of(client, "bob")
    assert (bob.left_share, bob.left_p, bob.self_consistency, bob.repeats) == (1.0, 2 / 2**10, None, 0)
    client.set_checks(ALWAYS_REPEAT)
    for alike in (True, False, None):
        held = lease(client, "bob")
        assert held.flipped is not None
        before = said[held.query.id]
        other = Choice.A if before is Choice.B else Choice.B
        choice = Choice.CANT_TELL if alike is None else before if alike else other
        client.answer(held, "bob", choice, 1, flipped=held.flipped)
    bob = rater_of(client, "bob")
    assert (bob.self_consistency, bob.repeats) == (0.5, 2), "can't tell is neither alike nor not"
    assert bob.agreement is None
    ann = rater_of(client, "ann")
    assert (ann.gold_right, ann.golds, ann.left_share, ann.left_p) == (None, 0, 1.0, 0.125)


def test_even_odds_is_the_exact_binomial_test() -> None:
    for of in (1, 2, 7, 30, 61):
        for hits in range(of + 1):
            far = max(hits, of - hits)
            exact = min(1.0, 2 * sum(comb(of, k) for k in range(far, of + 1)) / 2**of)
            assert even_odds(hits, of) == pytest.approx(exact, rel=1e-9)
    assert even_odds(5100, 10_000) == pytest.approx(0.0466, abs=1e-3)
    assert even_odds(10_000, 10_000) == 0.0
    assert even_odds(50_000, 100_000) == 1.0


def test_checks_leave_a_run_in_its_archive_but_teach_no_other(client: GatewayClient, store_url: str, tmp_path) -> None:
    scene = client.put_scene(SCENE)
    (gold, _) = answered(client, "ann", 2, scene=scene)
    ask(client, 2, scene=scene)
    client.mark_gold(gold.id, Choice.A)
    client.set_checks(ALWAYS_GOLD)
    answer(client, "bob", lease(client, "bob"))
    client.set_checks(ALWAYS_REPEAT)
    answer(client, "ann", lease(client))
    file = tmp_path / "labels.parquet"
    assert export_labels(client, file) == 4
    assert [row.record.label.opinion for row in read_archive(file)][2:] == [Opinion.GOLD, Opinion.REPEAT]
    other = GatewayClient(store_url, f"other-{uuid.uuid4().hex[:8]}")
    assert import_labels(other, file, SHAPE) == 2
    other.close()
