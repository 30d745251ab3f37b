"""People of Prolific, who answer on our own labeling page: kind ``prolific``. A batch of seats is a study.

Written from Prolific's public API reference (api.prolific.com/api/v1: studies, submissions, webhooks), and tested
against a server that speaks what is documented there, never against Prolific itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from contracts.encoding import canonical_json
from labeling_gateway.vendors.http import Caller, checked_url
from labeling_gateway.vendors.interface import (
    Attendance,
    Batch,
    Capabilities,
    Forged,
    News,
    Page,
    Reconciled,
    Settings,
    Unavailable,
    Vendor,
)
from labeling_gateway.vendors.options import Options, secret
from labeling_gateway.vendors.signatures import TOLERANCE_SECONDS

API = "https://api.prolific.com/api/v1"
COMPLETION = "https://app.prolific.com/submissions/complete?cc="

_WHO = "&worker={{%PROLIFIC_PID%}}&session={{%SESSION_ID%}}"  # which Prolific fills in for each person
_PAID = {"AWAITING REVIEW", "APPROVED", "PARTIALLY APPROVED", "SCREENED OUT"}
_UNDER_WAY = {"RESERVED", "ACTIVE"}
_UNPUBLISHED = {"UNPUBLISHED", "SCHEDULED", "PUBLISHING"}
_PAGE = 100
_MOST_PAGES = 50


def open_vendor(settings: Settings) -> Vendor:
    """Raises ValueError where an option or the token is missing or wrong."""
    options = Options(settings)
    base = checked_url(options.text("url", API), "options.url")
    study = {
        "name": options.text("title"),
        "description": options.text("description"),
        "estimated_completion_time": options.whole("minutes"),
        "reward": options.whole("reward_cents"),
        "device_compatibility": ["desktop", "tablet", "mobile"],
    }
    review = options.one_of("review", ("manual", "automatic"), "manual")
    batch, smallest = options.whole("places", 50), options.whole("fewest_places", 1)
    options.done()
    if Decimal(study["reward"]) / 100 > settings.price:
        raise ValueError("options.reward_cents is more than price, which has to pay for Prolific's fees too")
    if not settings.public_url.startswith("https://") and base == API:
        raise ValueError("people cannot find the labeling page: public_url must be its https address")
    caller = Caller(base, {"authorization": f"Token {secret(settings, 'token')}", "content-type": "application/json"})
    capabilities = Capabilities(
        brings="people",
        webhooks="webhook" in settings.secrets,
        batch=batch,
        smallest_batch=smallest,
        completion_url=COMPLETION,
    )
    return Prolific(settings, caller, study, review == "automatic", capabilities)


class Prolific:
    """See `interface.Vendor`. A study's internal name says of which run and batch it is. Thread-safe.

    Args:
        study: fields of every study.
        approve: Prolific pays whoever has the completion code at once; else the owner looks first.
    """

    def __init__(
        self, settings: Settings, caller: Caller, study: Mapping[str, Any], approve: bool, capabilities: Capabilities
    ) -> None:
        self.capabilities = capabilities
        self._settings = settings
        self._caller = caller
        self._study = study
        self._action = "AUTOMATICALLY_APPROVE" if approve else "MANUALLY_REVIEW"
        self._prefix = f"backflip {settings.run} {settings.name} "

    def cost(self) -> Decimal:
        return self._settings.price

    def submit(self, batch: Batch, idempotency_key: str) -> None:
        study = self._studies().get(batch.id)
        if study is None:
            seat = batch.seats[0]
            code = {"code": seat.code, "code_type": "COMPLETED", "actions": [{"action": self._action}]}
            fields = {
                "internal_name": self._prefix + batch.id,
                "external_study_url": seat.link + _WHO,
                "prolific_id_option": "url_parameters",
                "completion_codes": [code],
                "total_available_places": len(batch.seats),
            }
            study = self._call("POST", "/studies/", {**self._study, **fields})
        if study["status"] in _UNPUBLISHED:
            self._call("POST", f"/studies/{study['id']}/transition/", {"action": "PUBLISH"})

    def poll(self, cursor: str) -> Page:
        news = [one for batch, study in self._studies().items() for one in self._attendances(batch, study["id"])]
        return Page(tuple(news), "")

    def verify_and_parse(self, headers: Mapping[str, str], body: bytes) -> tuple[str, tuple[News, ...]]:
        sent = headers.get("x-prolific-request-timestamp", "")
        mac = hmac.new(secret(self._settings, "webhook").encode(), sent.encode() + body, hashlib.sha256).digest()
        given = headers.get("x-prolific-request-signature", "")
        if not hmac.compare_digest(base64.b64encode(mac), given.encode()):
            raise Forged("the signature is not Prolific's")
        if not sent.isascii() or not sent.isdigit() or abs(time.time() - int(sent)) > TOLERANCE_SECONDS:
            raise Forged("it was sent over five minutes ago, or is yet to be sent")
        event = headers.get("x-event-id") or hashlib.sha256(sent.encode() + body).hexdigest()
        try:
            fields = json.loads(body)
            paid = fields["event_type"] == "submission.status.change" and _status(fields) in _PAID
            return event, self._attendance_of(str(fields["resource_id"])) if paid else ()
        except (ValueError, KeyError, TypeError) as error:
            raise Forged(f"it makes no sense: {type(error).__name__}") from None

    def cancel(self, items: frozenset[str]) -> frozenset[str]:
        studies = self._studies()
        gone: set[str] = set()
        for batch, seats in _by_batch(items).items():
            under_way = 0
            if batch in studies:
                study = studies[batch]
                if study["status"] in _UNPUBLISHED:
                    self._caller.call("DELETE", f"/studies/{study['id']}/", absent=True)
                else:
                    if study["status"] in ("ACTIVE", "PAUSED"):
                        self._call("POST", f"/studies/{study['id']}/transition/", {"action": "STOP"})
                    under_way = sum(_status(one) in _UNDER_WAY for one in self._submissions(study["id"]))
            gone.update(sorted(seats)[under_way:])  # whoever has begun may finish
        return frozenset(gone)

    def reconcile(self, items: frozenset[str]) -> Reconciled:
        studies = self._studies()
        news: list[News] = []
        unknown: set[str] = set()
        for batch, seats in _by_batch(items).items():
            if batch in studies:
                news += self._attendances(batch, studies[batch]["id"])
            else:
                unknown |= seats
        return Reconciled(tuple(news), frozenset(unknown))

    def _studies(self) -> dict[str, dict[str, Any]]:
        """Ours, by batch."""
        names = ((str(one.get("internal_name", "")), one) for one in self._listed("/studies/", {}))
        return {name.removeprefix(self._prefix): one for name, one in names if name.startswith(self._prefix)}

    def _submissions(self, study: str) -> list[dict[str, Any]]:
        return self._listed("/submissions/", {"study": study})

    def _attendances(self, batch: str, study: str) -> list[News]:
        return [_attendance(batch, one) for one in self._submissions(study) if _status(one) in _PAID]

    def _attendance_of(self, submission: str) -> tuple[News, ...]:
        """A webhook names no study. Raises Unavailable, upon which Prolific sends the webhook again."""
        found = self._call("GET", f"/submissions/{submission}/")
        study = self._call("GET", f"/studies/{found['study_id']}/")
        name = str(study.get("internal_name", ""))
        return (_attendance(name.removeprefix(self._prefix), found),) if name.startswith(self._prefix) else ()

    def _listed(self, path: str, words: Mapping[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            answer = self._call("GET", f"{path}?{urlencode({**words, 'page': page, 'page_size': _PAGE})}")
            found += answer["results"]
            if len(answer["results"]) < _PAGE:
                return found
        raise Unavailable(f"Prolific has over {_MOST_PAGES * _PAGE} to look through at once")

    def _call(self, method: str, path: str, fields: Mapping[str, Any] | None = None) -> Any:
        return self._caller.call(method, path, body=None if fields is None else canonical_json(fields))


def _attendance(batch: str, submission: Mapping[str, Any]) -> Attendance:
    return Attendance(batch, str(submission["id"]), str(submission["participant_id"]))


def _status(fields: Mapping[str, Any]) -> str:
    return str(fields["status"]).upper().replace("_", " ")


def _by_batch(items: Iterable[str]) -> dict[str, set[str]]:
    """Seats are named by their batch and a number."""
    found: dict[str, set[str]] = defaultdict(set)
    for item in items:
        found[item.rpartition(".")[0]].add(item)
    return dict(found)
