"""How a policy is measured."""

from __future__ import annotations

import pytest

from actors.simulators.gymnasium_engine import GymnasiumSimulator
from actors.simulators.protocol import SimulationFault
from backflip.evaluation import evaluate
from backflip.showing import typical
from learner.policy import Policy, PolicySpec

OWN = "tests.actors.own_environments"


def test_an_episode_that_a_fault_ended_is_in_no_mean() -> None:
    simulator = GymnasiumSimulator(f"{OWN}:Raising", 20, 0, stagger=False)
    evaluation = evaluate(Policy(PolicySpec(simulator.spaces)), simulator)
    assert 0 < evaluation.failed_episodes < 15
    assert evaluation.episodes + evaluation.failed_episodes == len(evaluation.tracks) == 20
    assert (evaluation.true_return, evaluation.metrics) == (280, {"steps_per_episode": 7}), "of seven steps each"
    assert len(typical(evaluation)) == 7


def test_where_every_episode_fails_there_is_nothing_to_measure() -> None:
    simulator = GymnasiumSimulator(f"{OWN}:NeverRight", 3, 0, stagger=False)
    with pytest.raises(SimulationFault, match=f"{OWN}:NeverRight: a fault ended every one of 3 episodes"):
        evaluate(Policy(PolicySpec(simulator.spaces)), simulator)
