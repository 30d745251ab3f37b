"""What a run's vendors are doing and what they cost, in words."""

from __future__ import annotations

from contracts.status import Status
from labeling_gateway.vendors.config import VendorsConfig
from labeling_gateway.vendors.ledger import Ledger
from labeling_gateway.vendors.money import shown


class Overview:
    """Reads every vendor's account. Raises StoreUnreachable where the store does not answer."""

    def __init__(self, config: VendorsConfig, store_url: str, run: str) -> None:
        self._ledgers = [(one, Ledger(store_url, run, one.name, config.caps(one))) for one in config.outside]

    def statuses(self) -> dict[str, Status]:
        """One line a vendor; held up where something is wrong with it."""
        found: dict[str, Status] = {}
        for vendor, ledger in self._ledgers:
            account, held = ledger.account(), ledger.open_count()
            spent = f", {shown(account.spent)} of {shown(vendor.spend_cap)} spent" if vendor.price else ""
            disputed = f", {account.disputed} bills disputed" if account.disputed else ""
            trouble = f", in trouble: {account.trouble}" if account.trouble else ""
            said = f"has {held} open, gave {account.answered} answers{spent}{disputed}{trouble}"
            found[f"vendor {vendor.name}"] = Status(said, held_up=bool(trouble))
        return found

    def close(self) -> None:
        for _, ledger in self._ledgers:
            ledger.close()
