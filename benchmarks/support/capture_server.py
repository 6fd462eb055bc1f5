"""The capture server as a process of its own: `python -m benchmarks.support.capture_server journal|none FOLDER`.

`none` is the same server that stores nothing: every delivery is answered as accepted. Prints its port.
"""

import sys
from pathlib import Path

from benchmarks.support.orders import shopify
from ingestion.webhooks.door import Door
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.limits import Limits
from ingestion.webhooks.server import Address, listen, run_worker
from ingestion.webhooks.worker import Worker
from ingestion.webhooks.writer import Stored


class Nowhere:
    """Stores nothing."""

    def submit(self, delivery: Delivery, stored: Stored) -> None:
        stored(True)


class WorkerWithoutStorage(Worker):
    """Everything of a worker but its journal."""

    async def open(self) -> Door:
        base_url = "http://127.0.0.1"
        return Door(self.sources.values(), base_url, self.limits, self.counters, Nowhere(), lambda: True)

    async def close(self) -> None:
        """There is nothing to close."""


def main() -> None:
    kind = {"journal": Worker, "none": WorkerWithoutStorage}[sys.argv[1]]
    address = Address("127.0.0.1", 0)
    listener = listen(address)
    limits = Limits(queue_ceiling=100_000_000)
    worker = kind({"shopify": shopify()}, Path(sys.argv[2]), base_url="http://127.0.0.1", limits=limits)
    print(listener.getsockname()[1], flush=True)
    run_worker(worker, listener, address)


if __name__ == "__main__":
    main()
