"""One sink per journal: a second one on the same journals gives way, on other journals it works beside the first."""

import json
import os
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


def test_one_that_may_wait_ends_when_the_other_has_brought_in_what_was_there(
    settings: Settings, catalog: Catalog
) -> None:
    journalled(settings, [order(number) for number in range(3)], worker="w0")
    service = Sink(settings)
    service.journals.refresh()
    journalled(settings, [order(number) for number in range(3, 5)], worker="w1")
    frazil = Path(sys.executable).with_name("frazil")
    words = [str(frazil), "sink", "run", "--once", "--wait", "240", "--json"]

    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as second:
        assert second.stderr is not None
        waits = next(line for line in second.stderr if "waiting_for_another_sink" in line)
        assert len(column(catalog, "raw.shopify_orders", "id")) == 2  # its own
        journalled(settings, [order(5)], worker="w0")  # too late to be waited for
        list(service.flushes())
        told = second.communicate()[0]

    assert '"deliveries": 3' in waits
    assert second.returncode == 0
    assert json.loads(told)["rows"] == 2
    assert len(column(catalog, "raw.shopify_orders", "id")) == 6
    service.close()


def test_one_that_has_waited_long_enough_exits_75_and_says_for_whom(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [order(1)])
    service = Sink(settings)
    service.journals.refresh()

    frazil = Path(sys.executable).with_name("frazil")
    second = subprocess.run(
        [frazil, "sink", "run", "--once", "--wait", "0.1"], capture_output=True, text=True, check=False
    )
    service.close()

    assert second.returncode == 75
    assert f"1 deliveries still wait for the sink that drains w0.db (process {os.getpid()})" in second.stderr
    assert column(catalog, "raw.shopify_orders", "id") == []


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
