"""What EnvPool and ALE don't say about Atari games: where the score is shown, what people are asked, who scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from actors.simulators.atari_scores import SCORES, Box

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(the console's memory after the step, uint8 [N, 128]; the game's points [N]) -> [N]."""


def points(memory: np.ndarray, reward: np.ndarray) -> np.ndarray:
    return reward


def _rows(first: int, last: int) -> Box:
    return slice(first, last + 1), slice(None)


@dataclass(frozen=True)
class Game:
    """How a game is asked about and scored.

    ``blanked`` hides from policy and reward model whatever counts points or cars: else a model learns to read
    the score, which is what nobody was to tell it. People see the whole screen.
    """

    question: str = "In which clip is the game played better?"
    blanked: tuple[Box, ...] = ()
    score: Score = points
    level: Score | None = None  # counted over an episode, as ``level_name``
    level_name: str = ""


# Enduro's memory: byte 22 is our speed, 6 to 120; 27 to 33 are the cars ahead from near to far, 0 where there
# is none. All of them drive at speed 24, so that at 24 the picture stands still.
_SPEED, _NEAREST, _FARTHEST, _TRAFFIC = 22, 27, 33, 24


def keeps_even(memory: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """How level we are with the other cars: 1 at their speed, 0 from twice that on; half with none in sight.

    The game pays for every car that is passed, which is the opposite.
    """
    speed = memory[:, _SPEED].astype(np.float32)
    company = memory[:, _NEAREST : _FARTHEST + 1].any(axis=1)
    return np.maximum(0.0, 1.0 - np.abs(speed - _TRAFFIC) / _TRAFFIC) * np.where(company, 1.0, 0.5)


def is_even(memory: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """1 where a car is in sight and our speed within a sixth of its, else 0."""
    return (keeps_even(memory, reward) >= 5 / 6).astype(np.float32)


_SCREENS = ((210, 160), (250, 160), (84, 84))  # height and width of whole ones, by ALE or its usual wrapper

_ENDURO = _rows(63, 83)  # the panel: distance, day, cars to pass

_GAMES = {
    "Pong-v5": Game("In which clip does the green player, on the right, play better?", (_rows(0, 8),)),
    "Breakout-v5": Game("In which clip is the wall broken down better?", (_rows(0, 6),)),
    "Seaquest-v5": Game("In which clip does the submarine do better?", ((slice(2, 8), slice(24, 60)),)),
    "Enduro-v5": Game("In which clip is the race driven better?", (_ENDURO,)),
    "Enduro-v5:keep-even": Game(
        "In which clip does our car keep level with the others better?",
        (_ENDURO,),
        keeps_even,
        is_even,
        "level_steps",
    ),
    "Qbert-v5": Game("In which clip does the jumper change the colour of the cubes better?", (_rows(0, 5),)),
    "BeamRider-v5": Game("In which clip does the ship do better?", (_rows(0, 12), (slice(13, 16), slice(8, 20)))),
    "SpaceInvaders-v5": Game("In which clip are the invaders shot down better?", (_rows(0, 8),)),
}


def goals() -> list[str]:
    """The tasks that are a game of EnvPool's with a goal of our own."""
    return [name for name in _GAMES if ":" in name]


def game(task: str) -> Game:
    """Games that are not described here are asked about in general words."""
    return _GAMES.get(task) or Game(blanked=SCORES.get(task, ()))


def knows_score(task: str) -> bool:
    """Whether it is known where a game shows its score; else its screen is left whole."""
    return bool(game(task).blanked)


def is_ale(task: str) -> bool:
    """Whether it is a game of gymnasium's, such as ``ale_py:ALE/Pong-v5``."""
    return task.rpartition(":")[2].startswith("ALE/")


def ale_scores(task: str) -> tuple[Box, ...]:
    """Where a game of gymnasium's shows its score; empty where that is not known, or the task is none."""
    return game(task.rpartition(":")[2].removeprefix("ALE/")).blanked if is_ale(task) else ()


def on_screen(boxes: Sequence[Box], sides: tuple[int, ...], times: int) -> list[Box]:
    """Boxes of an 84 x 84 screen on one of (height, width) pixels that was made ``times`` smaller.

    What they cover in part, they cover. Empty where those are not the sides of a whole screen.
    """
    return [_scaled(box, *(side / times for side in sides)) for box in boxes] if sides in _SCREENS else []


def _scaled(box: Box, height: float, width: float) -> Box:
    rows, columns = (
        slice(math.floor(side.start * size / 84), math.ceil(side.stop * size / 84)) if side.stop else side
        for side, size in zip(box, (height, width), strict=True)
    )
    return rows, columns


def blank(screen: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
    """Blanks them where they are: uint8 [..., H, W], which is handed back."""
    for rows, columns in boxes:
        screen[..., rows, columns] = 0
    return screen
