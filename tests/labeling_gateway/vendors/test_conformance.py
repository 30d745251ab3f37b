"""The conformance kit passes what keeps its promises, and names what does not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from labeling_gateway.vendors.conformance import Conformance
from labeling_gateway.vendors.interface import Batch, Settings, Vendor
from labeling_gateway.vendors.signed_http import open_vendor
from tests.labeling_gateway.vendors.fake_vendor import SECRET, Faults, fake_vendor

WALKTHROUGH = Path(__file__).parents[3] / "docs" / "write-a-vendor.md"


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling_gateway.vendors.conformance._SETTLE_SECONDS", 0.3)


def settings(**options: object) -> Settings:
    return Settings("fake", "run", Decimal("0.05"), options, {"signing": SECRET})


def broken(vendor: Vendor, of: Settings, patience: float = 0.0) -> dict[str, str]:
    return {found.promise: found.problem for found in Conformance(vendor, of, patience).run() if found.problem}


def test_signed_http_keeps_its_promises() -> None:
    with fake_vendor(Faults(twice=0.5)) as fake:
        of = settings(url=fake.url)
        assert broken(open_vendor(of), of, patience=60) == {}


def test_a_vendor_that_is_busy_now_and_then_breaks_no_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling_gateway.vendors.conformance._RETRY_SECONDS", (0.05, 0.05))
    with fake_vendor(Faults(busy=0.1, torn=0.05), seed=2) as fake:  # both befall before anybody answers
        of = settings(url=fake.url)
        assert broken(open_vendor(of), of, patience=60) == {}


@pytest.fixture
def folder_vendor(tmp_path: Path) -> tuple[Any, Settings]:
    """The vendor that docs/write-a-vendor.md builds."""
    _, _, rest = WALKTHROUGH.read_text().partition("```python\n")
    names: dict[str, Any] = {}
    exec(compile(rest.partition("```")[0], "docs/write-a-vendor.md", "exec"), names)
    of = settings(folder=str(tmp_path))
    return names["open_vendor"](of), of


def test_the_walkthroughs_vendor_keeps_its_promises(folder_vendor: tuple[Any, Settings], tmp_path: Path) -> None:
    vendor, of = folder_vendor

    def answer() -> None:
        give_up = time.monotonic() + 60
        while not (tasks := [place for place in tmp_path.iterdir() if not place.name.startswith(".")]):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        said = {"who": "ann", "choice": "left", "seconds": 4.2}
        (tasks[0] / "answer").write_text(json.dumps(said))
        (tasks[0] / "answer").rename(tasks[0] / "answer.json")  # whole, or not there

    colleague = threading.Thread(target=answer)
    colleague.start()
    assert broken(vendor, of, patience=60) == {}
    colleague.join()


def forgets_keys(vendor: Any) -> None:
    before = vendor.submit
    taken: list[str] = []

    def submit(batch: Batch, idempotency_key: str) -> None:
        if taken:
            raise RuntimeError("this batch exists already")
        taken.append(batch.id)
        before(batch, idempotency_key)

    vendor.submit = submit


def confirms_everything(vendor: Any) -> None:
    vendor.cancel = lambda items: frozenset({*items, "another"})


def takes_anything(vendor: Any) -> None:
    vendor.verify_and_parse = lambda headers, body: ("id", ())


def costs_more(vendor: Any) -> None:
    vendor.cost = lambda: Decimal("0.06")


def changes_ids(vendor: Any) -> None:
    before = vendor.reconcile
    vendor.reconcile = lambda items: type(found := before(items))(found.news)


@pytest.mark.parametrize(
    ("harm", "promise"),
    [
        (forgets_keys, "takes the same batch again, and knows all of it once"),
        (confirms_everything, "gives tasks back, however often it is asked"),
        (takes_anything, "refuses webhooks that nobody signed"),
        (costs_more, "costs no more than the owner's price"),
        (changes_ids, "says which ids it never got"),
    ],
)
def test_a_broken_promise_is_named(
    folder_vendor: tuple[Any, Settings],
    harm: Callable[[Any], None],
    promise: str,
) -> None:
    vendor, of = folder_vendor
    harm(vendor)
    assert set(broken(vendor, of)) == {promise}
