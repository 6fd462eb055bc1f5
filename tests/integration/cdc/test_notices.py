"""Changes of columns that come by the log are told to people before the rows are written."""

from collections.abc import Callable
from typing import Any

from ingestion.bulk.schema import recorded
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from ingestion.stack.jvm import free_port
from tests.integration.cdc.test_changes import _drained
from tests.support.debezium import Followed
from tests.support.mail import mail_address, mail_server


def test_a_column_that_comes_by_the_log_is_told_by_mail_once_and_before_its_rows(
    followed_postgres: Callable[..., tuple[Followed, Any]], settings: Settings
) -> None:
    port = free_port()
    found, connection = followed_postgres(
        "create table items (id int primary key, name text)", notifications=[mail_address(port)]
    )
    connection.execute(b"insert into items values (1, 'a')")
    _drained(settings, found, 1)

    with mail_server(port) as mails:
        connection.execute(b"alter table items add column colour text")
        connection.execute(b"insert into items values (2, 'b', 'blue')")
        rows = _drained(settings, found, 2)
        connection.execute(b"insert into items values (3, 'c', 'red')")
        _drained(settings, found, 3)

    (mail,) = mails
    catalog = open_catalog(settings)
    (told,) = (row for row in recorded(catalog) if row["change_type"] == "column_added")
    catalog.close()
    assert f"raw.{found.source.name}_items: columns changed in {found.source.name}" in mail["subject"]
    text = mail.get_body(("plain", "html"))
    assert text is not None
    assert "column colour (text) added" in text.get_content()
    assert told["notification_sent"]
    assert max(told["notification_timestamp"], told["change_timestamp"]) < rows[1]["_loaded_at"]
