"""Every task by name: each `Task` that a module of this package defines."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import actors.tasks
from actors.tasks.task import Task


def _find_tasks() -> dict[str, Task]:
    """Raises ValueError where two tasks have one name."""
    found: dict[str, Task] = {}
    for module in pkgutil.iter_modules(actors.tasks.__path__, "actors.tasks."):
        if module.name == __name__:
            continue
        for task in vars(import_module(module.name)).values():
            if not isinstance(task, Task):
                continue
            if found.setdefault(task.name, task) is not task:
                raise ValueError(f"{module.name} defines a second task named {task.name!r}: give it another name")
    return dict(sorted(found.items()))


TASKS: dict[str, Task] = _find_tasks()
