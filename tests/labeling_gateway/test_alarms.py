"""When an alarm is raised, what is asked then, and when it ends."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from contracts.clip import Clip
from contracts.label import ALARM, Choice
from labeling_gateway.alarms import SIGNS, Figures, changes
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import GatewayConfig, LabelsConfig
from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.evidence import Claim
from labeling_gateway.service import Gateway
from tests.labeling_gateway.samples import ask, clip, lease

LABELS = LabelsConfig(budget=200, upfront=0.1, check_share=0.4)
QUIET = Figures()


@pytest.fixture
def client(valkey: EmbeddedStore) -> GatewayClient:
    return GatewayClient(valkey.url, f"run-{uuid.uuid4().hex[:8]}")


class Fooled:
    """A model that is sure a high first observation is good, and people who say what they are told to say."""

    def __init__(self, client: GatewayClient, labels: LabelsConfig = LABELS) -> None:
        self.client = client
        self.gateway = Gateway(
            GatewayConfig(run=client.keys.run, reward_address="", seed=0, labels=labels), client, self.score
        )
        self.offered = 0

    def score(self, observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int]:
        return np.repeat(observation[:, :1], 3, axis=1) + np.array([0.0, 0.01, -0.01], np.float32), 1

    def offer(self, count: int) -> None:
        """Clips of a policy that gets better by the model's measure."""
        for number in range(self.offered, self.offered + count):
            sample = clip(number)
            observation = sample.observation.copy()
            observation[:, 0] += number / 100
            self.gateway.offer([replace(sample, observation=observation)])
        self.offered += count

    def go_on(self, share: float, agree: bool) -> list[str]:
        """Asks and answers all that is due; returns how each question was chosen."""
        self.offer(60)
        self.client.report_progress(int(1000 * share), 1000)
        chosen: list[str] = []
        while self.gateway.step():
            while (held := self.client.lease("ann", 60)) is not None:
                chosen.append(held.query.chosen_by)
                a, b = (_reward(side) for side in self.client.clips(held.query))
                self.client.answer(held, "ann", Choice.A if (a > b) == agree else Choice.B, 1.0)
        return chosen


def _reward(clip: Clip) -> float:
    return float(clip.observation[:, 0].sum())


@pytest.mark.parametrize(
    ("sign", "figures"),
    [
        ("contradicted", Figures(contradiction=4.2)),
        ("unfamiliar", Figures(unfamiliarity=3.5)),
        ("overrated", Figures(rise=0.8, agreement_fall=3.5)),
        ("monotonous", Figures(variety=0.2, contradiction=2.5)),
    ],
)
def test_each_sign_is_raised_by_its_own_figures_and_ends_with_them(sign: str, figures: Figures) -> None:
    assert changes(set(), figures) == ([sign], [])
    assert changes({sign}, figures) == ([], []), "it is raised once"
    assert changes({sign}, QUIET) == ([], [sign])
    assert changes(set(), QUIET) == ([], [])


@pytest.mark.parametrize(
    "figures",
    [Figures(rise=1.0), Figures(agreement_fall=9.0), Figures(variety=0.0), Figures(unfamiliarity=2.0)],
    ids=["better and better", "harder questions", "a task that is learnt", "exploring"],
)
def test_what_a_sound_run_does_raises_nothing(figures: Figures) -> None:
    assert changes(set(), figures) == ([], [])


def test_no_sign_is_raised_and_over_at_once() -> None:
    rng = np.random.default_rng(0)
    for row in rng.uniform((0, 0, 0, 0, 0), (8, 9, 1, 5, 2), size=(2000, 5)):
        figures = Figures(*(float(value) for value in row))
        assert not [name for name, sign in SIGNS.items() if sign.raised(figures) and sign.ended(figures)]


def test_a_fooled_model_is_caught_asked_about_and_cleared(
    client: GatewayClient, caplog: pytest.LogCaptureFixture
) -> None:
    run = Fooled(client)
    for share in (0.0, 0.1, 0.2):
        assert ALARM not in run.go_on(share, agree=True)
    assert client.alarms() == []

    chosen: list[str] = []
    for share in (0.25, 0.3, 0.35):
        chosen += run.go_on(share, agree=False)
    (alarm,) = [alarm for alarm in client.alarms() if alarm.sign == "contradicted"]
    assert alarm.ended_at is None and alarm.figures["contradiction"] >= 4
    assert 250 <= alarm.env_steps <= 350
    begun = chosen.index(ALARM)
    assert Counter(chosen[begun : begun + 20])[ALARM] == 20, "nothing else is asked while it stands"
    assert 5 <= Counter(chosen[-20:])[ALARM] <= 15, "and half of the questions are once it has had its share"

    heir = Fooled(client)  # one that died doesn't forget what it had seen
    heir.offered = run.offered
    assert heir.gateway._watch.standing == [now for now in client.alarms() if now.ended_at is None]
    for share in (0.6, 0.7, 0.8):
        heir.go_on(share, agree=True)
    assert all(alarm.ended_at is not None and alarm.ended_env_steps for alarm in client.alarms())
    assert len([now for now in client.alarms() if now.sign == "contradicted"]) == 1
    said = [record.message for record in caplog.records]
    assert [line for line in said if line.startswith("alarm, the reward model may be fooled: people contradict it")]
    assert [line for line in said if line.startswith("alarm over: people contradict it")]


def test_the_clips_an_alarm_is_about_are_what_the_policy_does_now(client: GatewayClient) -> None:
    run = Fooled(client)
    run.go_on(0.0, agree=True)
    for share in (0.1, 0.2, 0.3, 0.4):
        run.go_on(share, agree=False)
    seen: set[str] = set()
    urgent = 0
    for query in client.asked():
        if query.chosen_by == ALARM:
            urgent += 1
            assert query.clip_a not in seen and query.clip_b in seen, "compared with what people have judged"
            newest, judged = client.clips(query)
            assert abs(_reward(newest) - _reward(judged)) > 1, "and the model is sure of it"
        seen |= {query.clip_a, query.clip_b}
    assert urgent >= 10


def test_alarm_questions_go_before_those_that_wait(client: GatewayClient) -> None:
    waiting = ask(client, 3)
    (urgent,) = ask(client, 1, chosen_by=ALARM)
    client.ask([urgent], {}, 100)  # again, as after a lost connection
    assert (client.counts().asked, client.counts().ahead) == (4, 1)
    order = []
    while (held := client.lease("ann", 60)) is not None:
        order.append(held.query.id)
    assert order == [urgent.id, *(query.id for query in waiting)]


def test_a_further_opinion_on_an_alarm_goes_first_too(client: GatewayClient) -> None:
    waiting = ask(client, 2)
    (urgent,) = ask(client, 1, opinions=2, chosen_by=ALARM)
    for rater in ("ann", "ben"):
        held = lease(client, rater)
        assert held.query.id == urgent.id
        client.answer(held, rater, Choice.A, 1.0)
    assert lease(client, "ann").query.id == waiting[0].id


@pytest.mark.parametrize(("first", "raised"), [(Choice.A, []), (Choice.B, ["contradicted"])])
def test_first_opinions_are_what_a_model_is_held_against(
    client: GatewayClient, first: Choice, raised: list[str]
) -> None:
    queries = ask(client, 8, opinions=2)
    client.note_claims({query.id: Claim(0.9, unanimous=True) for query in queries})
    second = Choice.B if first is Choice.A else Choice.A
    for rater, choice in (("ann", first), ("ben", second)):
        for _ in queries:
            client.answer(lease(client, rater), rater, choice, 1.0)
    run = Fooled(client)
    run.offer(60)
    run.gateway.step()
    assert [alarm.sign for alarm in client.alarms()] == raised


@pytest.mark.parametrize(("choice", "usual"), [(Choice.A, True), (Choice.B, False)])
def test_two_answers_against_a_sure_model_make_it_check_more(
    client: GatewayClient, choice: Choice, usual: bool
) -> None:
    queries = ask(client, 12)
    client.note_claims({query.id: Claim(0.9, unanimous=True) for query in queries})
    for said in (Choice.A,) * 10 + (choice,) * 2:
        client.answer(lease(client, "ann"), "ann", said, 1.0)
    run = Fooled(client, replace(LABELS, budget=1000, check_share=0.05))
    run.offer(200)
    asked = run.gateway.step()
    checks = Counter(query.chosen_by for query in client.asked())["check"]
    assert asked >= 10 and client.alarms() == []
    assert checks <= asked / 5 if usual else checks >= asked / 3, checks


def test_an_honest_run_is_silent(client: GatewayClient) -> None:
    run = Fooled(client)
    for share in np.linspace(0, 1, 11):
        run.go_on(float(share), agree=True)
    assert client.alarms() == []
    assert Counter(query.chosen_by for query in client.asked())["check"] > 10
    doubted = {name for name, claim in client.claims().items() if claim.doubted}
    assert doubted == {query.id for query in client.asked() if query.chosen_by == "disagreement"} != set()


def test_what_was_looked_at_is_not_scored_again(client: GatewayClient) -> None:
    run = Fooled(client)
    run.go_on(0.0, agree=True)
    run.gateway.step()
    scored: list[int] = []
    run.gateway._score = lambda observation, action: scored.append(len(observation))
    for _ in range(5):
        run.gateway.step()
    assert scored == []
    run.offer(20)  # of newer policies
    run.gateway.step()
    assert len(scored) == 1


def test_a_look_that_the_reward_service_missed_is_taken_when_it_is_back(client: GatewayClient) -> None:
    run = Fooled(client)
    run.go_on(0.0, agree=True)
    run.gateway.step()
    asked: list[int] = []

    def away(observation: np.ndarray, action: np.ndarray) -> None:
        asked.append(len(observation))

    run.offer(20)  # of newer policies
    run.gateway._score = away
    for _ in range(2):
        run.gateway.step()
        run.gateway._scoring_from = 1e-9  # the pause is over
    assert len(asked) == 2

    def back(observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int]:
        asked.append(len(observation))
        return run.score(observation, action)

    run.gateway._score = back
    for _ in range(3):
        run.gateway.step()
    assert len(asked) == 3, "and once it was taken, not again"
