"""Careless raters are paused, and never the last one."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from contracts.label import Choice
from contracts.rater import RaterError
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import GatewayConfig, LabelsConfig
from labeling_gateway.pausing import is_careless, pause_careless
from labeling_gateway.service import Gateway
from tests.labeling_gateway.samples import ask, lease, log, score


def errs(error: float, deviation: float = 0.05, answers: int = 60) -> RaterError:
    return RaterError(error=error, deviation=deviation, answers=answers)


def answered_by(client: GatewayClient, *raters: str) -> None:
    ask(client, len(raters))
    for rater in raters:
        client.answer(lease(client, rater), rater, Choice.A, 1)


def test_only_who_is_surely_careless_is_careless() -> None:
    assert is_careless(errs(0.48), 0.4)
    assert not is_careless(errs(0.35), 0.4)
    assert not is_careless(errs(0.48, answers=19), 0.4)
    assert not is_careless(errs(0.48, deviation=0.15), 0.4), "it may be 0.18"
    assert not is_careless(errs(1.0), 1.0), "1 pauses nobody"


def test_the_gateway_pauses_who_is_careless_and_says_why(
    client: GatewayClient, caplog: pytest.LogCaptureFixture
) -> None:
    config = GatewayConfig(run=client.keys.run, reward_address="", seed=0, labels=LabelsConfig())
    errors = {"ann": errs(0.04), "bob": errs(0.48), "eve": errs(0.9)}
    gateway = Gateway(config, client, score, lambda: errors)
    answered_by(client, *errors)
    ask(client, 2)
    with caplog.at_level(logging.WARNING):
        gateway.step()
    why = client.paused_raters()
    assert list(why) == ["bob", "eve"]
    assert why["bob"] == "about 48% of 60 answers seem to name the wrong clip (± 10%)"
    assert "bob is paused, until the owner lets them go on: about 48%" in caplog.text
    assert client.lease("bob", 60) is None
    assert client.lease("ann", 60) is not None


def test_whom_the_owner_lets_go_on_is_not_paused_again(client: GatewayClient) -> None:
    errors = {"ann": errs(0.04), "bob": errs(0.48)}
    answered_by(client, *errors)
    assert pause_careless(client, errors, 0.4) == ["bob"]
    assert pause_careless(client, errors, 0.4) == []
    client.resume_rater("bob")
    assert pause_careless(client, errors, 0.4) == []
    assert client.paused_raters() == {}
    client.pause_rater("bob", "asked to")
    assert client.paused_raters() == {"bob": "asked to"}, "the owner may, at any time"


def test_the_last_rater_is_never_paused(client: GatewayClient) -> None:
    errors = {"bob": errs(0.48), "eve": errs(0.55), "gone": errs(0.05, answers=0)}
    answered_by(client, *errors)
    assert pause_careless(client, errors, 0.4) == ["eve"]
    assert pause_careless(client, errors, 0.4) == []
    assert list(client.paused_raters()) == ["eve"]


def test_whoever_answered_another_run_alone_is_nobody_to_go_on_with(client: GatewayClient) -> None:
    (query,) = ask(client, 1)
    client.answer(lease(client, "bob"), "bob", Choice.A, 1)
    (label,) = log(client)
    elsewhere = replace(query, id="elsewhere"), replace(label, query="elsewhere", rater="ann")
    client.import_answers([elsewhere], {})
    assert pause_careless(client, {"ann": errs(0.04), "bob": errs(0.48)}, 0.4) == []
