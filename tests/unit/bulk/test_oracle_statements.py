"""The statements that Oracle would be sent, as text: no server was at hand."""

from typing import Any

import pyarrow as pa
import pytest

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.dialects.oracle import chunks, connection, discovery, projection, snapshot
from ingestion.bulk.model import Chunk, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import PermanentError, RetryableError, UsageError

SOURCE = DatabaseSource(name="erp", dialect="oracle", database="ORCL", user="scott")
ATTRIBUTES = [
    ("ORDER_ID", "NUMBER", 10, 0, "N"),
    ("AMOUNT", "NUMBER", 12, 2, "Y"),
    ("ANY_NUMBER", "NUMBER", None, None, "Y"),
    ("ROUNDED", "NUMBER", 5, -2, "Y"),
    ("PLACED", "DATE", None, None, "Y"),
    ("EXACT", "TIMESTAMP(9)", None, 9, "Y"),
    ("MOMENT", "TIMESTAMP(6) WITH TIME ZONE", None, 6, "Y"),
    ("RATIO", "BINARY_DOUBLE", None, None, "Y"),
    ("NOTE", "VARCHAR2", None, None, "Y"),
    ("IMAGE", "BLOB", None, None, "Y"),
    ("OLD_NOTE", "LONG", None, None, "Y"),
    ("SHAPE", "SDO_GEOMETRY", None, None, "Y"),
]
KEYS = [("P", "PK", "ORDER_ID", None, None, None), ("R", "FK", "NOTE", "SCOTT", "NOTES", "NAME")]


def described(source: DatabaseSource = SOURCE, **more: Any) -> tuple[SourceTable, str]:
    return discovery.described(source.model_copy(update=more), ("SCOTT", "ORDERS", 1000, 10**9), ATTRIBUTES, KEYS)


def column(name: str, **more: Any) -> SourceTable:
    table, _ = described(**more)
    return SourceTable("SCOTT", "ORDERS", table.raw_name, tuple(one for one in table.columns if one.name == name))


def test_types_follow_the_contract() -> None:
    table, _ = described()

    assert {one.field.name: str(one.field.type) for one in table.columns} == {
        "order_id": "decimal128(10, 0)",
        "amount": "decimal128(12, 2)",
        "any_number": "string",
        "rounded": "string",
        "placed": "timestamp[us]",
        "exact": "timestamp[us]",
        "moment": "timestamp[us, tz=UTC]",
        "ratio": "double",
        "note": "string",
        "image": "binary",
    }
    assert (table.raw_name, table.key) == ("raw.erp_orders", ("ORDER_ID",))
    assert set(table.excluded) == {"OLD_NOTE", "SHAPE"}


@pytest.mark.parametrize(("policy", "kind"), [("double", pa.float64()), ("decimal(30,6)", pa.decimal128(30, 6))])
def test_number_without_precision_is_what_the_source_says(policy: str, kind: pa.DataType) -> None:
    assert column("ANY_NUMBER", number_without_precision=policy).columns[0].field.type == kind


def test_a_long_column_leaves_its_table_out_or_stops_the_load_as_told() -> None:
    _, reason = described(long_columns="skip_table")

    assert reason == "column OLD_NOTE is LONG, and long_columns is skip_table"
    with pytest.raises(UsageError, match=r"SCOTT\.ORDERS\.OLD_NOTE is LONG; set long_columns"):
        described(long_columns="error")


def test_every_chunk_is_read_as_of_the_scn() -> None:
    dialect = by_name("oracle")
    chunk = Chunk("x", "rowid >= chartorowid('AAA')", 1, 1)
    table = column("NOTE")

    made = [
        projection.at(sql, 42)
        for sql in (
            projection.wire(table, chunk),
            dialect.select(table, chunk),
            dialect.spark_select(table, chunk),
            dialect.row_hash(table, chunk.predicate),
            dialect.row_hashes(table, chunk.predicate),
        )
    ]

    wanted = 'from "SCOTT"."ORDERS" as of scn 42 where rowid >= chartorowid(\'AAA\')'
    assert [sql.endswith(wanted) for sql in made] == [True] * 5


def test_the_wire_has_numbers_and_times_as_exact_text() -> None:
    assert projection.wire(column("AMOUNT"), Chunk("x", "", 0, 0)) == (
        r"""select regexp_replace(to_char("AMOUNT", 'TM9'), '^(-?)\.', '\10.') from "SCOTT"."ORDERS" /*as of*/"""
    )
    assert "to_char(\"EXACT\", 'YYYY-MM-DD HH24:MI:SS.FF9')" in projection.wire(column("EXACT"), Chunk("x", "", 0, 0))


def test_spark_reads_the_typed_values_under_names_of_its_own() -> None:
    table, chunk = column("NOTE"), Chunk("x", "", 0, 0)

    assert by_name("oracle").spark_select(table, chunk) == (
        'select "NOTE" as "c0", cast(null as varchar2(1)) as "overflow" from "SCOTT"."ORDERS" /*as of*/'
    )


def test_parts_of_a_microsecond_and_years_before_the_first_overflow() -> None:
    exact = projection.select(column("EXACT"), Chunk("x", "", 0, 0))

    assert 'mod(extract(second from "EXACT") * 1000000, 1) = 0' in exact
    assert "\"EXACT\" >= timestamp '0001-01-01 00:00:00'" in exact
    assert "json_object(key 'exact' value case when not" in exact


def test_a_table_without_overflow_pays_nothing_for_it() -> None:
    assert projection.select(column("NOTE"), Chunk("x", "", 0, 0)) == (
        'select "NOTE" as "note", cast(null as varchar2(1)) as "_raw_overflow" from "SCOTT"."ORDERS" /*as of*/'
    )


def test_extents_are_joined_to_ranges_of_row_ids_without_gaps() -> None:
    table, _ = described()

    made = chunks.by_row_ids(table, [("A", 60), ("B", 60), ("C", 60), ("D", 20)], 100)

    assert [one.predicate for one in made] == [
        "rowid < chartorowid('C')",
        "rowid >= chartorowid('C')",
    ]
    assert [one.bytes for one in made] == [120, 80]


def test_a_composite_key_is_compared_column_by_column() -> None:
    table = SourceTable("S", "T", "raw.erp_t", (), key=("A", "B"))

    assert chunks.between(table, ("1", "'x'"), ("2", "'y'")) == (
        '("A" > 1 or ("A" = 1 and "B" >= \'x\')) and ("A" < 2 or ("A" = 2 and "B" < \'y\'))'
    )


def test_the_next_bound_is_looked_up_at_the_same_scn() -> None:
    table, _ = described()

    assert projection.at(chunks.next_bound(table, ("7",), 500), 42) == (
        'select to_char("ORDER_ID", \'TM9\') from "SCOTT"."ORDERS" as of scn 42 where "ORDER_ID" >= 7 '
        'order by "ORDER_ID" offset 500 rows fetch next 1 rows only'
    )


def test_rows_are_hashed_with_all_digits_and_exact_bits() -> None:
    dialect = by_name("oracle")

    assert "to_char(\"AMOUNT\", 'FM9999999990.00')" in dialect.row_hash(column("AMOUNT"), "")
    assert "utl_raw.cast_from_binary_double" in dialect.row_hash(column("RATIO"), "")
    assert "dbms_crypto.hash(" in dialect.row_hash(column("IMAGE"), "")
    assert "standard_hash(" in dialect.row_hash(column("NOTE"), "")


def test_spark_sessions_are_set_to_the_scn_and_positions_sort_as_text() -> None:
    made = snapshot.OracleSnapshot(SOURCE, 1, 987, 900)

    assert "dbms_flashback.enable_at_system_change_number(987)" in made.jdbc().session_statement
    assert made.jdbc().url == "jdbc:oracle:thin:@//127.0.0.1:1521/ORCL"
    assert (made.position.position, made.position.start) == ("00000000000000000987", "900")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ORA-01017: invalid username/password", UsageError),
        ("DPY-6001: cannot connect: service is not registered", UsageError),
        ("DPY-6005: cannot connect to database", RetryableError),
        ("ORA-00942: table or view does not exist", UsageError),
        ("ORA-01555: snapshot too old", RetryableError),
        ("ORA-03113: end-of-file on communication channel", RetryableError),
        ("ORA-00904: invalid identifier", UsageError),
    ],
)
def test_errors_say_whether_another_try_can_help(text: str, kind: type[Exception]) -> None:
    assert type(connection.explained(SOURCE, Exception(text), again=False)) is kind


def test_an_unknown_error_in_mid_load_is_permanent() -> None:
    found = connection.explained(SOURCE, Exception("ORA-00904: invalid identifier"), again=True)

    assert type(found) is PermanentError
