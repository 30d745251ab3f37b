"""Pictures of a clip as one small video, encoded where they were drawn: what people see of a game."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np

_OPTIONS = {"crf": "17", "preset": "veryfast", "threads": "1"}  # a ball of eight pixels stays a ball
_FORMAT = "yuv444p"  # every pixel its own colour, which a page's video has not


def encode_film(pictures: np.ndarray, timestep: float) -> bytes:
    """H.264 in mp4, one frame a picture; the same pictures give the same bytes.

    Args:
        pictures: uint8 [L, H, W, 3].
        timestep: seconds between two of them.
    """
    import av  # whoever looks at no film need not load it

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        rate = Fraction(1 / timestep).limit_denominator(1000)
        stream = container.add_stream("libx264", rate=rate, options=_OPTIONS)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = _FORMAT
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def decode_film(film: bytes) -> np.ndarray:
    """The pictures, uint8 [L, H, W, 3]. Raises ValueError where the bytes are no film."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(io.BytesIO(film), "r") as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    except (FFmpegError, IndexError, ValueError) as error:
        raise ValueError(f"not a film of {len(film)} bytes: {error}") from error
