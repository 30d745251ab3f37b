"""What there is to train on: `backflip list`."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from actors.simulators.registry import ENGINES
from actors.simulators.spaces import Part
from backflip.environments import look_at
from backflip.errors import UserError
from backflip.presets import PRESETS
from contracts.spaces import ActionSpace


def show(engine: str | None, env: str | None = None) -> None:
    """Print presets and engines, or every task of one engine, or what one environment is like.

    Raises:
        UserError: there is no such engine, or no such environment.
    """
    # A table folded to a narrow pipe is no table.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    if env is not None:
        _show_environment(console, env, engine)
        return
    if engine is not None:
        for family, tasks in families(engine).items():
            if family:
                print(f"\n{family} ({len(tasks)})")
            print("\n".join(tasks))
        return
    table = Table(title="Presets: backflip train PRESET", title_justify="left")
    for column in ("preset", "what is learnt", "engine", "task", "answers"):
        table.add_column(column)
    for name, preset in PRESETS.items():
        config = preset.config
        table.add_row(name, preset.summary, config.engine, config.task, str(config.labels.budget))
    console.print(table)
    console.print(
        f"\nEngines: {', '.join(ENGINES)}. `backflip list --engine ENGINE` shows an engine's tasks, and "
        "`backflip list --env ID` what an environment is like; `backflip train --env ID` trains it."
    )


def families(engine: str) -> dict[str, tuple[str, ...]]:
    """Every task of an engine, sorted, by family; an engine without families has one, whose name is empty.

    Raises:
        UserError: there is no such engine.
    """
    if engine in ("mujoco", "warp"):
        from actors.tasks.catalogue import TASKS

        return {"": tuple(TASKS)}
    if engine == "envpool":
        from actors.simulators import envpool_families

        return envpool_families.families()
    if engine == "gymnasium":
        import gymnasium

        return {"": tuple(sorted(gymnasium.registry))}
    raise UserError(f"there is no engine {engine!r}; choose one of {', '.join(ENGINES)}")


def _show_environment(console: Console, env: str, engine: str | None) -> None:
    from actors.simulators.envpool_engine import EnvPoolSimulator
    from actors.simulators.gymnasium_engine import GymnasiumSimulator

    job, simulator = look_at(env, engine)
    action, labels, observed = simulator.spaces.action, job.config.labels, simulator.spaces.observation
    if isinstance(simulator, EnvPoolSimulator | GymnasiumSimulator):
        console.print(_parts(f"{env} on {job.config.engine}: what is observed", simulator.parts))
    else:
        console.print(f"{env} on {job.config.engine} observes {observed.stack} frames of {observed.shape[1:]} pixels.")
    console.print(f"It acts by {_acts_by(action)}, and an episode has {simulator.episode_steps:,} steps at most.")
    console.print(f"Clips are {_CLIPS[simulator.scene.track]}, {labels.clip_steps} steps long.")
    if simulator.scene.track == "observation" and isinstance(simulator, GymnasiumSimulator):
        console.print(f"They are not filmed: {simulator.unfilmed}.", highlight=False)
    console.print(f"People are asked: {simulator.scene.question}")
    simulator.close()


def _parts(title: str, parts: list[Part]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("numbers", "name", "what they are"):
        table.add_column(column)
    first = 0
    for part in parts:
        table.add_row(f"{first}–{first + part.size - 1}" if part.size > 1 else f"{first}", part.name, part.meaning)
        first += part.size
    return table


_CLIPS = {"mujoco": "MuJoCo states", "frames": "films of what it draws", "observation": "observations"}


def _acts_by(action: ActionSpace) -> str:
    if action.kind == "multi-discrete":
        return f"{len(action.choices)} choices at once, of {', '.join(map(str, action.choices))}"
    return f"{action.size} controls" if action.kind == "continuous" else f"one of {action.size} choices"
