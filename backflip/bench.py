"""`backflip bench`: what this machine does, everything in turns within one run, medians of the rounds.

Single figures from a noisy machine mean little, their ratios within a run mean something.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from statistics import median
from typing import Any

from rich.console import Console

from actors.tasks.catalogue import TASKS
from backflip.alone import replay, sample
from backflip.config import TrainConfig
from backflip.finishing import package_versions
from backflip.phases import SETTLE_SECONDS, Phase, answers_take, training_of
from backflip.presets import PRESETS
from backflip.scoring import measure as measure_scoring

PRESET = "hopper-backflip"
_LONGER = 2  # times the preset's run; with many more answers they would come in larger batches
_EVENLY = 1e6  # an `ask_decay` this slow is a constant rate


def measure(*, rounds: int, seed: int) -> dict[str, Any]:
    """Rates in control steps (Hopper) and transitions (scoring) a second.

    ``simulator`` replays, on MuJoCo alone, the actions that the policy in training takes; ``policy``
    adds choosing them; ``training`` is the whole system with answers arriving at the preset's mean rate,
    ``training_no_answers`` the same with the teacher idle. ``kept`` is training / simulator and
    ``kept_with_answers`` training / training_no_answers, each the median of the rounds' own ratios.

    ``answers_take`` is counted where that is timed, over all rounds: see `backflip.phases.answers_take`.
    """
    say = Console(file=sys.stderr).print
    rates: dict[str, list[float]] = {}
    phases: dict[bool, list[Phase]] = {True: [], False: []}
    config = replace(_evenly_asking(PRESETS[PRESET].config), seed=seed)
    say("starting every part of a training run")
    with training_of(config) as training:
        say("training until the questions asked up front are answered")
        training.warm_up(config.labels.upfront_questions)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            found: dict[str, float] = {}
            for answers, of_round in training.round().items():
                phases[answers] += of_round
                rate = sum(phase.steps for phase in of_round) / sum(phase.seconds for phase in of_round)
                found["training" if answers else "training_no_answers"] = rate
            time.sleep(SETTLE_SECONDS)
            slabs, found["policy"] = sample(config, training.ppo, seed + number)
            found["simulator"] = replay(TASKS[config.task], slabs)
            for name, rate in found.items():
                rates.setdefault(name, []).append(rate)
            say("  " + ", ".join(f"{name} {rate:,.0f}" for name, rate in found.items()))
    hopper = {name: round(median(values), 1) for name, values in sorted(rates.items())}
    for name, alone in (("kept", "simulator"), ("kept_with_answers", "training_no_answers")):
        ratios = [whole / part for whole, part in zip(rates["training"], rates[alone], strict=True)]
        hopper[name] = round(median(ratios), 3)
    hopper["answers_take"] = round(answers_take(phases[True], phases[False]), 3)
    say("scoring slabs in process and over gRPC")
    return {
        "hopper": hopper,
        "scoring": measure_scoring(),
        "versions": package_versions(),
    }


def _evenly_asking(config: TrainConfig) -> TrainConfig:
    """As many answers up front, then the preset's mean rate, for longer than the preset's run.

    The preset asks ever more rarely; a phase of some seconds must stand for the whole run.
    """
    labels, upfront = config.labels, config.labels.upfront_questions
    budget = upfront + _LONGER * (labels.budget - upfront)
    labels = replace(labels, budget=budget, upfront=upfront / budget, ask_decay=_EVENLY)
    return replace(config, labels=labels, steps=_LONGER * config.steps)
