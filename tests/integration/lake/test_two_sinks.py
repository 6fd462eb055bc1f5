"""One sink per journal: a second one on the same journals gives way, on other journals it works beside the first."""

import subprocess
import sys
import threading
from pathlib import Path

from pyiceberg.catalog import Catalog

from ingestion.lake.sink import Limits, Sink, drain
from ingestion.settings import Settings
from tests.unit.lake.deliveries import column, journalled, order, repeated


def test_a_second_sink_on_the_same_journals_says_who_holds_them_and_exits_75(
    settings: Settings, catalog: Catalog
) -> None:
    journalled(settings, [order(1)])
    first = Sink(settings)
    first.journals.refresh()

    frazil = Path(sys.executable).with_name("frazil")
    second = subprocess.run([frazil, "sink", "run", "--once"], capture_output=True, text=True, check=False)

    assert second.returncode == 75
    assert "another sink drains w0.db" in second.stderr
    assert column(catalog, "raw.shopify_orders", "id") == []
    first.close()
    assert drain(settings).rows == 1


def test_two_sinks_on_two_journals_write_the_same_table_in_one_order(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [order(number) for number in range(100)], worker="w0")
    one = Sink(settings, Limits(events=10))
    one.journals.refresh()
    journalled(settings, [order(number) for number in range(100, 200)], worker="w1")
    two = Sink(settings, Limits(events=10))
    two.journals.refresh()
    rows: dict[str, int] = {}

    def work(name: str, sink: Sink) -> None:
        rows[name] = sum(done.counts.rows for done in sink.flushes())

    threads = [threading.Thread(target=work, args=pair) for pair in (("one", one), ("two", two))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    one.close()
    two.close()
    ids = column(catalog, "raw.shopify_orders", "id")
    snapshots = catalog.load_table("raw.shopify_orders").snapshots()
    stamps = [int(found.summary["frazil.loaded-at"] or 0) for found in snapshots if found.summary]
    assert rows == {"one": 100, "two": 100}
    assert repeated(ids) == {}
    assert len(ids) == 200
    assert stamps == sorted(set(stamps))


def test_a_journal_given_back_is_taken_over_where_it_was_left(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [order(number) for number in range(20)])
    first = Sink(settings, Limits(events=5))
    flushes = first.flushes()
    next(flushes)
    flushes.close()
    first.close()

    drain(settings)

    ids = column(catalog, "raw.shopify_orders", "id")
    assert repeated(ids) == {}
    assert len(ids) == 20
