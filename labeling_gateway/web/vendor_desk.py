"""The labeling page's side of vendors: it checks who sent a webhook, and keeps it for the broker."""

from __future__ import annotations

from collections.abc import Mapping

from labeling_gateway.vendors.config import VendorsConfig, secrets_of
from labeling_gateway.vendors.interface import Forged, News, Settings, Vendor
from labeling_gateway.vendors.ledger import Ledger
from labeling_gateway.vendors.registry import SCRIPTED, open_outside


class VendorDesk:
    """Thread-safe where the vendors are.

    Raises:
        ValueError: a vendor cannot be opened; the message says which and why.
        StoreUnreachable: the store does not answer.
    """

    def __init__(self, config: VendorsConfig, run: str, store_url: str, public_url: str) -> None:
        self._vendors: dict[str, tuple[Vendor, Ledger]] = {}
        for one in config.outside:
            if one.kind == SCRIPTED:
                continue
            settings = Settings(one.name, run, one.price, one.options, secrets_of(one), config.public_url or public_url)
            vendor = open_outside(one.kind, settings)
            if vendor.capabilities.webhooks:
                self._vendors[one.name] = vendor, Ledger(store_url, run, one.name, config.caps(one))

    def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> bool:
        """In a thread. Whether this webhook is new; its news is on disk.

        Raises:
            LookupError: there is no such vendor, or it sends no webhooks.
            Forged: it is not the vendor's, too old, or makes no sense.
            StoreUnreachable, NotDurable: it may or may not be kept.
        """
        if name not in self._vendors:
            raise LookupError(f"no vendor {name} sends webhooks")
        vendor, ledger = self._vendors[name]
        id, news = _checked(vendor, headers, body)
        return ledger.receive(id, news)


def _checked(vendor: Vendor, headers: Mapping[str, str], body: bytes) -> tuple[str, tuple[News, ...]]:
    try:
        return vendor.verify_and_parse(headers, body)
    except Forged:
        raise
    except Exception as error:  # a vendor's own code, given what anybody may send
        raise Forged(f"the vendor's code cannot read it: {type(error).__name__}") from error
