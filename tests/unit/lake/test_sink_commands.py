"""The commands of the lake, as a person or a program calls them."""

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from pyiceberg.catalog import Catalog

from ingestion.cli import cli
from ingestion.errors import PermanentError, RetryableError, UsageError
from ingestion.settings import Settings
from tests.unit.lake.deliveries import broken, column, journalled, order


def frazil(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words), catch_exceptions=True)


def test_a_drain_is_told_as_one_json_document(settings: Settings) -> None:
    journalled(settings, [order(1), order(2), broken(3)])

    done = frazil("sink", "run", "--once", "--json")

    told = json.loads(done.stdout)
    assert (told["entries"], told["rows"], told["rejected"]) == (3, 2, 1)
    assert told["tables"] == {"raw.shopify_orders": 2, "metadata.quarantine": 1}


def test_the_quarantine_is_listed_shown_and_refused_when_still_unreadable(settings: Settings) -> None:
    journalled(settings, [broken(3)])
    frazil("sink", "run", "--once")

    listed = json.loads(frazil("quarantine", "list", "--json").stdout)
    shown = json.loads(frazil("quarantine", "show", listed[0]["quarantine_id"], "--json").stdout)
    as_text = frazil("quarantine", "show", listed[0]["quarantine_id"]).stdout
    replayed = frazil("quarantine", "replay", listed[0]["quarantine_id"])

    assert [row["reason"] for row in listed] == ["not_json"]
    assert shown["body"] == broken(3).body.decode()
    assert broken(3).body.decode() in as_text
    assert isinstance(replayed.exception, PermanentError)


def test_what_staging_leaves_out_by_a_rule_is_listed_and_shown_with_the_quarantine(
    settings: Settings, catalog: Catalog
) -> None:
    journalled(settings, [broken(3), order(4, currency="XXQ")])
    frazil("sink", "run", "--once")
    (event,) = column(catalog, "raw.shopify_orders", "_event_id")
    found = {"source_table": "raw.shopify_orders", "record_id": "4", "rule": "unknown_currency", "_event_id": event}
    row = pa.Table.from_pylist([{**found, "_built_at": datetime.now(UTC)}])
    catalog.create_table("metadata.rejected_rows", row.schema).append(row)
    identity = f"{event}:unknown_currency"

    listed = json.loads(frazil("quarantine", "list", "--source", "shopify", "--json").stdout)
    left_out = json.loads(frazil("quarantine", "list", "--state", "left_out", "--json").stdout)
    by_reason = json.loads(frazil("quarantine", "list", "--reason", "not_json", "--json").stdout)
    shown = json.loads(frazil("quarantine", "show", identity, "--json").stdout)
    replayed = json.loads(frazil("quarantine", "replay", "--reason", "unknown_currency", "--json").stdout)

    assert {(one["reason"], one["state"]) for one in listed} == {("not_json", "open"), ("unknown_currency", "left_out")}
    assert [(one["quarantine_id"], one["object"]) for one in left_out] == [(identity, "orders")]
    assert [one["reason"] for one in by_reason] == ["not_json"]
    assert shown["body"] == order(4, currency="XXQ").body.decode()
    assert (shown["topic"], shown["detail"]) == ("orders/create", "raw.shopify_orders, record 4")
    assert (replayed["selected"], replayed["left_out"]) == (0, 1)
    assert isinstance(frazil("quarantine", "replay", identity).exception, UsageError)
    assert isinstance(frazil("quarantine", "show", "nobody:rule").exception, UsageError)


def test_a_lake_of_databases_alone_can_replay(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = {"dialect": "postgres", "host": "h", "database": "d", "user": "u", "password": "${SHOP_PASSWORD}"}
    (tmp_path / "sources.yaml").write_text(json.dumps({"sources": {"shop": block}}))
    monkeypatch.setenv("SHOP_PASSWORD", "x")
    monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(tmp_path))

    done = frazil("quarantine", "replay", "--source", "shop", "--json")

    assert (done.exit_code, json.loads(done.stdout)["selected"]) == (0, 0)


def test_wrong_use_is_told_as_such(settings: Settings) -> None:
    assert isinstance(frazil("sink", "run", "--wait", "5").exception, UsageError)
    assert isinstance(frazil("quarantine", "replay").exception, UsageError)
    assert isinstance(frazil("quarantine", "show", "nobody").exception, UsageError)
    assert isinstance(frazil("query", "select * from raw.nothing").exception, UsageError)


def test_a_query_prints_rows_as_a_list_of_objects(settings: Settings) -> None:
    journalled(settings, [order(1)])
    frazil("sink", "run", "--once")

    done = frazil("query", "select id, total_price, created_at from raw.shopify_orders", "--json")

    assert json.loads(done.stdout) == [{"id": "1", "total_price": "12.50", "created_at": "2026-01-01T09:00:00Z"}]


@pytest.mark.parametrize("words", [("status",), ("status", "--all"), ("status", "--json")])
def test_status_works_before_and_after_the_first_event(settings: Settings, words: tuple[str, ...]) -> None:
    empty = frazil(*words)
    journalled(settings, [order(1)])
    frazil("sink", "run", "--once")
    filled = frazil(*words)

    assert (empty.exit_code, filled.exit_code) == (0, 0)
    assert "shopify" in filled.stdout


def test_a_damaged_journal_is_told_with_what_to_do_which_brings_all_once(settings: Settings, catalog: Catalog) -> None:
    journalled(settings, [order(number) for number in range(10)])
    frazil("sink", "run", "--once")
    journalled(settings, [order(number) for number in range(10, 13)])
    path = settings.journal_dir / "w0.db"
    for beside in settings.journal_dir.glob("w0.db-*"):
        beside.unlink()
    path.write_bytes(b"no journal at all" * 1000)

    refused = frazil("sink", "run", "--once")
    assert isinstance(refused.exception, PermanentError)
    assert "w0.db: file is not a database; stop the server, move the file aside" in str(refused.exception)

    path.rename(path.with_suffix(".damaged"))
    journalled(settings, [order(13)])  # as a server that has started again
    done = frazil("sink", "run", "--once")

    assert done.exit_code == 0, done.output
    assert sorted(map(int, column(catalog, "raw.shopify_orders", "id"))) == list(range(14))


def test_a_journal_that_cannot_be_read_now_is_to_be_tried_again(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    journalled(settings, [order(1)])

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken_disk:
        broken_disk.setattr(os, "fdatasync", failing)
        refused = frazil("sink", "run", "--once")
    done = frazil("sink", "run", "--once")

    assert isinstance(refused.exception, RetryableError)
    assert "Input/output error" in str(refused.exception)
    assert done.exit_code == 0, done.output
    assert column(catalog, "raw.shopify_orders", "id") == ["1"]
