"""A vendor's worst hour in a few seconds, its broker killed in the midst of it: answers once, money within its cap."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.shown import ShownChoice, chosen
from tests.labeling_gateway.samples import log
from tests.labeling_gateway.vendors.brokers import ENVIRONMENT, broker_of, ledger_of, until, write_vendors
from tests.labeling_gateway.vendors.fake_vendor import Faults, fake_vendor
from tests.labeling_gateway.web.server import ask, serving

WORST = Faults(
    busy=0.2, hang=0.02, torn=0.1, twice=0.3, shuffled=0.5, forged=0.6, stale=0.6, replayed=0.6, silent=0.15,
    undead=0.7, stubborn=0.5, hang_seconds=1.2,
)  # fmt: skip
PRICE = Decimal("0.05")


@pytest.mark.parametrize(
    ("questions", "cap", "kills", "seed"),
    [
        pytest.param(16, "0.60", 2, 0, marks=pytest.mark.timeout(600)),
        *(pytest.param(150, "6.00", 12, seed, marks=pytest.mark.slow) for seed in range(3)),
    ],
)
def test_the_worst_hour(
    valkey: EmbeddedStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    questions: int,
    cap: str,
    kills: int,
    seed: int,
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    vendors = tmp_path / "vendors.toml"
    with (
        fake_vendor(WORST, seed=seed) as vendor,
        serving(
            valkey.url, tmp_path, vendors=str(write_vendors(vendors, vendor, spend_cap=cap, deadline_hours=0.0005))
        ) as server,
    ):
        vendor.webhook_url = f"{server.url}/api/v1/vendors/fake/webhook"
        ask(server, questions, cart_pole=True)
        ledger = ledger_of(server, cap)
        broker = broker_of(server, vendors, tmp_path, lease_seconds=4.0)
        most = Decimal(0)

        def watch(done: bool) -> bool:
            nonlocal most
            server.gateway.expire_leases()  # as the gateway's process does
            account = ledger.account()
            most = max(most, account.reserved + account.spent)
            return done

        try:
            for kill in range(kills):
                broker.start()
                wanted = (kill + 1) * len_of(cap) // (kills + 2)
                until(lambda wanted=wanted: watch(len(vendor.answers) >= wanted), broker, 120)
                broker.kill()
            broker.start()
            # Whatever the vendor can still be paid for has been asked and answered, and all of it has come home.
            until(lambda: watch(ledger.room() < PRICE and not ledger.open()), broker, 200)
            until(vendor.at_rest, broker)  # what was taken back may be answered all the same
            until(lambda: watch(ledger.account().cursor == str(len(vendor.news))), broker)
        finally:
            broker.kill()

        labels = log(server.gateway)
        told: dict[tuple[str, str], set[str]] = defaultdict(set)
        for answer in vendor.answers.values():
            told[answer["task"].partition(".")[0], f"fake-{answer['rater']}"].add(answer["choice"])
        assert Counter((label.query, label.rater) for label in labels) == dict.fromkeys(told, 1), (
            "lost, made up or twice"
        )
        for label in labels:
            said = {chosen(ShownChoice(choice), flipped=label.flipped) for choice in told[label.query, label.rater]}
            assert label.choice in said
        firsts = Counter(label.query for label in labels if label.opinion == "first")
        assert set(firsts.values()) == {1}
        assert len(firsts) == server.gateway.counts().used

        account = ledger.account()
        paid = account.spent / PRICE
        assert account.reserved == 0
        assert most <= Decimal(cap) and account.spent <= Decimal(cap)
        assert Decimal(cap) - account.spent < PRICE, "what there was has been spent"
        assert paid + account.disputed == len(vendor.answers), "every bill is paid or disputed, once"

        statuses = vendor.statuses
        assert {status for kind, status in statuses if kind in ("forged", "stale")} <= {403}
        assert {status for kind, status in statuses if kind in ("genuine", "replayed")} == {200}
        assert {kind for kind, _ in statuses} == {"genuine", "replayed", "forged", "stale"}
        assert not {label.rater for label in labels} & {"fake-mallory", "fake-yesterday"}
        assert "Traceback" not in broker.said() + server.said()


def len_of(cap: str) -> int:
    """Answers that the cap pays for."""
    return int(Decimal(cap) / PRICE)
