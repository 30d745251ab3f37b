"""Pictures of MuJoCo states by mujoco-warp's ray tracer: no OpenGL, no display, no system package."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache

import mujoco
import mujoco_warp
import numpy as np
import warp

from contracts.clip import Camera, Scene
from labeling_gateway.rendering.stage import CAMERA, FLOOR, floor_period, set_stage

log = logging.getLogger("backflip.drawing")

_BATCH = 20  # frames traced in one call
_SMOOTHING = 0.25  # seconds; the camera follows calmly, however the body under it shakes

warp.config.log_level = warp.LOG_WARNING


def trace(
    scene: Scene,
    state: np.ndarray,
    width: int,
    height: int,
    *,
    every: int,
    samples: int,
    drawn: Callable[[int, int], None],
) -> np.ndarray:
    """Draw states of a MuJoCo scene.

    The ray tracer's kernels compile on first use (some ten seconds) and are cached in ``~/.cache/warp``.

    Args:
        state: float [L, nq + nv], consecutive rows of one episode.
        every: draw only each ``every``-th row.
        samples: sub-pixel samples an axis; the cost grows with its square.
        drawn: told now and then how many pictures of how many are there.

    Returns:
        uint8 [ceil(L / every), height, width, 3].
    """
    return _tracer(scene, width, height, samples).trace(np.asarray(state, np.float64), every, drawn)


@lru_cache(maxsize=4)
def _tracer(scene: Scene, width: int, height: int, samples: int) -> _Tracer:
    return _Tracer(scene, width, height, samples)


class _Tracer:
    """One scene at one size; frames of a clip are traced as the worlds of one batch."""

    def __init__(self, scene: Scene, width: int, height: int, samples: int) -> None:
        log.info("%s: preparing the ray tracer (the first time compiles it, some ten seconds)", scene.task)
        self._scene = scene
        self._size = (height, width)
        self._model = set_stage(scene).compile()
        self._host = mujoco.MjData(self._model)
        mujoco.mj_forward(self._model, self._host)
        self._camera = self._model.camera(CAMERA).id
        self._floor = self._model.geom(FLOOR).id
        self._device_model = mujoco_warp.put_model(self._model)
        self._device = mujoco_warp.put_data(self._model, self._host, nworld=_BATCH)
        self._context = mujoco_warp.create_render_context(
            self._model,
            nworld=_BATCH,
            cam_res=(width, height),
            render_rgb=True,
            render_depth=False,
            render_seg=False,
            use_shadows=True,
            shadow_light_fraction=0.25,
            cam_active=[CAMERA],
            samples_per_pixel=samples,
            render_skybox=True,
        )

    def trace(self, state: np.ndarray, every: int, drawn: Callable[[int, int], None]) -> np.ndarray:
        poses = [pose[::every] for pose in self._poses(state[:, : self._model.nq])]
        length = len(poses[0])
        frames = np.empty((length, *self._size, 3), np.uint8)
        for start in range(0, length, _BATCH):
            rows = np.arange(start, start + _BATCH).clip(max=length - 1)  # a short last batch repeats its last row
            count = min(_BATCH, length - start)
            frames[start : start + count] = self._trace_batch([pose[rows] for pose in poses])[:count]
            drawn(start + count, length)
        return frames

    def _trace_batch(self, poses: list[np.ndarray]) -> np.ndarray:
        data = self._device
        for target, pose in zip((data.geom_xpos, data.geom_xmat, data.cam_xpos, data.cam_xmat), poses, strict=True):
            target.assign(pose)
        mujoco_warp.refit_bvh(self._device_model, data, self._context)
        mujoco_warp.render(self._device_model, data, self._context)
        packed = self._context.rgb_data.numpy().reshape(_BATCH, *self._size)
        return np.stack((packed >> 16, packed >> 8, packed), -1).astype(np.uint8)

    def _poses(self, qpos: np.ndarray) -> tuple[np.ndarray, ...]:
        """Positions and orientations of every geom [L, G, …] and camera [L, C, …].

        Taken from MuJoCo on the host, so that none of Warp's physics has to be compiled.
        """
        model, data = self._model, self._host
        length, camera = len(qpos), self._scene.camera
        geom_position = np.empty((length, model.ngeom, 3), np.float32)
        geom_rotation = np.empty((length, model.ngeom, 3, 3), np.float32)
        followed = np.zeros((length, 3))
        for row in range(length):
            data.qpos[:] = qpos[row]
            mujoco.mj_kinematics(model, data)
            geom_position[row] = data.geom_xpos
            geom_rotation[row] = data.geom_xmat.reshape(-1, 3, 3)
            if camera.follow is not None:
                followed[row, :2] = data.body(camera.follow).xpos[:2]
        followed = _smooth(followed, _SMOOTHING / self._scene.timestep)
        # The floor's pattern repeats: moved by whole periods it looks as if it had no end.
        period = floor_period(camera)
        geom_position[:, self._floor, :2] = np.round(followed[:, :2] / period) * period
        position, rotation = _viewpoint(camera)
        camera_position = np.zeros((length, model.ncam, 3), np.float32)
        camera_rotation = np.zeros((length, model.ncam, 3, 3), np.float32)
        camera_position[:, self._camera] = position + followed
        camera_rotation[:, self._camera] = rotation
        return geom_position, geom_rotation, camera_position, camera_rotation


def _viewpoint(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Position [3] and rotation [3, 3] of a free camera; its columns point right, up and backwards."""
    azimuth, elevation = np.deg2rad((camera.azimuth, camera.elevation))
    forward = np.array((np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)))
    right = np.array((np.sin(azimuth), -np.cos(azimuth), 0.0))
    rotation = np.stack((right, np.cross(right, forward), -forward), -1)
    return np.array(camera.lookat) - camera.distance * forward, rotation


def _smooth(path: np.ndarray, rows: float) -> np.ndarray:
    """A Gaussian mean over neighbouring rows of ``path`` [L, 3], standard deviation ``rows``."""
    reach = int(3 * rows)
    if reach == 0:
        return path
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / rows) ** 2)
    padded = np.pad(path, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(axis, kernel / kernel.sum(), mode="valid") for axis in padded.T], -1)
