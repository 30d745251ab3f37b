"""A run's labeling page: how it is configured, who is let in, and the page of a run that is not training."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from backflip.config import TrainConfig
from backflip.errors import UserError
from backflip.run_folder import RunFolder, open_run_folder
from backflip.supervisor import Supervisor
from backflip.system import open_store, probe_task
from contracts.address import is_loopback, split_address
from labeling_gateway.client import GatewayClient
from labeling_gateway.config import LabelsConfig
from labeling_gateway.embedded import free_port
from labeling_gateway.store import StoreError
from labeling_gateway.tickets import OWNER, open_tickets
from labeling_gateway.vendors.config import BrokerConfig, read_vendors, secrets_of
from labeling_gateway.web.config import WebConfig
from labeling_gateway.web.links import base_url, label_link, noted, owner_link

INVITATION_HOURS = 7 * 24.0


def page_config(
    config: TrainConfig, folder: RunFolder, question: str, reward_address: str, *, training: bool
) -> WebConfig:
    """The page of a run, at the address that its labels ask for; port 0 is a free one.

    Raises:
        UserError: the address cannot be listened on, or TLS lacks a file.
    """
    labels = config.labels
    hosts = tuple(labels.hosts)
    if not training:
        labels = replace(labels, source="web", vendors="")  # vendors are asked by a run that trains
    if labels.vendors:
        hosts += _public_names(labels.vendors)
    host, port = split_address(labels.address)
    if port == 0:
        labels = replace(labels, address=f"{_bracketed(host)}:{free_port()}")
    _require_free(labels.address)
    for file in (labels.tls_cert, labels.tls_key):
        if file and not Path(file).is_file():
            raise UserError(f"there is no file {file}, which TLS needs")
    return WebConfig(
        run=folder.run,
        task=config.preset,
        question=question,
        budget=labels.budget,
        folder=str(folder.page.resolve()),
        address=labels.address,
        reward_address=reward_address,
        training=training,
        allow_remote=labels.allow_remote,
        tls_cert=labels.tls_cert and str(Path(labels.tls_cert).resolve()),
        tls_key=labels.tls_key and str(Path(labels.tls_key).resolve()),
        hosts=hosts,
        vendors=labels.vendors and str(Path(labels.vendors).resolve()),
    )


def broker_config(config: TrainConfig, page: WebConfig) -> BrokerConfig:
    """The broker of a run whose labeling page knows vendors."""
    labels = config.labels
    return BrokerConfig(
        run=page.run,
        vendors=page.vendors,
        page=page.folder,
        public_url=base_url(page),
        budget=labels.budget,
        seed=config.seed,
        teacher_beta=labels.teacher_beta,
        teacher_mistakes=labels.teacher_mistakes,
        teacher_tie=labels.teacher_tie,
    )


def page_answers(config: WebConfig) -> bool:
    """Whether somebody accepts connections there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)
    try:
        socket.create_connection((host, config.port), timeout=0.2).close()
    except OSError:
        return False
    return True


def let_in(config: WebConfig, client: GatewayClient, labels: LabelsConfig) -> list[str]:
    """Lines with the links for whoever started the run; the labeling page opens where there is a display."""
    tickets = open_tickets(config.run, config.secrets_file)
    invitation = tickets.invite(OWNER, INVITATION_HOURS)
    client.note_invitation(noted(invitation))
    base = base_url(config)
    link = label_link(base, tickets, invitation)
    if labels.open and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(link)
    lines = [f"answer questions at {link}", f"look after the run at {owner_link(base, tickets)}"]
    if not is_loopback(config.host) and not config.tls:
        lines.append(f"others can reach {config.address}, and nothing is encrypted: --labels.tls-cert adds that")
    return lines


def serve_labels_of_run(path: Path, labels: LabelsConfig) -> None:
    """Serve the labeling page of a run that is not training, until SIGINT or SIGTERM.

    Args:
        labels: address, TLS and names to serve by; the rest is the run's own.

    Raises:
        UserError: there is no such run, it is being trained or learns from no answers, or the address is taken.
    """
    from labeling_gateway.web.serving import serve  # FastAPI takes a second to import

    folder = open_run_folder(path)
    config = folder.read_config()
    if not config.needs_labels:
        raise UserError(f"{folder.path} learns from a reward, not from answers: it has no questions")
    simulator = probe_task(config)
    question = simulator.scene.question
    simulator.close()
    served_by = {name: getattr(labels, name) for name in ("address", "allow_remote", "tls_cert", "tls_key", "hosts")}
    config = replace(config, labels=replace(config.labels, **served_by))
    with folder.held():
        page = page_config(config, folder, question, "", training=False)
        store = open_store(folder)
        supervisor = Supervisor()
        try:
            if store.embedded is not None:
                supervisor.adopt("label store", store.embedded.alive, store.embedded.restart)
            supervisor.wait_up()
            with closing(GatewayClient(store.url, folder.run)) as client:
                for line in let_in(page, client, labels):
                    print(line, file=sys.stderr, flush=True)
            serve(page, store.url)
        except (StoreError, OSError, ValueError) as error:
            raise UserError(str(error)) from None
        finally:
            supervisor.stop()
            store.stop()


def _public_names(vendors: str) -> tuple[str, ...]:
    """By which vendors ask for the page. Raises UserError where vendors.toml, or a secret that it names, is missing."""
    try:
        found = read_vendors(vendors)
        for vendor in found.outside:
            secrets_of(vendor)
    except ValueError as error:
        raise UserError(f"labels.vendors: {error}") from None
    name = urlsplit(found.public_url).hostname
    return (name,) if name else ()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _require_free(address: str) -> None:
    host, port = split_address(address)
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot listen on {address}: {reason}; choose another --labels.address") from None
