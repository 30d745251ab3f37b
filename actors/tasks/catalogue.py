"""Every task that ships with Backflip, by name."""

from __future__ import annotations

from actors.tasks import hopper
from actors.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (hopper.BACKFLIP,)}
