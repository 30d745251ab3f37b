"""One fit of the ensemble: all members in one pass, from the weights of the version before."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from contracts.rater import RaterError
from reward_service import raters
from reward_service.config import RewardConfig
from reward_service.dataset import Answers, Comparisons
from reward_service.ensemble import (
    Ensemble,
    Layers,
    Member,
    by_member,
    forward_member,
    initial_convolutions,
    initial_layers,
    normalise,
)
from reward_service.likelihood import negative_log_likelihood

_LEAST_DEVIATION = 1e-3  # of an input: what hardly varied in the labelled clips must not be blown up
_MOST_EVALUATED = {"training": 128, "held out": 1024}  # answers that losses and accuracies are taken over
_FEWEST_HELD_OUT = 10  # queries before the weight decay is adapted to them
_DECAY_FACTOR = 1.5
_FRAME_QUERIES = 16  # whose frames are expanded at once
_LEAST_LOSS = 1e-6  # nats; answers without noise may be learnt by heart


@dataclass(frozen=True)
class FitReport:
    """What a fit was made from and how good it came out; losses in nats an answer, None without queries."""

    version: int = 0
    offset: str = ""  # of the last label it saw
    seed: int = 0
    answers: int = 0  # labels in the log up to offset
    labels: int = 0  # of these, usable ones
    held_out_queries: int = 0
    steps: int = 0
    weight_decay: float = 0.0
    train_loss: float | None = None
    held_out_loss: float | None = None
    train_accuracy: float | None = None  # share of strict answers that the mean of the members agrees with
    held_out_accuracy: float | None = None
    held_out_answers: int = 0  # strict ones, which that accuracy is taken over; older fits didn't note it
    rater_errors: dict[str, RaterError] = field(default_factory=dict)  # by name, as they were taken to be in this fit
    seconds: float = 0.0


@dataclass(frozen=True)
class Quality:
    loss: float | None
    accuracy: float | None
    answers: int = 0  # that the accuracy is taken over


def fit(
    previous: Ensemble | None,
    data: Comparisons,
    config: RewardConfig,
    *,
    seed: int,
    version: int,
    weight_decay: float,
    rater_errors: dict[str, RaterError],
) -> tuple[Ensemble, FitReport]:
    """Fits ``version`` to all of ``data``: a pure function of its arguments, time aside.

    Args:
        rater_errors: by name; who isn't in it is taken to err no more than `answer_noise` has it.

    Raises:
        ValueError: there is no usable answer outside the held-out split.
        FloatingPointError: the fit left the finite numbers.
    """
    started = time.perf_counter()
    answers, held_out_answers = data.rows(held_out=False), data.rows(held_out=True)
    if len(answers) == 0:
        raise ValueError("there is no usable answer to fit a reward model to")
    mean, deviation = data.statistics()
    input_mean = torch.from_numpy(mean.astype(np.float32))
    input_scale = torch.as_tensor(1 / np.maximum(deviation, _LEAST_DEVIATION), dtype=torch.float32)
    if previous is None:
        start, steps = _initial(data, config, seed), config.first_fit_steps
    else:
        passes = -(-config.fit_epochs * len(answers) // config.batch_queries)
        start, steps = (previous.layers, previous.convolutions), min(config.fit_steps, passes)
    layers, convolutions = (
        [(weight.clone().requires_grad_(), bias.clone().requires_grad_()) for weight, bias in kind] for kind in start
    )

    noise = _noise(rater_errors, data.raters, config)
    optimiser = torch.optim.AdamW(
        [p for layer in (*layers, *convolutions) for p in layer], weight_decay=weight_decay, fused=True
    )
    rng = np.random.default_rng([seed, version])
    batch = min(config.batch_queries, len(answers))
    stride = min(config.step_stride, data.clip_steps)
    order = _shuffled(len(answers), steps * batch, rng).reshape(steps, batch)
    for step, chosen in enumerate(order):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (1 - 0.9 * step / steps)
        queries = answers.queries[chosen]
        sides = data.inputs(queries, int(rng.integers(stride)), stride)
        shown = normalise(torch.from_numpy(sides), input_mean, input_scale)
        target = torch.from_numpy(answers.targets[chosen])
        careless = noise[answers.raters[chosen]]
        loss = torch.zeros(())
        members = by_member(layers, convolutions)
        for member, weight in zip(members, torch.from_numpy(data.bootstrap(queries)).unbind(1), strict=True):
            heard = weight.nonzero()[:, 0]  # 37% are outside a member's bootstrap sample
            margin = _margins(member, shown[heard], data.clip_steps)
            loss = loss + (weight[heard] * negative_log_likelihood(margin, target[heard], careless[heard])).sum()
        loss = loss / batch
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    fitted, fitted_first = (
        [(weight.detach(), bias.detach()) for weight, bias in kind] for kind in (layers, convolutions)
    )
    unscaled = torch.zeros(config.members), torch.ones(config.members)
    ensemble = Ensemble(fitted, input_mean, input_scale, *unscaled, fitted_first)
    trained_on = answers.spread(_MOST_EVALUATED["training"])
    held_out_of_it = held_out_answers.spread(_MOST_EVALUATED["held out"])
    looked_at = stride if data.observation.is_frames else 1  # a game's frames cost a thousand times a vector
    train_outputs, held_out_outputs = (
        outputs(ensemble, data, side.queries, looked_at) for side in (trained_on, held_out_of_it)
    )
    transitions = torch.cat([train_outputs, held_out_outputs]).flatten(0, 2)
    output_mean, output_scale = transitions.mean(0), 1 / transitions.std(0).clamp_min(1e-6)
    train = _quality(train_outputs, trained_on, output_scale, noise, data.clip_steps)
    held_out = _quality(held_out_outputs, held_out_of_it, output_scale, noise, data.clip_steps)
    report = FitReport(
        version=version,
        offset=data.offset,
        seed=seed,
        answers=data.answers,
        labels=data.labels,
        held_out_queries=len(np.unique(held_out_answers.queries)),
        steps=steps,
        weight_decay=weight_decay,
        train_loss=train.loss,
        held_out_loss=held_out.loss,
        train_accuracy=train.accuracy,
        held_out_accuracy=held_out.accuracy,
        held_out_answers=held_out.answers,
        rater_errors=rater_errors,
        seconds=time.perf_counter() - started,
    )
    whole = Ensemble(fitted, input_mean, input_scale, output_mean, output_scale, fitted_first)
    if not all(np.isfinite(array).all() for array in (*whole.arrays().values(), transitions.numpy())):
        raise FloatingPointError(f"the fit of reward version {version} from {data.labels} answers is not finite")
    return whole, report


def next_weight_decay(report: FitReport, config: RewardConfig) -> float:
    """The decay for the fit after this one: held-out loss is to stay within ``loss_ratio`` of the training loss."""
    decay = report.weight_decay
    if report.held_out_queries < _FEWEST_HELD_OUT or report.held_out_loss is None or report.train_loss is None:
        return decay
    low, high = config.loss_ratio
    ratio = report.held_out_loss / max(report.train_loss, _LEAST_LOSS)
    if ratio < low:
        decay /= _DECAY_FACTOR
    elif ratio > high:
        decay *= _DECAY_FACTOR
    lowest, highest = config.weight_decay_range
    return min(max(decay, lowest), highest)


def _initial(data: Comparisons, config: RewardConfig, seed: int) -> tuple[Layers, Layers]:
    """Random layers, and convolutions where frames are observed."""
    if not data.observation.is_frames:
        width = data.observation.size + data.action_size
        return initial_layers(config.members, (width, *config.hidden, 1), seed), ()
    convolutions, width = initial_convolutions(config.members, data.observation.shape, seed)
    return initial_layers(config.members, (width, *config.hidden_of_frames, 1), seed + 1), convolutions


def _margins(member: Member, sides: Tensor, clip_steps: int) -> Tensor:
    """A member's reward of clip a minus that of clip b, [n], from some steps [n, 2, l, ...] of ``clip_steps``."""
    n, _, steps = sides.shape[:3]
    sums = forward_member(member, sides.flatten(0, 2)).view(n, 2, steps).sum(2) * (clip_steps / steps)
    return sums[:, 0] - sums[:, 1]


def outputs(ensemble: Ensemble, data: Comparisons, queries: np.ndarray, stride: int = 1) -> Tensor:
    """The ensemble's outputs [n, 2, l, K] for every ``stride``-th step of the queries' clips."""
    at_once = _FRAME_QUERIES if data.observation.is_frames else max(len(queries), 1)
    parts = []
    for start in range(0, max(len(queries), 1), at_once):
        sides = data.inputs(queries[start : start + at_once], stride=stride)
        scored = ensemble.score_inputs(sides.reshape(-1, *sides.shape[3:]))
        parts.append(torch.from_numpy(scored).view(*sides.shape[:3], ensemble.members))
    return torch.cat(parts)


def _quality(outputs: Tensor, answers: Answers, output_scale: Tensor, noise: Tensor, clip_steps: int) -> Quality:
    """Mean loss of the members' own outputs, and accuracy of the mean of their scaled ones.

    ``noise`` is by rater. ``outputs`` are of some steps of ``clip_steps``.
    """
    if len(answers) == 0:
        return Quality(None, None)
    sums = outputs.sum(2) * (clip_steps / outputs.shape[2])
    margin = sums[:, 0] - sums[:, 1]
    targets = torch.from_numpy(answers.targets)
    loss = float(negative_log_likelihood(margin, targets[:, None], noise[answers.raters, None]).mean())
    strict = targets != 0.5
    if not strict.any():
        return Quality(loss, None)
    agrees = ((margin * output_scale).mean(1) > 0) == (targets > 0.5)
    return Quality(loss, float(agrees[strict].float().mean()), int(strict.sum()))


def _noise(errors: dict[str, RaterError], names: list[str], config: RewardConfig) -> Tensor:
    """Chance that an answer says nothing, by rater: float32 [R]."""
    error = np.array([errors[name]["error"] if name in errors else 0.0 for name in names], np.float32)
    return torch.from_numpy(raters.noise(error, config.answer_noise))


def _shuffled(n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` indices below ``n``: one permutation after another."""
    return np.concatenate([rng.permutation(n) for _ in range(-(-count // n))])[:count]
