"""A vendor's code, tried outside any run."""

from __future__ import annotations

from pathlib import Path

from backflip.errors import UserError
from labeling_gateway.vendors.config import PAGE, read_vendors, secrets_of
from labeling_gateway.vendors.conformance import Conformance
from labeling_gateway.vendors.interface import Settings
from labeling_gateway.vendors.registry import SCRIPTED, open_outside


def check(name: str, file: Path, *, patience: float) -> int:
    """Prints a line a promise; returns how many were broken.

    Raises:
        UserError: there is no such vendor, or it cannot be opened.
    """
    try:
        config = read_vendors(file)
        vendor = config.find(name)
        if vendor.kind in (PAGE, SCRIPTED):
            raise ValueError(f"vendors.{name} is of kind {vendor.kind}, which is part of Backflip: nothing to check")
        settings = Settings(name, "check", vendor.price, vendor.options, secrets_of(vendor), config.public_url)
        conformance = Conformance(open_outside(vendor.kind, settings), settings, patience)
    except ValueError as error:
        raise UserError(str(error)) from None
    broken = 0
    for result in conformance.run():
        broken += bool(result.problem)
        print(
            f"FAILED  {result.promise}: {result.problem}" if result.problem else f"ok      {result.promise}", flush=True
        )
    return broken
