"""Videos of an episode with the reward bar: what the model thinks a person would think, step by step.

As in the post "Learning from human preferences" (OpenAI, 2017), a horizontal bar on the right of
every frame shows the predicted reward, here with its last few seconds trailing below it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_FRAME_RATE = 30.0  # wished for; a whole number of steps to a frame decides
_QUALITY = "21"  # x264's constant rate factor: lower is better and larger

_PANEL_SHARE = 0.26  # of the frame's width
_PANEL_SHARE_OF_HEIGHT = 0.34
_PANEL, _TRACK, _AXIS = (24, 29, 36), (40, 47, 57), (110, 122, 136)
_TEXT, _QUIET = (236, 240, 244), (150, 161, 173)
_GOOD, _BAD = np.array((61, 199, 133)), np.array((236, 96, 88))


def steps_per_frame(timestep: float, speed: float = 1.0) -> int:
    """How many steps of ``timestep`` seconds make a frame: about 30 frames a second, or the simulator's rate if lower.

    Real time is the default: slow motion flatters a clumsy landing, and Hopper's steps of 8 ms
    make smooth 31 frames a second.
    """
    return max(1, round(speed / (timestep * _FRAME_RATE)))


def write_video(
    path: Path,
    frames: Sequence[np.ndarray] | np.ndarray,
    predicted: np.ndarray | None,
    timestep: float,
    odometer: np.ndarray,
    odometer_name: str,
    *,
    every: int = 1,
    speed: float = 1.0,
    title: str = "",
) -> None:
    """Write an H.264 mp4 (yuv420p, which every browser plays); the file appears whole or not at all.

    The scale of the bar is one for the whole video. Each frame's bar is the mean of its steps.

    Args:
        frames: uint8 [ceil(L / every), H, W, 3]; those too many for the frame rate are left out.
        predicted: [L], the predicted reward of every step; None draws no bar.
        timestep: simulated seconds of a step.
        odometer: [L], a count shown below the scene, if it has a name.
        every: steps between two of ``frames``; `steps_per_frame` gives the number that wastes none.
        speed: times real time.
        title: shown on every frame.

    Raises:
        ValueError: the arrays don't fit each other, or are empty.
        OSError: the file cannot be written.
    """
    steps = len(odometer)
    if not steps or len(frames) != -(-steps // every) or (predicted is not None and len(predicted) != steps):
        rewards = "no" if predicted is None else len(predicted)
        raise ValueError(
            f"{path.name}: {len(frames)} frames and {rewards} rewards for {steps} steps, {every} to a frame"
        )
    stride = max(1, round(steps_per_frame(timestep, speed) / every)) * every
    rows = range(0, steps, stride)
    bars = None if predicted is None else [float(np.mean(predicted[row : row + stride])) for row in rows]
    captions = [_caption(odometer[row], odometer_name, row * timestep) for row in rows]
    pictures = (
        _compose(frames[row // every], None if bars is None else bars[: shown + 1], _scale(bars), caption, title)
        for shown, (row, caption) in enumerate(zip(rows, captions, strict=True))
    )
    encode(path, pictures, Fraction(speed / (timestep * stride)).limit_denominator(1000))


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


def _scale(bars: list[float] | None) -> float:
    """The reward that fills the bar, which a few extreme steps don't stretch."""
    return float(np.percentile(np.abs(bars), 98)) or 1.0 if bars else 1.0


def _caption(odometer: float, odometer_name: str, seconds: float) -> str:
    return f"{odometer:.1f} {odometer_name}  ·  {seconds:.1f} s" if odometer_name else f"{seconds:.1f} s"


def _compose(frame: np.ndarray, bars: list[float] | None, scale: float, caption: str, title: str) -> np.ndarray:
    """The frame with its panel, of even width and height as the codec wants it: uint8 [H, W', 3]."""
    height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
    # Its text is as large as the picture is high: beside a narrow one it needs more room.
    panel_width = 0 if bars is None else round(max(width * _PANEL_SHARE, height * _PANEL_SHARE_OF_HEIGHT)) // 2 * 2
    picture = Image.new("RGB", (width + panel_width, height))
    picture.paste(Image.fromarray(frame[:height, :width]), (0, 0))
    if bars is not None:
        picture.paste(_panel(panel_width, height, bars, scale), (width, 0))
    _write(picture, caption, title, width)
    return np.asarray(picture)


def _panel(width: int, height: int, bars: list[float], scale: float) -> Image.Image:
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
    bar(top, bars[-1], thick + 1, 1.0)
    trail = top + thick + 2 * thin
    rows = int((height * 0.9 - trail) / (thin + 1))
    for row, value in enumerate(bars[-2::-1][:rows]):
        bar(trail + row * (thin + 1), value, thin, 0.75 * (1 - row / rows))
    pen.line((middle, top - thin, middle, height * 0.92), _AXIS, 1)
    font = _font(height * 0.042)
    pen.text((middle, height * 0.045), "predicted reward", _TEXT, font, "ma")
    small = _font(height * 0.036)
    pen.text((middle, height * 0.125), f"{bars[-1]:+.2f}", _QUIET, small, "ma")
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
