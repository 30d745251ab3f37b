"""All vendors of one run: who of them is given how much, and a thread for each that deals with it."""

from __future__ import annotations

import logging
import threading
import time

from labeling_gateway.client import GatewayClient
from labeling_gateway.polling import poll
from labeling_gateway.tickets import open_tickets
from labeling_gateway.vendors.config import PAGE, BrokerConfig, VendorsConfig, secrets_of
from labeling_gateway.vendors.interface import Settings
from labeling_gateway.vendors.ledger import Ledger
from labeling_gateway.vendors.liaison import Liaison
from labeling_gateway.vendors.registry import Scene, open_vendor
from labeling_gateway.vendors.routing import Stand, share_out
from labeling_gateway.vendors.seats import Seats
from labeling_gateway.vendors.videos import Videos

logger = logging.getLogger("backflip.vendors")

_COUNT_SECONDS = 0.5
_BOUNDLESS = 10**9


class Broker:
    """
    Raises:
        ValueError: a vendor cannot be opened; the message says which and why.
        OSError: the page's secrets cannot be read.
        StoreUnreachable, NotDurable: try again later.
    """

    def __init__(self, config: BrokerConfig, vendors: VendorsConfig, store_url: str, told: threading.Event) -> None:
        self._config = config
        self._vendors = vendors
        self._told = told
        self._client = GatewayClient(store_url, config.run)
        self._client.require_durable()
        public_url = vendors.public_url or config.public_url
        tickets = open_tickets(config.run, config.secrets_file)
        self._videos = Videos(config.videos, self._client, tickets, public_url)
        seats = Seats(tickets, public_url)
        self.liaisons: list[Liaison] = []
        for one in vendors.outside:
            ledger = Ledger(store_url, config.run, one.name, vendors.caps(one))
            settings = Settings(one.name, config.run, one.price, one.options, secrets_of(one), public_url)
            vendor = open_vendor(one.kind, settings, Scene(config, self._client, ledger))
            self.liaisons.append(Liaison(config, one, vendor, self._client, ledger, self._videos, seats, told))
        self._over: tuple[float, bool] = (0.0, False)

    def run(self) -> None:
        """Until told to end. Raises whatever ended one of the threads."""
        failed: list[BaseException] = []

        def work(liaison: Liaison) -> None:
            try:
                poll(lambda: self.step(liaison), self._told, self._config.idle_seconds)
            except BaseException as error:
                failed.append(error)
                self._told.set()

        threads = [threading.Thread(target=work, args=(one,), name=one.settings.name) for one in self.liaisons]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.close()
        if failed:
            raise failed[0]

    def close(self) -> None:
        self._videos.close()
        for liaison in self.liaisons:
            liaison.ledger.close()
        self._client.close()

    def step(self, liaison: Liaison) -> bool:
        """One round of one vendor."""
        return liaison.step(lambda: self.wanted()[liaison.settings.name], self._is_over())

    def wanted(self) -> dict[str, int]:
        """How many of the questions that are open now each vendor is to be given."""
        counts = self._client.counts()
        given = 0
        coming = 0  # answers of people who are on their way to the page
        stands: list[Stand] = []
        for liaison in self.liaisons:
            settings, account, held = liaison.settings, liaison.ledger.account(), liaison.ledger.open_count()
            answers = settings.answers if liaison.capabilities.brings == "people" else 1
            given += account.given
            coming += held * answers if answers > 1 else 0
            affordable = int(liaison.ledger.room() / liaison.price) * answers if liaison.price else _BOUNDLESS
            waiting = liaison.waiting
            given += waiting
            room = min(settings.at_once - held * answers, affordable) - waiting if liaison.ready else 0
            asked = account.given + waiting
            stands.append(Stand(settings.name, settings.share, settings.priority, asked, max(0, room)))
        for vendor in self._vendors.vendors:
            if vendor.kind == PAGE:
                left = max(0, counts.asked - counts.open - given)
                stands.append(Stand(vendor.name, vendor.share, vendor.priority, left, _BOUNDLESS))
        return share_out(max(0, counts.open - coming), stands)

    def _is_over(self) -> bool:
        """Whether every answer that may be used has been given."""
        now = time.monotonic()
        if now > self._over[0]:
            budget = self._client.control().budget_or(self._config.budget)
            self._over = now + _COUNT_SECONDS, self._client.counts().used >= budget
        return self._over[1]
