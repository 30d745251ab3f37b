"""Pictures of clips and episodes, whatever kind of scene they come from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from contracts.clip import Scene
from labeling_gateway.rendering.sketches import CannotDraw, sketch

__all__ = ["CannotDraw", "draw", "enlarge"]


def draw(
    scene: Scene,
    state: np.ndarray,
    width: int = 480,
    height: int = 360,
    *,
    every: int = 1,
    samples: int = 2,
    drawn: Callable[[int, int], None] = lambda count, total: None,
) -> np.ndarray:
    """A picture for every row of a state track.

    Args:
        state: float [L, S], consecutive rows of one episode; see `contracts.clip.Track`.
        every: draw only each ``every``-th row; a camera that follows is still steadied over all of them.
        samples: sub-pixel samples an axis: 2 is smooth, 1 is four times as fast.
        drawn: told now and then how many pictures of how many are there.

    Returns:
        uint8 [ceil(L / every), height, width, 3].

    Raises:
        CannotDraw: the scene's states are observations of a task that nothing here can draw.
        ValueError: the track is empty, or not as wide as the scene's states.
    """
    state = np.asarray(state)
    if state.ndim != 2 or not len(state):
        raise ValueError(f"{scene.task}: expected a state track [L, S] with at least one row, found {state.shape}")
    if scene.track == "frames":
        raise ValueError(f"{scene.task}: its clips bring their own pictures")
    if scene.track == "mujoco":
        from labeling_gateway.rendering.raytracer import trace  # heavy: brings Warp with it

        return trace(scene, state, width, height, every=every, samples=samples, drawn=drawn)
    return sketch(scene, state[::every], width, height, samples=samples, drawn=drawn)


def enlarge(pictures: np.ndarray, height: int = 360) -> np.ndarray:
    """Small pictures made about ``height`` pixels high, every pixel a square; of even sides, as codecs want them.

    Args:
        pictures: uint8 [L, H, W, 3].
    """
    times = max(1, round(height / pictures.shape[1]))
    large = pictures.repeat(times, axis=1).repeat(times, axis=2)
    return large[:, : large.shape[1] // 2 * 2, : large.shape[2] // 2 * 2]
