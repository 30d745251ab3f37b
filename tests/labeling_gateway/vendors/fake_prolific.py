"""The part of Prolific's API that is documented and that we use: studies, submissions, their webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.labeling_gateway.vendors.loopback import answering

TOKEN, WEBHOOK_SECRET = "prolific-token", "prolific-webhook-secret"


@dataclass
class FakeProlific:
    studies: dict[str, dict[str, Any]] = field(default_factory=dict)
    submissions: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    def handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if headers.get("authorization") != f"Token {TOKEN}":
            return 401, {"error": {"title": "Authentication credentials were not provided."}}
        parts = urlsplit(path)
        words = parse_qs(parts.query)
        fields = json.loads(body) if body else {}
        match [method, *parts.path.removeprefix("/api/v1/").strip("/").split("/")]:
            case ["GET", "studies"]:
                return 200, {"results": list(self.studies.values()) if words["page"] == ["1"] else []}
            case ["POST", "studies"]:
                self.requests["studies"] += 1
                id = f"study-{len(self.studies)}"
                self.studies[id] = fields | {"id": id, "status": "UNPUBLISHED"}
                return 201, self.studies[id]
            case ["GET", "studies", id]:
                return 200, self.studies[id]
            case ["DELETE", "studies", id]:
                del self.studies[id]
                return 204, {}
            case ["POST", "studies", id, "transition"]:
                statuses = {"PUBLISH": "ACTIVE", "STOP": "AWAITING REVIEW"}
                self.studies[id]["status"] = statuses[fields["action"]]
                return 200, self.studies[id]
            case ["GET", "submissions"]:
                ours = [one for one in self.submissions.values() if one["study_id"] == words["study"][0]]
                return 200, {"results": ours if words["page"] == ["1"] else []}
            case ["GET", "submissions", id]:
                return 200, self.submissions[id]
        return 404, {"error": {"title": f"no {method} {path}"}}

    def submission(self, study: str, participant: str, status: str) -> dict[str, Any]:
        """Somebody has taken a place, or got on with it."""
        id = f"submission-{participant}"
        fields = {"id": id, "study_id": study, "participant_id": participant, "status": status}
        self.submissions[id] = fields
        return fields

    def webhook(self, submission: dict[str, Any], at: float | None = None) -> tuple[dict[str, str], bytes]:
        """Headers and body of what Prolific sends when a submission's status changes."""
        fields = {
            "resource_id": submission["id"],
            "event_type": "submission.status.change",
            "participant_id": submission["participant_id"],
            "status": submission["status"],
        }
        body, sent = json.dumps(fields).encode(), str(int(time.time() if at is None else at))
        mac = hmac.new(WEBHOOK_SECRET.encode(), sent.encode() + body, hashlib.sha256).digest()
        headers = {"X-Prolific-Request-Signature": base64.b64encode(mac).decode(), "X-Prolific-Request-Timestamp": sent}
        return headers | {"X-Event-ID": f"event-{submission['id']}-{submission['status']}"}, body


@contextmanager
def fake_prolific() -> Iterator[FakeProlific]:
    prolific = FakeProlific()
    with answering(prolific.handle) as prolific.port:
        yield prolific
