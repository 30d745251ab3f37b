"""The training set is a pure function of the log."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from contracts.label import Choice, Query, is_held_out
from reward_service.dataset import Comparisons, bootstrap_counts
from tests.reward_service.synthetic import ACTION_SIZE, OBSERVATION_SIZE, MemoryLog, clip, linear_log


def _comparisons(seed: int = 0) -> Comparisons:
    return Comparisons(members=3, input_size=OBSERVATION_SIZE + ACTION_SIZE, seed=seed)


def _follow(log: MemoryLog) -> Comparisons:
    data = _comparisons()
    data.follow(log)
    return data


def test_reading_in_pieces_gives_the_same_as_reading_at_once() -> None:
    log = linear_log(300, seed=1)
    pieces = _comparisons()
    for visible in (0, 1, 7, 256, 257, 300):
        log.visible = visible
        pieces.follow(log)
    whole = _follow(log)
    assert (pieces.offset, pieces.answers, pieces.labels) == (whole.offset, 300, 300)
    for held_out in (False, True):
        queries, targets = pieces.rows(held_out=held_out)
        expected_queries, expected_targets = whole.rows(held_out=held_out)
        assert queries.tolist() == expected_queries.tolist()
        assert targets.tolist() == expected_targets.tolist()
        assert (pieces.inputs(queries) == whole.inputs(queries)).all()
        assert (pieces.bootstrap(queries) == whole.bootstrap(queries)).all()


def test_it_stops_at_the_offset_it_is_told() -> None:
    log = linear_log(300, seed=1)
    data = _comparisons()
    assert data.follow(log, until="17-0") == 17
    assert data.follow(log, until="17-0") == 0
    assert data.follow(log, until="290-0") == 273
    assert data.offset == "290-0"


def test_an_answer_leaves_when_another_supersedes_it() -> None:
    log = linear_log(2, seed=1)
    first = log.append("query-1-0", Choice.A, supersedes="1-0")
    data = _follow(log)
    assert (data.answers, data.labels) == (3, 2)
    assert _targets(data)[0] == 1.0
    log.append("query-1-0", Choice.CANT_TELL, supersedes=first)
    data = _follow(log)
    assert (data.answers, data.labels) == (4, 1)


def test_second_opinions_share_their_query_s_clips() -> None:
    log = linear_log(1, seed=1)
    log.append("query-1-0", Choice.EQUAL)
    data = _follow(log)
    queries, targets = (
        np.concatenate(side) for side in zip(data.rows(held_out=False), data.rows(held_out=True), strict=True)
    )
    assert queries.tolist() == [0, 0]
    assert 0.5 in targets


def test_the_split_is_the_contract_s() -> None:
    log = linear_log(200, seed=3)
    data = _follow(log)
    held_out, _ = data.rows(held_out=True)
    assert held_out.tolist() == [row for row in range(200) if is_held_out(f"query-3-{row}")]
    assert 5 < len(held_out) < 40


def test_statistics_are_those_of_the_labelled_transitions() -> None:
    log = linear_log(50, seed=4)
    rows = np.concatenate([np.concatenate([c.observation, c.action], 1) for pair in log.pairs.values() for c in pair])
    mean, deviation = _follow(log).statistics()
    assert mean == pytest.approx(rows.mean(0), abs=1e-5)
    assert deviation == pytest.approx(rows.std(0), abs=1e-5)


def test_clips_of_another_shape_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    log = linear_log(3, seed=5)
    log.pairs["odd"] = (clip(np.random.default_rng(0), steps=7), clip(np.random.default_rng(1)))
    log.append("odd", Choice.A)
    with caplog.at_level(logging.WARNING):
        data = _follow(log)
    assert (data.answers, data.labels) == (4, 3)
    assert "query odd" in caplog.text


def test_a_question_that_is_gone_is_left_out_like_a_clip(caplog: pytest.LogCaptureFixture) -> None:
    class Forgetful(MemoryLog):
        def query(self, id: str) -> Query:
            if id == "gone":
                raise LookupError("no question gone")
            return super().query(id)

    log = Forgetful()
    whole = linear_log(3, seed=5)
    log.entries, log.pairs = whole.entries, whole.pairs
    log.append("gone", Choice.A)
    data = _follow(log)
    assert (data.answers, data.labels) == (4, 3)
    assert "query gone are left out: no question gone" in caplog.text


def test_bootstrap_counts_are_fixed_and_have_mean_one() -> None:
    counts = np.array([bootstrap_counts(f"q{index}", 3, seed=0) for index in range(3000)])
    assert (counts[5] == bootstrap_counts("q5", 3, seed=0)).all()
    assert counts.mean(0) == pytest.approx(np.ones(3), abs=0.06)
    assert counts.var(0) == pytest.approx(np.ones(3), abs=0.1)
    assert (counts[:, 0] != counts[:, 1]).mean() > 0.5


def _targets(data: Comparisons) -> dict[int, float]:
    found: dict[int, float] = {}
    for held_out in (False, True):
        queries, targets = data.rows(held_out=held_out)
        found |= dict(zip(queries.tolist(), targets.tolist(), strict=True))
    return found
