"""A vendor's news as JSON: in our inbox, and in the small HTTP protocol of `docs/vendors.md`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from contracts.encoding import canonical_json
from labeling_gateway.vendors.interface import Answer, Attendance, Declined, News, ShownChoice

_KINDS: dict[str, type[News]] = {"answer": Answer, "attendance": Attendance, "declined": Declined}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_LONGEST = 200  # characters of an id or a name


def news_to_json(one: News) -> bytes:
    return canonical_json({"kind": _NAMES[type(one)]} | asdict(one))


def news_from_json(data: bytes | str) -> News:
    """Raises ValueError where the bytes are no news."""
    return parse_news(json.loads(data))


def checked(one: object) -> News:
    """News as a vendor's own code made it, which is not trusted to keep to the types. Raises ValueError."""
    name = _NAMES.get(type(one))  # pyright: ignore[reportArgumentType]  # or it is no news at all
    if name is None:
        raise ValueError(f"news must be an Answer, an Attendance or a Declined, not {type(one).__name__}")
    return parse_news({"kind": name} | vars(one))


def parse_news(fields: Any) -> News:
    """News of a vendor, which is not trusted to keep to the form.

    Raises:
        ValueError: a field is missing or wrong; the message names it.
    """
    if not isinstance(fields, dict) or fields.get("kind") not in _KINDS:
        raise ValueError(f"news must be an object whose kind is one of {', '.join(_KINDS)}")
    match fields["kind"]:
        case "answer":
            return Answer(
                task=_text(fields, "task"),
                id=_text(fields, "id"),
                rater=_text(fields, "rater"),
                choice=_choice(fields),
                seconds=_number(fields, "seconds"),
                answered_at=_number(fields, "answered_at"),
                billed=_billed(fields),
            )
        case "attendance":
            ids = (_text(fields, name) for name in ("batch", "id", "rater"))
            return Attendance(*ids, billed=_billed(fields))
        case _:
            return Declined(_text(fields, "item"))


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
        raise ValueError(f"{name} must be a text of 1 to {_LONGEST} characters")
    return value


def _choice(fields: dict[str, Any]) -> ShownChoice:
    try:
        return ShownChoice(fields.get("choice"))
    except ValueError:
        raise ValueError(f"choice must be one of {', '.join(ShownChoice)}") from None


def _number(fields: dict[str, Any], name: str) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a number of seconds, 0 or more")
    return float(value)


def _billed(fields: dict[str, Any]) -> bool:
    value = fields.get("billed", True)
    if not isinstance(value, bool):
        raise ValueError("billed must be true or false")
    return value
