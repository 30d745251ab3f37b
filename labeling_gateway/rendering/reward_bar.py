"""One picture of a film: the scene, a caption, and the reward bar beside it.

As in the post "Learning from human preferences" (OpenAI, 2017), a horizontal bar on the right of
every frame shows the predicted reward, here with its last few seconds trailing below it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_PANEL_SHARE = 0.26  # of the frame's width
_PANEL_SHARE_OF_HEIGHT = 0.34
_STRIP_SHARE = 0.16  # of the frame's height: room for two lines
_LETTERS = 0.046  # of the frame's height
_PANEL, _TRACK, _AXIS = (24, 29, 36), (40, 47, 57), (110, 122, 136)
_TEXT, _QUIET = (236, 240, 244), (150, 161, 173)
_INK, _HALO = (32, 40, 50), (244, 247, 249)
_GOOD, _BAD = np.array((61, 199, 133)), np.array((236, 96, 88))


Colour = tuple[int, int, int]


def scale_of(bars: list[float]) -> float:
    """The reward that fills the bar, which a few extreme steps don't stretch."""
    return float(np.percentile(np.abs(bars), 98)) or 1.0 if bars else 1.0


def compose(
    frame: np.ndarray,
    bars: list[float] | None,
    scale: float,
    caption: str,
    title: str,
    *,
    panel: bool = True,
    below: bool = False,
) -> np.ndarray:
    """The frame with its panel and what is written, of even width and height as the codec wants it: uint8 [H, W', 3].

    Args:
        bars: the predicted rewards so far, the newest last; None where there is no reward model.
        panel: whether there is a panel at all; without bars it is empty.
        below: whether title and caption stand in a strip below the frame, not over it.
    """
    height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
    # Its text is as large as the picture is high: beside a narrow one it needs more room.
    panel_width = round(max(width * _PANEL_SHARE, height * _PANEL_SHARE_OF_HEIGHT)) // 2 * 2 if panel else 0
    strip = round(height * _STRIP_SHARE) // 2 * 2 if below else 0
    picture = Image.new("RGB", (width + panel_width, height + strip), _PANEL)
    picture.paste(Image.fromarray(frame[:height, :width]), (0, 0))
    if panel:
        picture.paste(_panel(panel_width, height, bars or [], scale), (width, 0))
    letters = height * _LETTERS
    if below:
        _write(picture, caption, title, width * 0.03, height + strip - letters, letters, _TEXT, None)
    else:  # legible on any ground
        _write(picture, caption, title, width * 0.03, height * 0.965, letters, _INK, _HALO)
    return np.asarray(picture)


def _panel(width: int, height: int, bars: list[float], scale: float) -> Image.Image:
    """The bar for the newest reward on top, those before it smaller and fading below."""
    panel = Image.new("RGB", (width, height), _PANEL)
    pen = ImageDraw.Draw(panel)
    small = _font(height * 0.036)
    if not bars:
        pen.text((width / 2, height * 0.045), "no reward model", _QUIET, small, "ma")
        return panel
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
    pen.text((middle, height * 0.125), f"{bars[-1]:+.2f}", _QUIET, small, "ma")
    return panel


def _write(
    picture: Image.Image,
    caption: str,
    title: str,
    left: float,
    bottom: float,
    size: float,
    ink: Colour,
    halo: Colour | None,
) -> None:
    """The caption on a line that begins at the bottom left, and the title on the one above."""
    pen, font = ImageDraw.Draw(picture), _font(size)
    for line, text in enumerate(filter(None, (caption, title))):
        at = (left, bottom - line * 1.3 * size)
        pen.text(at, text, ink, font, "ls", stroke_width=2 if halo else 0, stroke_fill=halo)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(size, 9))
