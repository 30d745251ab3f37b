"""A scene and its clips as numbers, for whoever draws them elsewhere: a browser with three.js."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import lru_cache

import mujoco
import numpy as np

from contracts.clip import Scene
from labeling_gateway.rendering.stage import FIELD_OF_VIEW, FLOOR, floor_period, set_stage

_SHOWN_GROUPS = 3  # of geoms, from 0: what MuJoCo's own viewers show
_TYPES = {
    mujoco.mjtGeom.mjGEOM_PLANE: "plane",
    mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
    mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule",
    mujoco.mjtGeom.mjGEOM_ELLIPSOID: "ellipsoid",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
    mujoco.mjtGeom.mjGEOM_BOX: "box",
    mujoco.mjtGeom.mjGEOM_MESH: "mesh",
}


@dataclass(frozen=True)
class Geom:
    """One solid, in its body's frame; sizes as MuJoCo has them, in metres."""

    body: int
    type: str
    size: list[float]
    pos: list[float]
    quat: list[float]  # w, x, y, z
    rgba: list[float]
    mesh: int | None  # index into the meshes


@dataclass(frozen=True)
class Mesh:
    vertices: list[float]  # x, y, z of each, one after the other
    faces: list[int]  # three vertices each


@dataclass(frozen=True)
class Geometry:
    """Bodies and what they look like, coloured as the studio does; empty for scenes without a model."""

    follow: int | None  # the body that the camera goes along with
    field_of_view: float  # degrees, vertical
    floor_height: float  # metres
    floor_square: float  # metres
    bodies: list[tuple[str, int]] = field(default_factory=list)  # name and parent
    geoms: list[Geom] = field(default_factory=list)
    meshes: list[Mesh] = field(default_factory=list)


def geometry(scene: Scene) -> Geometry:
    """Raises ValueError where the scene's model is none."""
    square = floor_period(scene.camera) / 2
    if scene.track != "mujoco":
        return Geometry(None, FIELD_OF_VIEW, 0.0, square)
    model = _posed(scene).model
    meshes: dict[int, int] = {}  # MuJoCo's number to ours
    geoms: list[Geom] = []
    for id in range(model.ngeom):
        kind = _TYPES.get(mujoco.mjtGeom(model.geom_type[id]))
        if kind is None or model.geom_group[id] >= _SHOWN_GROUPS or model.geom(id).name == FLOOR:
            continue
        mesh = meshes.setdefault(int(model.geom_dataid[id]), len(meshes)) if kind == "mesh" else None
        geoms.append(
            Geom(
                body=int(model.geom_bodyid[id]),
                type=kind,
                size=_numbers(model.geom_size[id]),
                pos=_numbers(model.geom_pos[id]),
                quat=_numbers(model.geom_quat[id]),
                rgba=_numbers(model.geom_rgba[id]),
                mesh=mesh,
            )
        )
    follow = scene.camera.follow
    return Geometry(
        follow=None if follow is None else model.body(follow).id,
        field_of_view=FIELD_OF_VIEW,
        floor_height=float(model.geom(FLOOR).pos[2]),
        floor_square=square,
        bodies=[(model.body(id).name, int(model.body_parentid[id])) for id in range(model.nbody)],
        geoms=geoms,
        meshes=[_mesh(model, id) for id in meshes],
    )


def poses(scene: Scene, state: np.ndarray) -> np.ndarray:
    """Where every body is at every step, in the world's frame.

    Args:
        state: float [L, nq + nv].

    Returns:
        float32 [L, bodies, 7]: x, y, z in metres, then the quaternion w, x, y, z.

    Raises:
        ValueError: the scene has no model, or states of another width.
    """
    if scene.track != "mujoco":
        raise ValueError(f"{scene.task}: its clips are observations, which have no poses")
    posed = _posed(scene)
    if state.ndim != 2 or state.shape[1] != posed.model.nq + posed.model.nv:
        width = posed.model.nq + posed.model.nv
        raise ValueError(f"{scene.task}: expected states [L, {width}], found {state.shape}")
    return posed.poses(state)


class _Posed:
    """A model and one MjData, which takes ten times as long to make as a clip's poses do. Thread-safe."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.model = model
        self._data = mujoco.MjData(model)
        self._lock = threading.Lock()

    def poses(self, state: np.ndarray) -> np.ndarray:
        model, data = self.model, self._data
        qpos, xpos, xquat = data.qpos, data.xpos, data.xquat  # views
        # Bytes are put together and converted once: to do it at every step takes longer than the kinematics.
        positions, rotations = bytearray(), bytearray()
        with self._lock:
            for row in state[:, : model.nq].astype(np.float64):
                qpos[:] = row
                mujoco.mj_kinematics(model, data)
                positions += xpos.tobytes()
                rotations += xquat.tobytes()
        steps, bodies = len(state), model.nbody
        xyz, wxyz = (
            np.frombuffer(positions).reshape(steps, bodies, 3),
            np.frombuffer(rotations).reshape(steps, bodies, 4),
        )
        return np.concatenate([xyz, wxyz], axis=2, dtype=np.float32)


_setting = threading.Lock()  # setting a scene takes seconds: whoever else wants it waits, and doesn't set it too


def prepare(scene: Scene) -> None:
    """Sets the scene, so that what is asked of it from now on takes milliseconds. Raises as `geometry`."""
    if scene.track == "mujoco":
        _posed(scene)


def _posed(scene: Scene) -> _Posed:
    with _setting:
        return _set(scene)


@lru_cache(maxsize=8)
def _set(scene: Scene) -> _Posed:
    return _Posed(set_stage(scene).compile())


def _mesh(model: mujoco.MjModel, id: int) -> Mesh:
    vertices = slice(model.mesh_vertadr[id], model.mesh_vertadr[id] + model.mesh_vertnum[id])
    faces = slice(model.mesh_faceadr[id], model.mesh_faceadr[id] + model.mesh_facenum[id])
    return Mesh(_numbers(model.mesh_vert[vertices]), model.mesh_face[faces].ravel().tolist())


def _numbers(values: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values.ravel()]
