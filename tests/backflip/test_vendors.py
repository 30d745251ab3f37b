"""A run whose questions go to vendors, as a user starts it; and a vendor's code tried outside a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from backflip.run_folder import RunFolder
from tests.backflip.commands import SMALL, assert_one_line, backflip, labels_of

BUDGET = 12
VENDORS = """
spend_cap = "1.00"

[vendors.first]
kind = "scripted"
price = "0.01"
spend_cap = "0.05"

[vendors.second]
kind = "scripted"
price = "0.01"
spend_cap = "1.00"
share = 2
"""


def test_a_run_is_answered_by_vendors_within_their_caps(tmp_path: Path) -> None:
    file = tmp_path / "vendors.toml"
    file.write_text(VENDORS)
    labels = ("--labels.source", "vendors", "--labels.vendors", file, "--labels.budget", str(BUDGET))
    page = ("--labels.address", "127.0.0.1:0", "--labels.no-open")
    done = backflip("train", "cartpole", *SMALL, *labels, *page, "--steps", "20000", "--out", tmp_path, "--name", "run")
    assert done.returncode == 0, done.stderr
    raters = Counter(label.rater for label in labels_of(RunFolder(tmp_path / "run")))
    assert set(raters) == {"first-scripted", "second-scripted"}
    assert raters.total() == BUDGET
    assert raters["first-scripted"] == 4, "a third of the questions, as its share says"


def test_a_mistake_in_the_file_ends_before_anything_trains(tmp_path: Path) -> None:
    file = tmp_path / "vendors.toml"
    file.write_text(VENDORS.replace('"0.05"', '"a lot"'))
    words = ("train", "cartpole", *SMALL, "--labels.source", "vendors", "--out", tmp_path)
    assert_one_line(backflip(*words, "--labels.vendors", file), "vendors.first.spend_cap must be an amount")
    assert_one_line(backflip(*words), "labels.source vendors and labels.vendors FILE go together")


def test_a_vendor_is_tried_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "vendors.toml"
    file.write_text('[vendors.acme]\nkind = "http"\n[vendors.acme.options]\nurl = "https://127.0.0.1:9"\n')
    assert_one_line(backflip("check-vendor", "other", "--vendors", file), "there is no vendor 'other'; there are acme")
    assert_one_line(backflip("check-vendor", "acme", "--vendors", file), "secrets.signing must name the environment")
    secrets = '[vendors.acme.secrets]\nsigning = "ACME_SIGNING"\n'
    file.write_text(file.read_text() + secrets)
    assert_one_line(backflip("check-vendor", "acme", "--vendors", file), "ACME_SIGNING, which is empty")
    signing = "whsec_c2VjcmV0LW9mLW5vLXZlbmRvcg=="
    done = backflip("check-vendor", "acme", "--vendors", file, ACME_SIGNING=signing)
    assert done.returncode == 1
    assert "ok      says what it can do" in done.stdout
    assert "FAILED  takes a batch in: Unavailable: POST /batches" in done.stdout
    assert signing not in done.stdout + done.stderr
