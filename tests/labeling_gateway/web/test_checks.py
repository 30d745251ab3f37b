"""What raters and the owner meet of gold questions, repeats, the minimum time and pauses."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Route, expect

from contracts.label import Choice, Opinion
from labeling_gateway.replies import Checks
from tests.labeling_gateway.web.browser import PATIENCE, labels, open_dashboard, open_label_page, person, saved, shown
from tests.labeling_gateway.web.server import Server, ask
from tests.labeling_gateway.web.test_labeling import answer, lease

pytestmark = pytest.mark.timeout(240)


def test_a_repeat_shows_the_sides_swapped_and_nothing_tells_it_from_another_question(server: Server) -> None:
    ask(server, 12)
    ann = server.labeler()
    before = {}
    for _ in range(8):
        (pair,) = lease(ann)
        before[pair["query"]] = pair
        answer(ann, pair)
    server.gateway.set_checks(Checks(repeat_share=1.0))
    for number in range(3):
        (pair,) = lease(ann)
        first = before[pair["query"]]
        assert (pair["left"], pair["right"]) == (first["right"], first["left"])
        assert pair.keys() == first.keys()
        if number == 1:
            pair = ann.post("undo", json={"query": _answered(ann, pair)}).json()
            assert (pair["left"], pair["right"]) == (first["right"], first["left"])
        receipt = answer(ann, pair).json()
        assert (receipt["opinion"], receipt["repeated"], receipt["used"]) == ("later", False, 8)
    kept = {label.query: label for label in labels(server) if label.opinion is Opinion.FIRST}
    repeats = [label for label in labels(server) if label.opinion is Opinion.REPEAT and label.choice != "withdrawn"]
    assert [label.flipped != kept[label.query].flipped for label in repeats] == [True] * 4
    assert all(label.choice != kept[label.query].choice for label in repeats), "the left one each time"


def _answered(ann, pair: dict) -> str:
    assert answer(ann, pair).status_code == 201
    return pair["query"]


def test_an_answer_that_comes_too_soon_is_refused_in_a_line(server: Server) -> None:
    ask(server, 1)
    server.gateway.set_checks(Checks(minimum_seconds=2.0))
    ann = server.labeler()
    (pair,) = lease(ann)
    hasty = answer(ann, pair, seconds=1.5)
    assert hasty.status_code == 422 and "look at both clips for 2 s at least" in hasty.json()["error"]
    assert answer(ann, pair, seconds=2.0).status_code == 201


def test_the_owner_says_what_is_right(server: Server) -> None:
    first, second = ask(server, 2)
    ann, bob, owner = server.labeler(), server.labeler("bob"), server.owner()
    answer(ann, lease(ann)[0])
    (row,) = owner.get("labels").json()["labels"]
    shown_left = first.clip_b if row["flipped"] else first.clip_a
    assert row["left"]["clip"] == shown_left
    assert owner.put(f"gold/{first.id}", json={"choice": "a"}).json() == {"golds": {first.id: "a"}}
    assert owner.get("gold").json() == {"golds": {first.id: "a"}}
    server.gateway.set_checks(Checks(gold_share=1.0))
    (pair,) = lease(bob)
    assert pair["query"] == first.id
    answer(bob, pair, "left" if pair["left"]["clip"] == first.clip_a else "right")
    (found,) = (rater for rater in owner.get("raters").json()["raters"] if rater["name"] == "bob")
    assert (found["gold_right"], found["golds"], found["repeats"]) == (1.0, 1, 0)
    assert owner.delete(f"gold/{first.id}").json() == {"golds": {}}
    assert owner.put("gold/nope", json={"choice": "a"}).status_code == 404
    assert owner.delete("gold/nope").status_code == 404
    for body in ({"choice": "left"}, {"choice": "equal"}, {}):
        assert owner.put(f"gold/{second.id}", json=body).status_code == 422
    assert ann.put(f"gold/{second.id}", json={"choice": "a"}).status_code == 403


def test_a_paused_rater_is_told_why(server: Server) -> None:
    ask(server, 2)
    ann, owner = server.labeler(), server.owner()
    assert ann.get("task").json()["paused_reason"] is None
    paused = owner.put("raters/ann/paused", json={"paused": True, "reason": "wrong about gold questions"})
    assert paused.json() == {"paused": {"ann": "wrong about gold questions"}}
    assert lease(ann) == []
    assert ann.get("task").json()["paused_reason"] == "wrong about gold questions"
    assert owner.put("raters/ann/paused", json={"paused": False}).json() == {"paused": {}}
    assert len(lease(ann)) == 1


def test_answers_wait_until_the_clips_were_looked_at(server: Server, browser: Browser) -> None:
    ask(server, 2)
    server.gateway.set_checks(Checks(minimum_seconds=8.0))  # long enough for two presses on a busy machine
    context = person(browser, viewport={"width": 900, "height": 640})
    page = open_label_page(context, server)
    left = page.locator("#answer-left")
    expect(page.locator("#patience")).to_have_text(re.compile(r"Look at both clips: [1-8] s"))
    expect(left).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("ArrowLeft")
    left.click(force=True)
    expect(page.locator("#patience")).to_be_hidden(timeout=PATIENCE)
    expect(left).to_have_attribute("aria-disabled", "false")
    assert labels(server) == []
    page.keyboard.press("ArrowRight")
    saved(page, "Right is better")
    (label,) = labels(server)
    assert 8.0 <= label.seconds < 100
    shown(page, 2)
    expect(left).to_have_attribute("aria-disabled", "true")
    context.close()


def test_answers_wait_also_where_the_page_hears_late_for_how_long(server: Server, browser: Browser) -> None:
    ask(server, 1)
    server.gateway.set_checks(Checks(minimum_seconds=8.0))
    context = person(browser)
    page = context.new_page()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/v1/task", hold, times=1)
    page.goto(f"{server.url}/label#invitation={server.invitation('ann')}")
    shown(page, 1)
    for route in held:
        route.continue_()
    expect(page.locator("#patience")).to_have_text(re.compile(r"Look at both clips: [1-8] s"))
    expect(page.locator("#patience")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    saved(page, "Left is better")
    context.close()


def test_the_owner_sees_who_is_paused_and_lets_them_go_on(server: Server, browser: Browser) -> None:
    ask(server, 3)
    held = server.gateway.lease("ann", 60)
    assert held is not None
    server.gateway.answer(held, "ann", Choice.A, 1.0)
    server.gateway.pause_rater("ann", "too fast")
    labeling, owning = person(browser), person(browser)
    page = labeling.new_page()
    page.goto(f"{server.url}/label#invitation={server.invitation('ann')}")
    expect(page.locator("#waiting-why")).to_contain_text("too fast", timeout=PATIENCE)
    row = open_dashboard(owning, server).locator("#raters tr", has_text="ann")
    expect(row).to_contain_text("paused: too fast")
    row.get_by_role("button", name="Resume").click()
    expect(row.get_by_role("button", name="Resume")).to_have_count(0)
    assert server.gateway.paused_raters() == {}
    shown(page, 1)
    labeling.close()
    owning.close()
