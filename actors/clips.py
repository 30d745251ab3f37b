"""Cuts candidate clips from a slab: what the reward model sees, and the states or pictures that people see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actors.sampler import Shot, Track
from contracts.clip import Clip, Scene
from contracts.film import encode_film
from contracts.rollout import UNFITTED, Rollout
from contracts.spaces import Spaces


@dataclass
class ClipCutter:
    """What the slabs of one source have to ask about: how many clips of each, and which.

    Before the first fit every slab is from the same policy, and people wait for questions: each world gives a clip.
    Afterwards the newest behaviour matters, and a few are enough.

    Args:
        length: steps of a clip.
        candidates: clips of a slab, once a reward model judges it; 0 cuts none, before that neither.
    """

    spaces: Spaces
    scene: Scene
    length: int
    candidates: int
    random: np.random.Generator

    def shots(self, worlds: int, steps: int, reward_version: int) -> list[Shot]:
        """What is to be filmed of a slab that is yet to be sampled; nothing where states draw its clips."""
        if self.scene.track != "frames" or not self.candidates:
            return []
        return plan_shots(worlds, steps, self.length, self._count(worlds, reward_version), self.random)

    def cut(self, rollout: Rollout, track: Track) -> list[Clip]:
        """What was filmed of a slab where its clips are films, else `cut_clips`."""
        if not self.candidates:
            return []
        scene = self.scene.hash
        if self.scene.track == "frames":
            return cut_shots(rollout, track, self.spaces, scene, timestep=self.scene.timestep)
        count = self._count(rollout.reward.shape[1], rollout.reward_version)
        return cut_clips(rollout, track, self.spaces, scene, length=self.length, count=count, random=self.random)

    def _count(self, worlds: int, reward_version: int) -> int:
        return worlds if reward_version == UNFITTED else self.candidates


def plan_shots(worlds: int, steps: int, length: int, count: int, random: np.random.Generator) -> list[Shot]:
    """Where a slab that is yet to be sampled will be filmed: up to ``count`` stretches, each of another world.

    Pictures cost time to draw and space to keep, so only those of candidates are drawn at all. A stretch in
    which an episode turns out to end becomes no clip.
    """
    filmed = random.permutation(worlds)[:count]
    starts = random.integers(0, steps - length + 1, len(filmed))
    return [Shot(int(world), int(start), length) for world, start in zip(filmed, starts, strict=True)]


def cut_shots(rollout: Rollout, track: Track, spaces: Spaces, scene: str, *, timestep: float) -> list[Clip]:
    """A clip of every shot that was filmed within one episode and without invalid rows."""
    clips = []
    for shot, film in track.films.items():
        if _whole_stretches(rollout, shot.length)[shot.start, shot.world]:
            encoded = encode_film(np.stack(film), timestep)
            clips.append(_cut(rollout, track, spaces, scene, shot.world, shot.start, shot.length, encoded))
    return clips


def cut_clips(
    rollout: Rollout,
    track: Track,
    spaces: Spaces,
    scene: str,
    *,
    length: int,
    count: int,
    random: np.random.Generator,
) -> list[Clip]:
    """Up to ``count`` clips of ``length`` steps, each within one episode and free of invalid rows.

    Fewer come back where the slab has fewer worlds with such a stretch: no world gives two clips
    of one slab, since those would show much the same.
    """
    whole = _whole_stretches(rollout, length)
    clips = []
    for world in random.permutation(whole.shape[1]):
        starts = np.flatnonzero(whole[:, world])
        if not len(starts):
            continue
        clips.append(_cut(rollout, track, spaces, scene, world, int(random.choice(starts)), length))
        if len(clips) == count:
            break
    return clips


def _cut(
    rollout: Rollout,
    track: Track,
    spaces: Spaces,
    scene: str,
    world: int,
    start: int,
    length: int,
    film: bytes = b"",
) -> Clip:
    rows = slice(start, start + length)
    return Clip(
        observation=rollout.observation[rows, world].copy(),
        action=spaces.action.encode(rollout.action[rows, world]).copy(),
        state=track.state[rows, world].copy(),
        scene=scene,
        policy_version=rollout.policy_version,
        actor=rollout.actor,
        oracle=track.score[rows, world].copy(),
        stack=spaces.observation.stack,
        film=film,
    )


def _whole_stretches(rollout: Rollout, length: int) -> np.ndarray:
    """Whether ``length`` rows from here on are all valid with no end before the last: bool [T-length+1, N]."""
    steps = len(rollout.valid)
    if steps < length:
        return np.zeros((0, rollout.valid.shape[1]), bool)
    ends = np.cumsum(rollout.terminated | rollout.truncated, 0)
    invalid = np.cumsum(~rollout.valid, 0)
    first, last = slice(0, steps - length + 1), slice(length - 1, steps)
    no_invalid = invalid[last] - invalid[first] + ~rollout.valid[first] == 0
    ends_before_last = ends[last] - (rollout.terminated | rollout.truncated)[last]
    ends_before_first = ends[first] - (rollout.terminated | rollout.truncated)[first]
    return no_invalid & (ends_before_last == ends_before_first)
