"""The gateway: it turns candidate clips into the questions that people answer."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Literal

import numpy as np

from contracts.clip import Clip
from contracts.encoding import content_hash
from contracts.label import ALARM, CHECK, Query
from contracts.rollout import UNFITTED
from labeling_gateway.client import Counts, GatewayClient
from labeling_gateway.config import GatewayConfig, LabelsConfig
from labeling_gateway.evidence import Claim, claims
from labeling_gateway.pausing import RaterErrors, pause_careless
from labeling_gateway.pool import Candidate, Pool
from labeling_gateway.schedule import due
from labeling_gateway.scoring import ClipScores, Score, score_clips
from labeling_gateway.selection import PAIRS_PER_QUESTION, is_overlapped, pick
from labeling_gateway.watch import NEWEST, Watch

logger = logging.getLogger("backflip.labeling_gateway")

CLIPS_PER_QUESTION = 4
"""Candidates that must have come in for each question asked, so that there is something to choose from."""

_SUSPICIOUS_CHECKS = 0.5
"""Share of the questions that are checks while answers have contradicted the reward model where it was sure: too few
for an alarm, or so many that an alarm has had its share."""

_RETRY_SECONDS = 1.0
_REPORT_SECONDS = 1.0
_SHOW_SECONDS = 5.0
_SHOWN = 8  # of the newest candidates


class Gateway:
    """Asks when the schedule allows, about what the ensemble disagrees on.

    It keeps nothing that the store does not have but its candidates, which are disposable: one that
    was killed goes on where it was. With the same seed, candidates and answers it asks the same.

    While the reward service does not answer it asks nothing, says so, and goes on when it is back:
    questions chosen blindly would waste answers.

    Raises:
        NotDurable: the store cannot promise to keep labels.
    """

    def __init__(
        self, config: GatewayConfig, client: GatewayClient, score: Score, rater_errors: RaterErrors = lambda: None
    ) -> None:
        client.require_durable()
        client.set_checks(config.labels.checks)
        self._config = config
        self._client = client
        self._score = score
        self._rater_errors = rater_errors
        asked = list(client.asked())
        self._pool = Pool(name for query in asked for name in (query.clip_a, query.clip_b))
        self._watch = Watch(client, asked)
        self._candidates = client.counts().candidates
        self._scoring_from = 0.0  # on the monotonic clock, after the reward service did not answer
        self._reported: tuple[int, str] | None = None
        self._report_from = 0.0
        self._shown: list[str] = []  # clips that people can look at, by hash
        self._show_from = 0.0

    def offer(self, clips: list[Clip]) -> None:
        """Takes in candidates of this process."""
        for clip in clips:
            self.take(clip.to_bytes())

    def take(self, data: bytes) -> None:
        """Takes in one candidate as it came over the wire; one that makes no sense is dropped."""
        self._candidates += 1
        try:
            self._pool.add(data)
        except ValueError as error:
            logger.warning("dropped a candidate: %s", error)

    def step(self) -> int:
        """Ends leases that are over, pauses careless raters and asks what is due; returns how many questions it asked.

        Raises:
            StoreUnreachable, NotDurable: nothing is half-done; step again later.
        """
        self._client.expire_leases()
        if errors := self._rater_errors():
            pause_careless(self._client, errors, self._config.labels.pause_error)
        counts = self._client.counts()
        progress = self._client.progress()
        control = self._client.control()
        labels = self._config.labels
        labels = replace(labels, budget=control.budget_or(labels.budget))
        unanswered = counts.open + counts.leased
        self._look(counts.labels, progress.env_steps if progress else 0)
        alarm = bool(self._watch.standing)
        wanted = due(labels, progress.share if progress else 0.0, counts.asked, unanswered, alarm)
        asked = 0
        if control.paused:
            waiting = "the owner, who paused asking"
        elif not wanted:
            waiting = _nothing_due(labels, counts)
        elif len(self._pool) < wanted * CLIPS_PER_QUESTION:
            waiting = "candidate clips"
        elif time.monotonic() < self._scoring_from:
            waiting = "the reward service"
        else:
            queries, clips = self._choose(wanted, counts)
            asked = self._client.ask(queries, clips, labels.questions) if queries else 0
            self._pool.remove(clips)
            if time.monotonic() < self._scoring_from:
                waiting = "the reward service"
            else:
                waiting = "" if asked else "candidate clips"
        self._report(waiting)
        self._show()
        return asked

    def _look(self, labels: int, env_steps: int) -> None:
        """Whether the reward model is being fooled, where there is anything new to tell it by."""
        newest = self._pool.newest(NEWEST)
        if not newest or time.monotonic() < self._scoring_from:
            return
        version = newest[0].policy_version
        if not self._watch.due(labels, version):
            return
        if judged := self._watch.judged(newest[0].scene):
            scored = self._score_clips([*newest, *judged])
            if scored is None:
                return  # it is due still
            if scored.version != UNFITTED:
                self._watch.look(newest, judged, scored, env_steps)
        self._watch.looked(labels, version)

    def _score_clips(self, clips: list[Candidate]) -> ClipScores | None:
        scored = score_clips(clips, self._score)
        if scored is None:
            if not self._scoring_from:
                logger.warning("the reward service does not answer; no questions are asked until it does")
            self._scoring_from = time.monotonic() + _RETRY_SECONDS
            return None
        if self._scoring_from:
            logger.info("the reward service answers again")
        self._scoring_from = 0.0
        return scored

    def _choose(self, wanted: int, counts: Counts) -> tuple[list[Query], dict[str, bytes]]:
        labels = self._config.labels
        rng = np.random.default_rng([self._config.seed, counts.asked])
        newest = self._pool.newest(2 * PAIRS_PER_QUESTION * wanted)
        considered = [*newest, *self._watch.judged(newest[0].scene)]
        scored = self._score_clips(considered)
        if scored is None:
            return [], {}
        version = scored.version
        sums = None if version == UNFITTED else scored.sums
        queries: list[Query] = []
        clips: dict[str, bytes] = {}
        check_share, checked_by = self._checks(counts.ahead)
        picks = pick(len(newest), sums, wanted, labels.uniform_share, check_share, checked_by, rng)
        for one in picks:
            a, b = considered[one.a], considered[one.b]
            clips |= {a.name: a.data, b.name: b.data}
            id = f"{counts.asked + len(queries):06d}-{content_hash((a.name + b.name).encode())[:12]}"
            queries.append(
                Query(
                    id=id,
                    clip_a=a.name,
                    clip_b=b.name,
                    scene=a.scene,
                    chosen_by=one.chosen_by,
                    disagreement=one.disagreement,
                    policy_version=max(a.policy_version, b.policy_version),
                    reward_version=version,
                    opinions=labels.raters_per_question if is_overlapped(id, labels.overlap) else 1,
                )
            )
        said: dict[str, Claim] = {}
        if sums is not None and picks:
            pairs = np.array([(one.a, one.b) for one in picks])
            for query, claim in zip(queries, claims(sums, pairs), strict=True):
                said[query.id] = replace(claim, doubted=query.chosen_by == "disagreement")
        self._watch.asking(said, [considered[clip] for one in picks for clip in (one.a, one.b)])
        return queries, clips

    def _checks(self, asked_by_alarm: int) -> tuple[float, Literal["check", "alarm"]]:
        """Share of the questions that are about what the reward model is sure of, and what chooses them."""
        labels = self._config.labels
        if self._watch.standing:
            # Answers that contradict whatever is learnt from them must not use up all that is left to ask.
            has_room = asked_by_alarm < labels.alarm_share * labels.questions
            return 1.0 if has_room else _SUSPICIOUS_CHECKS, ALARM
        if labels.check_share and self._watch.suspicious:
            return max(labels.check_share, _SUSPICIOUS_CHECKS), CHECK
        return labels.check_share, CHECK

    def _report(self, waiting: str) -> None:
        report = (self._candidates, waiting)
        now = time.monotonic()
        if report != self._reported and now >= self._report_from:
            self._client.report_gateway(*report)
            self._reported = report
            self._report_from = now + _REPORT_SECONDS

    def _show(self) -> None:
        now = time.monotonic()
        if now < self._show_from:
            return
        newest = self._pool.newest(_SHOWN)
        names = [clip.name for clip in newest]
        if names != self._shown:
            self._client.show_newest([clip.data for clip in newest])
            self._shown = names
            self._show_from = now + _SHOW_SECONDS


def _nothing_due(labels: LabelsConfig, counts: Counts) -> str:
    unanswered = counts.open + counts.leased
    if counts.asked >= labels.questions:
        return "answers" if unanswered else "nothing, all questions are answered"
    return "answers" if unanswered > labels.batch else "training to go on"
