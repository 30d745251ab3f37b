"""Clips, scenes, queries and labels as bytes; spaces; the held-out split."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clip import Camera, Clip, Scene
from contracts.encoding import canonical_json, content_hash, pack
from contracts.label import Choice, Label, Opinion, Query, is_held_out
from contracts.rollout import Rollout
from contracts.spaces import ActionSpace

CLIP = Clip(
    observation=np.arange(6, dtype=np.float32).reshape(3, 2),
    action=np.array([[0.5], [-1.0], [0.0]], np.float32),
    state=np.ones((3, 4), np.float32),
    scene="scene",
    policy_version=7,
    actor=1,
    oracle=np.array([1, 2, 3], np.float32),
)
SCENE = Scene(
    "hopper", "mujoco", 0.008, "Which hops better? é", "<mujoco/>", Camera(lookat=(0.0, 1.0, 2.0), follow="torso")
)
QUERY = Query("000001-ab", "a", "b", "scene", "uniform", 0.25, 3, 2)
LABEL = Label("000001-ab", "ann", Choice.EQUAL, Opinion.LATER, 4, 1700000000.5, 2.25, supersedes="1-0")

# What this release writes, and every later one must.
GOLDEN = ["05d27b1f6b7146e1", "972841d7ef1ef114", "00c652836aa8168a", "a8176c2533d989bb"]
SCHEMA_2 = [
    (
        b'{"chosen_by":"uniform","clip_a":"a","clip_b":"b","disagreement":0.25,"id":"000001-ab","kind":"query",'
        b'"policy_version":3,"reward_version":2,"scene":"scene","schema":2}'
    ),
    (
        b'{"answered_at":1700000000.5,"choice":"equal","fence":4,"flipped":false,"kind":"label","opinion":"later",'
        b'"query":"000001-ab","rater":"ann","schema":2,"seconds":2.25,"supersedes":"1-0"}'
    ),
]
GOLDEN_HELD_OUT = [16, 19, 22, 23, 38, 44, 46, 53, 56, 60, 61, 64, 71]

STORED = [Scene.from_bytes, Clip.from_bytes, Query.from_bytes, Label.from_bytes]


def test_clip_round_trips_without_its_oracle_unless_asked_by_name() -> None:
    data = CLIP.to_bytes()
    seen, whole = Clip.from_bytes(data), Clip.from_bytes(data, with_oracle=True)
    assert seen.oracle is None
    assert whole.oracle is not None
    np.testing.assert_array_equal(whole.oracle, CLIP.oracle)
    assert whole.to_bytes() == data
    for clip in (seen, whole):
        for name in ("observation", "action", "state"):
            np.testing.assert_array_equal(getattr(clip, name), getattr(CLIP, name))
        assert (clip.scene, clip.policy_version, clip.actor, len(clip)) == ("scene", 7, 1, 3)


def test_scene_query_and_label_round_trip() -> None:
    assert Scene.from_bytes(SCENE.to_bytes()) == SCENE
    assert Query.from_bytes(QUERY.to_bytes()) == QUERY
    assert Label.from_bytes(LABEL.to_bytes()) == LABEL


@given(
    choice=st.sampled_from(Choice),
    opinion=st.sampled_from(Opinion),
    rater=st.text(),
    seconds=st.floats(0, 1e9),
    fence=st.integers(0, 2**53),
)
def test_any_label_round_trips(choice: Choice, opinion: Opinion, rater: str, seconds: float, fence: int) -> None:
    label = replace(LABEL, choice=choice, opinion=opinion, rater=rater, seconds=seconds, fence=fence)
    assert Label.from_bytes(label.to_bytes()) == label


def test_the_bytes_never_change() -> None:
    """Names of what people's answers refer to: another encoding of the same clip would orphan them."""
    hashes = [content_hash(noun.to_bytes())[:16] for noun in (CLIP, SCENE, QUERY, LABEL)]
    assert hashes == GOLDEN
    assert SCENE.hash[:16] == GOLDEN[1]


def test_what_was_written_before_stays_readable() -> None:
    assert [content_hash(data)[:16] for data in SCHEMA_2] == ["22741683570c77fb", "0951b534503e64fd"]
    assert Query.from_bytes(SCHEMA_2[0]) == QUERY
    assert Label.from_bytes(SCHEMA_2[1]) == LABEL
    assert QUERY.opinions == 1


def test_every_field_is_in_the_hash() -> None:
    changes: list[dict[str, Any]] = [
        {"observation": CLIP.observation + 1},
        {"action": CLIP.action * 2},
        {"state": CLIP.state + 1},
        {"scene": "other"},
        {"policy_version": 8},
        {"actor": 2},
        {"oracle": None},
    ]
    hashes = {content_hash(replace(CLIP, **change).to_bytes()) for change in changes}
    assert len(hashes | {content_hash(CLIP.to_bytes())}) == len(changes) + 1


@pytest.mark.parametrize("read", STORED)
@given(data=st.binary(max_size=100) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(canonical_json))
def test_garbage_is_a_value_error(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(ValueError):
        read(data)


@pytest.mark.parametrize("noun", [SCENE, QUERY, LABEL])
def test_another_schema_kind_or_field_is_a_value_error(noun: Scene | Query | Label) -> None:
    fields = json.loads(noun.to_bytes())
    some_field = next(iter(asdict(noun)))
    without = {name: value for name, value in fields.items() if name != some_field}
    for wrong in (
        fields | {"schema": fields["schema"] + 1},
        fields | {"kind": "clip"},
        without,
        fields | {"unknown": 1},
    ):
        if wrong == fields | {"unknown": 1} and isinstance(noun, Scene):
            continue  # a scene reads the fields it knows
        with pytest.raises(ValueError):
            type(noun).from_bytes(canonical_json(wrong))


@pytest.mark.parametrize("change", [{"choice": "c"}, {"opinion": "third"}, {"choice": None}])
def test_a_label_of_no_known_choice_is_a_value_error(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Label.from_bytes(canonical_json(json.loads(LABEL.to_bytes()) | change))


def test_a_clip_whose_arrays_do_not_match_is_a_value_error() -> None:
    header = {"kind": "clip", "schema": 1, "scene": "s", "policy_version": 0, "actor": 0}
    arrays = {"observation": CLIP.observation, "action": CLIP.action, "state": CLIP.state}
    Clip.from_bytes(pack(header, arrays))
    for wrong in (
        {name: array for name, array in arrays.items() if name != "state"},
        arrays | {"action": CLIP.action[:2]},
        arrays | {"observation": CLIP.observation[:, 0]},
        arrays | {"oracle": np.zeros(2, np.float32)},
    ):
        with pytest.raises(ValueError):
            Clip.from_bytes(pack(header, wrong))
    with pytest.raises(ValueError, match="not a whole clip"):
        Clip.from_bytes(pack({name: value for name, value in header.items() if name != "scene"}, arrays))


def test_a_tenth_of_the_queries_is_held_out_for_good() -> None:
    share = np.mean([is_held_out(f"{number:06d}-{number % 97:x}") for number in range(20_000)])
    assert abs(share - 0.1) < 0.01
    assert [number for number in range(100) if is_held_out(f"{number:06d}")] == GOLDEN_HELD_OUT


def test_actions_as_the_reward_model_sees_them() -> None:
    continuous, discrete = ActionSpace("continuous", 2), ActionSpace("discrete", 3)
    given_actions = np.array([[[-3.0, 0.25], [1.5, -0.5]]], np.float32)
    np.testing.assert_array_equal(continuous.encode(given_actions), [[[-1.0, 0.25], [1.0, -0.5]]])
    assert given_actions[0, 0, 0] == -3.0, "the policy's own action stays as it was"
    chosen = discrete.encode(np.array([[2, 0]]))
    assert chosen.dtype == np.float32
    np.testing.assert_array_equal(chosen, [[[0, 0, 1], [1, 0, 0]]])
    several = ActionSpace.of_choices((2, 3))
    assert (several.size, several.shape, several.dtype) == (5, (2,), np.int64)
    np.testing.assert_array_equal(several.encode(np.array([[1, 0], [0, 2]])), [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]])


def test_a_slab_counts_the_steps_that_were_really_taken() -> None:
    valid = np.array([[True, False], [True, True], [False, True]])
    nothing = np.zeros((3, 2), np.float32)
    ends = np.zeros((3, 2), bool)
    slab = Rollout(
        observation=nothing[..., None],
        action=nothing[..., None],
        log_prob=nothing,
        reward=nothing,
        terminated=ends,
        truncated=ends,
        valid=valid,
        final_row=np.zeros(0, np.int64),
        final_observation=np.zeros((0, 1), np.float32),
        last_observation=nothing[0, :, None],
        policy_version=0,
        reward_version=0,
    )
    assert slab.steps == 4
