"""What COPY prints of any text is read as that text, wherever blocks begin and end."""

import itertools

import pytest

from ingestion.bulk.dialects.postgres import copy
from ingestion.bulk.model import Chunk
from tests.integration.bulk.lab import Lab

WHOLE = Chunk("all", "", 0, 0)
PARTS = ("\\", "\\N", "N", "n", "\n", "\t", "\r", "\b", "\f", "\v", ",", '"', " ", "ÿ", "\ufeff", "\x01")


def read(lab: Lab, name: str) -> list[tuple[object, ...]]:
    table = lab.tables()[name]
    with lab.dialect.snapshot(lab.source, 1) as snapshot, snapshot.reader() as reader:
        rows = [row for batch in reader.read(table, WHOLE) for row in batch.to_pylist()]
    return [tuple(row[column.field.name] for column in table.columns) for row in rows]


@pytest.mark.parametrize("block_bytes", [1, 300, 1 << 20])
def test_every_text_is_read_as_it_is_stored(pg: Lab, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr(copy, "_BLOCK_BYTES", block_bytes)
    texts = ["".join(parts) for length in range(4) for parts in itertools.product(PARTS, repeat=length)]
    pg.sql("create table texts (note text, number integer)")
    with pg.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into texts select * from unnest(%s::text[], %s::int[])", (texts, list(range(len(texts))))
        )
        cursor.execute("insert into texts values (null, null)")

    found = read(pg, "texts")
    assert len(found) == len(texts) + 1
    assert {(number, text) for text, number in found} == {*enumerate(texts), (None, None)}


def test_an_empty_text_that_is_the_whole_row_is_a_row(pg: Lab) -> None:
    pg.sql("create table texts (note text)", "insert into texts values (''), (null), ('\\.'), ('')")

    assert read(pg, "texts") == [("",), (None,), ("\\.",), ("",)]
