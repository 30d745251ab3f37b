"""People of Prolific find our page, answer, get their code, and are paid for; against a fake of its documented API."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from contracts.label import Opinion
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.vendors.conformance import Conformance
from labeling_gateway.vendors.interface import Attendance, Batch, Forged, Seat, Settings, Vendor
from labeling_gateway.vendors.prolific import open_vendor
from tests.labeling_gateway.samples import log
from tests.labeling_gateway.vendors.brokers import broker_of, ledger_of, until
from tests.labeling_gateway.vendors.fake_prolific import TOKEN, WEBHOOK_SECRET, FakeProlific, fake_prolific
from tests.labeling_gateway.web.server import ask, serving
from tests.labeling_gateway.web.test_labeling import answer, lease

OPTIONS = {"title": "Which clip is better?", "description": "Compare clips.", "minutes": 5, "reward_cents": 75}
PID = "5f0c9d5b8f4e2a0001a1b2c3"


def opened(prolific: FakeProlific, **options: object) -> Vendor:
    secrets = {"token": TOKEN, "webhook": WEBHOOK_SECRET}
    values = OPTIONS | {"url": prolific.url} | options
    return open_vendor(Settings("fake", "run", Decimal("1.50"), values, secrets, "https://labels.example.org"))


def seats(count: int, batch: str = "batch") -> Batch:
    link = "https://labels.example.org/api/v1/vendors/fake/seat?ticket=t"
    return Batch(batch, seats=tuple(Seat(f"{batch}.{n + 1}", 20, link, "CODE123", 2e9) for n in range(count)))


def vendors_toml(path: Path, prolific: FakeProlific) -> Path:
    options = "\n".join(f"{name} = {value!r}" for name, value in (OPTIONS | {"url": prolific.url}).items())
    path.write_text(
        'spend_cap = "10"\n[vendors.fake]\nkind = "prolific"\nprice = "1.50"\nspend_cap = "3.10"\nanswers = 3\n'
        "poll_seconds = 0.1\n"
        '[vendors.fake.secrets]\ntoken = "PROLIFIC_TOKEN"\nwebhook = "PROLIFIC_WEBHOOK"\n'
        f"[vendors.fake.options]\n{options}\n"
    )
    return path


def test_people_come_answer_and_are_paid_for(
    valkey: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROLIFIC_TOKEN", TOKEN)
    monkeypatch.setenv("PROLIFIC_WEBHOOK", WEBHOOK_SECRET)
    with fake_prolific() as prolific:
        vendors = vendors_toml(tmp_path / "vendors.toml", prolific)
        with serving(valkey.url, tmp_path, vendors=str(vendors)) as server:
            ask(server, 8, cart_pole=True)
            broker = broker_of(server, vendors, tmp_path)
            broker.start()
            try:
                until(lambda: any(study["status"] == "ACTIVE" for study in list(prolific.studies.values())), broker)
                (study,) = prolific.studies.values()
                assert study["total_available_places"] == 2, "eight questions are work for two, who can be paid"
                assert ledger_of(server).account().reserved == Decimal("3.00")

                link = study["external_study_url"].replace("{{%PROLIFIC_PID%}}", PID).replace("{{%SESSION_ID%}}", "s")
                ticket = parse_qs(urlsplit(link).query)["ticket"][0]
                person = server.stranger()
                landing = person.get(link)
                assert landing.status_code == 200 and "compare 3 pairs" in landing.text
                done = urlsplit(re.findall(r'href="([^"]+)"', landing.text)[-1]).path
                for answered in range(3):
                    page = person.get(f"{server.url}{done}", params={"ticket": ticket})
                    assert f"answered {answered} of 3" in page.text
                    answer(person, lease(person)[0])
                page = person.get(f"{server.url}{done}", params={"ticket": ticket})
                (code,) = [one["code"] for one in study["completion_codes"]]
                assert f"https://app.prolific.com/submissions/complete?cc={code}" in page.text
                assert {label.rater for label in log(server.gateway)} == {f"fake-{PID}"}
                assert {label.opinion for label in log(server.gateway)} == {Opinion.FIRST}

                submission = prolific.submission(study["id"], PID, "AWAITING REVIEW")
                headers, body = prolific.webhook(submission)
                hook = f"{server.url}/api/v1/vendors/fake/webhook"
                typed, prolifics = {"content-type": "application/json"}, server.stranger()
                assert prolifics.post(hook, content=body + b" ", headers=headers | typed).status_code == 403
                old, old_body = prolific.webhook(submission, time.time() - 600)
                assert prolifics.post(hook, content=old_body, headers=old | typed).status_code == 403
                news = [prolifics.post(hook, content=body, headers=headers | typed).json()["new"] for _ in range(2)]
                assert news == [True, False]
                until(lambda: ledger_of(server).account().spent == Decimal("1.50"), broker)
                prolific.submission(study["id"], PID, "APPROVED")
                time.sleep(0.5)
                account = ledger_of(server).account()
                assert (account.spent, account.reserved) == (Decimal("1.50"), Decimal("1.50"))

                server.gateway.set_budget(0)  # the other place is taken back
                until(lambda: not ledger_of(server).open(), broker)
                assert prolific.studies[study["id"]]["status"] == "AWAITING REVIEW"
            finally:
                broker.kill()
            assert TOKEN not in broker.said() and WEBHOOK_SECRET not in server.said()


def test_a_seat_is_for_whom_it_was_signed(valkey: EmbeddedStore, tmp_path: Path) -> None:
    vendors = tmp_path / "vendors.toml"
    vendors.write_text('[vendors.teacher]\nkind = "scripted"\n')
    with serving(valkey.url, tmp_path, vendors=str(vendors)) as server:
        door = server.stranger()
        assert door.get("vendors/fake/seat", params={"ticket": "forged.ticket", "worker": PID}).status_code == 401
        assert door.get("vendors/fake/done", params={"ticket": "forged.ticket"}).status_code == 401
        assert door.post("vendors/fake/webhook", json={}).status_code == 404


def test_a_study_is_made_and_published_once() -> None:
    with fake_prolific() as prolific:
        vendor = opened(prolific)
        for _ in range(2):
            vendor.submit(seats(3), "key")
        assert prolific.requests["studies"] == 1
        (study,) = prolific.studies.values()
        assert study["status"] == "ACTIVE"
        assert study["completion_codes"][0]["actions"] == [{"action": "MANUALLY_REVIEW"}]
        assert "worker={{%PROLIFIC_PID%}}" in study["external_study_url"]


def test_whoever_has_begun_may_finish() -> None:
    with fake_prolific() as prolific:
        vendor = opened(prolific)
        vendor.submit(seats(3), "key")
        prolific.submission("study-0", "one", "ACTIVE")
        prolific.submission("study-0", "two", "RETURNED")
        items = frozenset(seats(3).items)
        assert len(vendor.cancel(items | {"never.1"}) & items) == 2
        prolific.submission("study-0", "one", "APPROVED")
        assert vendor.poll("").news == (Attendance("batch", "submission-one", "one"),)


def test_prolific_keeps_a_vendors_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling_gateway.vendors.conformance._SETTLE_SECONDS", 0.0)
    with fake_prolific() as prolific:
        settings = Settings("fake", "run", Decimal("1.50"), {}, {}, "https://labels.example.org")
        assert [found for found in Conformance(opened(prolific), settings).run() if found.problem] == []


def test_a_webhook_of_somebody_else_is_forged() -> None:
    with fake_prolific() as prolific:
        vendor = opened(prolific)
        with pytest.raises(Forged):
            vendor.verify_and_parse({}, b"{}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reward_cents": 200}, "more than price"),
        ({"minutes": 0}, "options.minutes must be a whole number"),
        ({"colour": "red"}, "there is no option colour"),
        ({"review": "never"}, "must be one of manual, automatic"),
    ],
)
def test_a_mistake_is_named(options: dict[str, object], said: str) -> None:
    with fake_prolific() as prolific, pytest.raises(ValueError, match=said):
        opened(prolific, **options)
