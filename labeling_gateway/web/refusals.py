"""What the API's description says of each status that refuses."""

from __future__ import annotations

from typing import Any

from labeling_gateway.web.models import Problem

_WHY = {
    400: "The body is not JSON, or did not come.",
    401: "No session, or one that is over.",
    403: "Not for this role, asked by another site's page, or not signed by whom it claims to be from.",
    404: "No such thing.",
    408: "The body came too slowly.",
    409: "The lease has ended, or was given to another.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    421: "Asked for by a name that is not ours.",
    422: "A field is wrong; the line names it.",
    429: "Too many requests; Retry-After says how many seconds to wait.",
    503: "Just now it cannot be done; Retry-After says when to try again.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": _WHY[status]} for status in statuses}
