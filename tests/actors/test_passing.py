"""Slabs of what passes through somebody else's loop: no clip crosses an end, a restart or a reset."""

from __future__ import annotations

import numpy as np

from actors.clips import cut_clips
from actors.passing import PassingSlabs, Step
from actors.sampler import Shot, Track
from contracts.clip import Clip
from contracts.rollout import Rollout
from contracts.spaces import ActionSpace, ObservationSpace, Spaces

SPACES = Spaces(ObservationSpace((2,)), ActionSpace("continuous", 1))
LENGTH = 3


def step(
    episode: int, time: int, *, ended: bool = False, valid: bool = True, score: float = 0.0, reward: float = 0.0
) -> Step:
    """Of one world, which observes its episode's number and how far it is."""
    row = np.array([[episode, time]], np.float32)
    no, yes = np.array([False]), np.array([True])
    return Step(
        observation=row,
        action=row[:, :1] / 100,
        state=row * 10,
        score=np.array([score], np.float32),
        reward=np.array([reward], np.float32),
        terminated=no,
        truncated=yes if ended else no,
        valid=yes if valid else no,
    )


def filled(slabs: PassingSlabs, steps: list[Step]) -> tuple[Rollout, Track]:
    wholes = [slabs.add(one, 3) for one in steps]
    assert wholes[:-1] == [None] * (len(steps) - 1)
    whole = wholes[-1]
    assert whole is not None
    return whole


def every_clip(rollout: Rollout, track: Track) -> list[Clip]:
    random = np.random.default_rng(0)
    return [
        clip
        for _ in range(200)
        for clip in cut_clips(rollout, track, SPACES, "scene", length=LENGTH, count=1, random=random)
    ]


def shown(clips: list[Clip]) -> set[tuple[tuple[float, ...], ...]]:
    return {tuple(map(tuple, clip.observation.tolist())) for clip in clips}


def test_no_clip_crosses_an_end_or_holds_the_step_that_only_restarts() -> None:
    slabs = PassingSlabs(8, 1, SPACES, 2)
    steps = [step(0, time, ended=time == 3) for time in range(4)]
    steps += [step(0, 4, valid=False), *(step(1, time) for time in range(3))]
    rollout, track = filled(slabs, steps)
    clips = every_clip(rollout, track)
    assert shown(clips) == {((0, 0), (0, 1), (0, 2)), ((0, 1), (0, 2), (0, 3)), ((1, 0), (1, 1), (1, 2))}
    for clip in clips:
        np.testing.assert_array_equal(clip.state, clip.observation * 10)
        np.testing.assert_allclose(clip.action, clip.observation[:, :1] / 100)


def test_no_clip_crosses_a_reset_in_the_middle_and_what_it_broke_off_is_no_episode() -> None:
    slabs = PassingSlabs(8, 1, SPACES, 2)
    for time in range(4):
        assert slabs.add(step(0, time, score=100.0), 3) is None
    slabs.interrupt(np.array([True]))
    rollout, track = filled(slabs, [step(1, time, ended=time == 3, score=1.0, reward=0.5) for time in range(4)])
    assert shown(every_clip(rollout, track)) == {
        ((0, 0), (0, 1), (0, 2)),
        ((1, 0), (1, 1), (1, 2)),
        ((1, 1), (1, 2), (1, 3)),
    }
    (episode,) = rollout.episodes
    assert (episode.length, episode.true_return, episode.predicted_return) == (4, 4.0, 2.0)


def test_an_episode_is_counted_across_slabs_and_slabs_are_the_callers_to_keep() -> None:
    slabs = PassingSlabs(2, 1, SPACES, 2)
    first, _ = filled(slabs, [step(0, 0, score=1.0), step(0, 1, score=1.0)])
    kept = first.observation.copy()
    second, _ = filled(slabs, [step(0, 2, score=1.0, ended=True), step(0, 3, valid=False, score=7.0)])
    np.testing.assert_array_equal(first.observation, kept)
    assert [episode.length for episode in second.episodes] == [3]
    assert second.episodes[0].true_return == 3.0
    assert (first.policy_version, second.policy_version) == (0, 1)


def test_a_slab_is_filmed_where_it_was_planned_as_it_began() -> None:
    plans = iter([[Shot(2, 1, 2), Shot(0, 2, 2)], [Shot(1, 0, 1)], []])
    slabs = PassingSlabs(4, 3, SPACES, 0, lambda: next(plans))
    asked, films = [], []
    for moment in range(8):
        worlds = slabs.filmed()
        asked.append(worlds.tolist())
        pictures = [np.full((4, 4, 3), 10 * moment + world, np.uint8) for world in worlds]
        nothing, no = np.zeros(3, np.float32), np.zeros(3, bool)
        observation = np.zeros((3, 2), np.float32)
        none = np.empty((3, 0), np.float32)
        whole = slabs.add(Step(observation, nothing[:, None], none, nothing, nothing, no, no, ~no, pictures), 0)
        if whole is not None:
            films.append({shot: [int(picture[0, 0, 0]) for picture in film] for shot, film in whole[1].films.items()})
    assert asked == [[], [2], [2, 0], [0], [1], [], [], []]
    assert films == [{Shot(2, 1, 2): [12, 22], Shot(0, 2, 2): [20, 30]}, {Shot(1, 0, 1): [41]}]
