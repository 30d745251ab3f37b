"""Each figure tells a fooled reward model from a sound one, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labeling_gateway.evidence import (
    Claim,
    Outcome,
    claims,
    contradiction,
    fall_of_agreement,
    rise,
    unfamiliarity,
    variety,
)

SURE, UNSURE = Claim(0.9, unanimous=True), Claim(0.6, unanimous=True)
WRONG, RIGHT = Outcome(SURE, a_is_better=False), Outcome(SURE, a_is_better=True)
STEP = math.log(0.5 / 0.15)  # what an answer against a sure model adds


def test_a_claim_is_what_the_members_say_together() -> None:
    sums = np.array([[3.0, 3.0], [0.0, 0.0], [2.0, 4.0]])
    sure, reverse, split = claims(sums, np.array([[0, 1], [1, 0], [0, 2]]))
    assert sure.chance == pytest.approx(1 / (1 + math.exp(-3))) and sure.unanimous and sure.sure
    assert reverse.confidence == pytest.approx(sure.confidence) and reverse.sure
    assert not split.unanimous and not split.sure
    (level,) = claims(np.zeros((2, 2)), np.array([[0, 1]]))
    assert not level.unanimous, "who finds both alike calls neither better"


def test_only_answers_against_a_sure_model_contradict_it() -> None:
    assert contradiction([]) == 0
    assert contradiction([RIGHT] * 50) == 0
    assert contradiction([Outcome(UNSURE, a_is_better=False)] * 50) == 0
    assert contradiction([Outcome(Claim(0.9, unanimous=False), a_is_better=False)] * 50) == 0
    doubted = Claim(0.9, unanimous=True, doubted=True)
    assert contradiction([Outcome(doubted, a_is_better=False)] * 50) == 0, "it was chosen because it may be wrong"
    assert contradiction([RIGHT] * 50 + [WRONG] * 3) == pytest.approx(3 * STEP), "what was right long ago is no excuse"


def test_contradiction_ends_once_answers_agree_again_however_long_it_lasted() -> None:
    fooled = [WRONG] * 200
    assert contradiction(fooled + [RIGHT] * 11) < 0.5


def test_agreement_falls_where_recent_answers_agree_less_than_the_confidence_says() -> None:
    assert fall_of_agreement([WRONG] * 31) == 0, "too few to tell"
    noise = [RIGHT, RIGHT, RIGHT, RIGHT, WRONG]
    assert fall_of_agreement(noise * 12 + [WRONG] * 16) > 3
    assert abs(fall_of_agreement(noise * 20)) < 1
    sharper = [Outcome(Claim(0.99, unanimous=True), a_is_better=True)] * 16
    assert fall_of_agreement([RIGHT] * 40 + sharper) <= 0, "who is right and says so ever louder"
    harder = [Outcome(UNSURE, a_is_better=n % 5 < 3) for n in range(16)]  # right in 60%, as it says
    assert fall_of_agreement(noise * 12 + harder) < 1


def test_rise_is_how_often_the_newer_clip_is_called_better() -> None:
    low, high = np.zeros((4, 3)), np.full((4, 3), 5.0)
    assert rise(low, low) == 0.5
    assert rise(high, low) == pytest.approx(1 / (1 + math.exp(-5)))
    assert rise(low, high) == pytest.approx(1 - rise(high, low))


def test_unfamiliarity_is_a_ratio_of_disagreements() -> None:
    rng = np.random.default_rng(0)
    judged = rng.normal(size=(100, 3))
    assert unfamiliarity(4 * judged, judged) == pytest.approx(4)
    assert unfamiliarity(judged + 100, judged) == pytest.approx(1), "a level that all members share is no disagreement"


def test_variety_falls_where_one_kind_of_clip_is_left() -> None:
    rng = np.random.default_rng(0)
    judged = rng.normal(size=(64, 10, 1)) + rng.normal(size=(64, 1, 4))
    newest = judged[:32]
    assert variety(newest, judged) == pytest.approx(1, abs=0.2)
    assert variety(np.repeat(newest[:1], 32, axis=0), judged) == pytest.approx(0, abs=1e-9)
    still = np.concatenate((judged, np.zeros_like(judged)), axis=2)
    assert variety(still[:32], still) == pytest.approx(variety(newest, judged)), "inputs that never move"
    assert variety(np.zeros_like(judged), np.zeros_like(judged)) == 1
