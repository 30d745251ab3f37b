"""When a run is over, and how eagerly it learns: by its steps with a scripted teacher, by its answers with people."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from backflip.pace import Pace
from backflip.presets import PRESETS
from backflip.system import Facts
from learner.loop import Progress

PRESET = PRESETS["cartpole"].config


def pace(source: Literal["scripted", "web"]) -> tuple[Pace, Progress, Facts]:
    config = replace(PRESET, steps=1000, labels=replace(PRESET.labels, source=source))
    progress, facts = Progress(), Facts(labels_budget=100)
    return Pace(config, progress, lambda: facts), progress, facts


def test_a_scripted_teacher_s_run_is_over_when_its_steps_are_done() -> None:
    run, progress, _ = pace("scripted")
    progress.env_steps = 400
    assert run.share() == pytest.approx(0.4)
    assert run.eagerness() == 1.0, "it keeps up with any number of steps"
    progress.env_steps = 1000
    assert run.share() == 1.0


def test_with_people_a_run_waits_for_the_last_answer_and_learns_from_it() -> None:
    run, progress, facts = pace("web")
    progress.env_steps = 100
    facts.labels_used = 50
    assert run.share() == pytest.approx(0.1), "steps are the slower ones"
    progress.env_steps = 5000
    assert run.share() == pytest.approx(0.45), "half of the answers are there"
    facts.labels_used = 100
    assert run.share() == pytest.approx(0.9)
    progress.env_steps = 5050
    assert run.share() == pytest.approx(0.95)
    progress.env_steps = 5100
    assert run.share() == pytest.approx(1.0)


def test_an_owner_who_lowers_the_budget_lets_the_run_end() -> None:
    run, progress, facts = pace("web")
    progress.env_steps, facts.labels_used = 2000, 20
    assert run.share() < 0.5
    facts.labels_budget = 10
    progress.env_steps = 2100
    assert run.share() == pytest.approx(1.0)


def test_with_people_nothing_is_learnt_at_length_from_few_answers() -> None:
    run, progress, facts = pace("web")
    progress.env_steps, facts.labels_used = 500, 25  # the first fit: what went before taught nothing
    assert run.eagerness() == 1.0
    progress.updates, progress.env_steps = 1, 560
    assert run.status is None
    slowly = run.eagerness()
    assert slowly < 0.1, "a scripted teacher would have given more answers by now"
    assert run.status is not None
    assert run.status.doing == "learns at 6% of its rate until there are more answers"
    progress.env_steps = 50_000
    assert run.eagerness() == slowly
    facts.labels_used = 60
    assert run.eagerness() == 1.0, "there is more to learn from, however long it took to come"
    progress.env_steps = 60_000
    assert slowly < run.eagerness() < 0.5, "more than half of them are there"
    facts.labels_used = 100
    assert run.eagerness() == 1.0, "no more answers will come"


def test_answers_that_a_run_began_with_are_learnt_from_at_once() -> None:
    run, progress, facts = pace("web")
    progress.env_steps, progress.updates, facts.labels_imported = 100, 10, 300
    assert run.eagerness() == 1.0
    progress.env_steps = 900
    assert 0.5 < run.eagerness() < 1.0, "the policy may know what they teach, and waits for the others"


def test_an_owner_who_lowers_the_budget_lets_the_policy_learn_what_is_left() -> None:
    run, progress, facts = pace("web")
    progress.env_steps, progress.updates, facts.labels_used = 900, 50, 40
    run.eagerness()
    assert run.share() < 0.5
    facts.labels_budget = 40
    progress.env_steps = 1200
    assert run.eagerness() == 1.0
    assert run.share() < 1.0, "a tenth of its steps is not enough after so few"
    progress.env_steps = 2000
    assert run.share() == 1.0


def test_a_resumed_run_has_learnt_what_its_answers_allowed() -> None:
    run, progress, facts = pace("web")
    progress.env_steps, progress.updates, facts.labels_used = 900, 50, 40
    assert run.eagerness() < 0.5
    facts.labels_used = 60
    assert run.eagerness() == 1.0
