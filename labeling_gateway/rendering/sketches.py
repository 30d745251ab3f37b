"""Line drawings of classic-control tasks from their observations, which are all that these simulators show."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from contracts.clip import Scene

_PAPER, _GROUND, _INK = (238, 242, 245), (186, 198, 208), (52, 64, 78)
_BODY, _POLE, _GOAL = (52, 84, 120), (242, 146, 42), (38, 156, 108)

Point = tuple[float, float]


class CannotDraw(ValueError):
    """Nothing here knows how to draw this task's observations."""

    def __init__(self, task: str) -> None:
        drawable = ", ".join(_SKETCHES)
        super().__init__(f"{task}: its clips are observations, and only those of {drawable} can be drawn")


@dataclass(frozen=True)
class _Sheet:
    """A picture in the task's own units: ``width`` metres across, ``origin`` given in shares of the picture."""

    image: Image.Image
    width: float
    origin: Point

    def line(self, *points: Point, colour: tuple[int, int, int], thickness: float) -> None:
        pixels, pen = [self._pixel(point) for point in points], ImageDraw.Draw(self.image)
        width = self._scale(thickness)
        pen.line(pixels, colour, max(round(width), 1), joint="curve")
        for point in points:
            self.disc(point, thickness / 2, colour)

    def disc(self, centre: Point, radius: float, colour: tuple[int, int, int]) -> None:
        ImageDraw.Draw(self.image).circle(self._pixel(centre), self._scale(radius), colour)

    def box(self, centre: Point, width: float, height: float, colour: tuple[int, int, int]) -> None:
        left, top = self._pixel((centre[0] - width / 2, centre[1] + height / 2))
        right, bottom = self._pixel((centre[0] + width / 2, centre[1] - height / 2))
        ImageDraw.Draw(self.image).rounded_rectangle((left, top, right, bottom), self._scale(height / 5), colour)

    def _pixel(self, point: Point) -> Point:
        across, down = self.image.size
        return across * self.origin[0] + self._scale(point[0]), down * self.origin[1] - self._scale(point[1])

    def _scale(self, length: float) -> float:
        return length * self.image.size[0] / self.width


def sketch(
    scene: Scene, state: np.ndarray, width: int, height: int, *, samples: int, drawn: Callable[[int, int], None]
) -> np.ndarray:
    """Draw observations of a classic-control task; ``drawn`` as `labeling_gateway.rendering.drawing.draw` takes it.

    Returns:
        uint8 [L, height, width, 3].

    Raises:
        CannotDraw: the task is none of those that are known here.
    """
    family = re.sub(r"-v\d+$", "", scene.task.split("/")[-1])
    if family not in _SKETCHES:
        raise CannotDraw(scene.task)
    kind = _SKETCHES[family]
    frames = np.empty((len(state), height, width, 3), np.uint8)
    for row, observation in enumerate(state):
        image = Image.new("RGB", (width * samples, height * samples), _PAPER)
        kind.draw(_Sheet(image, kind.width, kind.origin), observation)
        frames[row] = np.asarray(image.resize((width, height), Image.Resampling.BOX))
        drawn(row + 1, len(state))
    return frames


def _cart_pole(sheet: _Sheet, observation: np.ndarray) -> None:
    x, _, angle, _ = map(float, observation)
    sheet.line((-2.4, 0), (2.4, 0), colour=_GROUND, thickness=0.05)
    for end in (-2.4, 2.4):
        sheet.line((end, -0.12), (end, 0.12), colour=_GROUND, thickness=0.05)
    sheet.box((x, 0.0), 0.7, 0.36, _BODY)
    tip = (x + 2.0 * np.sin(angle), 0.18 + 2.0 * np.cos(angle))
    sheet.line((x, 0.18), tip, colour=_POLE, thickness=0.14)
    sheet.disc((x, 0.18), 0.1, _INK)


def _pendulum(sheet: _Sheet, observation: np.ndarray) -> None:
    cosine, sine = map(float, observation[:2])
    sheet.disc((0, 0), 1.25, _GROUND)
    sheet.disc((0, 0), 1.21, _PAPER)
    sheet.line((0, 0), (-sine, cosine), colour=_POLE, thickness=0.16)
    sheet.disc((0, 0), 0.07, _INK)


def _acrobot(sheet: _Sheet, observation: np.ndarray) -> None:
    cos1, sin1, cos2, sin2 = map(float, observation[:4])
    elbow = (sin1, -cos1)
    tip = (elbow[0] + sin1 * cos2 + cos1 * sin2, elbow[1] - (cos1 * cos2 - sin1 * sin2))
    sheet.line((-2.4, 1), (2.4, 1), colour=_GOAL, thickness=0.04)
    sheet.line((0, 0), elbow, colour=_BODY, thickness=0.18)
    sheet.line(elbow, tip, colour=_POLE, thickness=0.18)
    sheet.disc((0, 0), 0.12, _INK)
    sheet.disc(elbow, 0.08, _INK)


def _mountain_car(sheet: _Sheet, observation: np.ndarray) -> None:
    def hill(x: float) -> Point:
        return x, 0.45 * float(np.sin(3 * x))

    x, goal = float(observation[0]), 0.5
    sheet.line(*(hill(at) for at in np.linspace(-1.2, 0.6, 90)), colour=_GROUND, thickness=0.02)
    foot = hill(goal)
    sheet.line(foot, (goal, foot[1] + 0.2), colour=_INK, thickness=0.012)
    sheet.box((goal + 0.045, foot[1] + 0.17), 0.09, 0.06, _GOAL)
    slope = np.array((1.0, 1.35 * np.cos(3 * x)))
    along = slope / np.linalg.norm(slope)
    up = np.array((-along[1], along[0]))
    middle = np.array(hill(x)) + 0.055 * up
    front, back = middle + 0.05 * along, middle - 0.05 * along
    sheet.line(tuple(front), tuple(back), colour=_POLE, thickness=0.06)
    for wheel in (front, back):
        sheet.disc(tuple(wheel - 0.035 * up), 0.022, _INK)


@dataclass(frozen=True)
class _Sketch:
    draw: Callable[[_Sheet, np.ndarray], None]
    width: float  # metres across the picture
    origin: Point  # of the task's coordinates, in shares of the picture from its top left


_SKETCHES = {
    "CartPole": _Sketch(_cart_pole, 5.6, (0.5, 0.72)),
    "Pendulum": _Sketch(_pendulum, 3.8, (0.5, 0.5)),
    "Acrobot": _Sketch(_acrobot, 6.0, (0.5, 0.5)),
    "MountainCar": _Sketch(_mountain_car, 2.0, (0.65, 0.55)),
    "MountainCarContinuous": _Sketch(_mountain_car, 2.0, (0.65, 0.55)),
}
