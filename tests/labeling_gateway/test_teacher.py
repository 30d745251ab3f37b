"""The scripted teacher judges as it was told to."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from contracts.clip import Clip
from contracts.label import Choice, Query
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import LabelsConfig
from labeling_gateway.teacher import ScriptedTeacher
from tests.labeling_gateway.samples import ask, clip

QUERY = Query("q", "a", "b", "scene", "uniform", 0.0, 0, 0)


def scored(total: float) -> Clip:
    return replace(clip(0), oracle=np.array([total, 0, 0, 0, 0], np.float32))


def judge(labels: LabelsConfig, a: float, b: float, *, seed: int = 0, count: int = 1) -> Counter[Choice]:
    teacher = ScriptedTeacher(None, labels, "bot", seed)  # pyright: ignore[reportArgumentType]
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
    teachers = [ScriptedTeacher(None, labels, "bot", 3) for _ in range(2)]  # pyright: ignore[reportArgumentType]
    queries = [replace(QUERY, id=f"q{n}") for n in range(100)]
    forward = {query.id: teachers[0].judge(query, scored(1), scored(0)) for query in queries}
    backward = {query.id: teachers[1].judge(query, scored(1), scored(0)) for query in reversed(queries)}
    assert forward == backward
    assert len(set(forward.values())) == 2


def test_it_is_an_ordinary_client_of_the_queue(client: GatewayClient) -> None:
    teacher = ScriptedTeacher(client, LabelsConfig(), "bot", 0)
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


def test_clips_without_a_score_are_refused() -> None:
    teacher = ScriptedTeacher(None, LabelsConfig(), "bot", 0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="without a score"):
        teacher.judge(QUERY, clip(0, oracle=False), clip(1))
