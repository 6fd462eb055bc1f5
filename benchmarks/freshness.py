"""Freshness: from the server's answer to the mart, with `frazil run --watch` and 100 events a second arriving.

Twice, each in a lake of its own: new orders alone, and with each tenth event telling of a new customer, so that the
models which find people have work in every build. The orders' arrival in the mart is measured.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from benchmarks.report import report
from ingestion.demo.server import free_url, running_server
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from ingestion.webhooks.client import Connection, Target
from ingestion.webhooks.generator.plain import plain_customers, plain_orders
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.signatures import sign
from ingestion.webhooks.sources import SourceConfig, load_source
from tests.support.spark import link_jars

RATE = 100
ALONE, WITH_PEOPLE = 0, 10
SECONDS = int(os.environ.get("FRAZIL_BENCH_SECONDS", "120"))
PATIENCE = 180.0
MART = "marts.sales_dashboard_daily"


@contextmanager
def watching(environment: dict[str, str], log: Path) -> Iterator[None]:
    """`frazil run --watch 1` as a process of its own."""
    program = "import sys; from ingestion.cli import main; sys.argv[0] = 'frazil'; main()"
    with log.open("wb") as output:
        words = [sys.executable, "-c", program, "run", "--watch", "1"]
        process = subprocess.Popen(words, env={**os.environ, **environment}, stdout=output, stderr=output)
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


def is_order(number: int, every: int) -> bool:
    """Whether the event of that number is an order, where every so many is a person's (0: none)."""
    return not every or number % every > 0


def events(first: int, count: int, every: int) -> Iterator[Delivery]:
    """Orders from `first` on, and the people who have not come with those before: `count` events."""
    orders = plain_orders(first, count, orders=100_000)
    people = plain_customers(first // (every - 1) if every else 0, count)
    for number in range(count):
        yield next(orders if is_order(number, every) else people)


async def send(url: str, source: SourceConfig, first: int, count: int, every: int) -> list[float]:
    """Post events at the rate; returns when each order was acknowledged (seconds since 1970)."""
    connection = Connection(Target.parse(url))
    answered = []
    started = time.time()
    for number, delivery in enumerate(events(first, count, every)):
        await asyncio.sleep(max(0.0, started + number / RATE - time.time()))
        headers = msgspec.json.decode(delivery.headers) | sign(source, delivery.body, time.time())
        answer = await connection.request("POST", "/webhooks/shopify", headers, delivery.body)
        if answer.status != 200:
            raise RuntimeError(f"the server answered {answer.status}")
        if is_order(number, every):
            answered.append(time.time())
    connection.close()
    return answered


def arrivals(catalog: Catalog) -> list[tuple[float, int]]:
    """When each snapshot of the mart was committed, and how many orders it held."""
    table = catalog.load_table(MART)
    return [
        (
            snapshot.timestamp_ms / 1000,
            sum(
                table.scan(selected_fields=("order_count",), snapshot_id=snapshot.snapshot_id)
                .to_arrow()["order_count"]
                .to_pylist()
            ),
        )
        for snapshot in table.snapshots()
    ]


def await_orders(catalog: Catalog, count: int) -> list[tuple[float, int]]:
    """Wait until the mart holds `count` orders; raises RuntimeError if it does not come to that."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            found = arrivals(catalog)
        except NoSuchTableError:
            found = []
        if found and found[-1][1] >= count:
            return found
        time.sleep(0.5)
    raise RuntimeError(f"{MART} never held {count} orders")


def measure(name: str, every: int) -> None:
    """Two hundreds of events warm up a full build and one of changes; then `SECONDS` of load are measured."""
    with tempfile.TemporaryDirectory(prefix="frazil-bench-") as folder:
        home = Path(folder).resolve()
        link_jars(home)
        environment = {"FRAZIL_HOME": str(home), "SHOPIFY_WEBHOOK_SECRET": "of-this-benchmark"}
        source = load_source(Settings().config_dir / "webhooks" / "shopify.yaml", environment)
        catalog = open_catalog(Settings(home=home))
        url = free_url()
        with running_server(url, environment, home / "server.log"), watching(environment, home / "run.log"):
            before, warm_ups = 0, []
            for _ in range(2):
                began = time.monotonic()
                before += len(asyncio.run(send(url, source, before, 100, every)))
                await_orders(catalog, before)
                warm_ups.append(round(time.monotonic() - began, 1))
            answered = asyncio.run(send(url, source, before, RATE * SECONDS, every))
            found = await_orders(catalog, before + len(answered))
    delays = sorted(
        next(at for at, orders in found if orders > before + number) - moment for number, moment in enumerate(answered)
    )
    p95 = delays[int(len(delays) * 0.95)]
    inputs = {
        "orders": len(answered),
        "customers": RATE * SECONDS - len(answered),
        "per_second": RATE,
        "median_seconds": round(delays[len(delays) // 2], 2),
        "worst_seconds": round(delays[-1], 2),
        "warm_ups_seconds": warm_ups,
        "builds": sum(1 for at, _ in found if at >= answered[0]),
    }
    report(name, p95, "s", "<= 30", p95 <= 30, inputs)


def main() -> None:
    measure("freshness_p95", ALONE)
    measure("freshness_with_people_p95", WITH_PEOPLE)


if __name__ == "__main__":
    main()
