"""The DAGs beside the pipeline, each run once on a lake of raw tables: what they find, and what they say of trouble."""

from pathlib import Path
from typing import Any

import pytest

from ingestion.lake.catalog import open_catalog
from ingestion.lake.sink import drain
from ingestion.webhooks.journal import Journal
from tests.orchestration.single_run import Once
from tests.unit.lake.deliveries import contacts

pytestmark = pytest.mark.spark

DATABASE = """
  books:
    dialect: postgres
    host: {host}
    port: {port}
    database: {database}
    user: {user}
    password: ${{BOOKS_PASSWORD}}
    schedule: 0 3 * * *
"""


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Six orders and one contact in raw, nothing built."""
    found = Once(tmp_path_factory.mktemp("nightly"))
    found.receive(0, 6)
    with Journal.open(found.settings.journal_dir / "worker-0.db") as journal:
        journal.append([contacts(1, good=1, bad=0)])
    drain(found.settings)
    return found


@pytest.mark.stress
def test_the_site_of_the_documentation_is_written(once: Once) -> None:
    assert once.run(dag="docs_site") == 0, once.output[-4000:]

    assert "sales_dashboard_daily" in (once.project / "docs/site/index.html").read_text(encoding="utf-8")


def test_a_source_that_is_late_and_tables_that_cannot_be_read_are_told_and_empty_ones_are_not(once: Once) -> None:
    rules = once.project / "models/staging/shopify/_sources.yml"
    text = rules.read_text(encoding="utf-8")
    late = text.replace("{warn_after: {count: 24, period: hour}}", "{error_after: {count: 0, period: minute}}")
    assert late != text
    rules.write_text(late, encoding="utf-8")
    catalog = open_catalog(once.settings)
    catalog.drop_table("raw.stripe_charges")
    broken = catalog.load_table("raw.stripe_customers").metadata_location
    catalog.close()
    Path(broken.removeprefix("file://")).unlink()

    code = once.run(dag="source_freshness")

    told = [one["cause"] for one in once.alerts() if one["kind"] == "sources_stale"]
    assert code == 1, once.output[-4000:]
    assert told, once.output[-6000:]
    assert told == ["shopify_orders (error), stripe_charges (unreadable), stripe_customers (unreadable)"]


@pytest.mark.stress
def test_a_database_is_proven_and_rows_that_raw_has_lost_fail_the_proof(
    once: Once, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = postgres.database()
    with postgres.connect(facts.database) as connection:
        connection.execute("create table titles (id int primary key, title text)")
        connection.execute("insert into titles values (1, 'one'), (2, 'two')")
    block = DATABASE.format(host=facts.host, port=facts.port, database=facts.database, user=facts.user)
    (once.project / "config/sources.yaml").write_text(f"sources:{block}", encoding="utf-8")
    monkeypatch.setenv("BOOKS_PASSWORD", facts.password)
    once.frazil("bulk", "load", "books")

    assert once.run(dag="reconciliation") == 0, once.output[-4000:]
    catalog = open_catalog(once.settings)
    catalog.load_table("raw.books_titles").delete()
    catalog.close()
    code = once.run(dag="reconciliation")

    assert code == 1, once.output[-4000:]
    (told,) = [one for one in once.alerts() if one["dag"] == "reconciliation"]
    assert "frazil reconcile books" in told["cause"]
    assert "exit 3" in told["cause"]
