"""The labeling page's side of vendors: it checks who sent a webhook, and keeps it for the broker."""

from __future__ import annotations

from collections.abc import Mapping

from labeling_gateway.vendors.config import VendorsConfig, secrets_of
from labeling_gateway.vendors.interface import Forged, News, Settings, Unavailable, Vendor
from labeling_gateway.vendors.ledger import Ledger
from labeling_gateway.vendors.registry import SCRIPTED, open_outside
from labeling_gateway.vendors.wire import checked


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
            self._vendors[one.name] = vendor, Ledger(store_url, run, one.name, config.caps(one))

    def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> bool:
        """In a thread. Whether this webhook is new; its news is on disk.

        Raises:
            LookupError: there is no such vendor, or it sends no webhooks.
            Forged: it is not the vendor's, too old, or makes no sense.
            Unavailable: the vendor has to be asked what it means, and does not answer.
            StoreUnreachable, NotDurable: it may or may not be kept.
        """
        vendor, ledger = self._vendors.get(name, (None, None))
        if vendor is None or ledger is None or not vendor.capabilities.webhooks:
            raise LookupError(f"no vendor {name} sends webhooks")
        id, news = _checked(vendor, headers, body)
        return ledger.receive(id, news)

    def seated(self, name: str, batch: str, rater: str, answered: int) -> int:
        """In a thread. How many answers somebody had given when they took a seat; see `Ledger.seated`."""
        return self._vendors[name][1].seated(batch, rater, answered)

    def completion_url(self, name: str) -> str:
        return self._vendors[name][0].capabilities.completion_url


def _checked(vendor: Vendor, headers: Mapping[str, str], body: bytes) -> tuple[str, tuple[News, ...]]:
    try:
        id, news = vendor.verify_and_parse(headers, body)
        if not (isinstance(id, str) and id):  # pyright: ignore[reportUnnecessaryIsInstance]  # a vendor's own code
            raise ValueError("a webhook's id must be a text")
        return id, tuple(checked(one) for one in news)
    except (Forged, Unavailable):
        raise
    except Exception as error:  # a vendor's own code, given what anybody may send
        raise Forged(f"the vendor's code cannot read it: {type(error).__name__}") from error
