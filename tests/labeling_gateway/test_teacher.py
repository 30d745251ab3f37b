"""The scripted teacher judges as it was told to."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from contracts.clip import Clip
from contracts.label import Choice, Label, Opinion, Query
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import LabelsConfig
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.teacher import Crowd, ScriptedTeacher
from labeling_gateway.traits import Teacher, parse_teacher
from labeling_gateway.traits import judge as decide
from tests.labeling_gateway.samples import ask, clip, log

QUERY = Query("q", "a", "b", "scene", "uniform", 0.0, 0, 0)


def scored(total: float) -> Clip:
    return replace(clip(0), oracle=np.array([total, 0, 0, 0, 0], np.float32))


def teacher_of(labels: LabelsConfig, seed: int = 0) -> ScriptedTeacher:
    return ScriptedTeacher(None, labels.crowd[0], "bot", seed)  # pyright: ignore[reportArgumentType]


def judge(labels: LabelsConfig, a: float, b: float, *, seed: int = 0, count: int = 1) -> Counter[Choice]:
    teacher = teacher_of(labels, seed)
    queries = [replace(QUERY, id=f"q{n}") for n in range(count)]
    return Counter(teacher.judge(query, scored(a), scored(b)) for query in queries)


def test_a_perfect_teacher_names_the_better_clip() -> None:
    assert judge(LabelsConfig(), 2.0, 1.0, count=50) == {Choice.A: 50}
    assert judge(LabelsConfig(), -2.0, 1.0, count=50) == {Choice.B: 50}
    assert judge(LabelsConfig(), 1.0, 1.0) == {Choice.EQUAL: 1}


def test_mistakes_flip_the_answer_at_their_rate() -> None:
    said = judge(LabelsConfig(teacher_mistakes=0.2), 2.0, 1.0, count=2000)
    assert said[Choice.B] / 2000 == pytest.approx(0.2, abs=0.03)


def test_rationality_is_bradley_terry() -> None:
    said = judge(LabelsConfig(teacher_beta=0.5), 2.0, 0.0, count=2000)
    assert said[Choice.A] / 2000 == pytest.approx(1 / (1 + np.exp(-1)), abs=0.03)
    assert judge(LabelsConfig(teacher_beta=5.0), 1e6, -1e6) == {Choice.A: 1}


def test_the_answer_depends_on_seed_and_question_only() -> None:
    labels = LabelsConfig(teacher_beta=0.1)
    teachers = [teacher_of(labels, 3) for _ in range(2)]
    queries = [replace(QUERY, id=f"q{n}") for n in range(100)]
    forward = {query.id: teachers[0].judge(query, scored(1), scored(0)) for query in queries}
    backward = {query.id: teachers[1].judge(query, scored(1), scored(0)) for query in reversed(queries)}
    assert forward == backward
    assert len(set(forward.values())) == 2


def test_it_is_an_ordinary_client_of_the_queue(client: GatewayClient) -> None:
    teacher = Crowd(client, LabelsConfig(), 0)
    assert not teacher.answer_one()
    queries = ask(client, 5)
    while teacher.answer_one():
        pass
    labels = [label for _, label in client.read_labels("", 10)]
    assert [label.query for label in labels] == [query.id for query in queries]
    for label, query in zip(labels, queries, strict=True):
        a, b = (sample.oracle for sample in client.clips(query, with_oracle=True))
        assert a is not None
        assert b is not None
        assert label.choice == (Choice.A if a.sum() > b.sum() else Choice.B)


def crowd_labels(client: GatewayClient, labels: LabelsConfig, questions: int, opinions: int = 1) -> list[Label]:
    crowd = Crowd(client, labels, 0)
    ask(client, questions, opinions=opinions)
    while crowd.answer_one():
        pass
    return log(client)


def test_a_crowd_shares_the_questions_evenly(client: GatewayClient) -> None:
    labels = LabelsConfig(teachers=("2x", "mistakes=1"))
    said = crowd_labels(client, labels, 30)
    assert Counter(label.rater for label in said) == {f"scripted-{n}": 10 for n in (1, 2, 3)}
    for label in said:
        pair = client.clips(client.query(label.query), with_oracle=True)
        a, b = (float(sample.oracle.sum()) for sample in pair if sample.oracle is not None)
        right = Choice.A if a > b else Choice.B
        assert (label.choice is right) == (label.rater != "scripted-3")


def test_several_of_a_crowd_answer_what_is_for_several(client: GatewayClient) -> None:
    said = crowd_labels(client, LabelsConfig(teachers=("5x mistakes=0.5",)), 20, opinions=3)
    assert len({(label.query, label.rater) for label in said}) == len(said) == 60
    assert set(Counter(label.rater for label in said).values()) == {12}
    choices = {(label.rater, label.query): label.choice for label in said}
    pairs = [
        (one, other)
        for (rater, query), one in choices.items()
        for (r, q), other in choices.items()
        if q == query and r > rater
    ]
    assert 0 < sum(one is other for one, other in pairs) < len(pairs), "each makes mistakes of their own"


def test_a_crowd_answers_the_same_for_a_seed(valkey: EmbeddedStore) -> None:
    labels = LabelsConfig(teachers=("4x beta=0.3", "2x mistakes=0.3"), repeat_share=0.2)
    said: list[list[Label]] = []
    for _ in range(2):
        client = GatewayClient(valkey.url, f"run-{uuid.uuid4().hex[:8]}")
        client.set_checks(labels.checks)
        said.append([replace(label, answered_at=0.0, supersedes="") for label in crowd_labels(client, labels, 60, 2)])
    assert said[0] == said[1]
    assert {label.opinion for label in said[0]} == {Opinion.FIRST, Opinion.LATER, Opinion.REPEAT}


def test_traits_are_those_of_b_pref() -> None:
    """Lee et al. 2021: skipping, ties, short sight; the first two whatever the mistakes."""

    def says(traits: str, a: list[float], b: list[float]) -> Choice:
        teacher = parse_teacher(traits, Teacher())
        return decide(teacher, np.array(a, np.float32), np.array(b, np.float32), np.random.default_rng(0))

    assert says("skip=5 mistakes=1", [2, 2], [1, 4]) is Choice.CANT_TELL
    assert says("skip=5", [2, 2], [1, 5]) is Choice.B
    assert says("tie=1 mistakes=1", [2, 2], [1, 3.5]) is Choice.EQUAL
    assert says("tie=1", [2, 2], [1, 4]) is Choice.B
    assert says("gamma=1", [9, 0], [0, 8]) is Choice.A
    assert says("gamma=0.5", [9, 0], [0, 8]) is Choice.B
    assert says("gamma=0.5", [8, 0], [0, 4]) is Choice.EQUAL
    assert says("gamma=0.5 tie=0.5", [9, 0], [0, 9]) is Choice.EQUAL, "ties go by the whole score"


def test_teachers_are_written_as_how_many_and_what_differs() -> None:
    labels = LabelsConfig(
        teachers=("7x", "3x mistakes=0.5 beta=2", "skip=-1 tie=3 gamma=0.9", "2x glances"), teacher_mistakes=0.1
    )
    assert labels.crowd == (
        Teacher(count=7, mistakes=0.1),
        Teacher(count=3, mistakes=0.5, beta=2.0),
        Teacher(mistakes=0.1, skip=-1.0, tie=3.0, gamma=0.9),
        Teacher(count=2, mistakes=0.1, glances=True),
    )
    assert LabelsConfig(teacher_beta=3.0, teacher_tie=2.0).crowd == (Teacher(beta=3.0, tie=2.0),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("0x", "count must be 1 or more"),
        ("3", "'3' in '3' is no trait"),
        ("3x mistake=0.5", "of beta, gamma, mistakes, skip, tie, or glances"),
        ("glances=1", "'glances=1' in 'glances=1' is no trait"),
        ("3x beta=1 beta=2", "'beta=2'"),
        ("beta=much", "needs a number"),
        ("mistakes=1.5", "from 0 to 1"),
        ("beta=nan", "beta must be above 0"),
        ("gamma=0", "gamma must be above 0"),
        ("tie=-1", "tie must be 0 or more"),
        ("skip=nan", "skip must be a score"),
    ],
)
def test_what_is_no_teacher_is_a_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        LabelsConfig(teachers=(text,))
    assert str(raised.value).startswith("labels.teachers: ")
    assert "\n" not in str(raised.value)


def test_clips_without_a_score_are_refused() -> None:
    teacher = teacher_of(LabelsConfig())
    with pytest.raises(ValueError, match="without a score"):
        teacher.judge(QUERY, clip(0, oracle=False), clip(1))
