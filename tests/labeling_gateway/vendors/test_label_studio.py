"""A real Label Studio between a broker and an annotator who works through its API: `make test-label-studio`."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.label import Choice
from labeling_gateway.embedded import EmbeddedStore, free_port
from labeling_gateway.vendors.interface import Batch, Settings, Task, Vendor, Video
from labeling_gateway.vendors.label_studio import open_vendor
from tests.labeling_gateway.samples import log
from tests.labeling_gateway.vendors.brokers import broker_of, ledger_of, until
from tests.labeling_gateway.web.server import Server, ask, serving

pytestmark = [pytest.mark.label_studio, pytest.mark.timeout(900)]

LEGACY_TOKEN = "0123456789abcdef0123456789abcdef01234567"
START_SECONDS = 300.0  # its database is made first


@dataclass
class Studio:
    url: str
    personal_token: str

    def __post_init__(self) -> None:
        self.api = httpx.Client(
            base_url=f"{self.url}/api", headers={"authorization": f"Token {LEGACY_TOKEN}"}, timeout=60
        )

    def tasks(self, project: str) -> list[dict[str, Any]]:
        (found,) = self.api.get("/projects/", params={"title": project}).json()["results"]
        words = {"project": found["id"], "page_size": 100, "fields": "all"}
        last = time.monotonic() + 10.0
        while (answer := self.api.get("/tasks/", params=words)).is_error and time.monotonic() < last:
            time.sleep(0.25)  # it fails while a task that it lists is being deleted
        return answer.raise_for_status().json()["tasks"]

    def annotate(self, task: dict[str, Any], choice: str) -> None:
        region = {"from_name": "choice", "to_name": "left", "type": "choices", "value": {"choices": [choice]}}
        path = f"/tasks/{task['id']}/annotations/"
        self.api.post(path, json={"result": [region], "lead_time": 4.5}).raise_for_status()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    program = os.environ.get("LABEL_STUDIO", "")
    if not program:
        pytest.skip("LABEL_STUDIO names no Label Studio; `make test-label-studio` sets one up")
    folder, port = tmp_path_factory.mktemp("label-studio"), free_port()
    words = [program, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    words += ["--data-dir", str(folder), "--username", "owner@example.com", "--password", "a-long-password"]
    words += ["--enable-legacy-api-token", "--user-token", LEGACY_TOKEN]
    quiet = {"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false", "HOME": str(folder)}
    quiet |= {"SSRF_PROTECTION_ENABLED": "false"}  # or it would take no webhook to loopback
    with (folder / "label-studio.log").open("wb") as output:
        process = subprocess.Popen(words, env=os.environ | quiet, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        give_up = time.monotonic() + START_SECONDS
        while True:
            assert process.poll() is None and time.monotonic() < give_up, (folder / "label-studio.log").read_text()[
                -3000:
            ]
            try:
                httpx.get(f"{url}/health", timeout=5).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.5)
        made = httpx.post(f"{url}/api/token/", headers={"authorization": f"Token {LEGACY_TOKEN}"}, timeout=60)
        yield Studio(url, made.json()["token"])
    finally:
        process.terminate()
        process.wait(30)


def vendors_toml(path: Path, studio: Studio) -> Path:
    path.write_text(
        f'[vendors.fake]\nkind = "label-studio"\npoll_seconds = 0.2\ndeadline_hours = 1\n'
        f'[vendors.fake.secrets]\ntoken = "STUDIO_TOKEN"\n[vendors.fake.options]\nurl = "{studio.url}"\n'
    )
    return path


def opened(studio: Studio, token: str, run: str) -> Vendor:
    return open_vendor(Settings("fake", run, Decimal(0), {"url": studio.url}, {"token": token}))


def title(server: Server) -> str:
    return f"Backflip {server.config.run}"


@pytest.mark.parametrize("kind", ["personal", "legacy"])
def test_an_annotation_comes_back_as_one_label(
    valkey: EmbeddedStore, studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Its webhook goes to an address where nobody listens, and is lost."""
    monkeypatch.setenv("STUDIO_TOKEN", studio.personal_token if kind == "personal" else LEGACY_TOKEN)
    vendors = vendors_toml(tmp_path / "vendors.toml", studio)
    with serving(valkey.url, tmp_path, vendors=str(vendors)) as server:
        queries = ask(server, 3, cart_pole=True)
        broker = broker_of(server, vendors, tmp_path)
        broker.start()
        try:
            until(lambda: len(ledger_of(server).open()) == 3 and not ledger_of(server).unsubmitted(), broker, 60)
            tasks = {task["data"]["backflip_task"]: task for task in studio.tasks(title(server))}
            assert set(tasks) == {query.id for query in queries}
            hook = {"url": f"http://127.0.0.1:{free_port()}/lost", "project": tasks[queries[0].id]["project"]}
            hooked = studio.api.post("/webhooks/", json=hook | {"send_for_all_actions": True})
            assert hooked.is_success, hooked.text
            video = httpx.get(tasks[queries[0].id]["data"]["left"])
            assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
            studio.annotate(tasks[queries[1].id], "left")
            until(lambda: server.gateway.counts().used == 1, broker, 60)
            broker.kill()  # what is annotated meanwhile is found when it is back
            studio.annotate(tasks[queries[0].id], "cant_tell")
            broker.start()
            until(lambda: server.gateway.counts().used == 2, broker, 60)
            studio.annotate(tasks[queries[2].id], "equal")  # it has reconciled by now, and polls from where it was
            until(lambda: server.gateway.counts().used == 3, broker, 60)
        finally:
            broker.kill()
        assert ledger_of(server).account().trouble == ""
        labels = log(server.gateway)
        assert [(label.query, label.seconds) for label in labels] == [(queries[n].id, 4.5) for n in (1, 0, 2)]
        assert labels[0].choice is (Choice.B if labels[0].flipped else Choice.A)
        assert labels[1].choice is Choice.CANT_TELL


def test_an_import_that_is_sent_twice_is_one_task(
    valkey: EmbeddedStore, studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_TOKEN", studio.personal_token)
    vendors = vendors_toml(tmp_path / "vendors.toml", studio)
    with serving(valkey.url, tmp_path, vendors=str(vendors)) as server:
        (query,) = ask(server, 1, cart_pole=True)
        broker = broker_of(server, vendors, tmp_path)
        broker.start()
        try:
            until(lambda: len(ledger_of(server).open()) == 1 and not ledger_of(server).unsubmitted(), broker, 60)
            broker.kill()
            (task,) = studio.tasks(title(server))
            again = [{"data": task["data"]}]
            studio.api.post(f"/projects/{task['project']}/import", json=again).raise_for_status()
            assert len(studio.tasks(title(server))) == 2
            broker.start()  # it reconciles first
            until(lambda: len(studio.tasks(title(server))) == 1, broker, 60)
            studio.api.post(f"/projects/{task['project']}/import", json=again).raise_for_status()
            for twin in studio.tasks(title(server)):  # before anybody has noticed, both are annotated
                studio.annotate(twin, "equal")
            until(lambda: server.gateway.counts().used == 1, broker, 60)
            time.sleep(2)
        finally:
            broker.kill()
        (label,) = log(server.gateway)
        assert (label.query, label.choice) == (query.id, Choice.EQUAL)


def test_submit_again_and_cancel(studio: Studio) -> None:
    vendor = opened(studio, studio.personal_token, "cancelling")
    video = Video(url="http://127.0.0.1:9/clip.mp4")
    batch = Batch("batch", tuple(Task(f"00000{n}", "Which?", video, video, time.time() + 60) for n in range(3)))
    vendor.submit(batch, "key")
    vendor.submit(batch, "key")
    tasks = studio.tasks("Backflip cancelling")
    assert sorted(task["data"]["backflip_task"] for task in tasks) == sorted(batch.items)
    studio.annotate(tasks[0], "right")
    done = tasks[0]["data"]["backflip_task"]
    assert vendor.cancel(frozenset({*batch.items, "000009"})) == {*batch.items, "000009"} - {done}
    assert len(studio.tasks("Backflip cancelling")) == 1
    found = vendor.reconcile(frozenset({*batch.items}))
    assert [answer.task for answer in found.news] == [done]  # pyright: ignore[reportAttributeAccessIssue]
    assert found.unknown == {*batch.items} - {done}
