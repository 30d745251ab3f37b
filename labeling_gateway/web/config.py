"""How the labeling page's process runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from contracts.address import split_address
from labeling_gateway.address import check_address


@dataclass(frozen=True)
class Limits:
    """What one process lets in. A bucket holds ``burst`` requests and gains ``rate`` a second."""

    session_rate: float = 30.0  # of one session
    session_burst: int = 120
    stranger_rate: float = 20.0  # of one address: requests without a session, log-ins that failed or are under way
    stranger_burst: int = 300
    body_bytes: int = 64 * 1024
    body_seconds: float = 10.0  # within which a body must have come
    connections: int = 4096


@dataclass(frozen=True)
class WebConfig:
    """One labeling page, of one run.

    Raises:
        ValueError: the address is none, or lies beyond loopback and that was not asked for.
    """

    run: str
    task: str  # what the run learns, as people call it
    question: str
    budget: int  # the run's own; an owner may have set another since
    folder: str  # of this page's own files: secrets, videos
    address: str = "127.0.0.1:8020"
    reward_address: str = ""  # "" where no reward service runs
    training: bool = True  # whether anybody asks new questions
    allow_remote: bool = False
    tls_cert: str = ""
    tls_key: str = ""
    hosts: tuple[str, ...] = ()  # names by which browsers may ask for it, besides those of this machine
    vendors: str = ""  # path of vendors.toml; "" where the run has none
    static: str = ""  # folder of the built pages; "" for the one beside this file
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        check_address(self.address, allow_remote=self.allow_remote)

    @property
    def host(self) -> str:
        return split_address(self.address)[0]

    @property
    def port(self) -> int:
        return split_address(self.address)[1]

    @property
    def tls(self) -> bool:
        return bool(self.tls_cert)

    @property
    def secrets_file(self) -> Path:
        return Path(self.folder) / "secrets.json"

    @property
    def videos(self) -> Path:
        return Path(self.folder) / "videos"

    @property
    def pages(self) -> Path:
        return Path(self.static) if self.static else Path(__file__).parent / "static"

    @staticmethod
    def from_file(path: str | Path) -> WebConfig:
        """Raises ValueError where the file is not such a config."""
        try:
            fields = json.loads(Path(path).read_bytes())
            known = {"limits": Limits(**fields.get("limits", {})), "hosts": tuple(fields.get("hosts", ()))}
            return WebConfig(**fields | known)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"cannot use the config {path}: {error}") from error
