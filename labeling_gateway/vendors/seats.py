"""What people whom a vendor sends need to find our page, to be let in, and to prove that they are done."""

from __future__ import annotations

from labeling_gateway.tickets import SeatTicket, Tickets
from labeling_gateway.vendors.config import VendorConfig


class Seats:
    """Signs for one run."""

    def __init__(self, tickets: Tickets, public_url: str) -> None:
        self._tickets = tickets
        self._public_url = public_url

    def of(self, vendor: VendorConfig, batch: str, deadline: float) -> tuple[int, str, str, float]:
        """Answers, link, completion code and deadline that all seats of a batch share."""
        ticket = self._tickets.write_seat(SeatTicket(vendor.name, batch, vendor.answers, deadline))
        link = f"{self._public_url}/api/v1/vendors/{vendor.name}/seat?ticket={ticket}"
        return vendor.answers, link, self._tickets.completion_code(batch), deadline
