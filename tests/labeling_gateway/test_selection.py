"""Which pairs are chosen."""

from __future__ import annotations

import numpy as np
import pytest

from labeling_gateway.selection import candidate_pairs, choose, clip_sums, pair_disagreement


def test_sums_are_per_clip_and_member() -> None:
    reward = np.arange(12, dtype=np.float32).reshape(6, 2)
    np.testing.assert_array_equal(clip_sums(reward, [1, 3, 2]), [[0, 1], [2 + 4 + 6, 3 + 5 + 7], [8 + 10, 9 + 11]])


def test_disagreement_is_the_spread_of_the_members_probabilities() -> None:
    sums = np.array([[0.0, 0.0], [np.log(3), -np.log(3)], [5.0, 5.0]])
    expected = [np.std([0.25, 0.75]), 0.0]
    np.testing.assert_allclose(pair_disagreement(sums, np.array([[0, 1], [0, 2]])), expected)


def test_the_most_disputed_pairs_are_chosen() -> None:
    rng = np.random.default_rng(1)
    sums = rng.normal(size=(200, 3)) * 3
    picks = choose(200, sums, 10, 0.0, np.random.default_rng(0))
    pairs = candidate_pairs(200, 100, np.random.default_rng(0))
    best = np.sort(pair_disagreement(sums, pairs))[::-1][:10]
    np.testing.assert_allclose([pick.disagreement for pick in picks], best)
    assert {pick.chosen_by for pick in picks} == {"disagreement"}


@pytest.mark.parametrize("clips", [0, 1, 2, 3, 20, 41, 500])
def test_no_clip_is_used_twice(clips: int) -> None:
    sums = np.random.default_rng(2).normal(size=(clips, 3))
    picks = choose(clips, sums, 20, 0.5, np.random.default_rng(0))
    used = [clip for pick in picks for clip in (pick.a, pick.b)]
    assert len(used) == len(set(used))
    assert len(picks) <= min(20, clips // 2)
    assert len(picks) == 20 or clips < 80
    assert all(0 <= clip < clips for clip in used)


def test_without_a_model_all_are_uniform() -> None:
    picks = choose(100, None, 10, 0.0, np.random.default_rng(0))
    assert len(picks) == 10
    assert {pick.chosen_by for pick in picks} == {"uniform"}


def test_the_uniform_share_holds_on_average_also_in_small_batches() -> None:
    sums = np.random.default_rng(3).normal(size=(100, 3))
    rng = np.random.default_rng(0)
    picks = [pick for _ in range(400) for pick in choose(100, sums, 5, 0.1, rng)]
    assert len(picks) == 2000
    assert np.mean([pick.chosen_by == "uniform" for pick in picks]) == pytest.approx(0.1, abs=0.03)


def test_a_seed_fixes_the_choice() -> None:
    sums = np.random.default_rng(4).normal(size=(100, 3))
    assert choose(100, sums, 9, 0.3, np.random.default_rng(7)) == choose(100, sums, 9, 0.3, np.random.default_rng(7))


def test_candidate_pairs_are_different_and_use_every_clip_alike() -> None:
    pairs = candidate_pairs(30, 100, np.random.default_rng(0))
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs)
    assert len(pairs) > 80
    counts = np.bincount(pairs.ravel(), minlength=30)
    assert counts.min() >= 3
