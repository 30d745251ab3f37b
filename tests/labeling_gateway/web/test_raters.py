"""What the owner sees of how far raters can be believed."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from contracts.label import Choice
from labeling_gateway.__main__ import reward_rater_errors
from labeling_gateway.embedded import EmbeddedStore
from reward_service.client import RewardClient
from tests.labeling_gateway.web.browser import open_dashboard, person
from tests.labeling_gateway.web.server import Server, ask, serving


def answer(server: Server, rater: str, *choices: Choice) -> None:
    for choice in choices:
        held = server.gateway.lease(rater, 60)
        assert held is not None
        server.gateway.answer(held, rater, choice, 2.0)


def test_errors_and_alpha_are_served_and_shown(
    valkey: EmbeddedStore, tmp_path: Path, reward_address: str, browser: Browser
) -> None:
    with serving(valkey.url, tmp_path, reward_address=reward_address) as server:
        ask(server, 4, opinions=2)
        answer(server, "ann", Choice.A, Choice.B, Choice.A, Choice.CANT_TELL)
        assert server.owner().get("run").json()["alpha"] is None, "nobody could disagree"
        answer(server, "bob", Choice.A, Choice.B, Choice.B, Choice.A)
        owner = server.owner()
        raters = {rater["name"]: rater for rater in owner.get("raters").json()["raters"]}
        assert (raters["bob"]["error"], raters["bob"]["error_deviation"]) == (0.31, 0.06)
        assert raters["ann"]["error"] is None, "the reward service has not judged her"
        context = person(browser)
        page = open_dashboard(context, server)
        expect(page.locator("#raters tr", has_text="bob")).to_contain_text("31% ± 6%")
        expect(page.locator("dl.tile", has_text="Agreement")).to_contain_text("among people α = 0.44")
        assert owner.get("run").json()["alpha"] == 0.444
        context.close()


def test_the_gateway_hears_of_errors_and_not_too_often(reward_address: str) -> None:
    rater_errors = reward_rater_errors(RewardClient(reward_address))
    assert rater_errors() == {"bob": {"error": 0.31, "deviation": 0.06, "answers": 40}}
    assert rater_errors() is None, "it was told a moment ago"
    assert reward_rater_errors(RewardClient("127.0.0.1:1"))() is None, "nobody answers there"


def test_without_a_reward_service_nobodys_error_is_known(server: Server) -> None:
    ask(server, 1)
    answer(server, "bob", Choice.A)
    (bob,) = server.owner().get("raters").json()["raters"]
    assert (bob["standing"], bob["error"], bob["error_deviation"]) == (1, None, None)
