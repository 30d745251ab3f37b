"""Everything that the dashboard shows of a run, as one object, and whether anything in it changed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import numpy as np

from contracts.clip import Clip
from contracts.encoding import canonical_json
from contracts.label import Choice
from contracts.rater import RaterError
from labeling_gateway.alarms import Alarm
from labeling_gateway.store import StoreError
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.owner_models import AlarmView, Curves, RunView
from labeling_gateway.web.tally import Entry
from reward_service.client import RewardClient, RewardRequestError, RewardServiceUnavailable

logger = logging.getLogger("backflip.labeling_page")

_FRESH_SECONDS = 0.5  # how old what is shown may be; several viewers share it
_AGREEMENT_SECONDS = 3.0  # between two looks at the model
_NEWEST = 50  # answers that agreement is measured on
_AT_ONCE = 10  # of them, in one call: clips of a game are megabytes
_STALE_SECONDS = 15.0  # after which a run that says nothing is not training
_REWARD_TIMEOUT = 2.0


class Overview:
    """Made when somebody looks, and not more often than twice a second."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reward = RewardClient(desk.config.reward_address, _REWARD_TIMEOUT) if desk.config.reward_address else None
        self._view: RunView | None = None
        self._made_at = 0.0
        self._making = asyncio.Lock()
        self._agreement: tuple[float | None, int] = (None, 0)
        self._agreement_at = 0.0
        self._judged: dict[str, bool] = {}  # whether the model agrees with an answer, by its offset
        self._judged_by = 0  # which version
        self._alpha: tuple[str, float | None] = ("", None)  # after which label

    async def now(self) -> RunView:
        """Raises StoreUnreachable."""
        async with self._making:
            if self._view is None or time.monotonic() - self._made_at >= _FRESH_SECONDS:
                self._view = await self._make()
                self._made_at = time.monotonic()
            return self._view

    async def changes(self) -> AsyncIterator[RunView | None]:
        """The view, then again whenever it differs; None now and then, so that a dead connection is noticed."""
        shown = b""
        quiet = 0.0
        while True:
            try:
                view = await self.now()
            except StoreError as error:
                logger.warning("the dashboard waits for the label store: %s", error)
                view = None
            written = canonical_json(view.model_dump(mode="json")) if view is not None else shown
            if written != shown:
                shown, quiet = written, 0.0
                yield view
            elif quiet >= 15.0:
                quiet = 0.0
                yield None
            await asyncio.sleep(_FRESH_SECONDS)
            quiet += _FRESH_SECONDS

    async def reward_of(self, clip: Clip) -> tuple[list[float], int]:
        """The predicted reward of every step and the version that says so; nothing where no service answers."""
        if self._reward is None:
            return [], 0
        try:
            scores = await self._desk.call(self._reward.score, clip.observation, clip.action)
        except (RewardServiceUnavailable, RewardRequestError):
            return [], 0
        return [round(float(value), 5) for value in scores.reward], scores.version

    async def rater_errors(self) -> dict[str, RaterError]:
        """As the newest version of the reward model has them, by name; nobody's where no service answers."""
        if self._reward is None:
            return {}
        try:
            return (await self._desk.call(self._reward.report))["rater_errors"]
        except RewardServiceUnavailable:
            return {}

    async def _make(self) -> RunView:
        desk = self._desk
        counts = await desk.caught_up()
        control = (await desk.rules()).control
        report = await desk.call(desk.client.run_report)
        reported_at = report.pop("reported_at", None) if report else None
        if reported_at is not None and reported_at < time.time() - _STALE_SECONDS:
            report = None
        report = report or {}
        curves = Curves(**(report.pop("curves", None) or {name: [] for name in Curves.model_fields}))
        doing, held_up = report.pop("doing", {}), report.pop("held_up", [])
        troubles = report.pop("troubles", [])
        agreement, agreement_of = await self._agreed()
        alarms = await desk.call(desk.client.alarms)
        return RunView(
            run=desk.config.run,
            task=desk.config.task,
            question=desk.config.question,
            report=report or None,
            reported_at=reported_at,
            curves=curves,
            doing=doing,
            held_up=held_up,
            troubles=troubles,
            asked=counts.asked,
            open=counts.open,
            leased=counts.leased,
            used=counts.used,
            later=counts.later,
            candidates=counts.candidates,
            waiting=desk.waiting(),
            paused=control.paused,
            budget=control.budget_or(desk.config.budget),
            answers_per_minute=round(desk.tally.per_minute(), 1),
            agreement=agreement,
            agreement_of=agreement_of,
            alpha=await self._alpha_now(),
            held_out_accuracy=report.get("reward_model_accuracy"),
            held_out_accuracy_of=report.get("reward_model_accuracy_of", 0),
            alarms=[_alarm_view(alarm) for alarm in reversed(alarms)],
            newest=desk.tally.newest,
        )

    async def _alpha_now(self) -> float | None:
        newest = self._desk.tally.newest
        if newest != self._alpha[0]:
            alpha = await self._desk.call(self._desk.tally.alpha)
            self._alpha = newest, None if alpha is None else round(alpha, 3)
        return self._alpha[1]

    async def _agreed(self) -> tuple[float | None, int]:
        """Share of the newest answers that the newest model would give too, and of how many."""
        if self._reward is None or time.monotonic() - self._agreement_at < _AGREEMENT_SECONDS:
            return self._agreement
        self._agreement_at = time.monotonic()
        try:
            self._agreement = await self._desk.call(self._measure, self._reward)
        except (RewardServiceUnavailable, RewardRequestError, LookupError):
            self._agreement = (None, 0)
        return self._agreement

    def _measure(self, reward: RewardClient) -> tuple[float | None, int]:
        """In a thread."""
        version = int(reward.report()["version"])
        answers = self._desk.tally.newest_answers(_NEWEST)
        if not (answers and version):
            return None, 0
        judged = {one.offset: self._judged[one.offset] for one in answers if one.offset in self._judged}
        if version != self._judged_by:
            judged = {}
        new = [entry for entry in answers if entry.offset not in judged]
        for first in range(0, len(new), _AT_ONCE):
            part = new[first : first + _AT_ONCE]
            agrees, by = self._agree(reward, part)
            if by != version:
                return self._agreement  # it was published just now: the next look is by that one
            judged |= {entry.offset: agrees[n] for n, entry in enumerate(part)}
        self._judged, self._judged_by = judged, version
        return round(sum(judged.values()) / len(answers), 3), len(answers)

    def _agree(self, reward: RewardClient, entries: list[Entry]) -> tuple[list[bool], int]:
        """Whether the model agrees with each answer, and which version of it."""
        clips = [clip for entry in entries for clip in self._clips(entry)]
        scores = reward.score(
            np.concatenate([clip.observation for clip in clips]), np.concatenate([clip.action for clip in clips])
        )
        starts = np.cumsum([0, *(len(clip) for clip in clips[:-1])])
        sums = np.add.reduceat(scores.reward.astype(np.float64), starts).reshape(-1, 2)
        says_a = sums[:, 0] > sums[:, 1]
        agrees = [bool(a) == (entry.label.choice is Choice.A) for a, entry in zip(says_a, entries, strict=True)]
        return agrees, scores.version

    def _clips(self, entry: Entry) -> tuple[Clip, Clip]:
        query = self._desk.read_query(entry.label.query)
        return self._desk.clip(query.clip_a), self._desk.clip(query.clip_b)


def _alarm_view(alarm: Alarm) -> AlarmView:
    return AlarmView(
        sign=alarm.sign,
        words=alarm.words,
        raised_at=alarm.raised_at,
        ended_at=alarm.ended_at,
        env_steps=alarm.env_steps,
        policy_version=alarm.policy_version,
        reward_version=alarm.reward_version,
        figures=alarm.figures,
    )
