"""Videos of an episode with the reward bar: what the model thinks a person would think, step by step.

As in the post "Learning from human preferences" (OpenAI, 2017), a horizontal bar on the right of
every frame shows the predicted reward, here with its last few seconds trailing below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_FRAME_RATE = 30.0  # wished for; a whole number of steps to a frame decides
_QUALITY = "21"  # x264's constant rate factor: lower is better and larger

_PANEL_SHARE = 0.26  # of the frame's width
_PANEL, _TRACK, _AXIS = (24, 29, 36), (40, 47, 57), (110, 122, 136)
_TEXT, _QUIET = (236, 240, 244), (150, 161, 173)
_GOOD, _BAD = np.array((61, 199, 133)), np.array((236, 96, 88))


@dataclass(frozen=True)
class Pace:
    """Which steps of an episode become frames, and how fast they are shown."""

    stride: int  # steps to a frame
    frame_rate: Fraction  # frames a second

    def pick(self, values: np.ndarray) -> np.ndarray:
        """Every ``stride``-th row of ``values`` [L, …]."""
        return values[:: self.stride]

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The mean of each frame's steps, float [ceil(L / stride)]."""
        return np.array([values[start : start + self.stride].mean() for start in range(0, len(values), self.stride)])


def pace(timestep: float, speed: float = 1.0) -> Pace:
    """Frames for playing at ``speed`` times real time, at about 30 a second or the simulator's own rate if lower.

    Real time is the default: slow motion flatters a clumsy landing, and Hopper's steps of 8 ms
    make smooth 31 frames a second.
    """
    stride = max(1, round(speed / (timestep * _FRAME_RATE)))
    return Pace(stride, Fraction(speed / (timestep * stride)).limit_denominator(1000))


def reward_scale(predicted: np.ndarray) -> float:
    """The reward that fills the bar: one for the whole video, which a few extreme steps don't stretch."""
    return float(np.percentile(np.abs(predicted), 98)) or 1.0


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    predicted: Sequence[float] | np.ndarray,
    *,
    frame_rate: Fraction | float,
    captions: Sequence[str],
    title: str = "",
) -> None:
    """Write an H.264 mp4 (yuv420p, which every browser plays); the file appears whole or not at all.

    Args:
        frames: uint8 [H, W, 3] each, all of one size.
        predicted: [L], the predicted reward that each frame's bar shows.
        captions: [L], a short line for each frame.
        title: shown on every frame.

    Raises:
        ValueError: there is no frame, or not a reward and a caption for each.
    """
    predicted = np.asarray(predicted, np.float64)
    scale = reward_scale(predicted) if len(predicted) else 1.0
    beside = path.with_name(path.name + ".partial")
    count = 0
    try:
        with av.open(str(beside), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(frame_rate).limit_denominator(1000))
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": _QUALITY, "preset": "slow"}
            for count, frame in enumerate(frames, start=1):
                if count > min(len(predicted), len(captions)):
                    break
                picture = _compose(frame, predicted[:count], scale, captions[count - 1], title)
                stream.height, stream.width = picture.shape[:2]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        if not count == len(predicted) == len(captions):
            raise ValueError(f"{len(predicted)} rewards and {len(captions)} captions for {count} frames of {path.name}")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _compose(frame: np.ndarray, predicted: np.ndarray, scale: float, caption: str, title: str) -> np.ndarray:
    """The frame with its panel, of even width and height as the codec wants it: uint8 [H, W', 3]."""
    height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
    panel = _panel(round(width * _PANEL_SHARE) // 2 * 2, height, predicted, scale)
    picture = Image.new("RGB", (width + panel.width, height))
    picture.paste(Image.fromarray(frame[:height, :width]), (0, 0))
    picture.paste(panel, (width, 0))
    _write(picture, caption, title, width)
    return np.asarray(picture)


def _panel(width: int, height: int, predicted: np.ndarray, scale: float) -> Image.Image:
    """The bar for the newest reward on top, those before it smaller and fading below."""
    panel = Image.new("RGB", (width, height), _PANEL)
    pen = ImageDraw.Draw(panel)
    middle, half = width / 2, width * 0.42
    top, thick, thin = height * 0.2, height * 0.075, max(round(height / 120), 2)

    def bar(at: float, value: float, thickness: float, light: float) -> None:
        share = float(np.clip(value / scale, -1.0, 1.0))
        full = _GOOD if share >= 0 else _BAD
        colour = tuple(int(v) for v in np.array(_PANEL) + light * (full - np.array(_PANEL)))
        ends = sorted((middle, middle + half * share))
        pen.rectangle((ends[0], at, ends[1], at + thickness - 1), colour)

    pen.rectangle((middle - half, top, middle + half, top + thick), _TRACK)
    bar(top, predicted[-1], thick + 1, 1.0)
    trail = top + thick + 2 * thin
    rows = int((height * 0.9 - trail) / (thin + 1))
    for row, value in enumerate(predicted[:-1][::-1][:rows]):
        bar(trail + row * (thin + 1), value, thin, 0.75 * (1 - row / rows))
    pen.line((middle, top - thin, middle, height * 0.92), _AXIS, 1)
    font = _font(height * 0.042)
    pen.text((middle, height * 0.045), "predicted reward", _TEXT, font, "ma")
    small = _font(height * 0.036)
    pen.text((middle, height * 0.125), f"{predicted[-1]:+.2f}", _QUIET, small, "ma")
    return panel


def _write(picture: Image.Image, caption: str, title: str, width: int) -> None:
    """Title and caption over the bottom left of the scene, legible on any ground."""
    pen = ImageDraw.Draw(picture)
    size = picture.height * 0.046
    left, bottom = width * 0.03, picture.height * 0.965
    ink, halo = (32, 40, 50), (244, 247, 249)
    if caption:
        pen.text((left, bottom), caption, ink, _font(size), "ls", stroke_width=2, stroke_fill=halo)
    if title:
        at = (left, bottom - (1.3 * size if caption else 0))
        pen.text(at, title, ink, _font(size), "ls", stroke_width=2, stroke_fill=halo)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(size, 9))
