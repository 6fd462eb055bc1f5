"""A drained journal is rows in raw and in the quarantine, each once, and the counts say so."""

import threading
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from pyiceberg.catalog import Catalog

from ingestion.errors import ContractError, RetryableError, UsageError
from ingestion.lake.append import MARK_PREFIX
from ingestion.lake.batch import Batch, Counts
from ingestion.lake.journals import HeldJournal, HeldJournals
from ingestion.lake.loop import run_sink
from ingestion.lake.quarantine import QUARANTINE
from ingestion.lake.sink import Flush, Limits, Sink, drain, ensure_tables
from ingestion.lake.status import journals
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.webhooks.events import RawRow, Reader, Rejected
from ingestion.webhooks.journal import Delivery, Journal
from ingestion.webhooks.sources import load_sources
from tests.unit.lake.deliveries import broken, column, contacts, journalled, order, sample


def test_every_kind_of_delivery_is_accounted_for(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [*(order(number) for number in range(7)), broken(1), sample(1)])
    journalled(settings, [contacts(1, good=3, bad=2), contacts(2, good=0, bad=0)], worker="w1")

    counts = drain(settings)

    assert (counts.entries, counts.empty, counts.elements) == (11, 1, 14)
    assert (counts.rows, counts.rejected, counts.skipped) == (10, 4, 0)
    assert counts.tables == {"raw.shopify_orders": 7, "raw.hubspot_contacts": 3, QUARANTINE: 4}
    assert sorted(column(catalog, "raw.shopify_orders", "id")) == [str(number) for number in range(7)]
    assert sorted(column(catalog, QUARANTINE, "reason")) == ["no_key", "no_key", "not_json", "signature"]
    assert column(catalog, QUARANTINE, "is_sample").count(True) == 1


def test_without_any_webhook_source_deliveries_wait_in_the_quarantine(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    journalled(settings, [order(1)])

    counts = drain(settings.model_copy(update={"config_dir": tmp_path}))

    assert (counts.rows, counts.rejected) == (0, 1)
    assert column(catalog, QUARANTINE, "reason") == ["unknown_source"]


def test_a_row_keeps_the_body_byte_for_byte_and_the_platform_columns(settings: Settings, catalog: Catalog) -> None:
    delivery = order(1, note="café €")
    journalled(settings, [delivery])

    drain(settings)

    (row,) = catalog.load_table("raw.shopify_orders").scan().to_arrow().to_pylist()
    assert row["_payload"].encode() == delivery.body
    assert row["_webhook_topic"] == "orders/create"
    assert row["_op"] == "c"
    assert int(row["_received_at"].timestamp() * 1_000_000) == delivery.received_at
    assert row["_loaded_at"] is not None
    assert row["_run_id"]


def test_a_drained_journal_is_empty_and_draining_again_writes_no_snapshot(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [order(1), order(2)])
    drain(settings)

    again = drain(settings)

    with Journal.open(settings.journal_dir / "w0.db") as journal:
        assert journal.depth() == 0
    assert again == Counts()
    assert len(catalog.load_table("raw.shopify_orders").snapshots()) == 1


def test_one_flush_is_one_commit_per_table_for_all_journals(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [order(number) for number in range(6)], worker="a")
    journalled(settings, [order(number) for number in range(6, 12)], worker="b")

    drain(settings)

    stored = catalog.load_table("raw.shopify_orders")
    marks = {key: value for key, value in stored.properties.items() if key.startswith(MARK_PREFIX)}
    assert len(stored.snapshots()) == 1
    assert sorted(marks.values()) == ["6", "6"]


def test_limits_cut_the_work_into_flushes_without_losing_any(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [order(number) for number in range(100)])
    sink = Sink(settings, Limits(events=30))

    flushed = [done.counts.entries for done in sink.flushes()]

    sink.close()
    assert len(flushed) > 1
    assert sum(flushed) == 100
    assert sorted(map(int, column(catalog, "raw.shopify_orders", "id"))) == list(range(100))


@pytest.mark.parametrize("once", [True, False])
def test_to_be_stopped_is_a_failure_only_for_who_wanted_all(settings: Settings, *, once: bool) -> None:
    journalled(settings, [order(number) for number in range(20)])
    sink, stop, flushes = Sink(settings, Limits(events=5)), threading.Event(), list[Flush]()

    def report(done: Flush) -> None:
        flushes.append(done)
        stop.set()

    with pytest.raises(RetryableError, match="run it again") if once else nullcontext():
        run_sink(sink, stop, once=once, report=report)
    sink.close()

    assert [done.counts.rows for done in flushes] == [5]


def test_what_was_committed_before_a_crash_is_skipped_table_by_table(settings: Settings, catalog: Catalog) -> None:
    class Dying(Sink):
        """Commits one table and then is gone: the journal still has everything."""

        def commit(self, table, batch, **more):  # type: ignore[no-untyped-def]
            if table == "raw.shopify_orders":
                raise SystemExit
            return super().commit(table, batch, **more)

    journalled(settings, [order(1), contacts(1, good=2, bad=1), broken(1), order(2)])
    dying = Dying(settings)
    with pytest.raises(SystemExit):
        list(dying.flushes())
    dying.close()
    assert len(column(catalog, "raw.hubspot_contacts", "_event_id")) == 2

    counts = drain(settings)

    assert (counts.entries, counts.rows, counts.skipped) == (4, 2, 4)
    assert len(column(catalog, "raw.shopify_orders", "id")) == 2
    assert len(column(catalog, "raw.hubspot_contacts", "_event_id")) == 2
    assert len(column(catalog, QUARANTINE, "reason")) == 2


def test_what_belongs_to_another_table_after_a_crash_is_not_lost(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    class Dying(Sink):
        """Commits the quarantine and then is gone."""

        def commit(self, table, batch, **more):  # type: ignore[no-untyped-def]
            if table != QUARANTINE:
                raise SystemExit
            return super().commit(table, batch, **more)

    journalled(settings, [broken(1), order(2), order(3, note="text")])
    dying = Dying(settings)
    with pytest.raises(SystemExit):
        list(dying.flushes())
    dying.close()
    (tmp_path / "config" / "webhooks").mkdir(parents=True)
    document = yaml.safe_load((PROJECT_ROOT / "config" / "webhooks" / "shopify.yaml").read_text(encoding="utf-8"))
    document["objects"]["orders"]["columns"]["strict"] = {"path": "note", "type": "long"}
    (tmp_path / "config" / "webhooks" / "shopify.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    counts = drain(settings.model_copy(update={"config_dir": tmp_path / "config"}))

    assert (counts.rows, counts.rejected, counts.skipped) == (1, 1, 1)
    assert column(catalog, "raw.shopify_orders", "id") == ["2"]
    assert sorted(column(catalog, QUARANTINE, "reason")) == ["bad_value:strict", "not_json"]


def test_the_same_sink_goes_on_after_a_commit_that_failed(settings: Settings, catalog: Catalog) -> None:
    class Failing(Sink):
        failed = False

        def commit(self, table, batch, **more):  # type: ignore[no-untyped-def]
            if not self.failed:
                self.failed = True
                raise SystemExit
            return super().commit(table, batch, **more)

    journalled(settings, [order(number) for number in range(50)])
    sink = Failing(settings, Limits(events=20))
    with pytest.raises(SystemExit):
        list(sink.flushes())

    rest = [done.counts.rows for done in sink.flushes()]

    sink.close()
    assert sum(rest) == 50
    assert sorted(map(int, column(catalog, "raw.shopify_orders", "id"))) == list(range(50))


def test_a_journal_that_was_deleted_and_made_again_is_drained_from_its_start(
    settings: Settings, catalog: Catalog
) -> None:
    journalled(settings, [order(number) for number in range(10)])
    drain(settings)
    for path in settings.journal_dir.iterdir():
        if path.is_dir():
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
        else:
            path.unlink()
    journalled(settings, [order(number) for number in range(10, 15)])

    counts = drain(settings)

    assert counts.rows == 5
    assert sorted(map(int, column(catalog, "raw.shopify_orders", "id"))) == list(range(15))


@pytest.mark.parametrize("pattern", ["*", "*.log"])
def test_deliveries_after_the_loss_of_a_journals_files_are_drained(
    settings: Settings, catalog: Catalog, pattern: str
) -> None:
    journalled(settings, [order(number) for number in range(10)])
    drain(settings)
    (folder,) = settings.journal_dir.glob("*.segments")
    for file in folder.glob(pattern):
        file.unlink()
    journalled(settings, [order(number) for number in range(10, 15)])

    counts = drain(settings)

    assert counts.rows == 5
    assert sorted(map(int, column(catalog, "raw.shopify_orders", "id"))) == list(range(15))


def test_deliveries_wait_also_where_the_file_beside_them_is_gone(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [order(number) for number in range(10)])
    drain(settings)
    journalled(settings, [order(number) for number in range(10, 15)])
    for file in settings.journal_dir.glob("*.db*"):
        file.unlink()
    (seen,) = journals(settings.journal_dir)

    counts = drain(settings)

    assert seen["last_seq"] is not None
    assert counts.rows == 5
    assert sorted(map(int, column(catalog, "raw.shopify_orders", "id"))) == list(range(15))


def test_a_running_sink_notices_a_replaced_journal(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [order(1)])
    sink = Sink(settings)
    list(sink.flushes())
    settings.journal_dir.rename(settings.home_dir / "old")
    journalled(settings, [order(2), order(3)])

    rows = sum(done.counts.rows for done in sink.flushes())

    sink.close()
    assert rows == 2
    assert sorted(column(catalog, "raw.shopify_orders", "id")) == ["1", "2", "3"]


def test_an_unknown_source_and_a_file_that_is_no_journal_stop_nothing(settings: Settings, catalog: Catalog) -> None:
    stranger = Delivery("stranger", b"1", 1, b"{}", b"{}", None)
    journalled(settings, [order(1), stranger])
    (settings.journal_dir / "bad.db").write_bytes(b"not a database, not at all" * 100)
    sink = Sink(settings)

    (done,) = sink.flushes()

    assert list(sink.journals.unreadable) == [settings.journal_dir / "bad.db"]
    sink.close()
    assert done.counts.tables == {"raw.shopify_orders": 1, QUARANTINE: 1}
    assert column(catalog, QUARANTINE, "reason") == ["unknown_source"]


def test_a_column_added_to_a_source_is_there_with_the_next_flush(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    folder = tmp_path / "config" / "webhooks"
    folder.mkdir(parents=True)
    document = yaml.safe_load((PROJECT_ROOT / "config" / "webhooks" / "shopify.yaml").read_text(encoding="utf-8"))
    (folder / "shopify.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    ours = settings.model_copy(update={"config_dir": tmp_path / "config"})
    sink = Sink(ours)
    journalled(settings, [order(1, colour="red")])
    list(sink.flushes())

    document["objects"]["orders"]["columns"]["colour"] = "string"
    (folder / "shopify.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    journalled(settings, [order(2, colour="blue")], worker="w1")
    list(sink.flushes())

    sink.close()
    rows = catalog.load_table("raw.shopify_orders").scan(selected_fields=("id", "colour")).to_arrow().to_pylist()
    assert {row["id"]: row["colour"] for row in rows} == {"1": None, "2": "blue"}


def test_a_source_that_became_unreadable_is_used_as_it_was(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "webhooks"
    folder.mkdir(parents=True)
    good = (PROJECT_ROOT / "config" / "webhooks" / "shopify.yaml").read_text(encoding="utf-8")
    (folder / "shopify.yaml").write_text(good, encoding="utf-8")
    ours = settings.model_copy(update={"config_dir": tmp_path / "config"})
    sink = Sink(ours)

    (folder / "shopify.yaml").write_text("source: [", encoding="utf-8")
    journalled(settings, [order(1)])
    (done,) = sink.flushes()

    sink.close()
    assert done.counts.rows == 1
    with pytest.raises(UsageError):
        Sink(ours)


class Slipping(Reader):
    """A reader with a fault of its own: one order raises, another gives a row that no table can hold."""

    def split(self, delivery: Delivery) -> list[RawRow | Rejected]:
        found = super().split(delivery)
        if b'"id": 13' in delivery.body:
            raise ZeroDivisionError
        if b'"id": 14' in delivery.body and isinstance(found[0], RawRow):
            return [found[0]._replace(values=(object(), *found[0].values[1:]))]
        return found


def test_an_event_that_the_code_itself_cannot_handle_is_kept_and_stops_no_other(
    settings: Settings, catalog: Catalog
) -> None:
    sources = load_sources(settings.config_dir)
    schemas = ensure_tables(catalog, sources)
    journalled(settings, [order(number) for number in range(12, 17)])
    held = HeldJournals(settings.journal_dir)
    (journal,) = held.refresh()
    batch: Batch[HeldJournal] = Batch({"shopify": Slipping(sources["shopify"])}, schemas, lambda *_: 0, lambda *_: ())

    batch.take(journal, journal.read(100, 1 << 20))
    batch.finish()

    held.close()
    assert batch.counts.tables == {"raw.shopify_orders": 3, QUARANTINE: 2}
    assert set(pa.concat_tables(batch.rows[QUARANTINE])["reason"].to_pylist()) == {"split_failed"}


def test_a_lost_element_is_an_error() -> None:
    with pytest.raises(ContractError):
        Counts(entries=2, elements=2, rows=1).check()
