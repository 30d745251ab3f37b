"""What one camera sees: whoever never turns a clip takes the hand that hides the goal for one that holds it."""

from __future__ import annotations

from functools import lru_cache

import mujoco
import numpy as np

from contracts.clip import Clip, Scene

_POINTS = 200
_TURN = np.arange(_POINTS) * np.pi * (3 - np.sqrt(5))  # the golden angle spreads points evenly
_DISC = np.sqrt((np.arange(_POINTS) + 0.5) / _POINTS) * np.stack((np.cos(_TURN), np.sin(_TURN)))


def apparent_grasp(scene: Scene, clip: Clip) -> np.ndarray:
    """How well the hand seems to hold the goal in the scene's picture, of each step of a clip; [L], 0 at best.

    It is minus the share of the goal's disc that the hand's disc doesn't hide, and minus
    how far to the side of it, or above, the hand is (metres). Both are sites of the scene's model,
    ``hand`` and ``goal``; their size is the disc's radius. The camera doesn't move.

    Raises:
        ValueError: the scene has no such sites.
    """
    model = _model(scene.mjcf) if scene.track == "mujoco" else None
    sites = [] if model is None else [model.site(id).name for id in range(model.nsite)]
    if model is None or "hand" not in sites or "goal" not in sites:
        raise ValueError(f"a teacher who glances compares the sites hand and goal, which {scene.task} hasn't got")
    hand, goal = sites.index("hand"), sites.index("goal")
    camera = scene.camera
    azimuth, elevation = np.deg2rad((camera.azimuth, camera.elevation))
    forward = np.array((np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)))
    ray = _site_positions(model, clip.state) - (np.asarray(camera.lookat) - camera.distance * forward)
    depth = ray @ forward
    place, radius = ray / depth[..., None], model.site_size[:, 0] / depth
    apart = np.linalg.norm(place[:, hand] - place[:, goal], axis=-1)
    # How far points of the goal's disc, the hand along the first axis, are from the middle of the hand's.
    across, up = (radius[:, goal, None] * coordinate for coordinate in _DISC)
    seen = np.hypot(across - apart[:, None], up) > radius[:, hand, None]
    aside = apart * depth[:, hand]
    return -(seen.mean(-1) + aside)


def _site_positions(model: mujoco.MjModel, state: np.ndarray) -> np.ndarray:
    """Metres [L, sites, 3]."""
    data = mujoco.MjData(model)
    found = np.empty((len(state), model.nsite, 3))
    for row, qpos in enumerate(state[:, : model.nq]):
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        found[row] = data.site_xpos
    return found


@lru_cache(maxsize=8)
def _model(mjcf: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(mjcf)
