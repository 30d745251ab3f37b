"""When questions are asked."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from labeling_gateway.config import GatewayConfig, LabelsConfig
from labeling_gateway.schedule import allowed, due, reached


def test_a_quarter_at_once_then_ever_fewer_and_all_before_the_end() -> None:
    labels = LabelsConfig(budget=900)
    counts = [allowed(labels, share) for share in np.linspace(0, 1, 101)]
    assert counts[0] == 225
    assert counts[80] == counts[100] == 900
    assert counts[79] < 900
    rate = np.diff(counts[:80:10])
    assert (np.diff(rate) < 0).all()


@pytest.mark.parametrize("upfront", [0.0, 0.25, 1.0])
def test_what_is_reached_by_some_answers_is_when_as_many_questions_have_been_asked(upfront: float) -> None:
    labels = LabelsConfig(budget=900, upfront=upfront)
    for answered in range(labels.upfront_questions + 1, 900, 7):
        share = reached(labels, answered)
        assert allowed(labels, share - 1e-6) < answered <= allowed(labels, share + 1e-6)
    assert reached(labels, labels.upfront_questions) == (1.0 if upfront == 1.0 else 0.0)
    assert reached(labels, 0) == 0.0
    assert reached(labels, 900) == 1.0


def test_questions_come_in_whole_batches_up_to_the_last() -> None:
    labels = LabelsConfig(budget=900)
    assert labels.batch == 22
    asked = 0
    batches: list[int] = []
    for share in np.linspace(0, 1, 5000):
        while count := due(labels, share, asked, 0):
            batches.append(count)
            asked += count
    assert asked == 900
    upfront = math.ceil(225 / 22)
    assert batches[: upfront - 1] == [22] * (upfront - 1)
    assert batches[upfront - 1] == 225 - 22 * (upfront - 1), "training does not wait for a whole batch"
    assert set(batches[upfront:-1]) == {22}


def test_answers_are_waited_for_when_more_than_a_batch_is_open() -> None:
    labels = LabelsConfig(budget=900)
    assert due(labels, 0.0, 22, 22) == 22
    assert due(labels, 0.0, 44, 23) == 0


def test_an_alarm_asks_ahead_of_time_within_the_budget() -> None:
    labels = LabelsConfig(budget=100, alarm_share=0.2)
    assert allowed(labels, 0.3, alarm=True) == allowed(labels, 0.3) + 20
    assert allowed(labels, 1.0, alarm=True) == 100
    assert (due(labels, 0.0, 25, 0), due(labels, 0.0, 25, 0, alarm=True)) == (0, 5)
    assert due(labels, 0.0, 25, 8, alarm=True) == 5, "not behind a batch that waits"
    assert due(labels, 0.0, 25, 11, alarm=True) == 0


def test_nobody_answering_means_nothing_asked() -> None:
    assert due(LabelsConfig(budget=900, source="none"), 1.0, 0, 0) == 0
    assert due(LabelsConfig(budget=0), 1.0, 0, 0) == 0


@pytest.mark.parametrize("budget", [1, 3, 7, 50, 100, 100_000])
def test_any_budget_is_asked_to_the_end_and_not_beyond(budget: int) -> None:
    labels = LabelsConfig(budget=budget)
    asked = 0
    while count := due(labels, 1.0, asked, 0):
        asked += count
    assert asked == budget
    assert labels.batch <= 100


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("budget", -1),
        ("clip_steps", 1),
        ("uniform_share", 1.1),
        ("upfront", -0.1),
        ("ask_until", 0.0),
        ("ask_decay", 0.0),
        ("teacher_beta", 0.0),
        ("teacher_tie", -1.0),
        ("teacher_beta", math.nan),
        ("teacher_mistakes", 2.0),
        ("source", "people"),
    ],
)
def test_a_value_out_of_range_is_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"labels.{field.replace('_', '-')} must be") as raised:
        LabelsConfig(**{field: value})  # pyright: ignore[reportArgumentType]
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"run": "r"}', '{"labels": {"budgets": 3}}'])
def test_a_broken_config_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"gateway\.json"):
        GatewayConfig.from_file(path)
