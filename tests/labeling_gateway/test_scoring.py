"""Candidates are scored in parts that fit, all by one version."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from contracts.clip import Clip
from labeling_gateway import scoring
from labeling_gateway.evidence import variety
from labeling_gateway.pool import Candidate, Pool
from labeling_gateway.scoring import score_clips
from labeling_gateway.watch import _inputs  # pyright: ignore[reportPrivateUsage]

STEPS = 12


def candidate(frames: np.ndarray) -> Candidate:
    nothing = np.zeros((len(frames), 2), np.float32)
    clip = Clip(frames, nothing, nothing, "scene", 0, 0)
    return Candidate.of(clip.to_bytes(), clip)


def clips(count: int, side: int = 8) -> list[Candidate]:
    """Of frames, each as bright as its number."""
    return [candidate(np.full((STEPS, 1, side, side), number, np.uint8)) for number in range(count)]


class Service:
    """Two members, one of which says the opposite; a new version after some calls."""

    def __init__(self, new_after: int = 99) -> None:
        self.calls: list[int] = []
        self._new_after = new_after

    def __call__(self, observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int]:
        assert len(observation) == len(action)
        self.calls.append(len(observation))
        version = 1 + (len(self.calls) > self._new_after)
        brightness = observation.mean((1, 2, 3), dtype=np.float32)
        return version * np.stack((brightness, -brightness), 1), version


def test_some_steps_of_frames_stand_for_the_whole_clip() -> None:
    service = Service()
    scores = score_clips(clips(5), service)
    assert scores is not None and scores.version == 1
    np.testing.assert_allclose(scores.sums, np.outer(np.arange(5), (STEPS, -STEPS)))
    assert service.calls == [5 * 3], "every fifth of twelve steps"
    assert scores.steps == [3] * 5 and scores.member_reward.shape == (15, 2)


def test_what_is_too_much_for_one_call_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score_clips(clips(7), Service())
    monkeypatch.setattr(scoring, "_BYTES_AT_ONCE", 2 * 3 * 64)
    service = Service()
    parts = score_clips(clips(7), service)
    assert whole is not None and parts is not None
    np.testing.assert_array_equal(whole.sums, parts.sums)
    assert service.calls == [6, 6, 6, 3]


def test_no_more_is_decoded_at_once_than_is_scored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, side = Pool(), 128
    for one in clips(200, side):
        pool.add(one.data)
    whole = 200 * STEPS * side * side
    monkeypatch.setattr(scoring, "_BYTES_AT_ONCE", 2**20)
    tracemalloc.start()
    assert score_clips(pool.newest(200), lambda observation, action: (np.ones((len(action), 2)), 1)) is not None
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * 2**20 < whole / 10


def test_a_version_that_comes_meanwhile_scores_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "_BYTES_AT_ONCE", 2 * 3 * 64)
    scores = score_clips(clips(5), Service(new_after=1))
    assert scores is not None and scores.version == 2
    np.testing.assert_allclose(scores.sums, 2 * np.outer(np.arange(5), (STEPS, -STEPS)))


def test_nothing_is_known_without_a_model_or_without_a_service() -> None:
    scores = score_clips(clips(3), lambda observation, action: (np.zeros((len(action), 2)), 0))
    assert scores is not None and scores.version == 0 and not scores.steps
    assert score_clips(clips(3), lambda observation, action: None) is None


def test_a_policy_that_does_one_thing_is_seen_to_do_so_in_frames() -> None:
    def played(number: int, where: int) -> Candidate:
        screen = np.full((STEPS, 1, 84, 84), 90, np.uint8)
        screen[:, :, where : where + 10] += number + 100
        return candidate(screen)

    judged = _inputs([played(number, 7 * number) for number in range(10)])
    same = _inputs([played(number, 14) for number in range(10)])
    assert judged.shape == (10, 3, 144 + 2)
    assert variety(same, judged) < 0.3 and variety(judged[::-1], judged) == pytest.approx(1)
