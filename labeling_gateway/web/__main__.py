"""The labeling page's process: `python -m labeling_gateway.web --config FILE`."""

from __future__ import annotations

import argparse
import logging
import resource
import socket
import sys
from contextlib import suppress

import uvicorn

from contracts import lifetime, log
from labeling_gateway.client import GatewayClient
from labeling_gateway.polling import store_url
from labeling_gateway.store import StoreError
from labeling_gateway.web.app import make_app
from labeling_gateway.web.config import WebConfig, is_loopback
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.tickets import open_tickets

logger = logging.getLogger("backflip.labeling_page")

_HEADER_BYTES = 32 * 1024
_BACKLOG = 2048
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
            make_app(desk),
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
    logger.info("labeling page of run %s on %s", config.run, config.address)
    server.run(sockets=[listening])


def _listen(config: WebConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(f"cannot listen on {config.address}: {error.strerror}; choose another labels.address") from None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m labeling_gateway.web")
    parser.add_argument("--config", required=True, help="JSON of a WebConfig")
    arguments = parser.parse_args()
    log.setup("page")
    lifetime.end_with_parent()
    try:
        config = WebConfig.from_file(arguments.config)
        serve(config, store_url())
    except (StoreError, OSError, ValueError) as error:
        logger.error("%s", error)
        return 1
    return 0


def _allow_connections(count: int) -> None:
    """A thousand labelers are a thousand open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))


if __name__ == "__main__":
    sys.exit(main())
