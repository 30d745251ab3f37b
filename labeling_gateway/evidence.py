"""What tells a fooled reward model from a sound one, as single figures: pure functions of answers and scores.

A fooled model is sure, consistent, and wrong about what the policy has learnt to do with it. Accuracy
over all questions doesn't show that: most are chosen because the ensemble disagrees on them, and on
those a sound model is right hardly more often than by chance. So each figure compares like with like.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SURE = 0.75
"""The least P that the members, all of one mind, give the better clip of a pair that the model is sure of."""

# Of the answers to pairs that the model was sure of. A fooled one isn't wrong in all of them: of some pairs a single
# picture tells the better clip as well.
_RIGHT_IF_SOUND, _RIGHT_IF_FOOLED = 0.85, 0.5
_MOST_CONTRADICTION = 6.0  # beyond it nothing is learnt, and an alarm would never end
_RECENT = 16  # answers that are recent
_STILL = 1e-6  # deviation of an input that doesn't move


@dataclass(frozen=True)
class Claim:
    """What the model that chose a pair said of it, before anybody answered."""

    chance: float  # mean over members of P(a is better)
    unanimous: bool  # every member said the same of the two is better
    doubted: bool = False  # chosen because the members disagree, where a sound model errs often, however sure

    @property
    def confidence(self) -> float:
        """P of the clip that it called better."""
        return max(self.chance, 1 - self.chance)

    @property
    def sure(self) -> bool:
        return self.unanimous and self.confidence >= SURE and not self.doubted


@dataclass(frozen=True)
class Outcome:
    """One answer to a question that a model had made a claim about."""

    claim: Claim
    a_is_better: bool

    @property
    def agrees(self) -> bool:
        return (self.claim.chance > 0.5) == self.a_is_better


def claims(sums: np.ndarray, pairs: np.ndarray) -> list[Claim]:
    """Of each pair.

    Args:
        sums: [M, K], each member's reward for each clip; see `selection.clip_sums`.
        pairs: int [P, 2], indices of clips.
    """
    margin = sums[pairs[:, 0]] - sums[pairs[:, 1]]
    chance = (0.5 * (1 + np.tanh(margin / 2))).mean(axis=1)
    unanimous = np.abs(np.sign(margin).sum(axis=1)) == sums.shape[1]
    return [Claim(p, same) for p, same in zip(chance.tolist(), unanimous.tolist(), strict=True)]


def contradiction(outcomes: Iterable[Outcome]) -> float:
    """How strongly the answers speak against the model where it was sure: Page's CUSUM (1954), in nats.

    The log-likelihood ratio of "right in 50% of them" to "right in 85%", summed over the answers in
    order, never below 0: an answer against the model adds 1.2, one for it takes 0.53 away.
    """
    *_, last = (0.0, *running_contradiction(outcomes))
    return last


def running_contradiction(outcomes: Iterable[Outcome]) -> Iterator[float]:
    """`contradiction` after each of the answers."""
    total = 0.0
    for outcome in outcomes:
        if not outcome.claim.sure:
            yield total
            continue
        fooled, sound = (
            (_RIGHT_IF_FOOLED, _RIGHT_IF_SOUND) if outcome.agrees else (1 - _RIGHT_IF_FOOLED, 1 - _RIGHT_IF_SOUND)
        )
        total = min(_MOST_CONTRADICTION, max(0.0, total + math.log(fooled / sound)))
        yield total


def fall_of_agreement(outcomes: Sequence[Outcome]) -> float:
    """How much less the newest 16 answers agree with the model than it expected, in standard errors.

    Each answer counts by how much better the model did than it expected of itself, so that easy and
    hard questions compare. Where those before agreed less than expected too, they are the measure: a
    model that has always been too sure of itself is no news. 0 as long as there are too few answers.
    """
    surplus = np.array([outcome.agrees - outcome.claim.confidence for outcome in outcomes])
    before, recent = surplus[:-_RECENT], surplus[-_RECENT:]
    if len(before) < _RECENT:
        return 0.0
    error = surplus.std() * math.sqrt(1 / len(before) + 1 / len(recent))
    expected = min(0.0, before.mean())
    return float((expected - recent.mean()) / error) if error > 0 else 0.0


def rise(newest: np.ndarray, judged: np.ndarray) -> float:
    """How much better the model finds what the policy does now than what people have judged, from 0 to 1.

    The mean P, over members and pairs, that the newer clip is the better one; 1/2 where nothing has
    risen. One version of the model scores both, since the scales of two don't compare.

    Args:
        newest: [M, K] sums of the newest clips.
        judged: [N, K] sums of clips that people were asked about lately.
    """
    margin = newest[:, None] - judged[None]
    return float((0.5 * (1 + np.tanh(margin / 2))).mean())


def unfamiliarity(newest: np.ndarray, judged: np.ndarray) -> float:
    """How much more the members disagree on what the policy does now than on what people have judged: a ratio.

    Args:
        newest: [B, K], every member's reward for the steps of the newest clips.
        judged: [C, K], for those of clips that people were asked about lately.
    """
    return float(newest.std(axis=1).mean() / max(judged.std(axis=1).mean(), 1e-6))


def variety(newest: np.ndarray, judged: np.ndarray) -> float:
    """How much the newest clips differ from each other, over how much the judged ones do: a ratio.

    A clip is described by the mean and the deviation of each input over its steps; each is measured
    in its deviation over the judged clips. An input that never moves counts for nothing.

    Args:
        newest, judged: [M, L, D + A] and [N, L, D + A], observations and actions of clips of one length.
    """
    described = [np.concatenate((clips.mean(axis=1), clips.std(axis=1)), axis=1) for clips in (newest, judged)]
    now, usual = (description.std(axis=0) for description in described)
    moves = usual > _STILL
    return float((now[moves] / usual[moves]).mean()) if moves.any() else 1.0
