"""Clips: whole, in order, of one episode, and showing what their rows show."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.clips import cut_clips, cut_shots, plan_shots
from actors.sampler import Shot, Track
from contracts.clip import Clip
from contracts.film import decode_film
from contracts.rollout import Rollout
from contracts.spaces import ActionSpace, ObservationSpace, Spaces


def slab(
    steps: int, worlds: int, ends: np.ndarray, valid: np.ndarray, kind: str = "continuous"
) -> tuple[Rollout, Track]:
    """Every row's observation, state and score tell where it stands: row, world."""
    place = np.stack(np.meshgrid(np.arange(steps), np.arange(worlds), indexing="ij"), -1).astype(np.float32)
    action = place * 0.5 - 2 if kind == "continuous" else (place.sum(-1) % 2).astype(np.int64)
    nothing = np.zeros((steps, worlds), np.float32)
    rollout = Rollout(
        observation=place,
        action=action,
        log_prob=nothing,
        reward=nothing,
        terminated=ends & (place[..., 0] % 2 == 0),
        truncated=ends & (place[..., 0] % 2 == 1),
        valid=valid,
        final_row=np.flatnonzero(ends),
        final_observation=np.zeros((int(ends.sum()), 2), np.float32),
        last_observation=np.zeros((worlds, 2), np.float32),
        policy_version=4,
        reward_version=2,
        actor=1,
    )
    score = place[..., 0] * 100 + place[..., 1]
    return rollout, Track(state=place * 10, score=score, odometer=np.zeros_like(score))


def cut(rollout: Rollout, track: Track, length: int, count: int, seed: int = 0, kind: str = "continuous") -> list[Clip]:
    spaces = Spaces(ObservationSpace((2,)), ActionSpace("discrete" if kind == "discrete" else "continuous", 2))
    random = np.random.default_rng(seed)
    return cut_clips(rollout, track, spaces, "scene", length=length, count=count, random=random)


@given(
    steps=st.integers(1, 12),
    worlds=st.integers(1, 6),
    length=st.integers(1, 8),
    count=st.integers(1, 8),
    often=st.floats(0, 0.6),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_clip_never_crosses_an_end_or_an_invalid_row(
    steps: int, worlds: int, length: int, count: int, often: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    ends, invalid = (random.random((steps, worlds)) < often / 2 for _ in range(2))
    rollout, track = slab(steps, worlds, ends, ~invalid)
    clips = cut(rollout, track, length, count, seed)

    def whole(start: int, world: int) -> bool:
        rows = slice(start, start + length)
        return not invalid[rows, world].any() and not ends[start : start + length - 1, world].any()

    possible = [world for world in range(worlds) if any(whole(start, world) for start in range(steps - length + 1))]
    assert len(clips) == min(count, len(possible))
    assert len({int(clip.observation[0, 1]) for clip in clips}) == len(clips), "no world gives two"
    for clip in clips:
        start, world = clip.observation[0].astype(int)
        assert whole(start, world)
        rows = slice(start, start + length)
        np.testing.assert_array_equal(clip.observation, rollout.observation[rows, world])
        np.testing.assert_array_equal(clip.action, np.clip(rollout.action[rows, world], -1, 1))
        np.testing.assert_array_equal(clip.state, track.state[rows, world])
        assert clip.oracle is not None
        np.testing.assert_array_equal(clip.oracle, track.score[rows, world])
        assert (len(clip), clip.scene, clip.policy_version, clip.actor) == (length, "scene", 4, 1)


def test_an_end_may_be_a_clips_last_row() -> None:
    ends = np.zeros((5, 1), bool)
    ends[4] = True
    clips = cut(*slab(5, 1, ends, np.ones((5, 1), bool)), length=5, count=1)
    assert len(clips) == 1


def test_discrete_actions_are_one_hot() -> None:
    nothing = np.zeros((6, 2), bool)
    for clip in cut(*slab(6, 2, nothing, ~nothing, "discrete"), length=3, count=2, kind="discrete"):
        expected = np.eye(2)[(clip.observation.sum(1) % 2).astype(int)]
        np.testing.assert_array_equal(clip.action, expected)


def test_a_clip_outlives_its_slab_and_chance_is_the_seeds() -> None:
    nothing = np.zeros((20, 30), bool)
    rollout, track = slab(20, 30, nothing, ~nothing)
    clips = cut(rollout, track, length=5, count=10)
    starts = [tuple(clip.observation[0]) for clip in clips]
    assert starts == [tuple(clip.observation[0]) for clip in cut(rollout, track, length=5, count=10)]
    assert starts != [tuple(clip.observation[0]) for clip in cut(rollout, track, length=5, count=10, seed=1)]
    assert len({row for row, _ in starts}) > 3, "from anywhere in the slab"
    rollout.observation[:] = track.state[:] = track.score[:] = -1
    rollout.action[:] = -1
    assert all((clip.state >= 0).all() and clip.oracle is not None and (clip.oracle >= 0).all() for clip in clips)
    assert starts == [tuple(clip.observation[0]) for clip in clips]


def test_shots_are_planned_within_the_slab_each_of_another_world() -> None:
    shots = plan_shots(6, 20, 5, 4, np.random.default_rng(0))
    assert len({shot.world for shot in shots}) == len(shots) == 4
    assert all(0 <= shot.start <= 15 and shot.world < 6 for shot in shots)
    assert len(plan_shots(3, 5, 5, 9, np.random.default_rng(0))) == 3


def test_a_filmed_stretch_becomes_a_clip_unless_an_episode_ended_in_it() -> None:
    ends = np.zeros((12, 3), bool)
    ends[5, 1] = True
    rollout, track = slab(12, 3, ends, np.ones((12, 3), bool), "discrete")
    rollout.observation = (
        np.zeros((12, 3, 4, 8, 8), np.uint8) + np.arange(12, dtype=np.uint8)[:, None, None, None, None]
    )
    spaces = Spaces(ObservationSpace((4, 8, 8)), ActionSpace("discrete", 2))
    picture = np.full((16, 16, 3), 90, np.uint8)
    track.films = {Shot(world, 2, 5): [picture] * 5 for world in range(3)}
    clips = cut_shots(rollout, track, spaces, "scene", timestep=0.1)
    assert len(clips) == 2
    for clip, world in zip(clips, (0, 2), strict=True):
        np.testing.assert_array_equal(clip.observation, rollout.observation[2:7, world])
        assert clip.oracle is not None
        np.testing.assert_array_equal(clip.oracle, track.score[2:7, world])
        assert decode_film(clip.film).shape == (5, 16, 16, 3)
