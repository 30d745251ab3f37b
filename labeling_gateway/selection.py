"""Which pairs of clips are worth a person's time.

Pairs on which the ensemble disagrees (Christiano et al. 2017; Lee et al. 2021, PEBBLE), mixed with
uniform ones, none sharing a clip with another of its batch. And pairs that the ensemble is sure of, to
see whether it is right.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from contracts.encoding import content_hash
from labeling_gateway.evidence import claims

PAIRS_PER_QUESTION = 10
"""Candidate pairs looked at for each question asked."""


@dataclass(frozen=True)
class Pick:
    """Two clips, by index, that somebody shall compare."""

    a: int
    b: int
    chosen_by: Literal["disagreement", "uniform", "check", "alarm"]
    disagreement: float  # std over members of P(a is better); 0 without a model


def is_overlapped(query: str, share: float) -> bool:
    """Whether several raters answer a question, as ``share`` of them do: a pure function of its id."""
    return int(content_hash(f"overlap {query}".encode())[:8], 16) / 0x100000000 < share


def clip_sums(member_reward: np.ndarray, lengths: list[int]) -> np.ndarray:
    """Each member's reward for each clip.

    Args:
        member_reward: [B, K], the steps of all clips one after the other.
        lengths: steps of each of the M clips, at least one, B in all.

    Returns:
        float64 [M, K].
    """
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return np.add.reduceat(member_reward.astype(np.float64), starts, axis=0)


def pick(
    newest: int,
    sums: np.ndarray | None,
    wanted: int,
    uniform_share: float,
    check_share: float,
    checked_by: Literal["check", "alarm"],
    rng: np.random.Generator,
) -> list[Pick]:
    """Up to ``wanted`` pairs: some of what the model is sure of, see `claimed`, then those of `choose`.

    Args:
        newest: how many of the clips are candidates; those after them were judged before.
        sums: [clips, K] from `clip_sums`, or None where no model is fitted yet: then all are uniform.
    """
    if sums is None:
        return choose(newest, None, wanted, uniform_share, rng)
    picks = claimed(newest, sums, int(rng.binomial(wanted, check_share)), checked_by, rng)
    taken = [clip for one in picks for clip in (one.a, one.b)]
    return picks + choose(newest, sums[:newest], wanted - len(picks), uniform_share, rng, taken)


def choose(
    clips: int,
    sums: np.ndarray | None,
    wanted: int,
    uniform_share: float,
    rng: np.random.Generator,
    taken: Collection[int] = (),
) -> list[Pick]:
    """Up to ``wanted`` pairs of ``clips`` clips; fewer where the clips run out.

    Args:
        sums: [clips, K] from `clip_sums`, or None where no model is fitted yet: then all are uniform.
        taken: clips that another question is about already.
    """
    pairs = candidate_pairs(clips, wanted * PAIRS_PER_QUESTION, rng)
    disagreement = np.zeros(len(pairs)) if sums is None else pair_disagreement(sums, pairs)
    uniform = wanted if sums is None else int(rng.binomial(wanted, uniform_share))
    used = set(taken)
    picks: list[Pick] = []

    def take(order: np.ndarray, until: int, chosen_by: Literal["disagreement", "uniform"]) -> None:
        for index in order:
            if len(picks) >= until:
                return
            a, b = (int(clip) for clip in pairs[index])
            if a not in used and b not in used:
                used.update((a, b))
                picks.append(Pick(a, b, chosen_by, float(disagreement[index])))

    # Uniform ones first: what disagreement leaves over would not be uniform.
    take(np.arange(len(pairs)), uniform, "uniform")
    take(np.argsort(-disagreement, kind="stable"), wanted, "disagreement")
    return picks


def claimed(
    newest: int, sums: np.ndarray, wanted: int, chosen_by: Literal["check", "alarm"], rng: np.random.Generator
) -> list[Pick]:
    """Up to ``wanted`` pairs of a newest clip and one judged before, where every member is sure which is better.

    Those come first where the newest one is: that the policy got better is what a fooled model claims.

    Args:
        newest: how many of the clips are candidates; those after them were judged before.
        sums: [clips, K] from `clip_sums`.
    """
    judged = len(sums) - newest
    if wanted <= 0 or not newest or not judged:
        return []
    rounds = -(-wanted * PAIRS_PER_QUESTION // newest)
    first = np.concatenate([rng.permutation(newest) for _ in range(rounds)])
    pairs = np.stack((first, newest + rng.integers(judged, size=len(first))), axis=1)
    disagreement = pair_disagreement(sums, pairs)
    said = claims(sums, pairs)
    sure = [index for index, claim in enumerate(said) if claim.sure]
    used: set[int] = set()
    picks: list[Pick] = []
    for index in sorted(sure, key=lambda index: said[index].chance < 0.5):
        a, b = (int(clip) for clip in pairs[index])
        if len(picks) < wanted and a not in used and b not in used:
            used.update((a, b))
            picks.append(Pick(a, b, chosen_by, float(disagreement[index])))
    return picks


def candidate_pairs(clips: int, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """Up to ``wanted`` different pairs in random order, int64 [P, 2].

    Every clip is in as many pairs as any other, give or take one: the pairs come from whole random
    matchings, so that a batch never runs out of clips before it must.
    """
    per_round = clips // 2
    if per_round == 0 or wanted <= 0:
        return np.empty((0, 2), np.int64)
    rounds = -(-wanted // per_round)
    matchings = [rng.permutation(clips)[: 2 * per_round].reshape(-1, 2) for _ in range(rounds)]
    pairs = np.concatenate(matchings)
    _, first = np.unique(np.sort(pairs, axis=1), axis=0, return_index=True)
    return pairs[np.sort(first)][:wanted]


def pair_disagreement(sums: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Standard deviation over members of P(a is better) = sigmoid(sum_a - sum_b), [P]."""
    margin = sums[pairs[:, 0]] - sums[pairs[:, 1]]
    return (0.5 * (1 + np.tanh(margin / 2))).std(axis=1)
