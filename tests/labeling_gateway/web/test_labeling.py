"""A labeler's way through the API, over HTTP, against a real store."""

from __future__ import annotations

import base64
import time
from typing import Any

import httpx
import pytest
import redis

from contracts.label import Choice, Opinion
from tests.labeling_gateway.web.server import Server, ask

FIRST = {"offset": "", "opinion": "first", "repeated": False, "mine": 1, "used": 1, "next": []}


def lease(client: httpx.Client, count: int = 1) -> list[dict]:
    answered = client.post("leases", json={"count": count})
    assert answered.status_code == 200, answered.text
    return answered.json()["pairs"]


def answer(client: httpx.Client, pair: dict, choice: str = "left", seconds: float = 2.5, **more: Any) -> httpx.Response:
    body = {"query": pair["query"], "fence": pair["fence"], "choice": choice, "seconds": seconds}
    return client.post("answers", json=body | more)


def test_a_labeler_sees_the_task_answers_and_is_told_once_it_is_saved(server: Server) -> None:
    queries = ask(server, 3)
    ann = server.labeler()
    task = ann.get("task").json()
    assert (task["asked"], task["open"], task["used"], task["mine"], task["budget"]) == (3, 3, 0, 0, 900)
    assert task["question"] == server.config.question and task["paused"] is False
    (pair,) = lease(ann)
    assert pair["query"] == queries[0].id
    assert 50 < pair["seconds_left"] <= 60
    assert {pair["left"]["clip"], pair["right"]["clip"]} == {queries[0].clip_a, queries[0].clip_b}
    saved = answer(ann, pair)
    assert saved.status_code == 201
    assert saved.json() | {"offset": ""} == FIRST
    ((offset, label),) = server.gateway.read_labels("", 10)
    assert (offset, label.rater, label.seconds) == (saved.json()["offset"], "ann", 2.5)
    chosen = queries[0].clip_a if label.choice is Choice.A else queries[0].clip_b
    assert chosen == pair["left"]["clip"], "what was on the left was chosen"
    assert label.flipped == (pair["left"]["clip"] == queries[0].clip_b)
    assert ann.get("task").json()["mine_per_hour"] > 0


def test_sides_are_shuffled_and_kept_for_a_lease(server: Server) -> None:
    queries = ask(server, 40)
    ann = server.labeler()
    flipped = []
    for query in queries:
        (pair,) = lease(ann)
        flipped.append(pair["left"]["clip"] == query.clip_b)
        answer(ann, pair, "right")
    assert 4 < sum(flipped) < 36, "about half"
    labels = [label for _, label in server.gateway.read_labels("", 100)]
    assert [label.flipped for label in labels] == flipped
    assert [label.choice for label in labels] == [Choice.A if flip else Choice.B for flip in flipped]


@pytest.mark.parametrize(("shown", "kept"), [("equal", Choice.EQUAL), ("cant_tell", Choice.CANT_TELL)])
def test_ties_and_no_answer_are_kept_as_such(server: Server, shown: str, kept: Choice) -> None:
    ask(server, 1)
    ann = server.labeler()
    assert answer(ann, lease(ann)[0], shown).status_code == 201
    assert server.gateway.read_labels("", 1)[0][1].choice is kept


def test_an_answer_sent_twice_counts_once(server: Server) -> None:
    ask(server, 2)
    ann = server.labeler()
    (pair,) = lease(ann)
    first, again, other = answer(ann, pair), answer(ann, pair), answer(ann, pair, "right")
    assert again.status_code == other.status_code == 201
    assert again.json() == other.json() == first.json() | {"repeated": True}
    assert len(server.gateway.read_labels("", 10)) == 1


def test_a_rater_holds_five_at_most_and_others_get_further_ones(server: Server) -> None:
    ask(server, 20)
    ann, second_tab, bob = server.labeler("ann"), server.labeler("ann"), server.labeler("bob")
    held = lease(ann, 3) + lease(second_tab, 5)
    assert len({pair["query"] for pair in held}) == 5, "two tabs, five different questions"
    assert lease(ann, 1) == []
    assert len(lease(bob, 5)) == 5
    answer(ann, held[0])
    assert len(lease(ann, 3)) == 1


def test_an_answer_brings_the_next_questions_with_all_that_draws_them(server: Server) -> None:
    queries = ask(server, 8)
    ann = server.labeler()
    held = lease(ann, 4)
    assert held[0]["left"]["poses"] is None, "only where they are asked for"
    saved = answer(ann, held[0], next=2, poses=True)
    assert saved.status_code == 201
    following = saved.json()["next"]
    assert [pair["query"] for pair in following] == [query.id for query in queries[4:6]]
    for side in ("left", "right"):
        ref = following[0][side]
        assert base64.b64decode(ref["poses"]) == ann.get(f"clips/{ref['clip']}/poses").content
    assert answer(ann, following[0]).json()["opinion"] == "first", "they are held like any other"
    again = answer(ann, held[0], next=1)
    assert again.json()["repeated"] and len(again.json()["next"]) == 1, "sent again, it leases anew"
    beyond = answer(ann, held[1], next=5).json()["next"]
    assert len(beyond) == 1, "five at most are held"
    last = answer(ann, beyond[0], next=1)
    assert (last.status_code, last.json()["next"]) == (201, []), "where there are no more, it is saved all the same"
    assert server.gateway.counts().used == len(server.gateway.read_labels("", 10)) == 4


def test_what_cannot_be_shown_hurts_no_answer(server: Server) -> None:
    first, second = ask(server, 2)
    ann = server.labeler()
    (pair,) = lease(ann)
    redis.Redis.from_url(server.store_url).delete(server.gateway.keys.clip(second.clip_a))
    saved = answer(ann, pair, next=1, poses=True)
    assert (saved.status_code, saved.json()["next"]) == (201, [])
    assert [label.query for _, label in server.gateway.read_labels("", 10)] == [first.id]


def test_heartbeat_release_and_what_has_ended(server: Server) -> None:
    ask(server, 2)
    ann, bob = server.labeler("ann"), server.labeler("bob")
    (pair,) = lease(ann)
    time.sleep(0.1)
    renewed = ann.post(f"leases/{pair['query']}/renew", json={"fence": pair["fence"]})
    assert renewed.status_code == 200
    assert renewed.json()["deadline"] > pair["deadline"]
    assert ann.delete(f"leases/{pair['query']}", params={"fence": pair["fence"]}).status_code == 204
    gone = ann.post(f"leases/{pair['query']}/renew", json={"fence": pair["fence"]})
    assert gone.status_code == 409 and "ended" in gone.json()["error"]
    (taken,) = lease(bob)
    assert taken["query"] == pair["query"], "it went back to its place"
    late = answer(ann, pair)
    assert (late.status_code, late.json()["opinion"]) == (201, "later")
    assert (answer(bob, taken).json()["opinion"], server.gateway.counts().used) == ("first", 1)
    assert [label.opinion for _, label in server.gateway.read_labels("", 9)] == [Opinion.LATER, Opinion.FIRST]


def test_what_was_never_leased_cannot_be_answered(server: Server) -> None:
    queries = ask(server, 3)
    ann, bob = server.labeler("ann"), server.labeler("bob")
    (pair,) = lease(ann)
    forged = {
        "another question under this fence": pair | {"query": queries[1].id},
        "another fence": pair | {"fence": "2" + pair["fence"][1:]},
        "no such question": pair | {"query": "999999-000000000000"},
    }
    for what, fake in forged.items():
        refused = answer(ann, fake)
        assert refused.status_code == 409, what
        assert refused.json()["error"]
        assert ann.post(f"leases/{fake['query']}/renew", json={"fence": fake["fence"]}).status_code == 409
        assert ann.delete(f"leases/{fake['query']}", params={"fence": fake["fence"]}).status_code == 409
    assert answer(bob, pair).status_code == 409, "another rater's lease"
    assert server.gateway.read_labels("", 9) == []
    assert server.gateway.counts().leased == 1


def test_undo_takes_an_answer_back_and_asks_again(server: Server) -> None:
    ask(server, 2)
    ann, bob = server.labeler("ann"), server.labeler("bob")
    (pair,) = lease(ann)
    answer(ann, pair)
    undone = ann.post("undo", json={"query": pair["query"]})
    assert undone.status_code == 200
    again = undone.json()
    assert (again["query"], again["fence"] == pair["fence"]) == (pair["query"], False)
    assert ann.get("task").json()["used"] == ann.get("task").json()["mine"] == 0
    assert ann.post("undo", json={"query": pair["query"]}).json()["fence"] == again["fence"], "harmless"
    saved = answer(ann, again, "equal")
    assert saved.json() | {"offset": ""} == FIRST
    refused = bob.post("undo", json={"query": pair["query"]})
    assert refused.status_code == 404 and "no such answer" in refused.json()["error"]
    labels = [label for _, label in server.gateway.read_labels("", 9)]
    assert [label.choice.value for label in labels][1:] == ["withdrawn", "equal"]


def test_a_late_undo_takes_no_newer_answer_back(server: Server) -> None:
    ask(server, 1)
    tab, same_tab_twice = server.labeler("ann"), server.labeler("ann")
    (pair,) = lease(tab)
    first = answer(tab, pair).json()["offset"]
    undo = {"query": pair["query"], "offset": first}
    again = tab.post("undo", json=undo)
    assert again.status_code == 200
    assert tab.post("undo", json=undo).json()["fence"] == again.json()["fence"], "harmless"
    newer = answer(tab, again.json(), "right").json()["offset"]
    late = same_tab_twice.post("undo", json=undo)
    assert late.status_code == 404 and "no such answer" in late.json()["error"]
    assert [offset for offset, _ in server.gateway.read_labels("", 9)][-1] == newer
    assert server.gateway.counts().used == 1
    assert tab.post("undo", json=undo | {"offset": newer}).status_code == 200
    assert tab.post("undo", json=undo).status_code == 404, "what is taken back now is another"


def test_where_nothing_is_open_there_is_nothing(server: Server) -> None:
    assert lease(server.labeler(), 5) == []
