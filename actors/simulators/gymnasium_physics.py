"""What a gymnasium environment on MuJoCo shows: its model and data, what it moves by hand, and from where to look."""

from __future__ import annotations

import gymnasium
import mujoco
import numpy as np

from actors.simulators.protocol import SimulationFault
from actors.simulators.saved_model import SHOWN_GROUPS, Edited, SavedModel
from contracts.clip import Camera, Scene

_RESETS = 4


def physics_of(env: gymnasium.Env) -> tuple[mujoco.MjModel, mujoco.MjData] | None:
    """Where it has a ``model`` and ``data``, as gymnasium's own and gymnasium-robotics' environments do."""
    bare = env.unwrapped
    model, data = getattr(bare, "model", None), getattr(bare, "data", None)
    return (model, data) if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData) else None


def edited_by(env: gymnasium.Env) -> Edited:
    """What its resets move beside the joints, found by resetting it some times; and what mocap bodies hold.

    Its own source of random numbers is as before.
    """
    own = env.unwrapped.np_random
    places, sites = [], []
    for seed in range(_RESETS):
        env.reset(seed=seed)
        model, _ = require_physics(env)
        places.append(np.hstack((model.body_pos, model.body_quat)))
        sites.append(model.site_pos.copy())
    env.unwrapped.np_random = own
    model, _ = require_physics(env)
    mocaps = np.flatnonzero(model.body_mocapid >= 0)
    moved_sites = _varying(sites)
    shown = (model.site_group[moved_sites] < SHOWN_GROUPS) & (model.site_rgba[moved_sites, 3] > 0)
    found = (np.setdiff1d(_varying(places), mocaps), moved_sites[shown], mocaps)
    return Edited(*(tuple(map(int, ids)) for ids in found))


def _varying(rows: list[np.ndarray]) -> np.ndarray:
    """Which entries differ from one reset to another."""
    return np.flatnonzero((np.ptp(np.stack(rows), axis=0) > 0).any(-1))


def require_physics(env: gymnasium.Env) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """As `physics_of`, of an environment that had them. Raises SimulationFault where it has them no more."""
    found = physics_of(env)
    if found is None:
        raise SimulationFault(f"{env}: it has lost its MuJoCo model")
    return found


def scene_of(task: str, model: mujoco.MjModel, saved: SavedModel, *, timestep: float, question: str) -> Scene:
    """What draws its states; ``saved`` is the model as a scene can carry it."""
    return Scene(
        task=task,
        track="mujoco",
        timestep=timestep,
        question=question,
        mjcf=saved.mjcf,
        camera=_camera_on(model),
    )


def _camera_on(model: mujoco.MjModel) -> Camera:
    """From the side, with the whole model in the picture; along with a robot that can walk away."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    shown = (model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE) & (model.geom_group < SHOWN_GROUPS)
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
    """The heaviest body that can go away, since it is free or slides without an end; it needs a name."""
    leaving = [id for id in range(1, model.nbody) if _can_leave(model, id)]
    heaviest = max(leaving, key=lambda id: float(model.body_subtreemass[id]), default=0)
    return (model.body(heaviest).name or None) if heaviest else None


def _can_leave(model: mujoco.MjModel, body: int) -> bool:
    first = int(model.body_jntadr[body])
    joints = range(first, first + int(model.body_jntnum[body]))
    return model.body_parentid[body] == 0 and any(
        model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE
        or (model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE and not model.jnt_limited[joint])
        for joint in joints
    )
