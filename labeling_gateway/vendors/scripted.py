"""The scripted teacher as a vendor: it answers at once, by the task's own score, for what the owner says it costs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from decimal import Decimal

from contracts.label import Choice
from labeling_gateway.client import GatewayClient
from labeling_gateway.shown import ShownChoice
from labeling_gateway.teacher import ScriptedTeacher
from labeling_gateway.traits import Teacher
from labeling_gateway.vendors.config import BrokerConfig
from labeling_gateway.vendors.interface import (
    Answer,
    Batch,
    Capabilities,
    Forged,
    News,
    Page,
    Reconciled,
    Settings,
)
from labeling_gateway.vendors.ledger import Ledger

RATER = "scripted"


class ScriptedVendor:
    """What it was asked is in the ledger; it keeps nothing that it could not say again."""

    capabilities = Capabilities(videos="none")

    def __init__(self, settings: Settings, config: BrokerConfig, client: GatewayClient, ledger: Ledger) -> None:
        traits = Teacher(beta=config.teacher_beta, mistakes=config.teacher_mistakes, tie=config.teacher_tie)
        self._teacher = ScriptedTeacher(client, traits, RATER, config.seed)
        self._client = client
        self._ledger = ledger
        self._price = settings.price
        self._asked: list[str] = []

    def cost(self) -> Decimal:
        return self._price

    def submit(self, batch: Batch, idempotency_key: str) -> None:
        self._asked += batch.items

    def poll(self, cursor: str) -> Page:
        asked, self._asked = self._asked, []
        return Page(tuple(self._answers(asked)), "")

    def verify_and_parse(self, headers: Mapping[str, str], body: bytes) -> tuple[str, tuple[News, ...]]:
        raise Forged("a scripted teacher sends no webhooks")

    def cancel(self, items: frozenset[str]) -> frozenset[str]:
        return items

    def reconcile(self, items: frozenset[str]) -> Reconciled:
        return Reconciled(tuple(self._answers(items)))

    def _answers(self, items: Iterable[str]) -> Iterable[Answer]:
        hesitates = self._client.control().checks.minimum_seconds
        for item in self._ledger.items(items):
            query = self._client.query(item.query)
            choice = self._teacher.judge(query, *self._client.clips(query, with_oracle=True))
            yield Answer(item.id, item.id, RATER, _shown(choice, flipped=item.flipped), hesitates, time.time())


def _shown(choice: Choice, *, flipped: bool) -> ShownChoice:
    if choice in (Choice.EQUAL, Choice.CANT_TELL):
        return ShownChoice(choice.value)
    return ShownChoice.LEFT if (choice is Choice.A) != flipped else ShownChoice.RIGHT
