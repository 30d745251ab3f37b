"""Requests made up from the API's own description, well formed and not: refused with a reason, and nothing breaks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from tests.labeling_gateway.web.server import Server, ask
from tests.labeling_gateway.web.test_labeling import answer, lease

ENDLESS = "/api/v1/events"  # answers for as long as somebody listens
WRONG = {400, 401, 403, 404, 405, 408, 409, 413, 415, 421, 422, 429}
CHECKED = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
]


@pytest.mark.parametrize("each", [6, pytest.param(120, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_made_up_requests_break_nothing(server: Server, each: int) -> None:
    """As the owner, who may do everything, and as a stranger, who may do nothing."""
    queries = ask(server, 40)
    ann = server.labeler()
    for _ in range(3):
        answer(ann, lease(ann)[0])
    lease(ann)
    before = log_and_counts(server)
    statuses = fuzz(server, each, {})
    assert set(statuses) <= WRONG | {200}, statuses
    assert log_and_counts(server) == before, "a stranger changes nothing"
    owners = fuzz(server, each, {"Authorization": f"Bearer {server.tickets.owner_token}"}, queries[0].id)
    assert {200, 201, 422} <= set(owners), "some made sense"
    assert not [status for status in owners if status >= 500]
    kept = server.gateway.read_labels("", 100)
    assert [label for _, label in kept[: len(before[0])]] == before[0], "what was answered stands in the log"
    assert ann.get("task").status_code == 200
    assert "Traceback" not in server.said()


def log_and_counts(server: Server) -> tuple[list[Any], Any]:
    return [label for _, label in server.gateway.read_labels("", 100)], server.gateway.counts()


def fuzz(server: Server, each: int, headers: dict[str, str], query: str = "") -> Counter[int]:
    """How often each status came, of ``each`` well-formed and as many malformed requests to every operation."""
    schema = schemathesis.openapi.from_url(f"{server.url}/api/v1/openapi.json")
    checks: list[Any] = CHECKS.get_by_names(CHECKED)
    checks_of_any_name: list[Any] = CHECKS.get_by_names([name for name in CHECKED if name != "negative_data_rejection"])
    statuses: Counter[int] = Counter()
    session = requests.Session()
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # pyright: ignore[reportAttributeAccessIssue]
        if operation.path == ENDLESS:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            cases: st.SearchStrategy[schemathesis.Case] = operation.as_strategy(generation_mode=mode)

            @given(case=cases)
            @settings(
                max_examples=each,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
            )
            def one(case: schemathesis.Case) -> None:
                well_formed = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
                if query and well_formed and "query" in case.path_parameters:
                    case.path_parameters["query"] = query
                response = case.call(session=session, headers=headers, timeout=60)
                statuses[response.status_code] += 1
                # It takes names of other scripts for malformed, because its \w knows ASCII alone.
                judged = checks if "rater" not in case.path_parameters else checks_of_any_name
                case.validate_response(response, checks=judged, headers=headers)

            one()
    return statuses
