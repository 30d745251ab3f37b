"""The vendors' broker in a process of its own: `python -m labeling_gateway.vendors --config FILE`."""

from __future__ import annotations

import argparse
import logging
import sys

from contracts import lifetime, log
from labeling_gateway.polling import poll, store_url, told_to_end
from labeling_gateway.store import StoreError
from labeling_gateway.vendors.broker import Broker
from labeling_gateway.vendors.config import BrokerConfig, read_vendors

logger = logging.getLogger("backflip.vendors")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m labeling_gateway.vendors")
    parser.add_argument("--config", required=True, help="JSON of a BrokerConfig")
    arguments = parser.parse_args()
    log.setup("vendors")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every address
    lifetime.end_with_parent()
    told = told_to_end()

    def work() -> bool:
        broker = Broker(config, vendors, store_url(), told)
        names = ", ".join(one.settings.name for one in broker.liaisons)
        logger.info("giving questions of run %s to %s", config.run, names or "nobody but the labeling page")
        broker.run()
        return True

    try:
        config = BrokerConfig.from_file(arguments.config)
        vendors = read_vendors(config.vendors)
        poll(work, told, 0.0)
    except (StoreError, ValueError, OSError) as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
