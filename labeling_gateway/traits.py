"""What a scripted teacher is like, and what it says of two clips: the traits of B-Pref (Lee et al. 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from contracts.label import Choice


@dataclass(frozen=True)
class Teacher:
    """Traits of one scripted teacher, or of several alike. Scores are sums of the task's own over a clip.

    Raises:
        ValueError: a trait is out of its range; the message names it.
    """

    count: int = 1  # raters who are like this
    beta: float = math.inf  # rationality, per unit of score; inf always names the better clip
    mistakes: float = 0.0  # chance of naming the other clip; 0.5 answers at random
    skip: float = -math.inf  # says "can't tell" where neither clip's score is above this
    tie: float = 0.0  # says they are equal where their scores differ by less than this
    gamma: float = 1.0  # a step counts this much less than the one after it: short sight
    glances: bool = False  # goes by what the scene's camera shows, unless told to look from every side; see `onlooker`

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"a teacher's count must be 1 or more, not {self.count}")
        if not self.beta > 0:
            raise ValueError(f"a teacher's beta must be above 0, not {self.beta}")
        if not 0 <= self.mistakes <= 1:
            raise ValueError(f"a teacher's mistakes must be from 0 to 1, not {self.mistakes}")
        if math.isnan(self.skip):
            raise ValueError(f"a teacher's skip must be a score, not {self.skip}")
        if not self.tie >= 0:
            raise ValueError(f"a teacher's tie must be 0 or more, not {self.tie}")
        if not 0 < self.gamma <= 1:
            raise ValueError(f"a teacher's gamma must be above 0 and at most 1, not {self.gamma}")


def parse_teacher(text: str, usual: Teacher) -> Teacher:
    """ "7x", "3x mistakes=0.5" or "glances gamma=0.9": how many, then the traits that differ from the usual.

    Raises:
        ValueError: it is no such thing; the message says what is wrong.
    """
    traits = {field.name for field in fields(Teacher)} - {"count", "glances"}
    changes: dict[str, float] = {}
    count, words = 1, text.split()
    if words and words[0].removesuffix("x").isdigit() and words[0].endswith("x"):
        count = int(words.pop(0)[:-1])
    elif not words:
        raise ValueError('a teacher is written like "3x mistakes=0.5", and this one is empty')
    if "glances" in words:
        words.remove("glances")
        changes["glances"] = True
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in traits or name in changes:
            raise ValueError(
                f'{word!r} in {text!r} is no trait; write "3x mistakes=0.5", of {", ".join(sorted(traits))}, or glances'
            )
        try:
            changes[name] = float(value)
        except ValueError:
            raise ValueError(f"{word!r} in {text!r} needs a number") from None
    return replace(usual, count=count, **changes)


def judge(teacher: Teacher, a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> Choice:
    """What a teacher says of two clips' scores, [L] each.

    With P(a) = 1 / (1 + exp(beta (sum_b - sum_a))), the sums discounted from the last step back.
    Equal sums are a tie. Ties and "can't tell" go by the whole sums, and no mistake turns them.
    """
    total_a, total_b = float(a.sum(dtype=np.float64)), float(b.sum(dtype=np.float64))
    if max(total_a, total_b) <= teacher.skip:
        return Choice.CANT_TELL
    if abs(total_a - total_b) < teacher.tie:
        return Choice.EQUAL
    margin = _discounted(a, teacher.gamma) - _discounted(b, teacher.gamma)
    if margin == 0:
        return Choice.EQUAL
    chance = 0.5 * (1 + math.tanh(teacher.beta * margin / 2))
    says_a = rng.random() < chance
    mistaken = rng.random() < teacher.mistakes
    return Choice.A if says_a != mistaken else Choice.B


def _discounted(score: np.ndarray, gamma: float) -> float:
    weights = gamma ** np.arange(len(score) - 1, -1, -1, dtype=np.float64)
    return float((weights * score).sum(dtype=np.float64))
