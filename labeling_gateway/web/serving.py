"""Opens a run's labeling page and serves it."""

from __future__ import annotations

import gc
import logging
import resource
import socket
import sys
from contextlib import suppress

import uvicorn

from contracts.address import is_loopback
from labeling_gateway.client import GatewayClient
from labeling_gateway.tickets import open_tickets
from labeling_gateway.vendors.config import read_vendors
from labeling_gateway.web.app import make_app
from labeling_gateway.web.config import WebConfig
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.links import base_url
from labeling_gateway.web.vendor_desk import VendorDesk

logger = logging.getLogger("backflip.labeling_page")

_HEADER_BYTES = 32 * 1024
_BACKLOG = 2048
_SWITCH_SECONDS = 0.001  # a thread whose store has answered gets its turn soon, though requests keep coming
_GRACE_SECONDS = 3  # that open requests get at the end


def serve(config: WebConfig, url: str) -> None:
    """Until SIGTERM or SIGINT.

    Raises:
        StoreError: the store does not answer, or cannot promise to keep labels.
        OSError, ValueError: the secrets or the certificate cannot be used.
    """
    _allow_connections(config.limits.connections)
    client = GatewayClient(url, config.run)
    client.require_durable()
    desk = Desk(config, client, open_tickets(config.run, config.secrets_file))
    if not is_loopback(config.host) and not config.tls:
        logger.warning(
            "%s can be reached by others, and nothing is encrypted: labels.tls-cert adds that", config.address
        )
    listening = _listen(config)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(desk, _vendors(config, url)),
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=config.limits.connections,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            h11_max_incomplete_event_size=_HEADER_BYTES,
            ssl_certfile=config.tls_cert or None,
            ssl_keyfile=config.tls_key or None,
        )
    )
    _collect_rarely()
    sys.setswitchinterval(_SWITCH_SECONDS)
    logger.info("labeling page of run %s on %s", config.run, config.address)
    server.run(sockets=[listening])


def _vendors(config: WebConfig, url: str) -> VendorDesk | None:
    """Raises ValueError where vendors.toml, or a vendor that it names, cannot be used."""
    return VendorDesk(read_vendors(config.vendors), config.run, url, base_url(config)) if config.vendors else None


def _listen(config: WebConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on, and every answer waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.host, config.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on {config.address}: {error.strerror}; choose another labels.address") from None
    return listening


def _collect_rarely() -> None:
    """Looking through everything for garbage takes a tenth of a second, in which a thousand labelers wait.

    What is there by now stays, and what is made later is mostly kept for good as well or is no part of a cycle. So
    only what is young is looked through, and all of it once in a long while.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 1000)


def _allow_connections(count: int) -> None:
    """A thousand labelers are a thousand open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))
