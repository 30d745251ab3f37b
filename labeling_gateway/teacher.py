"""The scripted teacher: it answers by the task's own score, as a rater of stated rationality would.

It is an ordinary labeler of the queue (`python -m labeling_gateway.teacher --config FILE`). Its
rationality and its mistakes are those of B-Pref (Lee et al. 2021).
"""

from __future__ import annotations

import argparse
import logging
import math
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

logger = logging.getLogger("backflip.labeling_gateway")

LEASE_SECONDS = 10.0
_IDLE_SECONDS = 0.1


class ScriptedTeacher:
    """Prefers the clip whose oracle sum is higher, with P(a) = 1 / (1 + exp(beta (sum_b - sum_a))).

    Equal sums are a tie. A question gets the same answer whenever it is asked: chance depends on
    the seed and the question's id alone.
    """

    def __init__(self, client: GatewayClient, labels: LabelsConfig, rater: str, seed: int) -> None:
        self._client = client
        self._labels = labels
        self._rater = rater
        self._seed = seed

    def answer_one(self) -> bool:
        """Answers the oldest open question; False where none is open.

        Raises:
            ValueError: the clips carry no oracle; only a person can judge them.
            StoreUnreachable, NotDurable: the answer may or may not be kept; the question comes again.
        """
        lease = self._client.lease(self._rater, LEASE_SECONDS)
        if lease is None:
            return False
        choice = self.judge(
            lease.query, *self._client.clips(lease.query, with_oracle=True), looks_once=self._looks_once(lease.query)
        )
        self._client.answer(lease, self._rater, choice, seconds=0.0)
        return True

    def judge(self, query: Query, a: Clip, b: Clip, *, looks_once: bool = False) -> Choice:
        """What this teacher says of two clips. Raises ValueError where they carry no oracle."""
        margin = self._value(query, a, looks_once) - self._value(query, b, looks_once)
        if margin == 0:
            return Choice.EQUAL
        chance = 0.5 * (1 + math.tanh(self._labels.teacher_beta * margin / 2))
        rng = np.random.default_rng([self._seed, int(content_hash(query.id.encode())[:16], 16)])
        says_a = rng.random() < chance
        mistaken = rng.random() < self._labels.teacher_mistakes
        return Choice.A if says_a != mistaken else Choice.B

    def _value(self, query: Query, clip: Clip, looks_once: bool) -> float:
        if looks_once:
            return apparent_grasp(self._client.scene(query.scene), clip)
        if clip.oracle is None:
            raise ValueError(f"question {query.id} has clips without a score of the task; a scripted teacher needs one")
        return float(clip.oracle.sum(dtype=np.float64))

    def _looks_once(self, query: Query) -> bool:
        """Whether it answers without turning the clips: as long as nothing tells it to look from every side."""
        return self._labels.teacher_one_view and query.chosen_by != CHECK and not self._client.alarms()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m labeling_gateway.teacher")
    parser.add_argument("--config", required=True, help="JSON of a TeacherConfig")
    arguments = parser.parse_args()
    log.setup("teacher")
    lifetime.end_with_parent()
    told = told_to_end()
    teacher: list[ScriptedTeacher] = []

    def work() -> bool:
        if not teacher:
            client = GatewayClient(store_url(), config.run)
            teacher.append(ScriptedTeacher(client, config.labels, config.rater, config.seed))
            logger.info("answering questions of run %s as %s", config.run, config.rater)
        return teacher[0].answer_one()

    try:
        config = TeacherConfig.from_file(arguments.config)
        poll(work, told, _IDLE_SECONDS)
    except (StoreError, ValueError) as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
