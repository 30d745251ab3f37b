"""Raters' errors are found from what others, the model, the raters themselves and the owner say."""

from __future__ import annotations

import numpy as np
import pytest

from reward_service.raters import PRIOR_ERROR, Evidence, estimate, noise


def simulated(
    errors: list[float],
    *,
    answers: int,
    overlap: float = 0.0,
    model_error: float | None = None,
    repeats: float = 0.0,
    gold: float = 0.0,
    seed: int = 0,
) -> Evidence:
    """``answers`` questions a rater, a share of them answered by a second one, or by the same one again."""
    rng = np.random.default_rng(seed)
    raters = len(errors)
    questions = raters * answers
    better = rng.random(questions) < 0.5
    first = np.arange(questions) % raters
    twice, again = (np.flatnonzero(rng.random(questions) < share) for share in (overlap, repeats))
    rater = np.concatenate([first, (first[twice] + rng.integers(1, max(raters, 2), len(twice))) % raters, first[again]])
    question = np.concatenate([np.arange(questions), twice, again])
    wrong = rng.random(len(rater)) < np.array(errors)[rater]
    margin = np.full(questions, np.nan)
    if model_error is not None:
        margin = np.where(better != (rng.random(questions) < model_error), 1.0, -1.0)
    right = np.where(rng.random(questions) < gold, better, np.nan)
    return Evidence(rater, question, better[question] != wrong, margin, right)


def test_without_evidence_everybody_is_taken_to_be_careful() -> None:
    nothing = Evidence(np.empty(0, int), np.empty(0, int), np.empty(0, bool), np.empty(0), np.empty(0))
    found = estimate(nothing, 3)
    assert found.error == pytest.approx([PRIOR_ERROR] * 3)
    assert (found.deviation > 0.1).all()


def test_errors_are_those_that_crowd_kit_finds() -> None:
    """Against crowd-kit 1.4.2, whose dependencies are too many to install for one test; these are its words::

    import pandas, crowdkit.aggregation
    evidence = simulated([0.02, 0.1, 0.25, 0.4], answers=400, overlap=1.0, seed=1)
    columns = {"worker": evidence.rater, "task": evidence.question, "label": evidence.says_a.astype(int)}
    model = crowdkit.aggregation.OneCoinDawidSkene(n_iter=10_000, tol=1e-12).fit(pandas.DataFrame(columns))
    1 - model.skills_
    """
    found = estimate(simulated([0.02, 0.1, 0.25, 0.4], answers=400, overlap=1.0, seed=1), 4)
    assert found.error == pytest.approx([0.082936, 0.068536, 0.235659, 0.344043], abs=0.005)


@pytest.mark.parametrize("overlap, model_error", [(1.0, None), (0.0, 0.1), (0.3, 0.2)])
def test_errors_are_found_from_second_opinions_and_from_the_model(overlap: float, model_error: float | None) -> None:
    errors = [0.02, 0.05, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5]
    found = estimate(simulated(errors, answers=400, overlap=overlap, model_error=model_error), len(errors))
    assert found.error == pytest.approx(errors, abs=0.08)
    assert (np.abs(found.error - errors) < 3 * found.deviation).mean() > 0.7


def test_more_evidence_makes_the_estimate_surer() -> None:
    few, many = (estimate(simulated([0.2] * 5, answers=n, model_error=0.1), 5).deviation for n in (40, 400))
    assert many.mean() < few.mean() / 2


def test_careful_raters_do_not_pay_for_a_poor_model() -> None:
    found = estimate(simulated([0.03] * 6, answers=300, model_error=0.35), 6)
    assert found.error.max() < 0.15
    among_careless = estimate(simulated([0.03] * 7 + [0.5] * 3, answers=300, model_error=0.3), 10)
    assert among_careless.error[:7].max() < 0.15
    assert among_careless.error[7:].min() > 0.35


@pytest.mark.parametrize("error", [0.0, 0.1, 0.3])
def test_of_a_rater_alone_nothing_is_held_against_it(error: float) -> None:
    """What disagrees with the model may be the model's own error: the run is one of before there were errors."""
    found = estimate(simulated([error], answers=900, model_error=0.2), 1)
    assert found.error[0] <= PRIOR_ERROR + 1e-3
    assert noise(found.error, 0.1) == pytest.approx(0.1, abs=2e-3)


def test_repeats_show_who_disagrees_with_oneself() -> None:
    careful, careless = (estimate(simulated([e], answers=400, repeats=1.0), 1).error[0] for e in (0.03, 0.3))
    assert careful == pytest.approx(0.03, abs=0.02)
    assert careless == pytest.approx(0.3, abs=0.06)


def test_gold_questions_show_what_nobody_else_can_say() -> None:
    found = estimate(simulated([0.05, 0.3], answers=100, gold=1.0), 2)
    assert found.error == pytest.approx([0.05, 0.3], abs=0.08)


def test_who_says_the_opposite_is_seen_and_not_believed() -> None:
    evidence = simulated([0.05, 0.05, 0.05, 0.9], answers=200, overlap=0.5, model_error=0.1)
    found = estimate(evidence, 4)
    assert found.error[3] > 0.65
    assert found.error[:3].max() < 0.12
    assert noise(found.error, 0.1)[3] == 1.0


def test_nothing_is_learnt_from_the_opposite_of_what_somebody_says() -> None:
    """Eve is known to be wrong; bob is never asked what anybody else but eve is, and always contradicts her."""
    eves, bobs = 300, 60
    evidence = Evidence(
        rater=np.array([0] * eves + [1] * bobs),
        question=np.concatenate([np.arange(eves), np.arange(bobs)]),
        says_a=np.array([False] * eves + [True] * bobs),
        margin=np.array([np.nan] * bobs + [1.0] * (eves - bobs)),
        right=np.array([np.nan] * bobs + [1.0] * (eves - bobs)),
    )
    found = estimate(evidence, 2)
    assert found.error[0] > 0.8
    assert found.error[1] == pytest.approx(PRIOR_ERROR, abs=0.01), "he may be right, or as wrong as she is"


def test_the_order_of_the_answers_does_not_matter() -> None:
    evidence = simulated([0.05, 0.2, 0.5], answers=50, overlap=0.3, model_error=0.2)
    order = np.random.default_rng(0).permutation(len(evidence.rater))
    shuffled = Evidence(
        evidence.rater[order], evidence.question[order], evidence.says_a[order], evidence.margin, evidence.right
    )
    assert estimate(shuffled, 3).error == pytest.approx(estimate(evidence, 3).error, abs=1e-6)
