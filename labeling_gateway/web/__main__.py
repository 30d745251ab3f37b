"""The labeling page's process: `python -m labeling_gateway.web --config FILE`."""

from __future__ import annotations

import argparse
import logging
import sys

from contracts import lifetime, log
from labeling_gateway.polling import store_url
from labeling_gateway.store import StoreError
from labeling_gateway.web.config import WebConfig
from labeling_gateway.web.serving import serve

logger = logging.getLogger("backflip.labeling_page")


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


if __name__ == "__main__":
    sys.exit(main())
