"""EnvPool's catalogue, by the families that it is made of."""

from __future__ import annotations

from functools import cache

from envpool import registration


@cache
def families() -> dict[str, tuple[str, ...]]:
    """Every id, sorted, by its family's name: ``classic_control``, ``mujoco.gym`` and so on, in EnvPool's own order."""
    found: dict[str, list[str]] = {}
    for task, (module, *_) in registration.registry.specs.items():
        found.setdefault(module.removeprefix("envpool."), []).append(task)
    return {name: tuple(sorted(tasks)) for name, tasks in found.items()}


def family(task: str) -> str:
    """The family of an id; empty where EnvPool has no such id."""
    return next((name for name, tasks in families().items() if task in tasks), "")
