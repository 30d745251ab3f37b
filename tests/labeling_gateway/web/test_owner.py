"""What the owner sees and does, over HTTP, against a real store and a real reward service."""

from __future__ import annotations

import io
import itertools
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from pyarrow import parquet

from contracts.clip import Clip
from labeling_gateway.alarms import Alarm
from labeling_gateway.embedded import EmbeddedStore
from reward_service.client import RewardClient
from tests.labeling_gateway.web.server import STEPS, Server, ask, hopper_clip, serving
from tests.labeling_gateway.web.test_labeling import answer, lease

REPORT = {
    "env_steps": 1000,
    "total_steps": 2000,
    "reward_model_accuracy": 0.75,
    "reward_model_accuracy_of": 90,
    "doing": {"actor 0": "sampling"},
    "troubles": ["actor 0: died once, see logs/actor_0.log"],
    "curves": {
        "env_steps": [0, 1000],
        "wall_seconds": [0.0, 1.0],
        "labels_used": [0, 2],
        "true_return": [None, 3.0],
        "predicted_return": [None, 1.5],
        "accuracy": [None, 0.75],
    },
}


def test_alarms_are_told_newest_first_with_when_they_ended(server: Server) -> None:
    first = Alarm("contradicted", 10.0, 1000, 5, 3, {"contradiction": 4.2})
    second = Alarm("unfamiliar", 20.0, 2000, 9, 4, {"unfamiliarity": 3.1})
    over = replace(first, ended_at=30.0, ended_env_steps=3000)
    for alarm in (first, second, over):
        server.gateway.note_alarm(alarm)
    told = server.owner().get("run").json()["alarms"]
    assert [(alarm["sign"], alarm["ended_at"]) for alarm in told] == [("unfamiliar", None), ("contradicted", 30.0)]
    assert told[1]["words"] == first.words
    assert told[1]["figures"] == {"contradiction": 4.2} and told[1]["env_steps"] == 1000
    assert server.gateway.alarms() == [over, second]


def test_everything_of_a_run_in_one_object(server: Server) -> None:
    ask(server, 3)
    ann, owner = server.labeler(), server.owner()
    answer(ann, lease(ann)[0])
    lease(ann)
    server.gateway.report_run(REPORT | {"reported_at": time.time()})
    run = owner.get("run").json()
    assert (run["asked"], run["open"], run["leased"], run["used"]) == (3, 1, 1, 1)
    assert (run["paused"], run["budget"]) == (False, 900)
    assert (run["held_out_accuracy"], run["held_out_accuracy_of"]) == (0.75, 90)
    assert run["answers_per_minute"] == 1.0
    assert run["alarms"] == []
    assert run["troubles"] == REPORT["troubles"] and "troubles" not in run["report"]
    assert run["doing"] == REPORT["doing"] and run["curves"] == REPORT["curves"]
    assert run["report"]["env_steps"] == 1000
    assert run["newest"] == server.gateway.read_labels("", 1)[0][0]
    server.gateway.report_run(REPORT | {"reported_at": time.time() - 60})
    time.sleep(0.6)
    over = owner.get("run").json()
    assert over["report"] is None and over["troubles"] == [], "it has said nothing for a while: it is not training"


def test_events_come_when_something_changed_and_not_too_often(server: Server) -> None:
    ask(server, 9)
    ann, owner = server.labeler(), server.owner()
    seen: list[dict] = []
    at: list[float] = []

    def listen() -> None:
        with owner.stream("GET", "events") as events:
            assert events.headers["content-type"].startswith("text/event-stream")
            for line in events.iter_lines():
                if line.startswith("data: "):
                    seen.append(json.loads(line.removeprefix("data: ")))
                    at.append(time.monotonic())
                    if seen[-1]["used"] == 6:
                        return

    listener = threading.Thread(target=listen)
    listener.start()
    give_up = time.monotonic() + 60
    while not seen:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    time.sleep(1.5)  # nothing happens
    begun = time.monotonic()
    for _ in range(6):
        answer(ann, lease(ann)[0])
        time.sleep(0.15)
    listener.join(60)
    assert not listener.is_alive()
    assert seen[-1]["used"] == 6 and len(seen) >= 2
    assert all(earlier != later for earlier, later in itertools.pairwise(seen)), "only what changed"
    assert seen[0]["used"] == 0 and all(view["leased"] or view["used"] for view in seen[1:])
    # Each may come late, and the next not: how many there were in the whole time is what tells.
    assert len(seen) - 2 <= (at[-1] - begun) / 0.45, "twice a second at most"


def test_pause_and_budget_are_set_for_all_to_see(server: Server) -> None:
    owner, ann = server.owner(), server.labeler()
    assert owner.put("run/paused", json={"paused": True}).json() == {"paused": True, "budget": 900}
    assert owner.put("run/budget", json={"budget": 50}).json() == {"paused": True, "budget": 50}
    task = ann.get("task").json()
    assert (task["paused"], task["budget"]) == (True, 50)
    control = server.gateway.control()
    assert (control.paused, control.budget) == (True, 50)
    assert owner.put("run/budget", json={"budget": -1}).status_code == 422
    assert owner.put("run/paused", json={"paused": "no"}).status_code == 422


def test_newest_answers_as_they_were_shown(server: Server) -> None:
    ask(server, 5)
    ann, owner = server.labeler(), server.owner()
    pairs = []
    for choice in ("left", "right", "equal", "cant_tell", "left"):
        pairs += lease(ann)
        answer(ann, pairs[-1], choice)
    ann.post("undo", json={"query": pairs[-1]["query"]})
    found = owner.get("labels", params={"limit": 4}).json()
    rows = found["labels"]
    assert [row["choice"] for row in rows] == ["withdrawn", "left", "cant_tell", "equal"]
    assert [row["standing"] for row in rows] == [False, False, True, True]
    older = owner.get("labels", params={"limit": 4, "before": found["before"]}).json()
    assert [row["choice"] for row in older["labels"]] == ["right", "left"] and older["before"] == ""
    for row, pair in zip(older["labels"], (pairs[1], pairs[0]), strict=True):
        for side in ("left", "right"):
            assert row[side] | {"poses": None} == pair[side]
        assert row["rater"] == "ann"


def test_a_raters_answers_are_withdrawn_and_asked_again(server: Server) -> None:
    ask(server, 3)
    ann, bob, owner = server.labeler("ann"), server.labeler("bob"), server.owner()
    for labeler in (ann, bob, ann):
        answer(labeler, lease(labeler)[0])
    rows = {row["name"]: row for row in owner.get("raters").json()["raters"]}
    assert (rows["ann"]["standing"], rows["bob"]["standing"]) == (2, 1)
    assert rows["ann"]["median_seconds"] == 2.5
    assert owner.post("raters/ann/withdrawal").json() == {"withdrawn": 2}
    assert owner.post("raters/ann/withdrawal").json() == {"withdrawn": 0}
    run = owner.get("run").json()
    assert (run["used"], run["open"]) == (1, 2)
    assert ann.get("task").json()["mine"] == 0
    assert len(server.gateway.read_labels("", 99)) == 5, "nothing is deleted"


def test_the_log_can_be_downloaded(server: Server) -> None:
    ask(server, 2)
    ann, owner = server.labeler(), server.owner()
    for _ in range(2):
        answer(ann, lease(ann)[0])
    got = owner.get("labels.parquet")
    assert got.headers["content-type"] == "application/vnd.apache.parquet"
    assert got.headers["content-disposition"] == f'attachment; filename="{server.config.run}.parquet"'
    table = parquet.read_table(io.BytesIO(got.content))
    assert table.num_rows == 2
    assert table.column("rater").to_pylist() == ["ann", "ann"]


def test_the_current_policy_with_its_reward(valkey: EmbeddedStore, tmp_path: Path, reward_address: str) -> None:
    with serving(valkey.url, tmp_path, reward_address=reward_address) as server:
        owner = server.owner()
        nothing = owner.get("policy")
        assert nothing.status_code == 404 and "no clip yet" in nothing.json()["error"]
        ask(server, 1)  # brings the scene
        server.gateway.show_newest([hopper_clip(number).to_bytes() for number in (8, 9, 7)])
        shown = owner.get("policy").json()
        assert (shown["policy_version"], shown["reward_version"], len(shown["reward"])) == (9, 1, STEPS)
        assert np.ptp(shown["reward"]) > 0
        poses = owner.get(f"clips/{shown['clip']['clip']}/poses")
        assert poses.headers["x-steps"] == str(STEPS)


def test_events_end_with_the_session_that_asked_for_them(server: Server) -> None:
    owner = server.owner()
    with owner.stream("GET", "events") as events:
        lines = events.iter_lines()
        assert next(lines).startswith("data: ")
        assert owner.delete("sessions").status_code == 204
        server.gateway.set_budget(7)  # something to tell
        for line in lines:
            assert not line.startswith((":", "data: ")), "it ends, and says nothing more"


def test_agreement_is_measured_on_what_people_said(valkey: EmbeddedStore, tmp_path: Path, reward_address: str) -> None:
    with serving(valkey.url, tmp_path, reward_address=reward_address) as server:
        ask(server, 6)
        ann, owner = server.labeler(), server.owner()
        assert owner.get("run").json()["agreement"] is None
        client = RewardClient(reward_address)
        for number in range(6):
            (pair,) = lease(ann)
            sums = []
            for side in ("left", "right"):
                clip = Clip.from_bytes(server.gateway.clip_data(pair[side]["clip"]))
                sums.append(client.score(clip.observation, clip.action).reward.sum())
            agrees = number < 4
            answer(ann, pair, "left" if (sums[0] > sums[1]) == agrees else "right")
        time.sleep(3.2)
        run = owner.get("run").json()
        assert (run["agreement"], run["agreement_of"]) == (0.667, 6)


def test_without_a_reward_service_there_is_no_bar(valkey: EmbeddedStore, tmp_path: Path) -> None:
    with serving(valkey.url, tmp_path, reward_address="127.0.0.1:1") as server:
        ask(server, 1)
        server.gateway.show_newest([hopper_clip(1).to_bytes()])
        shown = server.owner().get("policy").json()
        assert shown["reward"] == [] and shown["reward_version"] == 0


def test_invitations_go_to_the_address_that_was_asked(server: Server) -> None:
    owner = server.owner()
    made = owner.post(
        "invitations", json={"rater": "bob", "hours": 1}, headers={"Host": f"localhost:{server.config.port}"}
    ).json()
    assert made["link"].startswith(f"http://localhost:{server.config.port}/label#invitation=")
    for body in ({"rater": "", "hours": 1}, {"rater": "bob", "hours": 0}, {"rater": "a/b", "hours": 1}):
        assert owner.post("invitations", json=body).status_code == 422


def test_a_page_not_built_says_so(valkey: EmbeddedStore, tmp_path: Path) -> None:
    with serving(valkey.url, tmp_path, static=str(tmp_path / "nothing")) as server:
        page = server.stranger().get(f"{server.url}/label")
        assert page.status_code == 503 and "make setup" in page.text
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / "label.html").write_text("<title>label</title>")
    with serving(valkey.url, tmp_path, static=str(tmp_path / "built")) as server:
        browser = server.stranger()
        assert browser.get(f"{server.url}/", follow_redirects=True).text == "<title>label</title>"
        assert browser.get(f"{server.url}/static/label.html").status_code == 200
        assert browser.get(f"{server.url}/static/../server.json").status_code == 404
        assert replace(server.config).pages == tmp_path / "built"
