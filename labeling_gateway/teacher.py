"""Scripted teachers: they answer by the task's own score, as raters of stated traits would.

They are ordinary labelers of the queue, all in one process (`python -m labeling_gateway.teacher --config FILE`).
"""

from __future__ import annotations

import argparse
import logging
import sys

import numpy as np

from contracts import lifetime, log
from contracts.clip import Clip
from contracts.encoding import content_hash
from contracts.label import CHECK, Choice, Query
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import LabelsConfig, TeacherConfig
from labeling_gateway.onlooker import apparent_grasp
from labeling_gateway.polling import poll, store_url, told_to_end
from labeling_gateway.store import StoreError
from labeling_gateway.traits import Teacher, judge

logger = logging.getLogger("backflip.labeling_gateway")

LEASE_SECONDS = 10.0
_IDLE_SECONDS = 0.1


class ScriptedTeacher:
    """One rater, who judges by the task's score as `traits` has it.

    A question gets the same answer whenever this rater is asked: chance depends on the seed, the rater's
    number and the question's id alone. But a repeat is judged afresh, as somebody would who doesn't remember.
    One who glances looks from every side at checks, and at all questions once there was an alarm.
    """

    def __init__(
        self, client: GatewayClient, traits: Teacher, rater: str, seed: int, number: int = 0, hesitates: float = 0.0
    ) -> None:
        self._client = client
        self._traits = traits
        self._rater = rater
        self._entropy = [seed, number] if number else [seed]
        self._hesitates = hesitates  # seconds that an answer must take
        self._draw = np.random.default_rng(self._entropy).random

    def answer_one(self) -> bool:
        """Answers the oldest question that is open for this rater; False where none is.

        Raises:
            ValueError: the clips carry no oracle; only a person can judge them.
            StoreUnreachable, NotDurable: the answer may or may not be kept; the question comes again.
        """
        lease = self._client.lease(self._rater, LEASE_SECONDS, self._draw)
        if lease is None:
            return False
        clips = self._client.clips(lease.query, with_oracle=True)
        choice = self.judge(lease.query, *clips, again=lease.flipped is not None)
        self._client.answer(lease, self._rater, choice, self._hesitates, flipped=bool(lease.flipped))
        return True

    def judge(self, query: Query, a: Clip, b: Clip, *, again: bool = False) -> Choice:
        """What this teacher says of two clips. Raises ValueError where they carry no oracle."""
        id = f"{query.id} again" if again else query.id
        rng = np.random.default_rng([*self._entropy, int(content_hash(id.encode())[:16], 16)])
        seen = self._glance if self._glances_at(query) else _oracle
        return judge(self._traits, seen(query, a), seen(query, b), rng)

    def _glances_at(self, query: Query) -> bool:
        return self._traits.glances and query.chosen_by != CHECK and not self._client.alarms()

    def _glance(self, query: Query, clip: Clip) -> np.ndarray:
        return apparent_grasp(self._client.scene(query.scene), clip)


def _oracle(query: Query, clip: Clip) -> np.ndarray:
    if clip.oracle is None:
        raise ValueError(f"question {query.id} has clips without a score of the task; a scripted teacher needs one")
    return clip.oracle


class Crowd:
    """All scripted teachers of a job. One is called scripted, several scripted-1, scripted-2 and so on."""

    def __init__(self, client: GatewayClient, labels: LabelsConfig, seed: int) -> None:
        traits = [teacher for teacher in labels.crowd for _ in range(teacher.count)]
        many = len(traits) > 1
        self._client = client
        self._teachers = [
            ScriptedTeacher(
                client,
                one,
                f"scripted-{number}" if many else "scripted",
                seed,
                number if many else 0,
                labels.minimum_seconds,
            )
            for number, one in enumerate(traits, 1)
        ]
        self._turn = 0

    def __len__(self) -> int:
        return len(self._teachers)

    def answer_one(self) -> bool:
        """The next one who has a question answers it; False where nobody has. Raises as `ScriptedTeacher`'s."""
        counts = self._client.counts()
        if not counts.open + counts.leased + counts.wanting:
            return False
        for _ in self._teachers:
            teacher = self._teachers[self._turn]
            self._turn = (self._turn + 1) % len(self._teachers)
            if teacher.answer_one():
                return True
        return False


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m labeling_gateway.teacher")
    parser.add_argument("--config", required=True, help="JSON of a TeacherConfig")
    arguments = parser.parse_args()
    log.setup("teacher")
    lifetime.end_with_parent()
    told = told_to_end()
    crowd: list[Crowd] = []

    def work() -> bool:
        if not crowd:
            crowd.append(Crowd(GatewayClient(store_url(), config.run), config.labels, config.seed))
            logger.info("answering questions of run %s as %d raters", config.run, len(crowd[0]))
        return crowd[0].answer_one()

    try:
        config = TeacherConfig.from_file(arguments.config)
        poll(work, told, _IDLE_SECONDS)
    except (StoreError, ValueError) as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
