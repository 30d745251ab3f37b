"""vendors.toml, and who is given what by it."""

from __future__ import annotations

import tomllib
from decimal import Decimal

import pytest

from labeling_gateway.vendors.config import parse_vendors, read_vendors, secrets_of
from labeling_gateway.vendors.http import checked_url
from labeling_gateway.vendors.intake import rater_name
from labeling_gateway.vendors.routing import Stand, share_out

WHOLE = """
spend_cap = "100.00"
public_url = "https://labels.example.org/"

[vendors.acme]
kind = "http"
price = "0.05"
spend_cap = "60"
share = 3
secrets = {signing = "ACME_SECRET"}
options = {url = "https://acme.example/api"}

[vendors.page]
kind = "page"
"""


def test_a_whole_file() -> None:
    config = parse_vendors(tomllib.loads(WHOLE))
    acme = config.find("acme")
    assert (acme.price, acme.spend_cap, acme.share) == (Decimal("0.05"), Decimal(60), 3.0)
    assert config.caps(acme).total == Decimal(100)
    assert config.public_url == "https://labels.example.org"
    assert [vendor.name for vendor in config.outside] == ["acme"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "http"', "", r"vendors.acme.kind must say"),
        ('"0.05"', "0.05", r'vendors.acme.price must be an amount in quotes, such as "0.05"'),
        ('"0.05"', '"0.0000001"', r"six decimals at most"),
        ('"0.05"', '"-1"', r"must be an amount"),
        ('"0.05"', '"nan"', r"must be an amount"),
        ('spend_cap = "60"', "", r"vendors.acme.spend_cap must say what it may cost"),
        ('spend_cap = "100.00"', "", r"^spend_cap must say what all vendors"),
        ("share = 3", "share = 0", r"vendors.acme.share must be a number above 0"),
        ("share = 3", "at_once = 1.5", r"must be a whole number above 0"),
        ("share = 3", "colour = 3", r"vendors.acme has no setting 'colour'"),
        ('"ACME_SECRET"', '"whsec_abc=="', r"secrets must name environment variables"),
        ("https://labels", "http://labels", r"public_url must be https"),
        ("[vendors.page]", "[vendors.Page]", r"lower-case"),
        ('kind = "http"', 'kind = "page"', r"one labeling page"),
    ],
)
def test_a_mistake_is_named_in_one_line(old: str, new: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        parse_vendors(tomllib.loads(WHOLE.replace(old, new, 1)))
    assert "\n" not in str(refused.value)
    assert "whsec_abc" not in str(refused.value), "a secret that was put there by mistake is not repeated"


def test_a_file_that_is_not_there_or_no_toml(tmp_path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        read_vendors(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("vendors =")
    with pytest.raises(ValueError, match=r"bad.toml: "):
        read_vendors(tmp_path / "bad.toml")


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    acme = parse_vendors(tomllib.loads(WHOLE)).find("acme")
    monkeypatch.delenv("ACME_SECRET", raising=False)
    with pytest.raises(ValueError, match="needs the environment variable ACME_SECRET"):
        secrets_of(acme)
    monkeypatch.setenv("ACME_SECRET", "x")
    assert secrets_of(acme) == {"signing": "x"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "acme",
        "ftp://acme.example",
        "http://acme.example",
        "https://a:b@acme.example",
        "https://acme.example?x=1",
        7,
    ],
)
def test_only_https_beyond_this_machine(url: object) -> None:
    with pytest.raises(ValueError, match=r"options\.url"):
        checked_url(url, "options.url")


def test_loopback_may_be_plain() -> None:
    assert checked_url("http://127.0.0.1:9/api/", "url") == "http://127.0.0.1:9/api"


def test_equals_get_their_share_over_time() -> None:
    given = {"a": 0, "b": 0}
    for _ in range(10):
        stands = [Stand("a", 3, 1, given["a"], 100), Stand("b", 1, 1, given["b"], 100)]
        for name, count in share_out(4, stands).items():
            given[name] += count
    assert given == {"a": 30, "b": 10}


def test_priority_comes_before_share_and_room_before_both() -> None:
    stands = [Stand("first", 1, 1, 50, 3), Stand("second", 9, 2, 0, 4), Stand("third", 1, 3, 0, 100)]
    assert share_out(10, stands) == {"first": 3, "second": 4, "third": 3}
    assert share_out(2, []) == {}


def test_no_two_workers_share_a_name() -> None:
    assert rater_name("acme", "worker 7") == "acme-worker 7"
    odd = {rater_name("acme", name) for name in ("a/b", "a:b", "a_b", "x" * 70, "x" * 71, "ü" * 200)}
    assert len(odd) == 6
    assert all(len(name) <= 64 for name in odd)
