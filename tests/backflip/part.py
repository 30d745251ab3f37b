"""A part for the supervisor: `python -m tests.backflip.part --config FILE`. The file is the JSON of what it does."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from contracts import lifetime, log


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    told = json.loads(parser.parse_args().config.read_text())
    log.setup("part")
    if told["does"] == "live":
        lifetime.end_with_parent()
    with Path(told["starts"]).open("a") as file:
        file.write(f"{time.monotonic()}\n")
    if told["does"] == "die":
        print("noise", file=sys.stderr)
        print("its config is wrong", file=sys.stderr)
        return 1
    time.sleep(600)
    return 0


if __name__ == "__main__":
    sys.exit(main())
