"""The links that open a page: whoever has one is let in, so each is shown to its reader alone."""

from __future__ import annotations

import ipaddress
import socket
import time
from contextlib import suppress
from typing import Any

from labeling_gateway.tickets import Invitation, Tickets
from labeling_gateway.web.config import WebConfig


def base_url(config: WebConfig) -> str:
    """Where browsers find the page; a name of this machine where it listens on every address."""
    host = config.host
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_unspecified:
            host = config.hosts[0] if config.hosts else socket.gethostname()
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if config.tls else 'http'}://{host}:{config.port}"


# What lets somebody in stands in the fragment, which browsers send to nobody and no log has.


def label_link(base: str, tickets: Tickets, invitation: Invitation) -> str:
    return f"{base}/label#invitation={tickets.write_invitation(invitation)}"


def owner_link(base: str, tickets: Tickets) -> str:
    return f"{base}/dashboard#owner_token={tickets.owner_token}"


def noted(invitation: Invitation) -> dict[str, Any]:
    """What the store keeps of an invitation, for the owner to look at and to revoke."""
    return {
        "id": invitation.id,
        "rater": invitation.rater,
        "created_at": round(time.time(), 3),
        "expires_at": round(invitation.expires_at, 3),
    }
