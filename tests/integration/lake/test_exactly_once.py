"""Each journalled delivery is in the lake exactly once, whenever the sink is killed and whatever is in its way."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from ingestion.lake.quarantine import QUARANTINE
from ingestion.lake.sink import Limits, Sink, drain
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.webhooks.journal import Delivery, Journal
from tests.unit.lake.deliveries import broken, column, contacts, journalled, order, repeated


class Feeder(threading.Thread):
    """Two workers' journals that grow until told to stop; `sent` is what is on disk."""

    def __init__(self, settings: Settings, seed: int) -> None:
        super().__init__()
        self.sent: list[Delivery] = []
        self.done = threading.Event()
        self._settings = settings
        self._chance = random.Random(seed)

    def run(self) -> None:
        folder = self._settings.journal_dir
        with Journal.open(folder / "w0.db") as one, Journal.open(folder / "w1.db") as two:
            number = 0
            while not self.done.is_set():
                group = [self._delivery(number + place) for place in range(self._chance.randint(1, 12))]
                number += len(group)
                self._chance.choice([one, two]).append(group)
                self.sent += group
                time.sleep(self._chance.uniform(0, 0.02))

    def _delivery(self, number: int) -> Delivery:
        kinds: list[Callable[[int], Delivery]] = [order, contacts, broken]
        return self._chance.choices(kinds, weights=[6, 2, 1])[0](number)


def assert_exactly_once(catalog: Catalog, sent: list[Delivery]) -> None:
    orders = [found for found in sent if found.source == "shopify" and found.reason is None]
    batches = [found for found in sent if found.source == "hubspot"]
    unreadable = [found for found in sent if found.reason is not None]
    payloads = column(catalog, "raw.shopify_orders", "_payload")
    events = column(catalog, "raw.hubspot_contacts", "_event_id")
    rejects = column(catalog, QUARANTINE, "quarantine_id")
    assert repeated(payloads) == repeated(events) == repeated(rejects) == {}
    assert {text.encode() for text in payloads} == {found.body for found in orders}
    assert len(events) == 2 * len(batches)
    assert len(rejects) == len(batches) + len(unreadable)


def killing(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "tests.integration.lake.killing", *words], cwd=PROJECT_ROOT, check=True)


def kill_sinks(settings: Settings, catalog: Catalog, rounds: int, seed: int) -> None:
    feeder = Feeder(settings, seed)
    feeder.start()
    try:
        killing("random", str(rounds), str(seed))
    finally:
        feeder.done.set()
        feeder.join()
    before = len(column(catalog, "raw.shopify_orders", "id"))

    counts = drain(settings)

    assert before > 0, "no killed sink committed anything: the test did not test"
    assert counts.elements == counts.rows + counts.rejected + counts.skipped
    assert_exactly_once(catalog, feeder.sent)


def test_sinks_killed_at_random_lose_and_repeat_nothing(settings: Settings, catalog: Catalog) -> None:
    kill_sinks(settings, catalog, rounds=10, seed=1)


@pytest.mark.stress
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_many_sinks_killed_at_random_lose_and_repeat_nothing(settings: Settings, catalog: Catalog, seed: int) -> None:
    kill_sinks(settings, catalog, rounds=60, seed=seed)


@pytest.mark.parametrize(
    "point",
    [
        "after the first table",
        "before the second table",
        "before the catalog knows",
        "before the journal is cleared",
        "after one journal is cleared",
    ],
)
def test_a_sink_killed_between_two_steps_is_finished_by_the_next(
    settings: Settings, catalog: Catalog, point: str
) -> None:
    one = [order(1), contacts(1), broken(1), order(2)]
    two = [contacts(2), order(3), broken(2)]
    journalled(settings, one, worker="w0")
    journalled(settings, two, worker="w1")

    killing("at", point)
    counts = drain(settings)

    assert counts.elements == counts.rows + counts.rejected + counts.skipped
    assert_exactly_once(catalog, one + two)


def test_a_smaller_batch_after_a_death_does_not_take_back_what_a_larger_one_committed(
    settings: Settings, catalog: Catalog
) -> None:
    one = [contacts(number) for number in range(1, 11)]
    two = [contacts(20)]
    for delivery in one:
        journalled(settings, [delivery], worker="w0")
    killing("at", "after the first table")
    journalled(settings, two, worker="w1")

    sink = Sink(settings, Limits(events=5))  # begins with w1, and has room for a part of w0 only
    list(sink.flushes())
    sink.close()

    assert_exactly_once(catalog, one + two)


def test_a_sink_told_to_stop_finishes_its_flush_and_exits_cleanly(settings: Settings, catalog: Catalog) -> None:
    drain(settings)
    journalled(settings, [order(number) for number in range(200)])
    frazil = Path(sys.executable).with_name("frazil")
    sink = subprocess.Popen([frazil, "sink", "run", "--json", "--flush-events", "50"], stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 120
        while not column(catalog, "raw.shopify_orders", "id") and time.monotonic() < deadline:
            time.sleep(0.1)
        sink.terminate()
        sink.communicate(timeout=60)
    finally:
        sink.kill()

    drain(settings)
    assert sink.returncode == 0
    assert_exactly_once(catalog, [order(number) for number in range(200)])
