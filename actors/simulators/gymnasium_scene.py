"""What draws a gymnasium environment's clips, and what people are asked about them."""

from __future__ import annotations

from dataclasses import replace

import gymnasium

from actors.simulators.envpool_tasks import About, about
from actors.simulators.gymnasium_physics import camera_on, edited_by, physics_of, require_physics
from actors.simulators.saved_model import SavedModel, save
from contracts.clip import Scene


def about_environment(task: str, env: gymnasium.Env) -> About:
    """What is known of the family; of a user's own environment, what its ``metadata`` says of question and pace."""
    known = about(task) if ":" not in task else About()
    step = getattr(env.unwrapped, "dt", None) if physics_of(env) is not None else None
    if isinstance(step, float) and step > 0:
        known = replace(known, timestep=step)
    elif known.timestep == About.timestep and (rate := env.metadata.get("render_fps")):
        known = replace(known, timestep=1 / rate)
    return replace(known, question=env.metadata.get("question", known.question))


def scene_of(task: str, known: About, env: gymnasium.Env) -> tuple[Scene, SavedModel | None]:
    """The scene, and the model that it is made of where there is one; ``env`` is reset some times to find it."""
    if physics_of(env) is None:
        return Scene(task=task, track="observation", timestep=known.timestep, question=known.question), None
    edited = edited_by(env)
    model, _ = require_physics(env)
    saved = save(model, edited)
    return Scene(
        task=task,
        track="mujoco",
        timestep=known.timestep,
        question=known.question,
        mjcf=saved.mjcf,
        camera=camera_on(model),
    ), saved
