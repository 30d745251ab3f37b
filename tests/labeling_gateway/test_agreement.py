"""Krippendorff's alpha against the library of that name."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest

from labeling_gateway.agreement import krippendorff_alpha


@pytest.mark.parametrize("careless", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("asked", [0.3, 0.9])
def test_it_is_the_library_s(careless: float, asked: float) -> None:
    rng = np.random.default_rng(0)
    right = rng.integers(0, 3, 200)
    said = np.where(rng.random((7, 200)) < careless, rng.integers(0, 3, (7, 200)), right)
    answers = np.where(rng.random(said.shape) < asked, said, np.nan)
    found = krippendorff_alpha([[*column[~np.isnan(column)]] for column in answers.T])
    assert found == pytest.approx(krippendorff.alpha(answers, level_of_measurement="nominal"), abs=1e-12)


def test_there_is_none_where_nobody_could_disagree() -> None:
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([["a"], ["b"], []]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a", "a"]]) is None


def test_always_the_other_answer_is_worse_than_chance() -> None:
    assert krippendorff_alpha([["a", "b"], ["b", "a"]]) == pytest.approx(-0.5)
