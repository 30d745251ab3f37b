"""Who is let in, for how long, and what another site's page can not do."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.tickets import Refused, Tickets, open_tickets
from labeling_gateway.web.config import Limits, WebConfig
from labeling_gateway.web.guard import CONTENT_SECURITY_POLICY
from tests.labeling_gateway.web.server import UNHURRIED, Server, ask, serving


def refused(answered: httpx.Response, status: int, *said: str) -> None:
    assert answered.status_code == status, answered.text
    problem = answered.json()
    assert list(problem) == ["error"] and "\n" not in problem["error"]
    for words in said:
        assert words in problem["error"]


def test_an_invitation_lets_its_rater_in(shared: Server) -> None:
    client = shared.stranger()
    refused(client.get("session"), 401, "log in")
    entered = client.post("sessions", json={"invitation": shared.invitation("ann")})
    assert entered.status_code == 201
    assert entered.json()["role"] == "labeler" and entered.json()["rater"] == "ann"
    assert client.get("session").json() == entered.json()
    cookie = entered.headers["set-cookie"].lower()
    assert cookie.startswith("backflip_session_")
    for flag in ("httponly", "samesite=strict", "path=/", "max-age=3600"):
        assert flag in cookie
    assert "secure" not in cookie, "this one has no TLS"


def test_the_owners_token_opens_everything_and_works_as_a_bearer(shared: Server) -> None:
    assert shared.owner().get("session").json()["role"] == "owner"
    token = {"Authorization": f"Bearer {shared.tickets.owner_token}"}
    program = shared.stranger()
    assert program.get("run", headers=token).status_code == 200
    assert program.put("run/paused", json={"paused": False}, headers=token).status_code == 200
    refused(program.get("run", headers={"Authorization": "Bearer nonsense"}), 401, "not the owner's token")
    refused(program.post("sessions", json={"owner_token": "nonsense"}), 401, "not the owner's token")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "run"),
        ("GET", "events"),
        ("GET", "labels"),
        ("GET", "labels.parquet"),
        ("GET", "raters"),
        ("GET", "invitations"),
        ("GET", "policy"),
        ("PUT", "run/paused"),
        ("PUT", "run/budget"),
        ("POST", "raters/ann/withdrawal"),
        ("POST", "invitations"),
        ("DELETE", "invitations/0123456789abcdef"),
    ],
)
def test_what_is_the_owners_is_not_for_labelers_or_strangers(shared: Server, method: str, path: str) -> None:
    refused(shared.stranger().request(method, path), 401)
    refused(shared.labeler().request(method, path), 403, "owner")


def test_owner_and_invitation_add_up_in_one_browser(shared: Server) -> None:
    owner = shared.owner()
    owner.post("sessions", json={"invitation": shared.invitation("ann")}).raise_for_status()
    assert (owner.get("session").json()["role"], owner.get("session").json()["rater"]) == ("owner", "ann")
    assert owner.get("run").status_code == 200


def test_what_is_forged_changed_or_over_is_refused(shared: Server) -> None:
    client = shared.stranger()
    good = shared.invitation("ann")
    body, mac = good.split(".")
    other_run = Tickets("another-run", b"k" * 32, "t").invite("ann", 1)
    forgeries = {
        "body of another": f"{shared.invitation('bob').split('.')[0]}.{mac}",
        "no mac": body,
        "empty mac": f"{body}.",
        "not base64": f"{body}.*",
        "another run's": Tickets("another-run", b"k" * 32, "t").write_invitation(other_run),
        "a session is no invitation": shared.tickets.write_session(
            shared.tickets.new_session("owner", "ann", "", time.time() + 60)
        ),
    }
    for what, ticket in forgeries.items():
        assert client.post("sessions", json={"invitation": ticket}).status_code == 401, what
    over = shared.tickets.write_invitation(replace(shared.tickets.invite("ann", 1), expires_at=time.time() - 1))
    refused(client.post("sessions", json={"invitation": over}), 401, "over", "ask for another")
    name = shared.labeler().cookies.jar.__iter__().__next__().name
    client.cookies.set(name, good)
    refused(client.get("task"), 401, "not of this run")


def test_a_session_ends_with_its_invitation(shared: Server) -> None:
    session = shared.tickets.new_session("labeler", "ann", "x", time.time() + 30)
    assert session.expires_at <= time.time() + 30


def test_logging_out_ends_the_session_also_for_a_copy_and_after_a_restart(server: Server) -> None:
    client = server.labeler()
    copy = server.stranger()
    copy.cookies.update(client.cookies)
    assert copy.get("session").status_code == 200
    assert client.delete("sessions").status_code == 204
    assert not client.cookies
    refused(copy.get("session"), 401, "ended")
    server.kill()
    server.start()
    refused(copy.get("session"), 401, "ended")


def test_sessions_outlive_a_restart(server: Server) -> None:
    client = server.labeler()
    server.kill()
    server.start()
    assert client.get("session").status_code == 200


def test_a_revoked_invitation_ends_its_sessions(shared: Server) -> None:
    owner = shared.owner()
    made = owner.post("invitations", json={"rater": "ann", "hours": 2})
    assert made.status_code == 201
    link = made.json()["link"]
    assert link.startswith(f"{shared.url}/label#invitation=")
    ann = shared.stranger()
    invitation = {"invitation": link.partition("#invitation=")[2]}
    assert ann.post("sessions", json=invitation).status_code == 201
    assert ann.get("task").status_code == 200
    assert owner.delete(f"invitations/{made.json()['id']}").status_code == 204
    refused(ann.get("task"), 401, "withdrawn")
    refused(ann.post("sessions", json=invitation), 401, "withdrawn")
    (listed,) = owner.get("invitations").json()["invitations"]
    assert (listed["rater"], listed["revoked"]) == ("ann", True)
    assert "link" not in listed


def test_what_another_page_of_the_run_revokes_ends_here_within_moments(shared: Server) -> None:
    made = shared.owner().post("invitations", json={"rater": "bob", "hours": 2}).json()
    bob = shared.stranger()
    assert bob.post("sessions", json={"invitation": made["link"].partition("#invitation=")[2]}).status_code == 201
    assert bob.get("session").status_code == 200
    shared.gateway.revoke_invitation(made["id"])
    deadline = time.monotonic() + 30.0
    while bob.get("session").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    refused(bob.get("session"), 401, "withdrawn")


def test_no_secret_is_in_the_log_or_readable_by_others(shared: Server) -> None:
    ann, owner = shared.labeler(), shared.owner()
    ann.get("task")
    owner.get("run")
    assert shared.stranger().post("sessions", json={"owner_token": shared.tickets.owner_token[:-1]}).status_code == 401
    secrets = json.loads(shared.config.secrets_file.read_text())
    for secret in (*secrets.values(), *ann.cookies.values(), *owner.cookies.values()):
        assert secret not in shared.said() and secret[:-1] not in shared.said()
    assert stat.S_IMODE(os.stat(shared.config.secrets_file).st_mode) == 0o600


def test_secrets_that_are_none_are_said_so(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    file.write_text("{}")
    with pytest.raises(ValueError, match=r"secrets\.json does not hold this run's secrets; delete it"):
        open_tickets("run", file)
    with pytest.raises(Refused, match="not of this run"):
        open_tickets("run", tmp_path / "new.json").read_session("x.y")


def test_every_answer_carries_what_keeps_browsers_safe(shared: Server) -> None:
    for path in ("/label", "/dashboard", "/api/v1/session", "/api/v1/openapi.json", "/nowhere", "/static/nothing.js"):
        headers = shared.stranger().get(shared.url + path).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
    assert "'unsafe" not in CONTENT_SECURITY_POLICY and "http" not in CONTENT_SECURITY_POLICY


def test_other_sites_pages_may_change_nothing(server: Server) -> None:
    ask(server, 1)
    ann = server.labeler()
    for origin in ("https://evil.example", "null", f"http://localhost:{server.config.port + 1}"):
        refused(ann.post("leases", json={}, headers={"Origin": origin}), 403, "another site")
    refused(ann.post("leases", json={}, headers={"Sec-Fetch-Site": "cross-site"}), 403, "another site")
    assert server.gateway.counts().leased == 0
    assert ann.post("leases", json={}, headers={"Origin": server.url}).status_code == 200


def test_a_rebound_name_is_not_served(shared: Server) -> None:
    ann = shared.labeler()
    refused(ann.get("task", headers={"Host": "evil.example"}), 421, "evil.example")
    refused(ann.get("task", headers={"Host": f"evil.example:{shared.config.port}"}), 421)
    for host in (f"localhost:{shared.config.port}", "127.0.0.1", f"[::1]:{shared.config.port}"):
        assert ann.get("task", headers={"Host": host}).status_code == 200, host


@pytest.mark.parametrize(
    ("content", "headers", "status", "said"),
    [
        (b"count=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "application/json"),
        (b"{}", {}, 415, "application/json"),
        (b"{", {"Content-Type": "application/json"}, 400, "not JSON"),
        (b'"' + b"x" * 65536 + b'"', {"Content-Type": "application/json"}, 413, "65536 bytes"),
        (b'{"count": 6}', {"Content-Type": "application/json"}, 422, "count"),
        (b'{"count": "1"}', {"Content-Type": "application/json"}, 422, "count"),
        (b'{"number": 1}', {"Content-Type": "application/json"}, 422, "number"),
        (b'{"count": NaN}', {"Content-Type": "application/json"}, 422, "count"),
        (b"\xff\xfe", {"Content-Type": "application/json"}, 400, ""),
    ],
)
def test_bodies_that_are_no_request_are_refused(
    shared: Server, content: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    ask(shared, 1)
    refused(shared.labeler().post("leases", content=content, headers=headers), status, said)
    assert shared.gateway.counts().leased == 0


def test_a_body_without_a_length_is_bounded_too(shared: Server) -> None:
    def endless():
        for _ in range(100):
            yield b" " * 1024

    refused(
        shared.labeler().post("leases", content=endless(), headers={"Content-Type": "application/json"}), 413, "bytes"
    )


def test_a_body_that_trickles_is_not_waited_for(valkey: EmbeddedStore, tmp_path: Path) -> None:
    with serving(valkey.url, tmp_path, limits=replace(UNHURRIED, body_seconds=0.3)) as server:
        host, port = server.config.host, server.config.port
        with socket.create_connection((host, port), timeout=60) as connection:
            lines = (
                "POST /api/v1/sessions HTTP/1.1",
                f"Host: {host}",
                "Content-Type: application/json",
                "Content-Length: 9",
            )
            connection.sendall("\r\n".join([*lines, "", "{"]).encode())
            assert b" 408 " in connection.recv(1024).splitlines()[0]


def test_who_asks_too_much_waits(valkey: EmbeddedStore, tmp_path: Path) -> None:
    rate = 0.01  # so slow that none comes back while the others are asked, also on a busy machine
    limits = Limits(session_rate=rate, session_burst=10, stranger_rate=rate, stranger_burst=5)
    with serving(valkey.url, tmp_path, limits=limits) as server:
        ann, bob = server.labeler("ann"), server.labeler("bob")
        statuses = [ann.get("session").status_code for _ in range(12)]
        assert statuses == [200] * 10 + [429] * 2
        told = ann.get("session")
        refused(told, 429, "wait")
        assert 50 < int(told.headers["retry-after"]) <= 100
        assert bob.get("session").status_code == 200, "it is ann who asks too much"
        guesses = [server.stranger().post("sessions", json={"owner_token": "guess"}).status_code for _ in range(8)]
        assert guesses[:4] == [401] * 4 and guesses[-1] == 429, "logging in well costs nothing, guessing does"


def test_beyond_loopback_must_be_asked_for() -> None:
    config = WebConfig(run="r", task="t", question="q", budget=1, folder="/nowhere")
    for address in ("0.0.0.0:8020", "10.0.0.1:8020", "[::]:8020", "box.example:8020"):
        with pytest.raises(ValueError, match=r"can be reached by others; add labels\.allow-remote"):
            replace(config, address=address)
        assert replace(config, address=address, allow_remote=True).port == 8020
    for address in ("8020", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", ":8020"):
        with pytest.raises(ValueError, match="must be HOST:PORT"):
            replace(config, address=address)
    assert replace(config, address="[::1]:8020").host == "::1"
