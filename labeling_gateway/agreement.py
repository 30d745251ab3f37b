"""How much raters agree beyond chance, whatever the truth is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


def krippendorff_alpha(questions: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for names that have no order (Krippendorff, Content Analysis, 2004, chapter 11).

    1 where raters always agree, 0 where they agree as often as answers drawn from all of them at random do, below 0
    where less often than that.

    Args:
        questions: the answers to each; one of whom a single rater was asked says nothing of agreement.

    Returns:
        None where no question has two answers, or all answers are the same.
    """
    totals: Counter[Hashable] = Counter()
    observed = 0.0  # disagreeing pairs, each question's weighted by the answers it has
    for answers in questions:
        if len(answers) > 1:
            counts = Counter(answers)
            totals += counts
            observed += (len(answers) ** 2 - _squares(counts)) / (len(answers) - 1)
    every = totals.total()
    expected = every**2 - _squares(totals)
    return 1 - (every - 1) * observed / expected if expected else None


def _squares(counts: Counter[Hashable]) -> int:
    return sum(count**2 for count in counts.values())
