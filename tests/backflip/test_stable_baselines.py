"""Stable-Baselines3 sees of a gymnasium vector environment what it sees of its own."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from stable_baselines3.common.vec_env import DummyVecEnv

import backflip
from backflip.errors import UserError

WORLDS = 3


def gymnasium_envs(id: str) -> gymnasium.vector.VectorEnv:
    return gymnasium.make_vec(
        id, WORLDS, vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}
    )


@pytest.mark.parametrize("id", ["CartPole-v1", "Pendulum-v1"])
def test_it_steps_as_their_own_does(id: str) -> None:
    ours, theirs = (
        backflip.for_stable_baselines3(gymnasium_envs(id)),
        DummyVecEnv([lambda: gymnasium.make(id)] * WORLDS),
    )
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    for envs in (ours, theirs):
        envs.seed(7)
        envs.action_space.seed(0)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    ends = 0
    for _ in range(250):
        action = np.stack([ours.action_space.sample() for _ in range(WORLDS)])
        observation, reward, done, infos = ours.step(action)
        expected = theirs.step(action)
        np.testing.assert_array_equal(observation, expected[0])
        np.testing.assert_allclose(reward, expected[1], rtol=1e-6)
        assert reward.dtype == np.float32
        np.testing.assert_array_equal(done, expected[2])
        for world in np.flatnonzero(done):
            ends += 1
            np.testing.assert_array_equal(
                infos[world]["terminal_observation"], expected[3][world]["terminal_observation"]
            )
            assert infos[world]["TimeLimit.truncated"] == expected[3][world]["TimeLimit.truncated"]
        assert not any("terminal_observation" in infos[world] for world in np.flatnonzero(~done))
    assert ends >= WORLDS
    ours.close()


def test_statistics_of_episodes_reach_the_world_that_they_are_of() -> None:
    envs = backflip.for_stable_baselines3(RecordEpisodeStatistics(gymnasium_envs("CartPole-v1")))
    envs.reset()
    while True:
        _, _, done, infos = envs.step(np.array([0, 1, 0]))
        if done.any():
            break
    for world, info in enumerate(infos):
        assert ("episode" in info) == done[world]
        if done[world]:
            assert info["episode"]["l"] > 5
    envs.close()


def test_episodes_that_restart_a_step_later_are_refused() -> None:
    with pytest.raises(UserError, match=r"AutoresetMode\.SAME_STEP"):
        backflip.for_stable_baselines3(gymnasium.make_vec("CartPole-v1", WORLDS))
