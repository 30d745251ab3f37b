"""What there is to train on: `backflip list`."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from actors.simulators.registry import ENGINES
from backflip.errors import UserError
from backflip.presets import PRESETS


def show(engine: str | None) -> None:
    """Print presets and engines, or every task of one engine. Raises UserError where there is no such engine."""
    if engine is not None:
        print("\n".join(tasks(engine)))
        return
    # A table folded to a narrow pipe is no table.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    table = Table(title="Presets: backflip train PRESET", title_justify="left")
    for column in ("preset", "what is learnt", "engine", "task", "answers"):
        table.add_column(column)
    for name, preset in PRESETS.items():
        config = preset.config
        table.add_row(name, preset.summary, config.engine, config.task, str(config.labels.budget))
    console.print(table)
    console.print(f"\nEngines: {', '.join(ENGINES)}. `backflip list --engine ENGINE` shows an engine's tasks.")


def tasks(engine: str) -> list[str]:
    """Every task of an engine, sorted. Raises UserError."""
    if engine in ("mujoco", "warp"):
        from actors.tasks.catalogue import TASKS

        return sorted(TASKS)
    if engine == "envpool":
        import envpool

        return sorted(envpool.list_all_envs())
    raise UserError(f"there is no engine {engine!r}; choose one of {', '.join(ENGINES)}")
