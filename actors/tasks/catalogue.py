"""Every task that ships with Backflip, by name."""

from __future__ import annotations

from actors.tasks import hopper, pendulums, reacher, runners
from actors.tasks.task import Task

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        hopper.BACKFLIP,
        runners.HOPPER,
        runners.WALKER,
        runners.CHEETAH,
        runners.SWIMMER,
        runners.ANT,
        pendulums.PENDULUM,
        pendulums.DOUBLE_PENDULUM,
        reacher.REACHER,
    )
}
