"""A gymnasium vector environment in our nouns: its spaces, its scene, and what its worlds are like just now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from actors.simulators.envpool_tasks import About, about
from contracts.clip import Camera, Scene
from contracts.spaces import ActionSpace, ObservationSpace, Spaces

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(observation [N, D] after the step, the environment's reward [N]) -> [N]."""


class VectorWorlds:
    """The worlds of a vector environment, which somebody else steps.

    Where they lie in this process and show their MuJoCo ``model`` and ``data``, a state is qpos and qvel, and
    can be drawn; elsewhere it is the observation.

    Args:
        question: what people are asked about two clips; "" takes the one that is known for the task.
        score: what a scripted teacher judges by; None takes the task's own, in a form that varies from step to step.

    Raises:
        ValueError: observations or actions are of a kind that is not supported, or nothing says how episodes restart.
    """

    def __init__(self, envs: VectorEnv, question: str = "", score: Score | None = None) -> None:
        self.name = _name(envs)
        known = about(self.name)
        self.spaces, self._middle, self._half_range = _spaces(
            self.name, envs.single_observation_space, envs.single_action_space
        )
        self.autoreset = _autoreset(self.name, envs)
        self.score = known.score if score is None else score
        self._worlds, mjcf = _mujoco_worlds(envs)
        self.scene = _scene(self.name, self._worlds, mjcf, known, question or known.question)
        model = self._worlds[0].model if self._worlds else None
        self.state_size = self.spaces.observation.size if model is None else model.nq + model.nv

    def observed(self, observation: np.ndarray) -> np.ndarray:
        """As the reward model sees it, float32 [N, D], ours to keep. Raises ValueError where it is not finite."""
        observed = np.array(observation, np.float32)
        broken = np.flatnonzero(~np.isfinite(observed).all(-1))
        if len(broken):
            raise ValueError(f"{self.name}: world {broken[0]} observes numbers that are not finite")
        return observed

    def acted(self, action: np.ndarray) -> np.ndarray:
        """int64 [N], or float32 [N, A] scaled from the environment's range to [-1, 1]."""
        if self.spaces.action.kind == "discrete":
            return np.asarray(action, np.int64) - int(self._middle[0])
        return ((np.asarray(action) - self._middle) / self._half_range).astype(np.float32)

    def state(self, observation: np.ndarray) -> np.ndarray:
        """float32 [N, S], see `contracts.clip.Track`; ``observation`` is what the worlds show just now."""
        if not self._worlds:
            return observation
        return np.stack(
            [np.concatenate((world.data.qpos, world.data.qvel)) for world in self._worlds], dtype=np.float32
        )


def _name(envs: VectorEnv) -> str:
    """The id that it was made by, else the class."""
    first: Any = envs.unwrapped.envs[0] if isinstance(envs.unwrapped, SyncVectorEnv) else envs
    spec = envs.spec or first.spec
    return type(first.unwrapped).__name__ if spec is None else spec.id


def _spaces(name: str, observation: Any, action: Any) -> tuple[Spaces, np.ndarray, np.ndarray]:
    """What the reward model sees, and the middle and half range of each control; of choices, the first."""
    if not isinstance(observation, gymnasium.spaces.Box) or len(observation.shape) != 1:
        raise ValueError(
            f"{name} observes {observation}; only flat vectors are supported: "
            "wrap it in gymnasium.wrappers.vector.FlattenObservation"
        )
    width = observation.shape[0]
    if isinstance(action, gymnasium.spaces.Discrete):
        first = np.array([action.start])
        return Spaces(ObservationSpace((width,)), ActionSpace("discrete", int(action.n))), first, first
    if (
        not isinstance(action, gymnasium.spaces.Box)
        or len(action.shape) != 1
        or not np.isfinite([action.low, action.high]).all()
    ):
        raise ValueError(f"{name} acts by {action}; only choices and bounded vectors are supported")
    middle, half_range = (action.low + action.high) / 2, (action.high - action.low) / 2
    return (
        Spaces(ObservationSpace((width,)), ActionSpace("continuous", len(middle))),
        middle,
        np.maximum(half_range, 1e-8),
    )


def _autoreset(name: str, envs: VectorEnv) -> AutoresetMode:
    try:
        return AutoresetMode(envs.metadata["autoreset_mode"])
    except (KeyError, ValueError):
        raise ValueError(
            f"{name} does not say how its episodes restart: set envs.metadata['autoreset_mode'] "
            "to a gymnasium.vector.AutoresetMode"
        ) from None


def _mujoco_worlds(envs: VectorEnv) -> tuple[list[Any], str]:
    """The worlds whose MuJoCo states can be read, and their model as XML that needs no file beside it."""
    base = envs.unwrapped
    worlds: list[Any] = [env.unwrapped for env in base.envs] if isinstance(base, SyncVectorEnv) else []
    for world in worlds:
        shown = isinstance(getattr(world, "model", None), mujoco.MjModel)
        if not shown or not isinstance(getattr(world, "data", None), mujoco.MjData):
            return [], ""
    if not worlds:
        return [], ""
    try:
        mjcf = mujoco.MjSpec.from_file(worlds[0].fullpath).to_xml()
        drawn = mujoco.MjModel.from_xml_string(mjcf)
    except (AttributeError, ValueError):  # no file of its own, or one that needs others
        return [], ""
    sizes = {(world.model.nq, world.model.nv) for world in worlds}
    return (worlds, mjcf) if sizes == {(drawn.nq, drawn.nv)} else ([], "")


def _scene(name: str, worlds: list[Any], mjcf: str, known: About, question: str) -> Scene:
    if not worlds:
        return Scene(task=name, track="observation", timestep=known.timestep, question=question)
    model = worlds[0].model
    timestep = float(getattr(worlds[0], "dt", known.timestep))
    return Scene(
        task=name,
        track="mujoco",
        timestep=timestep,
        question=question,
        mjcf=mjcf,
        camera=_camera(model, worlds[0].data),
    )


def _camera(model: mujoco.MjModel, data: mujoco.MjData) -> Camera:
    """From the side, far enough for the whole of it; it follows the heaviest thing that can go away."""
    roots = [body for body in range(1, model.nbody) if _can_leave(model, body)]
    if not roots:
        height, distance = float(model.stat.center[2]), 1.5 * float(model.stat.extent)
        return Camera(lookat=(0.0, 0.0, height), distance=distance, elevation=-25.0)
    root = max(roots, key=lambda body: float(model.body_subtreemass[body]))
    parts = np.flatnonzero(model.body_rootid == root)
    size = float(np.ptp(data.xpos[parts], axis=0).max()) + 0.5
    height = float(data.subtree_com[root][2])
    return Camera(lookat=(0.0, 0.0, height), distance=3.0 * size, elevation=-15.0, follow=model.body(root).name or None)


def _can_leave(model: mujoco.MjModel, body: int) -> bool:
    """Whether a body hangs on nothing: it is free, or slides without an end."""
    first = int(model.body_jntadr[body])
    return model.body_parentid[body] == 0 and any(
        model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE
        or (model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE and not model.jnt_limited[joint])
        for joint in range(first, first + int(model.body_jntnum[body]))
    )
