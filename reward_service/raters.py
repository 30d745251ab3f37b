"""How often each rater errs, found from everybody's answers and from what the reward model says of them.

Dawid and Skene (1979) with one error rate a rater, so that an answer is right with the chance that Crowd-BT
(Chen et al. 2013) has: (1 - 2e) P + e, P being that of a rater who never errs. As in Raykar et al. (2010) the
model that learns from the answers takes part: it is one more rater, with an error of its own that depends on how
sure it is. It may only speak of questions that it was not fitted to, since it agrees too well with the others.

A model that is wrong looks like a rater who is, and how raters compare with a model says how they compare with each
other and no more. What fixes the scale is a prior that expects raters to be careful and expects nothing of the model:
errors that all raters share are the model's, unless second opinions, repeats or gold questions say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRIOR = (0.1, 1.9)
"""Beta prior of a rater's error: mean 0.05, and worth two answers. What is known of an answer's truth is often little,
so that a prior worth twenty would hold a rater who answers at random below 0.3 for hundreds of answers."""

PRIOR_ERROR = PRIOR[0] / sum(PRIOR)

_MODEL_PRIOR = (1.0, 1.0)
_BINS = 3  # of the model's certainty, each with an error of its own
_FEWEST_IN_BIN = 40  # questions
_WORST = 0.5
"""The error that counts at most. An answer of somebody who is wrong more often is left unheard and not turned
round: where the estimate is mistaken, the model would learn to agree with its own mistake."""

_LEAST = 1e-3  # error that counts at least: nobody's word is final
_TOLERANCE = 1e-5
_ROUNDS = 500


@dataclass(frozen=True)
class Evidence:
    """n strict answers of R raters to Q questions, and what else is known of these."""

    rater: np.ndarray  # int64 [n]
    question: np.ndarray  # int64 [n]
    says_a: np.ndarray  # bool [n]
    margin: np.ndarray  # float64 [Q], clip a's reward minus b's by models not fitted to the question; nan without
    right: np.ndarray  # float64 [Q], 1 where a is known to be better, 0 where b is, nan where nothing is known


@dataclass(frozen=True)
class Errors:
    """Of R raters, who are expected to err no less in the answers that are to come."""

    error: np.ndarray  # float64 [R], posterior mean of the chance that an answer names the wrong clip
    deviation: np.ndarray  # float64 [R], of the posterior, the others' errors taken as they are


def estimate(evidence: Evidence, raters: int) -> Errors:
    """Expectation-maximisation from careful raters on; a pure function, and the prior where there is no evidence.

    A repeat is one more answer to the same question, wrong or right independently of the first.
    """
    judged, says_a, sure = _certainty(evidence.margin)
    bins = sure.max(initial=0) + 1
    asked, answers = np.bincount(sure, minlength=bins), np.bincount(evidence.rater, minlength=raters)
    error, model = np.full(raters, PRIOR_ERROR), np.full(bins, 0.25)
    wrong = np.full(len(evidence.rater), PRIOR_ERROR)
    for _ in range(_ROUNDS):
        before = np.concatenate([error, model])
        by_model = np.zeros(len(evidence.margin))
        by_model[judged] = np.where(says_a, 1, -1) * _weight(model)[sure]
        truth = _truth(evidence, error, by_model)
        missed = np.where(says_a, 1 - truth[judged], truth[judged])
        found = (_MODEL_PRIOR[0] + np.bincount(sure, missed, bins)) / (sum(_MODEL_PRIOR) + asked)
        model = np.minimum(found, _WORST)
        wrong = np.where(evidence.says_a, 1 - truth[evidence.question], truth[evidence.question])
        error = (PRIOR[0] + np.bincount(evidence.rater, wrong, raters)) / (sum(PRIOR) + answers)
        if np.abs(np.concatenate([error, model]) - before).max() < _TOLERANCE:
            break
    return Errors(error, _deviation(evidence, error, wrong, answers))


def noise(error: np.ndarray, least: float) -> np.ndarray:
    """Chance that an answer says nothing, for the likelihood: (1 - noise) P + noise / 2 is (1 - 2e) P + e.

    Args:
        error: of each answer's rater.
        least: the noise that every answer is taken to have, however careful its rater.
    """
    return np.clip(2 * error, least, 2 * _WORST)


def _certainty(margin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the J questions that have a margin, whether it names clip a, and its size's bin, [J] each."""
    judged = np.flatnonzero(~np.isnan(margin))
    bins = min(_BINS, max(1, len(judged) // _FEWEST_IN_BIN))
    place = np.argsort(np.argsort(np.abs(margin[judged]), kind="stable"), kind="stable")
    return judged, margin[judged] > 0, place * bins // max(1, len(judged))


def _truth(evidence: Evidence, error: np.ndarray, by_model: np.ndarray) -> np.ndarray:
    """Chance that clip a is better, [Q], by everybody's votes and the model's (log odds [Q])."""
    votes = np.where(evidence.says_a, 1, -1) * _weight(error)[evidence.rater]
    odds = np.bincount(evidence.question, votes, len(by_model)) + by_model
    chance = 0.5 * (1 + np.tanh(odds / 2))
    return np.where(np.isnan(evidence.right), chance, evidence.right)


def _weight(error: np.ndarray | float) -> np.ndarray:
    """Log odds that a vote adds to the clip that it names."""
    counted = np.clip(error, _LEAST, _WORST)
    return np.log((1 - counted) / counted)


def _deviation(evidence: Evidence, error: np.ndarray, wrong: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Of a Beta posterior that has as many answers as are known to be wrong or right.

    By Louis (1982) an answer that is wrong with chance w tells of e what 1 - w(1 - w) / (e(1 - e)) observed ones do:
    one where it is known to be wrong or right, none where w is what e says anyway.
    """
    variance = np.clip(error, _LEAST, 1 - _LEAST) * (1 - np.clip(error, _LEAST, 1 - _LEAST))
    hidden = np.bincount(evidence.rater, wrong * (1 - wrong), len(error)) / variance
    known = np.maximum(answers - hidden, 0) + sum(PRIOR)
    return np.sqrt(variance / (known + 1))
