"""Which job a command line asks for: `backflip train PRESET …` or `backflip train --env ID …`."""

from __future__ import annotations

import sys

import tyro

from actors.simulators.protocol import did_you_mean
from backflip.config import TrainConfig
from backflip.presets import PRESETS
from backflip.usage import UsageError, parsed


def config_of(arguments: list[str]) -> TrainConfig:
    """A preset's config, or one made for an environment, with what the arguments change of it.

    Raises:
        UserError: the arguments are wrong, or nobody knows the environment.
        SystemExit: help was asked for, and printed.
    """
    env, others = _taken(arguments, "--env")
    return _of_preset(arguments) if env is None else _of_environment(env, others)


def _of_preset(arguments: list[str]) -> TrainConfig:
    choices = {name: (preset.summary, preset.config) for name, preset in PRESETS.items()}
    _require_preset(arguments)
    prog = "backflip train"
    return parsed(lambda: tyro.extras.overridable_config_cli(choices, prog=prog, args=arguments), prog)


def _of_environment(env: str, arguments: list[str]) -> TrainConfig:
    from backflip.environments import job_for  # simulators take a second to import

    if arguments and not arguments[0].startswith("-"):
        raise UsageError(f"name a preset or an --env, not both: {arguments[0]} and {env}")
    engine, _ = _taken(arguments, "--engine")
    job = job_for(env, engine)
    prog = f"backflip train --env {env}"
    config = parsed(lambda: tyro.cli(TrainConfig, default=job.config, prog=prog, args=arguments), prog)
    print(f"backflip: {job.choice}", file=sys.stderr)
    return config


def _taken(arguments: list[str], option: str) -> tuple[str | None, list[str]]:
    """The value of an option, as ``--option VALUE`` or ``--option=VALUE``, and the arguments without it."""
    for place, word in enumerate(arguments):
        if word == option:
            if place + 1 == len(arguments):
                raise UsageError(f"{option} needs a value")
            return arguments[place + 1], arguments[:place] + arguments[place + 2 :]
        if word.startswith(f"{option}="):
            return word.partition("=")[2], arguments[:place] + arguments[place + 1 :]
    return None, arguments


def _require_preset(arguments: list[str]) -> None:
    """Our own words for the commonest mistake: tyro's box names no near match."""
    if not arguments or (arguments[0].startswith("-") and not {"-h", "--help"} & set(arguments)):
        raise UsageError(
            f"name a preset first, and its settings after it, or an --env; the presets are {', '.join(PRESETS)}"
        )
    if not arguments[0].startswith("-") and arguments[0] not in PRESETS:
        raise UsageError(
            f"there is no preset {arguments[0]!r}{did_you_mean(arguments[0], PRESETS)} "
            "(`backflip list` shows them all; other environments are trained by --env ID)"
        )
