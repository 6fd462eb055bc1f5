"""Who is told of changed columns, by what, and what happens when that fails: real channels on loopback."""

import json
from pathlib import Path
from typing import Any

import apprise
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from ingestion.build.dbt import Dbt
from ingestion.bulk.model import Column, SourceTable
from ingestion.bulk.notify import follow
from ingestion.bulk.schema import recorded
from ingestion.bulk.sources import DatabaseSource
from ingestion.settings import Settings
from ingestion.stack.jvm import free_port
from tests.integration.bulk.lab import Lab
from tests.support.mail import mail_address, mail_server

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#data"
SNS = "sns://AHIAJGNT76XIMXDBIJYA/bu1dHSdO22pfaaVywmNsdljF4C07D3bndi9PQJ9/us-east-1/schema-changes"


def test_a_mail_that_could_not_be_sent_is_sent_by_the_next_load_and_only_once(
    pg: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("LAB_ADDRESS", mail_address(port))
    pg.configure(notifications=["${LAB_ADDRESS}"])
    pg.orders(20)
    pg.load()
    pg.sql("alter table orders add column colour text", "alter table orders drop column note")

    outcome = pg.load(is_resumed=False)["orders"]
    untold = changes(pg.catalog)
    with mail_server(port) as mails:
        pg.load()
        pg.load()
    told = changes(pg.catalog)

    assert outcome.status == "loaded", outcome.error
    assert [row["notification_sent"] for row in untold] == [False, False]
    (mail,) = mails
    assert (mail["to"], "raw.lab_orders: columns changed in lab" in mail["subject"]) == ("team@example.org", True)
    text = mail.get_body(("plain", "html"))
    assert text is not None
    assert "column colour (text) added" in text.get_content()
    assert "column note (character varying(200)) removed" in text.get_content()
    assert [row["notification_sent"] for row in told] == [True, True]
    assert [row["change_timestamp"] for row in told] == [row["change_timestamp"] for row in untold]
    assert all(row["notification_timestamp"] > row["change_timestamp"] for row in told)


def changes(catalog: Catalog) -> list[dict[str, Any]]:
    """All but the baselines, as they were recorded last."""
    rows = [row for row in recorded(catalog) if row["change_type"] != "baseline"]
    return sorted(rows, key=lambda row: row["change_type"])


@pytest.mark.parametrize(
    ("address", "kind"), [(mail_address(25), "NotifyEmail"), (SLACK, "NotifySlack"), (SNS, "NotifySNS")]
)
def test_addresses_of_mail_slack_and_sns_are_understood(address: str, kind: str) -> None:
    found = apprise.Apprise.instantiate(address)

    assert type(found).__name__ == kind


def test_an_address_that_is_none_is_told_and_the_others_are_served(
    pg: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    monkeypatch.setenv("GOOD_ADDRESS", mail_address(port))
    monkeypatch.setenv("BAD_ADDRESS", "pigeon://tell-nobody")
    pg.configure(notifications=["${BAD_ADDRESS}", "${GOOD_ADDRESS}"])
    pg.orders(20)
    pg.load()
    pg.sql("alter table orders add column colour text")

    with mail_server(port) as mails:
        pg.load(is_resumed=False)

    assert len(mails) == 1
    assert "notification_address_unreadable" in caplog.messages
    assert "tell-nobody" not in caplog.text


def test_who_reads_the_table_is_in_the_mail_and_in_the_record(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = free_port()
    block = {"name": "shop", "dialect": "postgres", "database": "shop", "user": "reader"}
    source = DatabaseSource.model_validate({**block, "notifications": [mail_address(port)]})
    columns = [Column(name, "text", pa.field(name, pa.string())) for name in ("user_id", "colour")]
    before, after = (SourceTable("public", "users", "raw.shop_users", tuple(columns[:count])) for count in (1, 2))
    assert Dbt(settings).manifest  # as `frazil run` leaves it

    follow(catalog, source, before)
    with mail_server(port) as mails:
        follow(catalog, source, after)

    (mail,), (row,) = mails, changes(catalog)
    text = mail.get_body(("plain", "html"))
    assert text is not None
    assert "Read by: " in text.get_content()
    assert "stg_shop_users" in text.get_content()
    assert {"stg_shop_users", "shop_users_history"} <= set(json.loads(row["downstream"]))
    assert row["notification_sent"]
