"""The training set is a pure function of the log."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from contracts.label import Choice, Opinion, Query, is_held_out
from reward_service.dataset import Comparisons, bootstrap_counts
from tests.reward_service.synthetic import ACTION_SIZE, SPACE, MemoryLog, clip, linear_log


def _comparisons(seed: int = 0) -> Comparisons:
    return Comparisons(members=3, observation=SPACE, action_size=ACTION_SIZE, seed=seed)


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
        found, expected = pieces.rows(held_out=held_out), whole.rows(held_out=held_out)
        assert found.queries.tolist() == expected.queries.tolist()
        assert found.targets.tolist() == expected.targets.tolist()
        assert found.raters.tolist() == expected.raters.tolist()
        assert (pieces.inputs(found.queries) == whole.inputs(found.queries)).all()
        assert (pieces.bootstrap(found.queries) == whole.bootstrap(found.queries)).all()


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
    log.append("query-1-0", Choice.EQUAL, rater="another", opinion=Opinion.LATER)
    rows = _follow(log).rows(held_out=False)
    assert rows.queries.tolist() == [0, 0]
    assert rows.targets.tolist()[1] == 0.5
    assert rows.raters.tolist() == [0, 1]


def test_repeats_and_gold_answers_are_evidence_of_their_raters_and_no_rows() -> None:
    log = linear_log(2, seed=1)
    said = log.entries[0][1].choice
    log.append("query-1-0", said, opinion=Opinion.REPEAT)
    log.append("query-1-1", Choice.EQUAL, rater="another", opinion=Opinion.LATER)
    taken_back = log.append("query-1-1", Choice.A, rater="another", opinion=Opinion.REPEAT)
    log.append("query-1-1", Choice.WITHDRAWN, rater="another", opinion=Opinion.REPEAT, supersedes=taken_back)
    data = _follow(log)
    assert (data.answers, data.labels) == (6, 3)
    assert data.raters == ["rater", "another"]
    evidence = data.evidence(np.zeros(2), {"query-1-1": Choice.B, "never answered": Choice.A})
    assert evidence.rater.tolist() == [0, 0, 0], "a tie says nothing of who gave it"
    assert evidence.question.tolist() == [0, 1, 0]
    assert evidence.says_a.tolist()[2] == (said is Choice.A)
    assert evidence.right.tolist() == pytest.approx([np.nan, 0.0], nan_ok=True)


def test_unseen_is_what_a_member_is_never_fitted_to() -> None:
    data = _follow(linear_log(300, seed=3))
    unseen = data.unseen()
    trained = data.rows(held_out=False).queries
    assert (unseen[trained] == (data.bootstrap(trained) == 0)).all()
    assert unseen[data.rows(held_out=True).queries].all()
    assert 0.3 < unseen[trained].mean() < 0.44  # e^-1


def test_the_split_is_the_contract_s() -> None:
    log = linear_log(200, seed=3)
    data = _follow(log)
    held_out = data.rows(held_out=True).queries
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
        rows = data.rows(held_out=held_out)
        found |= dict(zip(rows.queries.tolist(), rows.targets.tolist(), strict=True))
    return found
