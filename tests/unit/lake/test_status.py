"""`status` tells what waits and what is there, without reading a row."""

from pyiceberg.catalog import Catalog

from ingestion.lake import status
from ingestion.lake.sink import drain
from ingestion.settings import Settings
from tests.unit.lake.deliveries import broken, journalled, order


def test_what_waits_is_told_per_journal(settings: Settings) -> None:
    journalled(settings, [order(number) for number in range(7)], worker="busy")
    journalled(settings, [order(9)], worker="idle")
    drain(settings)
    journalled(settings, [order(number) for number in range(20, 23)], worker="busy")

    found = {row["journal"]: row for row in status.journals(settings.journal_dir)}

    assert (found["busy"]["waiting"], found["busy"]["last_seq"]) == (3, 10)
    assert found["busy"]["oldest_seconds"] > 0
    assert (found["idle"]["waiting"], found["idle"]["oldest_seconds"]) == (0, None)


def test_rows_are_told_per_table(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [order(1), order(2), broken(3)])
    drain(settings)

    found = {row["table"]: row for row in status.tables(catalog)}

    assert found["raw.shopify_orders"]["rows"] == 2
    assert found["metadata.quarantine"]["rows"] == 1
    assert found["raw.stripe_charges"]["rows"] == 0
    assert found["raw.shopify_orders"]["last_commit_at"] is not None
    assert status.watermarks(catalog) == []


def test_a_broken_journal_is_told_and_hides_no_other(settings: Settings) -> None:
    journalled(settings, [order(1)])
    (settings.journal_dir / "bad.db").write_bytes(b"nothing like a database" * 100)

    found = {row["journal"]: row for row in status.journals(settings.journal_dir)}

    assert "problem" in found["bad"]
    assert found["w0"]["waiting"] == 1
