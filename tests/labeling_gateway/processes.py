"""A gateway process whose reward model is a plain function: `python -m tests.labeling_gateway.processes FILE`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from contracts import log
from labeling_gateway.config import GatewayConfig
from labeling_gateway.polling import poll, store_url, told_to_end
from labeling_gateway.process import STEP_SECONDS, gateway_work
from tests.labeling_gateway.samples import score


def main() -> None:
    log.setup("gateway")
    config = GatewayConfig.from_file(sys.argv[1])
    told = told_to_end()
    opened: list[Callable[[], bool]] = []

    def work() -> bool:
        if not opened:
            opened.append(gateway_work(config, store_url(), score, lambda: None, told))
        return opened[0]()

    poll(work, told, STEP_SECONDS)


if __name__ == "__main__":
    main()
