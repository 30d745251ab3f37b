"""What a measured training counts."""

from __future__ import annotations

import pytest

from backflip.phases import LEARNER, Phase, answers_take


def _phase(learner: float, actors: float, scoring: float, answers: float) -> Phase:
    return Phase(
        steps=1000,
        seconds=6.0,
        cpu_seconds={
            LEARNER: learner,
            "actor 0": actors / 2,
            "actor 1": actors / 2,
            "reward service": scoring + answers / 2,
            "teacher": answers / 2,
        },
    )


def test_what_answers_take_is_told_from_scoring_however_fast_the_cores_are() -> None:
    without = [_phase(2.0, 6.0, 2.0, 0.0), _phase(1.0, 3.0, 1.0, 0.0)]
    with_answers = [_phase(1.8, 5.4, 1.8, 1.0), _phase(3.6, 10.8, 3.6, 2.0)]
    assert answers_take(with_answers, without) == pytest.approx(0.1)
    assert answers_take(without, without) == pytest.approx(0.0)
