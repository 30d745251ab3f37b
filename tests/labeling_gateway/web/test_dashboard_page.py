"""The dashboard, as the run's owner meets it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from contracts.label import Choice
from labeling_gateway.alarms import Alarm
from tests.labeling_gateway.web.browser import PATIENCE, open_dashboard, open_label_page, person, saved, shown
from tests.labeling_gateway.web.server import Server, ask

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def owner(browser: Browser) -> Iterator[BrowserContext]:
    context = person(browser, viewport={"width": 1100, "height": 800})
    yield context
    context.close()


def answer(server: Server, rater: str, choice: Choice = Choice.A) -> None:
    lease = server.gateway.lease(rater, 60)
    assert lease is not None
    server.gateway.answer(lease, rater, choice, 2.0)


def test_what_happens_is_seen_as_it_happens(server: Server, owner: BrowserContext) -> None:
    ask(server, 3)
    page = open_dashboard(owner, server)
    assert page.url == f"{server.url}/dashboard", "the token is out of the address"
    expect(page.locator("#budget-text")).to_have_text("0 of 900 answers")
    answer(server, "ann")
    expect(page.locator("#budget-text")).to_have_text("1 of 900 answers")
    card = page.locator("article.label")
    expect(card).to_have_count(1)
    expect(card).to_contain_text("Left is better · ann · 2.0 s")
    expect(card.locator(".pane.better")).to_have_count(1)
    expect(page.locator("#doing dt")).to_have_text(["questions"])
    accuracy = {"reward_model_accuracy": 0.84, "reward_model_accuracy_of": 90}
    doing = {"labeling gateway": "waiting for answers"}
    soon = time.time() + 60  # or it would be too old before a slow browser has shown it
    server.gateway.report_run(accuracy | {"reported_at": soon, "doing": doing})
    told = page.locator("#tiles dl", has_text="Held-out accuracy")
    expect(told).to_contain_text("84%of 90 answers it was not fitted on")
    expect(page.locator("#doing dt")).to_have_text(["labeling gateway"])


def test_an_alarm_is_seen_until_it_is_over(server: Server, owner: BrowserContext) -> None:
    page = open_dashboard(owner, server)
    expect(page.locator("#budget-text")).to_be_visible()
    expect(page.locator("#alarms")).to_be_hidden()
    alarm = Alarm("contradicted", time.time(), 150_000, 12, 7, {"contradiction": 4.2})
    server.gateway.note_alarm(alarm)
    expect(page.get_by_role("alert")).to_contain_text("The reward model may be fooled")
    expect(page.locator("#alarms li")).to_contain_text(alarm.words)
    server.gateway.note_alarm(replace(alarm, ended_at=time.time(), ended_env_steps=200_000))
    expect(page.locator("#alarms h2")).to_have_text("The reward model may have been fooled; that is over.")
    expect(page.locator("#alarms li.over")).to_have_count(1)


def test_what_went_wrong_is_seen_and_nothing_where_nothing_did(server: Server, owner: BrowserContext) -> None:
    page = open_dashboard(owner, server)
    expect(page.locator("#budget-text")).to_be_visible()
    expect(page.get_by_role("heading", name="What went wrong")).to_be_hidden()
    troubles = ["actor 1: died 2 times, see logs/actor_1.log", "label store: died once, see store/store.log"]
    server.gateway.report_run({"reported_at": time.time(), "troubles": troubles})
    expect(page.get_by_role("list", name="What went wrong").get_by_role("listitem")).to_have_text(troubles)
    server.gateway.report_run({"reported_at": time.time(), "troubles": []})
    expect(page.get_by_role("heading", name="What went wrong")).to_be_hidden()
    expect(page.locator("#troubles")).to_be_hidden()


def test_asking_is_paused_and_the_budget_changed(server: Server, owner: BrowserContext) -> None:
    page = open_dashboard(owner, server)
    page.click("#pause")
    expect(page.locator("#pause")).to_have_text("Go on asking")
    assert server.gateway.control().paused
    page.fill("#budget", "1200")
    page.click("#budget-form [type=submit]")
    expect(page.locator("#budget-text")).to_have_text("0 of 1,200 answers")
    assert server.gateway.control().budget == 1200


def test_a_raters_answers_are_withdrawn_once_that_is_confirmed(server: Server, owner: BrowserContext) -> None:
    ask(server, 3)
    answer(server, "ann")
    answer(server, "bob")
    page = open_dashboard(owner, server)
    row = page.locator("#raters tr", has_text="bob")
    row.get_by_role("button").click()
    page.get_by_role("button", name="Keep").click()
    assert server.gateway.counts().used == 2, "not confirmed"
    row.get_by_role("button").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#budget-text")).to_have_text("1 of 900 answers")
    expect(row).to_contain_text("1 taken back")


def test_an_invitation_lets_somebody_in_until_it_is_revoked(
    server: Server, owner: BrowserContext, browser: Browser
) -> None:
    ask(server, 2)
    page = open_dashboard(owner, server)
    page.fill("#invite-rater", "cleo")
    page.click("#invite [type=submit]")
    expect(page.locator("#invited")).to_be_visible()
    link = page.input_value("#invited-link")
    guest = person(browser)
    labeling = guest.new_page()
    labeling.goto(link)
    shown(labeling, 1)
    labeling.keyboard.press("ArrowLeft")
    saved(labeling, "Left is better")
    assert [rater.name for rater in server.gateway.raters()] == ["cleo"]
    row = page.locator("#invitations tr", has_text="cleo")
    row.get_by_role("button").click()
    page.locator("#confirm-yes").click()
    expect(row).to_contain_text("revoked")
    guest.clear_cookies()
    labeling.goto("about:blank")
    labeling.goto(link)
    expect(labeling.locator("#waiting-what")).to_have_text("You need an invitation")
    guest.close()


def test_a_labeler_does_not_see_the_dashboard(server: Server, owner: BrowserContext) -> None:
    ask(server, 1)
    open_label_page(owner, server)
    page = owner.new_page()
    page.goto(f"{server.url}/dashboard")
    expect(page.locator("#notice")).to_contain_text("for the run's owner", timeout=PATIENCE)
    expect(page.locator("#all")).to_be_hidden()
