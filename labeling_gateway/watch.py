"""Watches whether the reward model is being fooled, and says which clips people should look at then."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import asdict, replace

import numpy as np

from contracts.clip import Clip
from contracts.label import Choice, Opinion, Query
from labeling_gateway.alarms import SUSPICION, Alarm, Figures, changes
from labeling_gateway.client import GatewayClient
from labeling_gateway.evidence import (
    Claim,
    Outcome,
    contradiction,
    fall_of_agreement,
    rise,
    unfamiliarity,
    variety,
)
from labeling_gateway.pool import Candidate
from labeling_gateway.scoring import FRAMES_STRIDE, ClipScores

logger = logging.getLogger("backflip.labeling_gateway")

JUDGED = 64
"""Clips that people were asked about lately, which what the policy does now is compared with."""

NEWEST = 32
"""Candidates that stand for what the policy does now."""

_VERSIONS = 5  # policy versions between two looks, as long as no answer comes
_PAGE = 500
_BLOCKS = 12  # that a picture is looked at in, a side
_DIGITS = 3


class Watch:
    """Follows the label log and the candidates. What it needs after a restart is in the store."""

    def __init__(self, client: GatewayClient, asked: list[Query]) -> None:
        self._client = client
        self._claims = client.claims()
        self._outcomes: dict[str, Outcome] = {}  # of first opinions that stand, by log offset, in its order
        self._offset = ""
        self._looked_at = (-1, -_VERSIONS)  # labels, and the newest candidate's policy version
        self._figures = Figures()
        self._standing = {alarm.sign: alarm for alarm in client.alarms() if alarm.ended_at is None}
        self._judged: deque[Candidate] = deque(maxlen=JUDGED)
        for query in asked[-JUDGED // 2 :]:
            self._judged.extend(Candidate.of(data, Clip.from_bytes(data)) for data in client.clip_bytes(query))

    @property
    def standing(self) -> list[Alarm]:
        return list(self._standing.values())

    @property
    def suspicious(self) -> bool:
        """Whether enough answers contradict the model for a closer look, be there an alarm or not."""
        return self._figures.contradiction >= SUSPICION

    def asking(self, claims: dict[str, Claim], clips: list[Candidate]) -> None:
        """Before questions are asked: what the model claims of each, by its id, and the clips they are about."""
        if claims:
            self._client.note_claims(claims)
        self._claims |= claims
        known = {clip.name for clip in self._judged}
        self._judged.extend(clip for clip in clips if clip.name not in known)

    def judged(self, scene: str) -> list[Candidate]:
        """Clips of a scene that people were asked about lately, oldest first."""
        return [clip for clip in self._judged if clip.scene == scene]

    def due(self, labels: int, newest_version: int) -> bool:
        """Whether anything is new since the last look: the number of labels in the log, or what the policy does."""
        seen, version = self._looked_at
        return labels != seen or newest_version >= version + _VERSIONS

    def looked(self, labels: int, newest_version: int) -> None:
        """There was a look, or nothing that one could be taken at; the next is due when something is new again."""
        self._looked_at = (labels, newest_version)

    def look(
        self,
        newest: list[Candidate],
        judged: list[Candidate],
        scores: ClipScores,
        env_steps: int,
    ) -> None:
        """Raises and ends alarms; they are on disk, and in the log, when this returns.

        Args:
            newest: what the policy does now.
            scores: of the newest clips and then of the judged ones.
        """
        self._follow()
        policy_version = max(clip.policy_version for clip in newest)
        outcomes = list(self._outcomes.values())
        steps, sums = sum(scores.steps[: len(newest)]), scores.sums
        now = self._figures = Figures(
            contradiction=contradiction(outcomes),
            agreement_fall=fall_of_agreement(outcomes),
            rise=rise(sums[: len(newest)], sums[len(newest) :]),
            unfamiliarity=unfamiliarity(scores.member_reward[:steps], scores.member_reward[steps:]),
            variety=variety(_inputs(newest), _inputs(judged)),
        )
        raised, ended = changes(set(self._standing), now)
        figures = {name: round(value, _DIGITS) for name, value in asdict(now).items()}
        for sign in raised:
            alarm = Alarm(sign, round(time.time(), _DIGITS), env_steps, policy_version, scores.version, figures)
            self._client.note_alarm(alarm)
            self._standing[sign] = alarm
            logger.warning("alarm, the reward model may be fooled: %s (%s)", alarm.words, _words(figures))
        for sign in ended:
            alarm = replace(self._standing[sign], ended_at=round(time.time(), _DIGITS), ended_env_steps=env_steps)
            self._client.note_alarm(alarm)
            del self._standing[sign]
            logger.warning("alarm over: %s (%s)", alarm.words, _words(figures))

    def _follow(self) -> None:
        """Reads on to the log's end."""
        while page := self._client.read_labels(self._offset, _PAGE):
            for offset, label in page:
                self._outcomes.pop(label.supersedes, None)
                claim = self._claims.get(label.query)
                if claim is not None and label.opinion is Opinion.FIRST and label.choice in (Choice.A, Choice.B):
                    self._outcomes[offset] = Outcome(claim, label.choice is Choice.A)
                self._offset = offset


def _inputs(clips: list[Candidate]) -> np.ndarray:
    """[M, L, D + A] of those clips that are as long as most; of frames D is `_BLOCKS` squared, at some steps."""
    lengths = [clip.length for clip in clips]
    usual = max(set(lengths), key=lengths.count)
    return np.stack([_described(clip.clip()) for clip in clips if clip.length == usual])


def _described(clip: Clip) -> np.ndarray:
    """What a clip shows at its steps, [L, D + A]."""
    if clip.observation.ndim == 2:
        return np.concatenate((clip.observation, clip.action), 1)
    screen = clip.observation[::FRAMES_STRIDE, -1]
    rows, columns = (max(1, side // _BLOCKS) for side in screen.shape[1:])
    high, wide = (side // block for side, block in zip(screen.shape[1:], (rows, columns), strict=True))
    cut = screen[:, : high * rows, : wide * columns].reshape(-1, high, rows, wide, columns)
    return np.concatenate((cut.mean((2, 4)).reshape(len(screen), -1), clip.action[::FRAMES_STRIDE]), 1)


def _words(figures: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in figures.items())
