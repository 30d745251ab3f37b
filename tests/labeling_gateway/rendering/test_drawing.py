from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actors.tasks.runners import HOPPER
from contracts.clip import Clip, Scene
from contracts.film import decode_film, encode_film
from labeling_gateway.rendering.drawing import CannotDraw, draw, enlarge
from labeling_gateway.rendering.painter import paint
from labeling_gateway.rendering.stage import floor_period


def hopper_states(x: float = 0.0, length: int = 4) -> np.ndarray:
    state = np.zeros((length, 12), np.float32)
    state[:, 0] = x
    state[:, 1] = 1.25
    state[:, 2] = np.linspace(0.0, 1.5, length)
    return state


def observed(task: str) -> Scene:
    return Scene(task=task, track="observation", timestep=0.02, question="")


def draw_small(state: np.ndarray, every: int = 1) -> np.ndarray:
    return draw(HOPPER.scene(), state, 96, 72, every=every, samples=1)


def test_mujoco_states_become_pictures_of_the_robot() -> None:
    frames = draw_small(hopper_states())
    assert frames.shape == (4, 72, 96, 3) and frames.dtype == np.uint8
    red, _, blue = frames.astype(int).transpose(3, 0, 1, 2)
    robot = red > blue + 40  # the stage itself is blue and grey
    assert (robot.sum((1, 2)) > 30).all(), "the robot is in every picture"
    assert not np.array_equal(frames[0], frames[-1]), "poses can be told apart"


@pytest.mark.parametrize(
    ("scene", "state"), [(HOPPER.scene(), hopper_states(length=50)), (observed("CartPole-v1"), np.zeros((50, 4)))]
)
def test_it_says_how_far_it_is(scene: Scene, state: np.ndarray) -> None:
    said: list[tuple[int, int]] = []
    draw(scene, state, 48, 36, every=2, samples=1, drawn=lambda *found: said.append(found))
    assert said == sorted(said) and len(said) > 1 and said[-1] == (25, 25)


def test_the_camera_goes_along_and_the_floor_has_no_end() -> None:
    far = 40 * floor_period(HOPPER.camera)
    here, there = draw_small(hopper_states()), draw_small(hopper_states(far))
    assert np.abs(here.astype(int) - there).mean() < 1.0


def test_every_nth_row_is_drawn_as_it_is_among_all() -> None:
    state = hopper_states(length=7)
    state[:, 0] = np.linspace(0.0, 0.3, 7)
    np.testing.assert_array_equal(draw_small(state, every=3), draw_small(state)[::3])


def test_cart_pole_is_drawn_where_it_is() -> None:
    states = np.array([[-1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.2, 0.0]], np.float32)
    left, right = draw(observed("CartPole-v1"), states, 200, 150)

    def cart(frame: np.ndarray) -> float:
        red, _, blue = frame.astype(int).transpose(2, 0, 1)
        return float(np.nonzero(blue > red + 30)[1].mean())

    assert cart(left) < 80 and cart(right) > 120


@pytest.mark.parametrize(
    ("task", "observation"),
    [
        ("phys2d/CartPole-v0", [0.0] * 4),
        ("Pendulum-v1", [1.0, 0.0, 0.0]),
        ("Acrobot-v1", [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
        ("MountainCar-v0", [-0.5, 0.0]),
        ("MountainCarContinuous-v0", [-0.5, 0.0]),
    ],
)
def test_classic_control_is_drawn(task: str, observation: list[float]) -> None:
    [frame] = draw(observed(task), np.array([observation]), 120, 90)
    assert frame.shape == (90, 120, 3)
    assert len(np.unique(frame.reshape(-1, 3), axis=0)) > 3


def test_what_cannot_be_drawn_is_said_in_one_line() -> None:
    with pytest.raises(CannotDraw, match=r"LunarLander-v3.*only those of CartPole, .* can be drawn"):
        draw(observed("LunarLander-v3"), np.zeros((2, 8)))
    with pytest.raises(ValueError, match=r"CartPole-v1.*at least one row, found \(0, 4\)"):
        draw(observed("CartPole-v1"), np.zeros((0, 4)))


def test_the_docs_way_to_look_at_a_task_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs" / "add-a-task.md").read_text()
    blocks = re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert [name for name, _ in blocks] == ["my_tasks", "look"]
    for name, code in blocks:
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict = {}
    look = (tmp_path / "look.py").read_text()
    shorter = look.replace("range(100)", "range(2)").replace("480, height=360", "96, height=72")
    exec(compile(shorter, "docs/add-a-task.md", "exec"), names)
    assert names["frames"].shape == (2, 72, 96, 3)


def test_a_clip_of_a_game_is_painted_from_its_film(tmp_path: Path) -> None:
    pictures = np.full((6, 210, 160, 3), (144, 72, 17), np.uint8)
    pictures[:, 100:110, 20:30] = 236
    nothing = np.zeros((6, 2), np.float32)
    clip = Clip(np.zeros((6, 1, 8, 8), np.uint8), nothing, nothing, "", 0, 0, film=encode_film(pictures, 1 / 15))
    scene = Scene(task="Pong-v5", track="frames", timestep=1 / 15, question="")
    paint(scene, clip, tmp_path / "clip.mp4")
    shown = decode_film((tmp_path / "clip.mp4").read_bytes())
    assert shown.shape == (6, 420, 320, 3)
    assert np.abs(shown[3].astype(int) - enlarge(pictures)[3]).mean() < 4
    with pytest.raises(ValueError, match="not a film"):
        paint(scene, replace(clip, film=b""), tmp_path / "none.mp4")
    with pytest.raises(ValueError, match="bring their own pictures"):
        draw(scene, np.zeros((2, 0)))
