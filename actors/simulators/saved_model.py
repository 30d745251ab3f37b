"""A compiled MuJoCo model written back as MJCF: all that it takes to draw its states, and no file beside it."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

SHOWN_GROUPS = 3  # of geoms, from 0: what MuJoCo's own viewers show


@dataclass(frozen=True)
class Edited:
    """What an environment moves by hand, beside its joints: goals, furniture, whatever a mocap body holds."""

    bodies: tuple[int, ...] = ()  # whose place in their parent it changes
    sites: tuple[int, ...] = ()
    mocaps: tuple[int, ...] = ()  # bodies


@dataclass(frozen=True)
class SavedModel:
    """MJCF that looks like a model, and how its state is read from the model and its data."""

    mjcf: str
    edited: Edited
    _qpos: np.ndarray  # int [nq], indices into `_positions`
    _qvel: np.ndarray  # int [nv], indices into the environment's qvel and a zero after it

    @property
    def size(self) -> int:
        """Numbers of a state."""
        return len(self._qpos) + len(self._qvel)

    def state(self, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
        """qpos, then qvel of the saved model, float32. What is edited by hand has no velocity."""
        velocities = np.append(data.qvel, 0.0)
        positions = _positions(model, data, self.edited)
        return np.concatenate((positions[self._qpos], velocities[self._qvel]), dtype=np.float32)


NOTHING = Edited()


def save(model: mujoco.MjModel, edited: Edited = NOTHING) -> SavedModel:
    """A model that moves as the given one does, and looks like it.

    Bodies, joints and visible geoms are kept; what only physics needs (masses, actuators, contacts,
    constraints) is not. What is edited by hand gets joints of its own, and edited sites, which are
    goals as a rule, become visible. Made from the compiled model, since how it came to be (files,
    includes, code) is not known any more. Height fields and skins are left out.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = model.opt.timestep
    bodies = [spec.worldbody]
    for id in range(1, model.nbody):
        parent, place = bodies[model.body_parentid[id]], {"pos": model.body_pos[id], "quat": model.body_quat[id]}
        if id in edited.bodies or id in edited.mocaps:
            parent, place = _carrier(parent, f"body{id}", turns=True), {}
        bodies.append(_body(parent, model.body(id).name, place))
    for id in range(model.njnt):
        kind = mujoco.mjtJoint(model.jnt_type[id])
        joint = bodies[model.jnt_bodyid[id]].add_joint(
            name=f"joint{id}", type=kind, pos=model.jnt_pos[id], axis=model.jnt_axis[id]
        )
        if kind in (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE):
            joint.ref = model.qpos0[model.jnt_qposadr[id]]
    _add_geoms(spec, model, bodies)
    for id in edited.sites:
        carrier = _carrier(bodies[model.site_bodyid[id]], f"site{id}", turns=False)
        carrier.add_geom(
            type=mujoco.mjtGeom(model.site_type[id]),
            size=model.site_size[id],
            quat=model.site_quat[id],
            rgba=model.site_rgba[id],
            contype=0,
            conaffinity=0,
        )
    compiled = spec.compile()
    return SavedModel(spec.to_xml(), edited, *_indices(compiled, model, edited))


def _positions(model: mujoco.MjModel, data: mujoco.MjData, edited: Edited) -> np.ndarray:
    """qpos, and after it whatever is edited by hand."""
    if edited == NOTHING:
        return data.qpos
    bodies, sites = list(edited.bodies), list(edited.sites)
    mocaps = model.body_mocapid[list(edited.mocaps)]
    found = (model.body_pos[bodies], model.body_quat[bodies], data.mocap_pos[mocaps], data.mocap_quat[mocaps])
    return np.concatenate([data.qpos, *(part.ravel() for part in found), model.site_pos[sites].ravel()])


def _indices(saved: mujoco.MjModel, model: mujoco.MjModel, edited: Edited) -> tuple[np.ndarray, np.ndarray]:
    """Where each number of the saved model's qpos and qvel is found, see `SavedModel`."""
    qpos, qvel = np.zeros(saved.nq, int), np.full(saved.nv, model.nv)
    for id in range(model.njnt):
        joint, width = saved.joint(f"joint{id}"), _WIDTHS[mujoco.mjtJoint(model.jnt_type[id])]
        for target, start, source, count in (
            (qpos, joint.qposadr[0], model.jnt_qposadr[id], width[0]),
            (qvel, joint.dofadr[0], model.jnt_dofadr[id], width[1]),
        ):
            target[start : start + count] = np.arange(source, source + count)
    next_source = model.nq
    for names, width in (
        ([f"body{id}" for id in edited.bodies], 3),
        ([f"body{id} turn" for id in edited.bodies], 4),
        ([f"body{id}" for id in edited.mocaps], 3),
        ([f"body{id} turn" for id in edited.mocaps], 4),
        ([f"site{id}" for id in edited.sites], 3),
    ):
        for name in names:
            start = saved.joint(name if width == 4 else f"{name} 0").qposadr[0]
            qpos[start : start + width] = np.arange(next_source, next_source + width)
            next_source += width
    return qpos, qvel


_WIDTHS = {
    mujoco.mjtJoint.mjJNT_FREE: (7, 6),
    mujoco.mjtJoint.mjJNT_BALL: (4, 3),
    mujoco.mjtJoint.mjJNT_SLIDE: (1, 1),
    mujoco.mjtJoint.mjJNT_HINGE: (1, 1),
}
"""Numbers in qpos and in qvel."""


def _body(parent: mujoco.MjsBody, name: str, place: dict[str, np.ndarray]) -> mujoco.MjsBody:
    body = parent.add_body(name=name, **place)
    # Weightless bodies would not compile.
    body.explicitinertial, body.mass, body.inertia = True, 1.0, (1.0, 1.0, 1.0)
    return body


def _carrier(parent: mujoco.MjsBody, name: str, *, turns: bool) -> mujoco.MjsBody:
    """A body that can be put anywhere in its parent: three slides, and a ball if it turns."""
    carrier = _body(parent, f"{name} carrier", {})
    for axis in range(3):
        carrier.add_joint(name=f"{name} {axis}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=np.eye(3)[axis])
    if turns:
        carrier.add_joint(name=f"{name} turn", type=mujoco.mjtJoint.mjJNT_BALL)
    return carrier


def _add_geoms(spec: mujoco.MjSpec, model: mujoco.MjModel, bodies: list[mujoco.MjsBody]) -> None:
    meshes: set[int] = set()
    for id in range(model.ngeom):
        rgba = model.geom_rgba[id] if model.geom_matid[id] < 0 else model.mat_rgba[model.geom_matid[id]]
        kind = mujoco.mjtGeom(model.geom_type[id])
        if model.geom_group[id] >= SHOWN_GROUPS or not rgba[3] or kind == mujoco.mjtGeom.mjGEOM_HFIELD:
            continue
        geom = bodies[model.geom_bodyid[id]].add_geom(
            type=kind,
            size=model.geom_size[id],
            pos=model.geom_pos[id],
            quat=model.geom_quat[id],
            rgba=rgba,
            contype=0,
            conaffinity=0,
        )
        if kind == mujoco.mjtGeom.mjGEOM_MESH:
            mesh = int(model.geom_dataid[id])
            geom.meshname = f"mesh{mesh}"
            meshes.add(mesh)
    for mesh in sorted(meshes):
        vertices = slice(model.mesh_vertadr[mesh], model.mesh_vertadr[mesh] + model.mesh_vertnum[mesh])
        faces = slice(model.mesh_faceadr[mesh], model.mesh_faceadr[mesh] + model.mesh_facenum[mesh])
        spec.add_mesh(
            name=f"mesh{mesh}",
            uservert=model.mesh_vert[vertices].ravel(),
            userface=model.mesh_face[faces].ravel(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
        )
