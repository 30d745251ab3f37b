"""A Label Studio of the owner's: kind ``label-studio``. Tested with 1.23, its open-source edition.

Its webhooks are unsigned, have a second to be answered in, and are never sent again, so none are taken: it is polled.
Its imports know no idempotency key, so whatever is imported is looked up before, by our own id in the task's data.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from labeling_gateway.vendors.http import Caller, checked_url
from labeling_gateway.vendors.interface import (
    Answer,
    Batch,
    Capabilities,
    Forged,
    News,
    Page,
    Reconciled,
    Settings,
    ShownChoice,
    Unavailable,
    Vendor,
)
from labeling_gateway.vendors.options import Options, secret

LABEL_CONFIG = """<View>
  <Header value="$question"/>
  <View style="display: flex; gap: 1em">
    <Video name="left" value="$left"/>
    <Video name="right" value="$right"/>
  </View>
  <Choices name="choice" toName="left" choice="single-radio" showInLine="true" required="true">
    <Choice value="The left one" alias="left"/>
    <Choice value="The right one" alias="right"/>
    <Choice value="Equal" alias="equal"/>
    <Choice value="Can't tell" alias="cant_tell"/>
  </Choices>
</View>"""
"""How a task looks to an annotator."""

_OUR_ID = "backflip_task"  # in the task's data
_PAGE = 100
_MOST_PAGES = 50  # of one listing
_IDS = 20  # looked up in one request, whose address has them
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"  # the only form in which its filters take one
_OVERLAP = timedelta(seconds=10)  # looked at again, since what was saved later may carry an earlier time
_ACCESS_SECONDS = 240.0  # an access token lives for five minutes


def open_vendor(settings: Settings) -> Vendor:
    """Raises ValueError where an option or the token is missing or wrong."""
    options = Options(settings)
    base = checked_url(options.text("url"), "options.url")
    project = options.text("project", f"Backflip {settings.run}")
    batch = options.whole("batch", 20)
    options.done()
    return LabelStudio(Caller(base), secret(settings, "token"), project, settings.price, batch)


class LabelStudio:
    """See `interface.Vendor`.

    Args:
        token: a personal access token, or a legacy token where the organisation still allows those.
        project: its title; made where there is none.
    """

    def __init__(self, caller: Caller, token: str, project: str, price: Decimal, batch: int) -> None:
        self.capabilities = Capabilities(videos="url", batch=batch)
        self._caller = caller
        self._token = token
        self._title = project
        self._price = price
        self._access: tuple[str, float] = ("", 0.0)  # and until when, on the monotonic clock
        self._project = 0  # its id, once it is known

    def cost(self) -> Decimal:
        return self._price

    def submit(self, batch: Batch, idempotency_key: str) -> None:
        there = self._by_our_id(batch.items)
        tasks = [
            {"data": {_OUR_ID: one.id, "question": one.question, "left": one.left.url, "right": one.right.url}}
            for one in batch.tasks
            if one.id not in there
        ]
        if tasks:
            self._call("POST", f"/api/projects/{self._project_id()}/import", tasks)

    def poll(self, cursor: str) -> Page:
        conditions = [_condition("total_annotations", "Number", 0, "greater")]
        if cursor:
            since = (datetime.fromisoformat(cursor) - _OVERLAP).astimezone(UTC)
            conditions.append(_condition("updated_at", "Datetime", f"{since:{_TIME}}", "greater"))
        tasks = self._tasks(conditions, "and")
        newest = max((one["updated_at"] for one in tasks), key=datetime.fromisoformat, default=cursor)
        return Page(tuple(_answers(tasks)), newest)

    def verify_and_parse(self, headers: Mapping[str, str], body: bytes) -> tuple[str, tuple[News, ...]]:
        raise Forged("Label Studio signs no webhooks")

    def cancel(self, items: frozenset[str]) -> frozenset[str]:
        there = self._by_our_id(items)
        gone = set(items - there.keys())
        for id, tasks in there.items():
            if not any(one["annotations"] for one in tasks):
                for one in tasks:
                    self._delete(one)
                gone.add(id)
        return frozenset(gone)

    def reconcile(self, items: frozenset[str]) -> Reconciled:
        there = self._by_our_id(items)
        answers: list[News] = []
        for tasks in there.values():
            answers += _answers(tasks)
            # An import that was sent twice: one of them is enough, best one that somebody has worked on.
            spare = sorted(tasks, key=lambda one: (not one["annotations"], one["id"]))[1:]
            for one in spare:
                if not one["annotations"]:
                    self._delete(one)
        return Reconciled(tuple(answers), items - there.keys())

    def _by_our_id(self, items: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        wanted = sorted(items)
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for start in range(0, len(wanted), _IDS):
            some = wanted[start : start + _IDS]
            for task in self._tasks([_condition(f"data.{_OUR_ID}", "String", id, "equal") for id in some], "or"):
                if task["data"].get(_OUR_ID) in some:
                    found[task["data"][_OUR_ID]].append(task)
        return dict(found)

    def _tasks(self, conditions: list[dict[str, Any]], conjunction: str) -> list[dict[str, Any]]:
        """All tasks of the project that meet the conditions, with their annotations."""
        view = {"filters": {"conjunction": conjunction, "items": conditions}, "ordering": ["tasks:id"]}
        found: list[dict[str, Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            words = {"project": self._project_id(), "query": json.dumps(view), "page": page, "page_size": _PAGE}
            answer = self._call("GET", f"/api/tasks/?{urlencode(words | {'fields': 'all'})}")
            found += [one for one in answer["tasks"] if isinstance(one.get("data"), dict)]
            if len(found) >= answer["total"] or not answer["tasks"]:
                return found
        raise Unavailable(f"Label Studio has over {_MOST_PAGES * _PAGE} tasks to look through at once")

    def _delete(self, task: dict[str, Any]) -> None:
        self._call("DELETE", f"/api/tasks/{task['id']}/", absent=True)

    def _project_id(self) -> int:
        """Of the project with our title, which is made where there is none."""
        if not self._project:
            found = self._call("GET", f"/api/projects/?{urlencode({'title': self._title, 'page_size': _PAGE})}")
            ours = [one["id"] for one in found["results"] if one["title"] == self._title]
            if not ours:
                fields = {"title": self._title, "label_config": LABEL_CONFIG, "maximum_annotations": 1}
                ours = [self._call("POST", "/api/projects/", fields)["id"]]
            self._project = min(ours)
        return self._project

    def _call(self, method: str, path: str, fields: Any = None, *, absent: bool = False) -> Any:
        body = None if fields is None else json.dumps(fields).encode()
        headers = {"authorization": self._authorization(), "content-type": "application/json"}
        return self._caller.call(method, path, body=body, headers=headers, absent=absent)

    def _authorization(self) -> str:
        """A personal access token is a JWT and buys an access token for some minutes; a legacy one is used as it is."""
        if self._token.count(".") != 2:
            return f"Token {self._token}"
        if time.monotonic() > self._access[1]:
            body = json.dumps({"refresh": self._token}).encode()
            answer = self._caller.call(
                "POST", "/api/token/refresh/", body=body, headers={"content-type": "application/json"}
            )
            self._access = answer["access"], time.monotonic() + _ACCESS_SECONDS
        return f"Bearer {self._access[0]}"


def _condition(column: str, kind: str, value: object, operator: str) -> dict[str, Any]:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def _answers(tasks: Iterable[dict[str, Any]]) -> Iterable[Answer]:
    """Annotations that name a choice; one that its annotator skipped is no answer."""
    for task in tasks:
        for annotation in task["annotations"]:
            choices = [
                choice
                for region in annotation["result"]
                if region.get("from_name") == "choice"
                for choice in region["value"]["choices"]
            ]
            if annotation["was_cancelled"] or _OUR_ID not in task["data"] or not {*choices[:1]} & {*ShownChoice}:
                continue
            yield Answer(
                task=str(task["data"][_OUR_ID]),
                id=f"annotation-{annotation['id']}",
                rater=str(annotation["completed_by"]),
                choice=ShownChoice(choices[0]),
                seconds=float(annotation["lead_time"] or 0.0),
                answered_at=datetime.fromisoformat(annotation["created_at"]).astimezone(UTC).timestamp(),
            )
