"""Draws clips as mp4, one after the other, in a process of its own: `python -m labeling_gateway.rendering.painter`.

Each request on standard input is a line of JSON, ``{"scene": bytes, "clip": bytes, "file": path}`` with the sizes of
what follows it: the scene's bytes, then the clip's. Each answer on standard output is a line, ``{"file", "error"}``,
the error empty where the file is there. Ends when its input does.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from contracts import lifetime, log
from contracts.clip import Clip, Scene
from contracts.film import decode_film
from labeling_gateway.rendering.drawing import draw, enlarge
from labeling_gateway.rendering.video import encode

_NICENESS = 10  # pictures give way to simulators
_SIZE = (400, 300)

logger = logging.getLogger("backflip.drawing")


def paint(scene: Scene, clip: Clip, file: Path) -> None:
    """One frame a step, in real time; every frame can be sought.

    Raises:
        CannotDraw, ValueError: the scene's states cannot be drawn, or the clip's film not be read.
        OSError: the file cannot be written.
    """
    if scene.track == "frames":
        frames = enlarge(decode_film(clip.film))
    else:
        samples = 1 if scene.track == "mujoco" else 2  # rays cost time, and somebody waits
        frames = draw(scene, clip.state, *_SIZE, samples=samples)
    encode(file, iter(frames), Fraction(1 / scene.timestep).limit_denominator(1000), every_frame_whole=True)


def main() -> int:
    log.setup("painter", logging.WARNING)
    lifetime.end_with_parent()
    with suppress(PermissionError):
        os.nice(_NICENESS)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for scene, clip, file in _requests(sys.stdin.buffer):
        try:
            paint(Scene.from_bytes(scene), Clip.from_bytes(clip), file)
            error = ""
        except (ValueError, OSError) as problem:
            error = str(problem)
        try:
            print(json.dumps({"file": str(file), "error": error}), file=answers, flush=True)
        except BrokenPipeError:  # whoever asked was killed
            break
    return 0


def _requests(channel: BinaryIO) -> Iterator[tuple[bytes, bytes, Path]]:
    while line := channel.readline():
        request = json.loads(line)
        yield channel.read(request["scene"]), channel.read(request["clip"]), Path(request["file"])


if __name__ == "__main__":
    sys.exit(main())
