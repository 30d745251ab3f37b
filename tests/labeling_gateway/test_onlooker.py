"""Who looks from one side is fooled by what hides the goal, and by nothing else."""

from __future__ import annotations

import uuid
from dataclasses import replace

import numpy as np
import pytest

from actors.tasks.gantry import GRASP
from contracts.clip import Clip, Scene
from contracts.label import ALARM, CHECK, Choice, Query
from labeling_gateway.alarms import Alarm
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.onlooker import apparent_grasp
from labeling_gateway.teacher import ScriptedTeacher
from labeling_gateway.traits import Teacher
from tests.labeling_gateway.samples import clip

HOLDS, HOVERS, BESIDE = (0.0, 0.0, 0.0), (-0.5, 0.0, 0.0), (0.0, 0.3, 0.0)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return GRASP.scene()


def still(place: tuple[float, float, float], scene: str = "") -> Clip:
    """Two steps of a hand at metres (depth, across, height) from the ball."""
    state = np.tile(np.array([*place, 0, 0, 0], np.float32), (2, 1))
    oracle = np.exp(-np.linalg.norm(state[:, :3], axis=1) / 0.2).astype(np.float32)
    return Clip(observation=state, action=np.zeros((2, 3), np.float32), state=state, scene=scene,
                policy_version=0, actor=0, oracle=oracle)  # fmt: skip


def test_a_hand_before_the_ball_seems_to_hold_it_best(scene: Scene) -> None:
    hovers, holds, beside = (apparent_grasp(scene, still(place)).sum() for place in (HOVERS, HOLDS, BESIDE))
    assert hovers == pytest.approx(0, abs=0.01)
    assert hovers > holds > beside
    turned = replace(scene, camera=replace(scene.camera, azimuth=0.0))
    assert apparent_grasp(turned, still(HOVERS)).sum() < apparent_grasp(turned, still(HOLDS)).sum(), (
        "from the side it shows"
    )


def test_a_scene_without_hand_and_goal_is_refused(scene: Scene) -> None:
    other = replace(scene, mjcf="<mujoco><worldbody/></mujoco>", task="empty")
    with pytest.raises(ValueError, match="hand and goal, which empty hasn't got"):
        apparent_grasp(other, clip(0))


def test_the_teacher_turns_clips_for_checks_and_since_an_alarm(valkey: EmbeddedStore, scene: Scene) -> None:
    client = GatewayClient(valkey.url, f"run-{uuid.uuid4().hex[:8]}")
    name = client.put_scene(scene)
    teacher = ScriptedTeacher(client, Teacher(glances=True), "bot", 0)
    clips = {side: still(place, name).to_bytes() for side, place in (("hovers", HOVERS), ("holds", HOLDS))}
    said: list[Choice] = []
    for number, chosen_by in enumerate(("uniform", CHECK, "uniform", ALARM, "uniform")):
        if chosen_by == ALARM:
            client.note_alarm(Alarm("contradicted", 1.0, 100, 2, 1, {}))
        client.ask([Query(f"q{number}", "hovers", "holds", name, chosen_by, 0.0, 0, 1)], clips, 10)
        assert teacher.answer_one()
        said = [label.choice for _, label in client.read_labels("", 10)]
    assert said == [Choice.A, Choice.B, Choice.A, Choice.B, Choice.B]
