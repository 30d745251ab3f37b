"""Money at the store: never above a cap, never paid twice, whatever comes in whatever order."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.label import Lease, Query
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.vendors.account import Caps
from labeling_gateway.vendors.interface import Declined
from labeling_gateway.vendors.ledger import Ledger

PRICE = Decimal("0.10")


def leases(*names: str) -> list[Lease]:
    return [Lease(Query(name, "a", "b", "scene", "uniform", 0.0, 0, 0), n + 1, 0.0) for n, name in enumerate(names)]


def reserve(ledger: Ledger, batch: str, *names: str, price: Decimal = PRICE) -> list[str]:
    asked = leases(*names)
    return [item.id for item in ledger.reserve(batch, asked, [False] * len(asked), price, 2e9)]


@pytest.fixture
def ledger(store_url: str) -> Iterator[Ledger]:
    """One in each kind of store."""
    opened = Ledger(store_url, f"run-{uuid.uuid4().hex[:8]}", "acme", Caps(Decimal("0.35"), Decimal("1.00")))
    yield opened
    opened.close()


def test_a_reservation_takes_what_the_cap_allows_and_no_more(ledger: Ledger) -> None:
    assert reserve(ledger, "one", "q1", "q2", "q3", "q4", "q5") == ["q1", "q2", "q3"]
    assert reserve(ledger, "two", "q4") == []
    assert ledger.account().reserved == Decimal("0.30")
    assert ledger.room() == Decimal("0.05")
    assert reserve(ledger, "three", "q4", price=Decimal("0.05")) == ["q4"]


def test_sent_twice_a_reservation_is_one(ledger: Ledger) -> None:
    assert reserve(ledger, "one", "q1", "q2") == reserve(ledger, "one", "q1", "q2") == ["q1", "q2"]
    assert ledger.account().reserved == Decimal("0.20")
    assert [item.id for item in ledger.unsubmitted()["one"]] == ["q1", "q2"]
    ledger.submitted("one")
    assert ledger.unsubmitted() == {}


def test_the_cap_of_all_vendors_holds_across_them(store_url: str) -> None:
    run = f"run-{uuid.uuid4().hex[:8]}"
    acme, other = (Ledger(store_url, run, name, Caps(Decimal(9), Decimal("0.30"))) for name in ("acme", "other"))
    assert len(reserve(acme, "one", "q1", "q2")) == 2
    assert len(reserve(other, "one", "q1", "q2")) == 1
    acme.cancelled(["q1"])
    assert len(reserve(other, "two", "q2", "q3")) == 1
    assert acme.account().reserved + other.account().reserved == Decimal("0.30")


def test_an_answer_is_paid_for_once(ledger: Ledger) -> None:
    reserve(ledger, "one", "q1")
    assert ledger.settle("a1", item="q1", billed=True) == "paid"
    assert ledger.settle("a1", item="q1", billed=True) == "repeated"
    assert ledger.settle("a2", item="q1", billed=True) == "disputed"
    account = ledger.account()
    assert (account.spent, account.reserved, account.disputed) == (PRICE, 0, 1)


def test_a_question_that_is_out_is_not_given_again_and_later_has_another_id(ledger: Ledger) -> None:
    reserve(ledger, "one", "q1")
    assert reserve(ledger, "two", "q1") == []
    ledger.cancelling(["q1"])
    assert reserve(ledger, "three", "q1") == []
    ledger.cancelled(["q1"])
    assert reserve(ledger, "four", "q1") == ["q1.2"]
    assert ledger.items(["q1.2"])[0].query == "q1"


def test_money_is_free_once_a_cancellation_is_confirmed_and_not_before(ledger: Ledger) -> None:
    reserve(ledger, "one", "q1", "q2", "q3")
    ledger.cancelling(["q1"])
    assert ledger.account().reserved == Decimal("0.30")
    ledger.cancelled(["q1"])
    ledger.cancelled(["q1"])
    assert ledger.account().reserved == Decimal("0.20")


def test_a_bill_after_a_cancellation_is_paid_where_there_is_room(ledger: Ledger) -> None:
    reserve(ledger, "one", "q1", "q2", "q3")
    ledger.cancelled(["q1"])
    assert ledger.settle("a1", item="q1", billed=True) == "paid"
    ledger.cancelled(["q2"])
    assert reserve(ledger, "two", "q4") == ["q4"]
    assert ledger.settle("a2", item="q2", billed=True) == "disputed"
    assert ledger.settle("a3", item="q3", billed=False) == "free"
    assert ledger.account().spent == PRICE


def test_people_take_seats_in_any_order(ledger: Ledger) -> None:
    seats = ledger.reserve_seats("one", 3, 20, PRICE, 2e9)
    assert [seat.id for seat in seats] == ["one.1", "one.2", "one.3"]
    assert ledger.account().given == 60
    assert [ledger.settle(f"s{n}", batch="one", billed=True) for n in (1, 1, 2)] == ["paid", "repeated", "paid"]
    assert ledger.account().answered == 40
    ledger.cancelled(["one.3"])
    assert ledger.open() == []
    assert ledger.account().spent == Decimal("0.20")


def test_a_webhook_is_taken_once_and_waits_for_the_broker(ledger: Ledger) -> None:
    news = [Declined("q1"), Declined("q2")]
    assert ledger.receive("msg_1", news) is True
    assert ledger.receive("msg_1", news) is False
    inbox = ledger.inbox()
    assert list(inbox.values()) == news
    ledger.drop(inbox)
    assert ledger.inbox() == {}
    assert ledger.receive("msg_1", news) is False, "ids outlive their news"


STEPS = st.one_of(
    st.tuples(st.just("reserve"), st.integers(0, 3), st.integers(0, 5)),
    st.tuples(st.sampled_from(["cancelling", "cancelled"]), st.integers(0, 5), st.integers(1, 3)),
    st.tuples(st.just("settle"), st.integers(0, 5), st.integers(1, 3)),
)


@given(st.lists(STEPS, max_size=25))
def test_no_order_of_events_spends_above_the_cap(valkey: EmbeddedStore, steps: list[tuple[str, int, int]]) -> None:
    cap = Decimal("0.30")
    ledger = Ledger(valkey.url, f"run-{uuid.uuid4().hex}", "acme", Caps(cap, cap))
    paid: set[str] = set()
    for number, (kind, one, two) in enumerate(steps):
        item = f"q{one}" if two == 1 else f"q{one}.{two}"
        if kind == "reserve":
            reserve(ledger, f"batch{number}", *(f"q{(one + step) % 6}" for step in range(two)))
        elif kind == "settle":
            if ledger.settle(f"a{number % 7}", item=item, billed=True) == "paid":
                assert item not in paid
                paid.add(item)
        else:
            getattr(ledger, kind)([item])
        account = ledger.account()
        assert account.reserved >= 0 and account.reserved + account.spent <= cap
        assert account.spent == PRICE * len(paid)
        assert account.reserved == PRICE * len(ledger.open())
    ledger.close()
