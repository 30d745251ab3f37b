"""What touched the floor, found again from the states of an episode."""

from __future__ import annotations

import mujoco
import numpy as np


def floor_contacts(model: mujoco.MjModel, qpos: np.ndarray, foot: str) -> tuple[np.ndarray, np.ndarray]:
    """For every row, whether that foot and whether anything else touches the floor: bool [T], [T].

    Args:
        qpos: [T, nq]
        foot: a geom's name; the floor is the geom ``floor``.
    """
    data = mujoco.MjData(model)
    floor, foot_id = model.geom("floor").id, model.geom(foot).id
    touching = np.zeros((2, len(qpos)), bool)
    for row, position in enumerate(qpos):
        data.qpos[:] = position
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_collision(model, data)
        for pair in data.contact.geom:
            if floor in pair:
                touching[0 if foot_id in pair else 1, row] = True
    return touching[0], touching[1]
