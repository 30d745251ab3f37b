"""The labeling page over TLS."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from labeling_gateway.embedded import EmbeddedStore
from labeling_gateway.web.links import base_url
from tests.labeling_gateway.web.server import Server, ask, serving
from tests.labeling_gateway.web.test_labeling import answer, lease


@pytest.fixture
def encrypted(valkey: EmbeddedStore, tmp_path: Path) -> Iterator[Server]:
    certificate, key = self_signed(tmp_path)
    with serving(valkey.url, tmp_path, tls_cert=str(certificate), tls_key=str(key)) as started:
        yield started


def test_everything_goes_over_https_and_the_cookie_nowhere_else(encrypted: Server) -> None:
    ask(encrypted, 1)
    assert encrypted.url.startswith("https://") and base_url(encrypted.config) == encrypted.url
    trusting = ssl.create_default_context(cafile=encrypted.config.tls_cert)
    with httpx.Client(base_url=f"{encrypted.url}/api/v1/", verify=trusting, timeout=60) as ann:
        entered = ann.post("sessions", json={"invitation": encrypted.invitation("ann")})
        assert entered.status_code == 201
        assert "; secure" in entered.headers["set-cookie"].lower()
        assert "max-age" in entered.headers["strict-transport-security"]
        assert answer(ann, lease(ann)[0]).status_code == 201
        ended = ann.delete("sessions")
        assert ended.status_code == 204 and "; secure" in ended.headers["set-cookie"].lower()
    assert encrypted.gateway.counts().used == 1
    link = encrypted.owner().post("invitations", json={"rater": "bob", "hours": 1}).json()["link"]
    assert link.startswith(f"{encrypted.url}/label#invitation=")


def test_who_does_not_trust_the_certificate_or_speaks_plainly_gets_nothing(encrypted: Server) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{encrypted.url}/label")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{encrypted.config.address}/label")


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine for an hour, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
