"""A compiled MuJoCo model written back as MJCF: all that it takes to draw its states, and no file beside it."""

from __future__ import annotations

import mujoco
import numpy as np

from contracts.clip import Camera

_SHOWN_GROUPS = 3  # of geoms, from 0: what MuJoCo's own viewers show


def saved(model: mujoco.MjModel) -> str:
    """MJCF whose states mean what the model's mean, and which looks like it.

    Bodies, joints and visible geoms are kept; what only physics needs (masses, actuators, contacts,
    constraints) is not. Made from the compiled model, since how it came to be (files, includes,
    edits by hand) is not known any more. Height fields and skins are left out.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = model.opt.timestep
    bodies = [spec.worldbody]
    for id in range(1, model.nbody):
        body = bodies[model.body_parentid[id]].add_body(
            name=model.body(id).name, pos=model.body_pos[id], quat=model.body_quat[id]
        )
        # Weightless bodies would not compile.
        body.explicitinertial, body.mass, body.inertia = True, 1.0, (1.0, 1.0, 1.0)
        bodies.append(body)
    for id in range(model.njnt):
        kind, first = mujoco.mjtJoint(model.jnt_type[id]), model.jnt_qposadr[id]
        joint = bodies[model.jnt_bodyid[id]].add_joint(
            name=model.joint(id).name, type=kind, pos=model.jnt_pos[id], axis=model.jnt_axis[id]
        )
        if kind in (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE):
            joint.ref = model.qpos0[first]
    meshes: set[int] = set()
    for id in range(model.ngeom):
        rgba = model.geom_rgba[id] if model.geom_matid[id] < 0 else model.mat_rgba[model.geom_matid[id]]
        kind = mujoco.mjtGeom(model.geom_type[id])
        if model.geom_group[id] >= _SHOWN_GROUPS or not rgba[3] or kind == mujoco.mjtGeom.mjGEOM_HFIELD:
            continue
        geom = bodies[model.geom_bodyid[id]].add_geom(
            name=model.geom(id).name,
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
            geom.meshname = _mesh_name(mesh)
            meshes.add(mesh)
    for mesh in sorted(meshes):
        vertices = slice(model.mesh_vertadr[mesh], model.mesh_vertadr[mesh] + model.mesh_vertnum[mesh])
        faces = slice(model.mesh_faceadr[mesh], model.mesh_faceadr[mesh] + model.mesh_facenum[mesh])
        spec.add_mesh(
            name=_mesh_name(mesh),
            uservert=model.mesh_vert[vertices].ravel(),
            userface=model.mesh_face[faces].ravel(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
        )
    spec.compile()
    return spec.to_xml()


def camera_on(model: mujoco.MjModel) -> Camera:
    """From the side, with the whole model in the picture; along with a robot that can walk away."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    shown = (model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE) & (model.geom_group < _SHOWN_GROUPS)
    reach = model.geom_rbound[shown, None]
    lowest = (data.geom_xpos[shown] - reach).min(0, initial=np.inf)
    highest = (data.geom_xpos[shown] + reach).max(0, initial=-np.inf)
    if not shown.any():
        return Camera()
    middle, size = (lowest + highest) / 2, highest - lowest
    walker = _walker(model)
    x, y, z = np.round(middle, 2).tolist()
    flat = size[2] < 0.2 * np.linalg.norm(size[:2])
    return Camera(
        lookat=(0.0, 0.0, z) if walker else (x, y, z),
        distance=max(round(1.6 * float(np.linalg.norm(size)), 2), 0.1),
        elevation=-60.0 if flat else -15.0,
        follow=walker,
    )


def _walker(model: mujoco.MjModel) -> str | None:
    """The body that most of the model hangs on, if it moves through space; it needs a name."""
    heaviest = max(range(1, model.nbody), key=lambda id: model.body_subtreemass[id], default=0)
    first, count = model.body_jntadr[heaviest], model.body_jntnum[heaviest]
    through_space = (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_SLIDE)
    if not any(mujoco.mjtJoint(kind) in through_space for kind in model.jnt_type[first : first + count]):
        return None
    return model.body(heaviest).name or None


def _mesh_name(mesh: int) -> str:
    return f"mesh{mesh}"
