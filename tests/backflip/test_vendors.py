"""A run whose questions go to vendors, as a user starts it; and a vendor's code tried outside a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from backflip.cli import main
from backflip.errors import UserError
from backflip.labeling_page import broker_config, page_config
from backflip.presets import PRESETS
from backflip.run_folder import RunFolder
from labeling_gateway.config import LabelsConfig
from labeling_gateway.web.config import WebConfig
from tests.backflip.commands import SMALL, backflip, labels_of

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


@pytest.mark.slow
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


def test_a_scripted_vendor_is_told_what_the_scripted_teacher_is_like(tmp_path: Path) -> None:
    labels = LabelsConfig(teacher_beta=2.0, teacher_mistakes=0.1, teacher_tie=3.0)
    page = WebConfig("run", "cartpole", "Which?", 1, str(tmp_path))
    told = broker_config(replace(PRESETS["cartpole"].config, labels=labels), page)
    assert (told.teacher_beta, told.teacher_mistakes, told.teacher_tie) == (2.0, 0.1, 3.0)


@pytest.mark.parametrize(
    ("harm", "with_", "said"),
    [
        ('"0.05"', '"a lot"', "vendors.first.spend_cap must be an amount"),
        ("[vendors.first]", "[vendors.first", "vendors.toml: "),
    ],
)
def test_a_mistake_in_the_file_ends_before_anything_trains(tmp_path: Path, harm: str, with_: str, said: str) -> None:
    file = tmp_path / "vendors.toml"
    file.write_text(VENDORS.replace(harm, with_, 1))
    labels = LabelsConfig(source="vendors", vendors=str(file), address="127.0.0.1:0")
    config = replace(PRESETS["cartpole"].config, labels=labels)
    with pytest.raises(UserError, match=r"labels\.vendors: ") as refused:
        page_config(config, RunFolder(tmp_path), "Which?", "", training=True)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_vendor_is_tried_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for pause, seconds in (("_SETTLE_SECONDS", 0.0), ("_RETRY_SECONDS", (0.0, 0.0))):
        monkeypatch.setattr(f"labeling_gateway.vendors.conformance.{pause}", seconds)
    file = tmp_path / "vendors.toml"
    table = '[vendors.acme]\nkind = "http"\n[vendors.acme.options]\nurl = "https://127.0.0.1:9"\n'

    def tried(name: str) -> tuple[int, str, str]:
        status = main(["check-vendor", name, "--vendors", str(file)])
        said = capsys.readouterr()
        return status, said.out, said.err

    file.write_text(table)
    assert tried("other") == (1, "", "backflip: error: there is no vendor 'other'; there are acme\n")
    assert "secrets.signing must name the environment" in tried("acme")[2]
    file.write_text(table + '[vendors.acme.secrets]\nsigning = "ACME_SIGNING"\n')
    assert "ACME_SIGNING, which is empty" in tried("acme")[2]
    signing = "whsec_c2VjcmV0LW9mLW5vLXZlbmRvcg=="
    monkeypatch.setenv("ACME_SIGNING", signing)
    status, said, error = tried("acme")
    assert status == 1
    assert "ok      says what it can do" in said
    assert "FAILED  takes a batch in: Unavailable: POST /batches" in said
    assert signing not in said + error
