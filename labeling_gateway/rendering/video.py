"""Videos of episodes with the reward bar: what the model thinks a person would think, step by step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from labeling_gateway.rendering.drawing import enlarge
from labeling_gateway.rendering.reward_bar import compose, scale_of

_FRAME_RATE = 30.0  # wished for; a whole number of steps to a frame decides
_QUALITY = "21"  # x264's constant rate factor: lower is better and larger


def steps_per_frame(timestep: float, speed: float = 1.0) -> int:
    """How many steps of ``timestep`` seconds make a frame: about 30 frames a second, or the simulator's rate if lower.

    Real time is the default: slow motion flatters a clumsy landing, and Hopper's steps of 8 ms
    make smooth 31 frames a second.
    """
    return max(1, round(speed / (timestep * _FRAME_RATE)))


@dataclass(frozen=True)
class Film:
    """One episode of L steps as a video shows it, alone or beside others."""

    frames: Sequence[np.ndarray] | np.ndarray  # uint8 [ceil(L / every), H, W, 3]
    predicted: np.ndarray | None  # [L], the predicted reward of every step; None draws no bar
    odometer: np.ndarray  # [L], a count shown below the scene, if it has a name
    odometer_name: str = ""
    title: str = ""
    model: str = ""  # who predicted: bars of one model have one scale
    height: int | None = None  # about how high a task's own pictures are shown, see `enlarge`; None of drawn ones


def write_video(
    path: Path, films: Sequence[Sequence[Film]], timestep: float, *, every: int = 1, speed: float = 1.0
) -> None:
    """Write an H.264 mp4 (yuv420p, which every browser plays); the file appears whole or not at all.

    The scale of the bars is one for the whole video. Each frame's bar is the mean of its steps. A film that is
    over shows its last frame until the others are. Nothing is written over pictures that a task made itself.

    Args:
        films: rows of films, from left to right and from top to bottom. Smaller ones lie in the middle of a cell
            that is as large as the largest.
        timestep: simulated seconds of a step.
        every: steps between two frames of a film; `steps_per_frame` gives the number that wastes none. Frames
            too many for the frame rate are left out.
        speed: times real time.

    Raises:
        ValueError: the arrays don't fit each other, or are empty.
        OSError: the file cannot be written.
    """
    stride = max(1, round(steps_per_frame(timestep, speed) / every)) * every
    reels = [[_Reel(path, film, timestep, every, stride) for film in row] for row in films]
    everything = [reel for row in reels for reel in row]
    height, width = (max(sides) for sides in zip(*(reel.frame(0).shape[:2] for reel in everything), strict=True))
    panel = any(reel.bars for reel in everything)
    below = any(reel.film.height is not None for reel in everything)
    scales = {
        name: scale_of([bar for reel in everything if reel.film.model == name for bar in reel.bars or []])
        for name in {reel.film.model for reel in everything}
    }
    pictures = (
        np.concatenate(
            [
                np.concatenate(
                    [reel.picture(shown, (height, width), scales[reel.film.model], panel, below) for reel in row],
                    axis=1,
                )
                for row in reels
            ]
        )
        for shown in range(max(len(reel) for reel in everything))
    )
    encode(path, pictures, Fraction(speed / (timestep * stride)).limit_denominator(1000))


class _Reel:
    """A film cut to the video's frames."""

    def __init__(self, path: Path, film: Film, timestep: float, every: int, stride: int) -> None:
        steps, predicted = len(film.odometer), film.predicted
        if not steps or len(film.frames) != -(-steps // every) or (predicted is not None and len(predicted) != steps):
            rewards = "no" if predicted is None else len(predicted)
            raise ValueError(
                f"{path.name}: {len(film.frames)} frames and {rewards} rewards for {steps} steps, {every} to a frame"
            )
        self.film = film
        self._rows = range(0, steps, stride)
        self._every = every
        self._timestep = timestep
        self.bars = None if predicted is None else [float(predicted[at : at + stride].mean()) for at in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def frame(self, row: int) -> np.ndarray:
        """What is seen at a step, of which there is a frame."""
        frame = np.asarray(self.film.frames[row // self._every])
        return frame if self.film.height is None else enlarge(frame[None], self.film.height)[0]

    def picture(self, shown: int, cell: tuple[int, int], scale: float, panel: bool, below: bool) -> np.ndarray:
        """The ``shown``-th of the video, the last one where that is past the end; in a cell so high and so wide."""
        shown = min(shown, len(self) - 1)
        row = self._rows[shown]
        bars = None if self.bars is None else self.bars[: shown + 1]
        caption = f"{row * self._timestep:.1f} s"
        if self.film.odometer_name:
            caption = f"{self.film.odometer[row]:.1f} {self.film.odometer_name}  ·  {caption}"
        frame = _centred(self.frame(row), cell)
        return compose(frame, bars, scale, caption, self.film.title, panel=panel, below=below)


def _centred(frame: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """In the middle of a black picture, [*cell, 3]."""
    height, width, _ = frame.shape
    if (height, width) == cell:
        return frame
    picture = np.zeros((*cell, 3), np.uint8)
    top, left = (cell[0] - height) // 2, (cell[1] - width) // 2
    picture[top : top + height, left : left + width] = frame
    return picture


def encode(
    path: Path, pictures: Iterator[np.ndarray], frame_rate: Fraction, *, every_frame_whole: bool = False
) -> None:
    """Write pictures, uint8 [H, W, 3] of even size, as H.264; the file appears whole or not at all.

    Args:
        every_frame_whole: so that a player can seek each at once; the file is larger.

    Raises:
        OSError: the file cannot be written.
    """
    options = {"crf": _QUALITY, "preset": "slow"} | ({"g": "1"} if every_frame_whole else {})
    beside = path.with_name(path.name + ".partial")
    try:
        with av.open(str(beside), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            first = next(pictures)
            stream = container.add_stream("libx264", rate=frame_rate, options=options)
            stream.height, stream.width = first.shape[:2]
            stream.pix_fmt = "yuv420p"
            for picture in itertools.chain((first,), pictures):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
