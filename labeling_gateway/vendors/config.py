"""vendors.toml: who is asked, how much of it each gets, what it may cost. And how the broker's process runs."""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from labeling_gateway.vendors.account import Caps
from labeling_gateway.vendors.http import checked_url
from labeling_gateway.vendors.money import amount

PAGE = "page"
"""Kind of the labeling page: it is given nothing, and its people take what others leave in the queue."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True)
class VendorConfig:
    """One table ``[vendors.NAME]``."""

    name: str
    kind: str
    price: Decimal = Decimal(0)
    spend_cap: Decimal = Decimal(0)
    share: float = 1.0
    priority: int = 1
    at_once: int = 200
    deadline_hours: float = 24.0
    poll_seconds: float = 10.0
    answers: int = 20  # that each person gives, of a vendor that brings people
    secrets: Mapping[str, str] = field(default_factory=dict)  # names of environment variables, by our own name
    options: Mapping[str, Any] = field(default_factory=dict)  # the vendor's own


@dataclass(frozen=True)
class VendorsConfig:
    """The whole file."""

    vendors: tuple[VendorConfig, ...]
    spend_cap: Decimal
    public_url: str = ""  # of the labeling page, as vendors reach it

    @property
    def outside(self) -> tuple[VendorConfig, ...]:
        """All but the page."""
        return tuple(vendor for vendor in self.vendors if vendor.kind != PAGE)

    def caps(self, vendor: VendorConfig) -> Caps:
        return Caps(vendor.spend_cap, self.spend_cap)

    def find(self, name: str) -> VendorConfig:
        """Raises ValueError where there is none of this name."""
        for vendor in self.vendors:
            if vendor.name == name:
                return vendor
        raise ValueError(f"there is no vendor {name!r}; there are {', '.join(one.name for one in self.vendors)}")


def read_vendors(path: str | Path) -> VendorsConfig:
    """Raises ValueError, in one line, where the file is none or something in it is wrong."""
    try:
        return parse_vendors(tomllib.loads(Path(path).read_text()))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None


def parse_vendors(table: Mapping[str, Any]) -> VendorsConfig:
    """Raises ValueError; the message names the place."""
    _known(table, {"vendors", "spend_cap", "public_url"}, "the file")
    found = table.get("vendors")
    if not isinstance(found, dict) or not found:
        raise ValueError("it names no vendor; add a table such as [vendors.acme]")
    vendors = tuple(_vendor(name, fields) for name, fields in found.items())
    if [vendor.kind for vendor in vendors].count(PAGE) > 1:
        raise ValueError("there is one labeling page; name one vendor of kind page at most")
    cap = amount(table.get("spend_cap", 0), "spend_cap")
    if not cap and any(vendor.price for vendor in vendors):
        raise ValueError('spend_cap must say what all vendors together may cost, such as spend_cap = "100.00"')
    public = table.get("public_url", "")
    return VendorsConfig(vendors, cap, checked_url(public, "public_url") if public else "")


def secrets_of(vendor: VendorConfig) -> dict[str, str]:
    """By our own names, from the environment. Raises ValueError where one is not set; no message quotes one."""
    found = {name: os.environ.get(variable, "") for name, variable in vendor.secrets.items()}
    for name, value in found.items():
        if not value:
            raise ValueError(
                f"vendors.{vendor.name} needs the environment variable {vendor.secrets[name]}, which is empty"
            )
    return found


_NUMBERS = {
    "share": float,
    "priority": int,
    "at_once": int,
    "deadline_hours": float,
    "poll_seconds": float,
    "answers": int,
}


def _vendor(name: str, table: object) -> VendorConfig:
    place = f"vendors.{name}"
    if not _NAME.fullmatch(name):
        raise ValueError(f"{place}: a name has lower-case letters, digits and dashes, 32 at most")
    if not isinstance(table, dict):
        raise ValueError(f"{place} must be a table")
    _known(table, {one.name for one in fields(VendorConfig)} - {"name"}, place)
    kind = table.get("kind")
    if not isinstance(kind, str) or not kind:
        raise ValueError(f'{place}.kind must say what it is, such as kind = "http"')
    values: dict[str, Any] = {}
    for field_name, number in _NUMBERS.items():
        if field_name in table:
            values[field_name] = _number(table[field_name], number, f"{place}.{field_name}")
    for field_name in ("price", "spend_cap"):
        values[field_name] = amount(table.get(field_name, 0), f"{place}.{field_name}")
    if values["price"] and not values["spend_cap"]:
        raise ValueError(f'{place}.spend_cap must say what it may cost in all, such as spend_cap = "50.00"')
    secrets, options = table.get("secrets", {}), table.get("options", {})
    if not isinstance(options, dict):
        raise ValueError(f"{place}.options must be a table")
    if not isinstance(secrets, dict) or not all(
        isinstance(one, str) and one.isidentifier() for one in secrets.values()
    ):
        raise ValueError(f"{place}.secrets must name environment variables, never hold a secret itself")
    return VendorConfig(name=name, kind=kind, secrets=secrets, options=options, **values)


def _number(value: object, kind: type, place: str) -> Any:
    wrong = ValueError(f"{place} must be a {'whole ' if kind is int else ''}number above 0, not {value!r}")
    if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and isinstance(value, float)):
        raise wrong
    if not 0 < value < math.inf:
        raise wrong
    return kind(value)


def _known(table: Mapping[str, Any], known: set[str], place: str) -> None:
    for name in table:
        if name not in known:
            raise ValueError(f"{place} has no setting {name!r}; there are {', '.join(sorted(known))}")


@dataclass(frozen=True)
class BrokerConfig:
    """One broker process."""

    run: str
    vendors: str  # path of vendors.toml
    page: str  # folder of the labeling page: secrets, videos
    public_url: str  # of the labeling page, unless vendors.toml says another
    budget: int  # the run's own; an owner may have set another since
    seed: int = 0  # of a scripted teacher among the vendors
    teacher_beta: float = math.inf
    teacher_mistakes: float = 0.0
    teacher_tie: float = 0.0
    lease_seconds: float = 300.0  # after which the questions of a broker that is gone go back to the queue
    idle_seconds: float = 0.5

    @property
    def secrets_file(self) -> Path:
        return Path(self.page) / "secrets.json"

    @property
    def videos(self) -> Path:
        return videos_in(self.page)

    @staticmethod
    def from_file(path: str | Path) -> BrokerConfig:
        """Raises ValueError where the file is not such a config."""
        try:
            return BrokerConfig(**json.loads(Path(path).read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"cannot use the config {path}: {error}") from error


def videos_in(page: str | Path) -> Path:
    """Where the broker draws clips for vendors, and the labeling page finds them."""
    return Path(page) / "vendor-videos"
