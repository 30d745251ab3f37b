"""The labeling page, as somebody in front of a browser meets it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Route, expect

from tests.labeling_gateway.web.browser import (
    PATIENCE,
    labels,
    launch,
    open_label_page,
    person,
    saved,
    shown,
    side,
)
from tests.labeling_gateway.web.server import Server, ask

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def ann(browser: Browser) -> Iterator[BrowserContext]:
    context = person(browser, viewport={"width": 900, "height": 640})
    yield context
    context.close()


@pytest.mark.parametrize("cart_pole", [False, True], ids=["poses", "video"])
def test_questions_are_answered_by_keyboard_alone(server: Server, ann: BrowserContext, cart_pole: bool) -> None:
    ask(server, 4, cart_pole=cart_pole)
    page = open_label_page(ann, server)
    assert page.locator("video:visible").count() == (2 if cart_pole else 0)
    presses = {"ArrowLeft": "left", "ArrowRight": "right", "ArrowDown": "equal", "s": "cant_tell"}
    for number, key in enumerate(presses, 1):
        shown(page, number)
        page.keyboard.press(key)
    saved(page, "Can’t tell")
    given = labels(server)
    assert [side(label) for label in given] == list(presses.values())
    assert {label.rater for label in given} == {"ann"}
    assert all(0.3 <= label.seconds < 60 for label in given)
    expect(page.locator("#waiting-what")).to_have_text("No question just now")


def test_buttons_are_reached_and_pressed_by_keyboard(server: Server, ann: BrowserContext) -> None:
    ask(server, 2)
    page = open_label_page(ann, server)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "answer-equal":
            break
    else:
        raise AssertionError("the button is never reached")
    page.keyboard.press("Enter")
    saved(page, "About equal")
    assert [side(label) for label in labels(server)] == ["equal"]


def test_the_page_keeps_the_invitation_and_its_requests_to_itself(server: Server, ann: BrowserContext) -> None:
    ask(server, 1)
    page = ann.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.goto(f"{server.url}/label#invitation={server.invitation('ann')}")
    shown(page, 1)
    assert page.url == f"{server.url}/label"
    assert asked and all(url.startswith((server.url, "data:")) for url in asked)
    assert not any("invitation=" in url for url in asked[1:])
    assert said == [], "nothing that the content security policy refuses"


def test_undo_shows_the_clips_again_and_the_new_answer_counts(server: Server, ann: BrowserContext) -> None:
    ask(server, 3)
    page = open_label_page(ann, server)
    first = shown(page, 1)
    page.keyboard.press("ArrowLeft")
    saved(page, "Left is better")
    shown(page, 2)
    page.keyboard.press("z")
    assert shown(page, 3) == first
    page.keyboard.press("ArrowDown")
    saved(page, "About equal")
    assert [(label.query, side(label)) for label in labels(server)] == [
        (first, "left"),
        (first, "withdrawn"),
        (first, "equal"),
    ]
    assert server.gateway.counts().used == 1


# In the page, and on its clock: what comes 300 ms after the next clips were shown is an answer, and rightly so.
DOUBLE_PRESS = """async () => {
    const shown = () => performance.getEntriesByName("backflip:shown");
    const soon = () => new Promise((go) => setTimeout(go, 10));
    const press = (key, repeat = false) =>
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key, repeat, bubbles: true }));
    const before = shown().length;
    press("ArrowLeft");
    for (; shown().length === before; await soon()) press("ArrowLeft");
    for (; performance.now() - shown().at(-1).startTime < 250; await soon()) press("ArrowRight");
    for (let held = 0; held < 50; held++, await soon()) press("ArrowRight", true);
}"""


def test_a_double_press_answers_once(server: Server, ann: BrowserContext) -> None:
    ask(server, 3)
    page = open_label_page(ann, server)
    page.evaluate(DOUBLE_PRESS)
    saved(page, "Left is better")
    page.wait_for_timeout(500)
    assert [side(label) for label in labels(server)] == ["left"]


def test_two_tabs_answer_different_questions(server: Server, ann: BrowserContext) -> None:
    ask(server, 12)
    one = open_label_page(ann, server)
    other = open_label_page(ann, server)
    for number in (1, 2):
        for page in (one, other):
            page.bring_to_front()
            shown(page, number)
            page.keyboard.press("ArrowLeft")
            saved(page, "Left is better")
    given = labels(server)
    assert len(given) == 4 and len({label.query for label in given}) == 4
    assert server.gateway.counts().used == 4


def test_a_reload_loses_nothing_and_undo_still_works(server: Server, ann: BrowserContext) -> None:
    ask(server, 6)
    page = open_label_page(ann, server)
    first = shown(page, 1)
    page.route("**/api/v1/answers", lambda route: route.abort())
    page.keyboard.press("ArrowRight")
    expect(page.locator("#delivery")).to_contain_text("No connection", timeout=PATIENCE)
    assert labels(server) == []
    page.once("dialog", lambda dialog: dialog.accept())  # the page asks whether to leave it
    page.reload()
    shown(page, 1)
    page.unroute("**/api/v1/answers")
    wait_for_labels(page, server, 1)
    assert [(label.query, side(label)) for label in labels(server)] == [(first, "right")]
    saved(page, "Your last answer")
    page.keyboard.press("z")
    assert shown(page, 2) == first
    assert server.gateway.counts().used == 0


def test_answers_wait_for_a_server_that_is_gone(server: Server, ann: BrowserContext) -> None:
    ask(server, 6)
    page = open_label_page(ann, server)
    page.wait_for_timeout(1000)  # the next ones come
    server.kill()
    for number in (1, 2):
        shown(page, number)
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#delivery")).to_contain_text("2 answers are kept on this page", timeout=PATIENCE)
    server.start()
    saved(page, "Left is better")
    given = labels(server)
    assert [side(label) for label in given] == ["left", "left"]
    assert len({label.query for label in given}) == 2


def test_without_webgl_clips_are_videos(server: Server, playwright: Playwright) -> None:
    ask(server, 1)
    blind = launch(playwright, "--disable-3d-apis")
    page = open_label_page(person(blind), server)
    assert page.locator("video:visible").count() == 2
    assert page.evaluate("[...document.querySelectorAll('.pane video')].every((one) => one.videoWidth > 0)")
    expect(page.locator("#view-reset")).to_be_hidden()
    expect(page.locator(".hint:not(#patience)")).not_to_contain_text("Drag", use_inner_text=True)
    page.keyboard.press("ArrowRight")
    saved(page, "Right is better")
    blind.close()
    assert [side(label) for label in labels(server)] == ["right"]


def test_at_phone_width_everything_is_in_reach(server: Server, browser: Browser) -> None:
    ask(server, 2)
    phone = person(browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = open_label_page(phone, server)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    for name in ("left-pane", "right-pane", "answer-left", "answer-right", "answer-equal", "answer-cant_tell", "undo"):
        box = page.locator(f"#{name}").bounding_box()
        assert box is not None and box["width"] > 80 and box["y"] + box["height"] <= 844, name
    page.tap("#answer-right")
    saved(page, "Right is better")
    long = {"progress-text": "888 of 900 answers", "mine": "888 by you · 1,240 an hour"}
    page.evaluate("long => { for (const id in long) document.getElementById(id).textContent = long[id]; }", long)
    for name in long:
        box = page.locator(f"#{name}").bounding_box()
        assert box is not None and box["x"] >= 10 and box["x"] + box["width"] <= 380, name
    phone.close()


@pytest.mark.slow  # it takes a machine that does nothing else
def test_the_next_question_is_there_at_once(server: Server, ann: BrowserContext) -> None:
    ask(server, 12)
    page = open_label_page(ann, server)
    for number in range(1, 8):
        shown(page, number)
        page.wait_for_timeout(700)
        page.keyboard.press("ArrowLeft")
    shown(page, 8)
    waits = page.evaluate(
        """performance.getEntriesByName('backflip:answered').map((answered) =>
            performance.getEntriesByName('backflip:shown').find((shown) => shown.startTime > answered.startTime)
                .startTime - answered.startTime)"""
    )
    assert len(waits) == 7
    assert statistics.median(waits) < 100, waits


def test_where_there_is_no_question_the_page_says_so_and_goes_on_by_itself(server: Server, ann: BrowserContext) -> None:
    page = ann.new_page()
    page.goto(f"{server.url}/label#invitation={server.invitation('ann')}")
    expect(page.locator("#waiting-what")).to_have_text("No question just now")
    server.gateway.set_paused(True)
    expect(page.locator("#waiting-what")).to_have_text("A break for everybody", timeout=PATIENCE)
    ask(server, 1)
    shown(page, 1)
    expect(page.locator("#answer-left")).to_be_visible()


def test_the_end_is_said_and_stays_when_the_run_is_over(server: Server, ann: BrowserContext) -> None:
    ask(server, 1)
    server.gateway.set_budget(1)
    page = open_label_page(ann, server)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#waiting-what")).to_have_text("All done – thank you!", timeout=PATIENCE)
    server.kill()
    page.wait_for_timeout(7000)  # it has asked once more
    expect(page.locator("#waiting-what")).to_have_text("All done – thank you!")


def test_an_answer_is_one_request_on_a_slow_line_too(server: Server, ann: BrowserContext) -> None:
    ask(server, 9)
    page = open_label_page(ann, server)
    shown(page, 1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url.rpartition('/')[2]}"))

    def slowly(route: Route) -> None:
        time.sleep(3.5)  # the page looks every three seconds whether it has enough
        route.continue_()

    for number in (1, 2, 3):
        if number == 2:
            page.route("**/answers", slowly, times=1)
        shown(page, number)
        page.keyboard.press("ArrowLeft")
        saved(page, "Left is better")
    assert [one for one in asked if one not in ("GET task", "POST renew")] == ["POST answers"] * 3


def test_a_stranger_is_told_what_is_missing(server: Server, ann: BrowserContext) -> None:
    page = ann.new_page()
    page.goto(f"{server.url}/label")
    expect(page.locator("#waiting-what")).to_have_text("You need an invitation")


def test_both_cameras_turn_together_and_both_clips_pause(server: Server, ann: BrowserContext) -> None:
    ask(server, 1)
    page = open_label_page(ann, server)
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_text("Play")
    still = settled(page)
    box = page.locator("#left-pane").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 120, steps=3)
    page.mouse.up()
    turned = settled(page)
    assert turned[0] != still[0] and turned[1] != still[1]
    page.keyboard.press("0")
    back = settled(page)
    assert back[0] != turned[0] and back[1] != turned[1]


def settled(page: Page) -> list[bytes]:
    """Both clips once they hold still, which takes some pictures where drawing is slow: they get smaller, too."""
    before, same = pictures(page), 0
    for _ in range(60):
        page.wait_for_timeout(500)
        now = pictures(page)
        same = same + 1 if now == before else 0
        if same == 3:
            return now
        before = now
    raise AssertionError("the clips are not paused")


def pictures(page: Page) -> list[bytes]:
    """As they are on the screen: a canvas that is read between two drawings is empty."""
    return [page.locator(pane).screenshot() for pane in ("#left-pane", "#right-pane")]


def wait_for_labels(page: Page, server: Server, count: int) -> None:
    for _ in range(PATIENCE // 100):
        if len(labels(server)) >= count:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"only {len(labels(server))} of {count} answers came")
