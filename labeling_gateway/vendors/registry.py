"""Finds a vendor's code by its kind: what ships with Backflip, and whatever is installed in `backflip.vendors`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points

from labeling_gateway.client import GatewayClient
from labeling_gateway.vendors.config import PAGE, BrokerConfig
from labeling_gateway.vendors.interface import GROUP, Settings, Vendor
from labeling_gateway.vendors.ledger import Ledger
from labeling_gateway.vendors.scripted import ScriptedVendor

SCRIPTED = "scripted"
"""Kind of the scripted teacher, which is no entry point: it looks at what no outsider may see, the task's own score."""


@dataclass(frozen=True)
class Scene:
    """What a vendor of our own needs beside its settings."""

    config: BrokerConfig
    client: GatewayClient
    ledger: Ledger


def open_vendor(kind: str, settings: Settings, scene: Scene) -> Vendor:
    """Raises ValueError where there is no such kind, or it cannot be opened with these settings."""
    if kind == SCRIPTED:
        return ScriptedVendor(settings, scene.config, scene.client, scene.ledger)
    return open_outside(kind, settings)


def open_outside(kind: str, settings: Settings) -> Vendor:
    """A vendor of an entry point. Raises ValueError."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if kind not in found:
        known = ", ".join(sorted({*found, PAGE, SCRIPTED}))
        raise ValueError(f"vendors.{settings.name}.kind: there is no kind {kind!r}; installed are {known}")
    try:
        factory: Callable[[Settings], Vendor] = found[kind].load()
        return factory(settings)
    except ValueError as error:
        raise ValueError(f"vendors.{settings.name}: {' '.join(str(error).split())}") from error
    except Exception as error:  # a package of somebody else
        raise ValueError(f"vendors.{settings.name}: its code failed: {type(error).__name__}: {error}") from error
